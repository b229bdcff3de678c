"""What makes a picture a selfie that one can search with."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from trouvaille.vision.quality import Signs
from trouvaille.vision.renditions import jpeg_within
from trouvaille.vision.shrink import shrunk
from trouvaille.vision.types import SelfieProblem, SelfieRefused

MIN_WIDTH_PX: Final = 90
MIN_SHARPNESS: Final = 1.2
"""Below lie 89 % of the portraits blurred until their template has a cosine under 0.6 with the sharp one; above lie
98 % of those whose template keeps 0.85."""

MIN_BRIGHTNESS: Final = 22.0
"""Mean grey level. Templates stay good (cosine 0.9) down to here, so that dark skin in plain light is never refused."""

COMPARABLE_WIDTH: Final = 0.6
"""A second face this wide, as a share of the widest, makes it unclear whose selfie it is."""

JPEG_LIMIT_BYTES: Final = 200_000
_MIN_SCORE: Final = 0.7
_DARK_PICTURE: Final = 30.0  # Mean grey level under which a missing face is the light's fault.
_PORTRAIT_FACES: Final = 4.0
_PORTRAIT_SIDE_PX: Final = 1024


def accepted_face(image_rgb: NDArray[np.uint8], faces: list[Signs]) -> int:
    """Choose the guest's face.

    Args:
        image_rgb: (h, w, 3), the whole picture.
        faces: all faces in it.

    Returns:
        Its place in ``faces``.

    Raises:
        SelfieRefused: with what to change.
    """
    clear = [row for row, face in enumerate(faces) if face.score >= _MIN_SCORE]
    if not clear:
        dark = float(shrunk(image_rgb, 256).mean()) < _DARK_PICTURE
        raise SelfieRefused(SelfieProblem.too_dark if dark else SelfieProblem.no_face)
    best = max(clear, key=lambda row: faces[row].width_px)
    face = faces[best]
    rivals = [row for row in clear if row != best and faces[row].width_px >= COMPARABLE_WIDTH * face.width_px]
    if rivals:
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
