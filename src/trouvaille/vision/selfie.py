"""What makes a picture a selfie that one can search with."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from trouvaille.vision.quality import Signs
from trouvaille.vision.renditions import jpeg_within
from trouvaille.vision.shrink import shrunk
from trouvaille.vision.types import SelfieProblem, SelfieRefused

MIN_WIDTH_PX: Final = 64
MIN_SHARPNESS: Final = 1.2
"""Below lie 89 % of the portraits blurred until their template has a cosine under 0.6 with the sharp one; above lie
98 % of those whose template keeps 0.85."""

MIN_BRIGHTNESS: Final = 22.0
"""Mean grey level. Templates stay good (cosine 0.9) down to here, so that dark skin in plain light is never refused."""

COMPARABLE_PROMINENCE: Final = 0.6
"""A second face this prominent, as a share of the most prominent, makes it unclear whose selfie it is."""

JPEG_LIMIT_BYTES: Final = 200_000
_MIN_SCORE: Final = 0.7
_DARK_PICTURE: Final = 30.0  # Mean grey level under which a missing face is the light's fault.
_PORTRAIT_FACES: Final = 4.0
_PORTRAIT_SIDE_PX: Final = 1024


def prominence(image_size_wh: tuple[int, int], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much a picture is about each of its faces: its width, less the further it is from the middle.

    One holds a phone so that one's own face is in the middle; who stands beside or behind is further out. Two cheek to
    cheek are equally far out, and stay comparable.

    Args:
        image_size_wh: width and height in pixels.
        boxes_xyxy: (n, 4), pixels.

    Returns:
        (n,), at most the width in pixels.
    """
    size = np.asarray(image_size_wh, np.float32)
    centres = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    off_middle = np.linalg.norm(centres - size / 2, axis=1) / (size.min() / 2)
    widths = boxes_xyxy[:, 2] - boxes_xyxy[:, 0]
    return np.asarray(widths / (1 + 2 * off_middle**2), np.float32)


def accepted_face(image_rgb: NDArray[np.uint8], faces: list[Signs], boxes_xyxy: NDArray[np.float32]) -> int:
    """Choose the guest's face.

    Args:
        image_rgb: (h, w, 3), the whole picture.
        faces: all faces in it.
        boxes_xyxy: (n, 4), where they are, in pixels.

    Returns:
        Its place in ``faces``.

    Raises:
        SelfieRefused: with what to change.
    """
    clear = [row for row, face in enumerate(faces) if face.score >= _MIN_SCORE]
    if not clear:
        dark = float(shrunk(image_rgb, 256).mean()) < _DARK_PICTURE
        raise SelfieRefused(SelfieProblem.too_dark if dark else SelfieProblem.no_face)
    weights = prominence(image_rgb.shape[1::-1], boxes_xyxy)
    best = max(clear, key=lambda row: weights[row])
    face = faces[best]
    if any(weights[row] >= COMPARABLE_PROMINENCE * weights[best] for row in clear if row != best):
        raise SelfieRefused(SelfieProblem.several_faces)
    if face.width_px < MIN_WIDTH_PX:
        raise SelfieRefused(SelfieProblem.too_small)
    if face.brightness < MIN_BRIGHTNESS:
        raise SelfieRefused(SelfieProblem.too_dark)
    if face.sharpness < MIN_SHARPNESS:
        raise SelfieRefused(SelfieProblem.too_blurred)
    return best


def portrait_jpeg(image_rgb: NDArray[np.uint8], box_xyxy: NDArray[np.float32]) -> tuple[bytes, int, int]:
    """What is kept of a selfie: the face and its surroundings, without bystanders far from it.

    Args:
        image_rgb: (h, w, 3).
        box_xyxy: (4,), pixels.

    Returns:
        JPEG of at most ``JPEG_LIMIT_BYTES``, its width and height in pixels.
    """
    centre, half = (box_xyxy[:2] + box_xyxy[2:]) / 2, (box_xyxy[2:] - box_xyxy[:2]).max() * _PORTRAIT_FACES / 2
    left, top = (max(0, int(edge)) for edge in centre - half)
    right, bottom = (int(np.ceil(edge)) for edge in centre + half)
    portrait = image_rgb[top:bottom, left:right]
    return jpeg_within(shrunk(portrait, _PORTRAIT_SIDE_PX), JPEG_LIMIT_BYTES)
