"""Smaller JPEGs of a picture. They are encoded from bare pixels, so no metadata can reach them."""

from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from trouvaille.vision.shrink import shrunk
from trouvaille.vision.types import Rendition

THUMB_SIDE_PX: Final = 480
VIEW_SIDE_PX: Final = 2048
_THUMB_QUALITY: Final = 80
_VIEW_QUALITY: Final = 85
_PLACEHOLDER_SIDE_PX: Final = 16
_PLACEHOLDER_QUALITY: Final = 20


def rendition(name: Literal["thumb", "view"], image_rgb: NDArray[np.uint8]) -> Rendition:
    """Encode one rendition from a picture that is at least as large."""
    side_px, jpeg_quality = (THUMB_SIDE_PX, _THUMB_QUALITY) if name == "thumb" else (VIEW_SIDE_PX, _VIEW_QUALITY)
    small = shrunk(image_rgb, side_px)
    return Rendition(name, jpeg(small, jpeg_quality), width_px=small.shape[1], height_px=small.shape[0])


def placeholder(image_rgb: NDArray[np.uint8]) -> bytes:
    """The colours of a picture as a WebP of some 100 bytes, which a browser draws by itself, without a script.

    Its sides are 16 pixels at most: what a face leaves of itself in one or two of them tells nobody who it is.
    """
    tiny = shrunk(image_rgb, _PLACEHOLDER_SIDE_PX)
    done, encoded = cv2.imencode(
        ".webp", cv2.cvtColor(tiny, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, _PLACEHOLDER_QUALITY]
    )
    if not done:
        raise RuntimeError(f"WebP encoding of a picture of shape {tiny.shape} failed")
    return encoded.tobytes()


def jpeg(image_rgb: NDArray[np.uint8], quality: int) -> bytes:
    """A baseline sRGB JPEG without metadata.

    Args:
        image_rgb: (h, w, 3), sides up to 65,535.
        quality: 1-100, libjpeg's scale.
    """
    done, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not done:
        raise RuntimeError(f"JPEG encoding of a picture of shape {image_rgb.shape} failed")
    return encoded.tobytes()


def jpeg_within(image_rgb: NDArray[np.uint8], limit_bytes: int) -> tuple[bytes, int, int]:
    """The best JPEG that stays within a budget.

    Returns:
        The JPEG, its width and its height in pixels: quality goes first, then size.
    """
    while True:
        for quality in (90, 82, 74):
            encoded = jpeg(image_rgb, quality)
            if len(encoded) <= limit_bytes:
                return encoded, image_rgb.shape[1], image_rgb.shape[0]
        image_rgb = shrunk(image_rgb, max(1, max(image_rgb.shape[:2]) * 4 // 5))
