"""What makes a picture a selfie that one can search with."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trouvaille.vision.quality import Signs
from trouvaille.vision.renditions import jpeg_within
from trouvaille.vision.shrink import shrunk
from trouvaille.vision.types import SelfieProblem, SelfieRefused, SeveralFaces

MIN_WIDTH_PX: Final = 64
MIN_SHARPNESS: Final = 1.2
"""Below lie 89 % of the portraits blurred until their template has a cosine under 0.6 with the sharp one; above lie
98 % of those whose template keeps 0.85."""

MIN_BRIGHTNESS: Final = 22.0
"""Mean grey level. Templates stay good (cosine 0.9) down to here, so that dark skin in plain light is never refused."""

COMPARABLE_PROMINENCE: Final = 0.6
"""A second face this prominent, as a share of the most prominent, makes it unclear whose selfie it is."""

AGREEMENT: Final = 0.5
"""Least cosine between two pictures of one burst; strangers stay under it in events of any size."""

KEPT_PICTURES: Final = 3
JPEG_LIMIT_BYTES: Final = 200_000
"""Of all that is kept of a selfie."""

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


Box = tuple[float, float, float, float]


def accepted_face(
    image_rgb: NDArray[np.uint8], faces: list[Signs], boxes_xyxy: NDArray[np.float32], *, chosen: Box | None = None
) -> int:
    """Choose the guest's face.

    Args:
        image_rgb: (h, w, 3), the whole picture.
        faces: all faces in it.
        boxes_xyxy: (n, 4), where they are, in pixels.
        chosen: where the guest said that their face is, as fractions.

    Returns:
        Its place in ``faces``.

    Raises:
        SeveralFaces: without a choice nobody knows which.
        SelfieRefused: with what to change.
    """
    clear = [row for row, face in enumerate(faces) if face.score >= _MIN_SCORE]
    if not clear:
        dark = float(shrunk(image_rgb, 256).mean()) < _DARK_PICTURE
        raise SelfieRefused(SelfieProblem.too_dark if dark else SelfieProblem.no_face)
    size = np.array(image_rgb.shape[1::-1], np.float32)
    if chosen is None:
        weights = prominence(image_rgb.shape[1::-1], boxes_xyxy)
        best = max(clear, key=lambda row: weights[row])
        rivals = [row for row in clear if weights[row] >= COMPARABLE_PROMINENCE * weights[best]]
        if len(rivals) > 1:
            raise SeveralFaces([_box(boxes_xyxy[row] / np.tile(size, 2)) for row in rivals])
    else:
        centre = (np.array(chosen[:2]) + np.array(chosen[2:])) / 2 * size
        centres = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
        best = min(clear, key=lambda row: float(np.linalg.norm(centres[row] - centre)))
    face = faces[best]
    if face.width_px < MIN_WIDTH_PX:
        raise SelfieRefused(SelfieProblem.too_small)
    if face.brightness < MIN_BRIGHTNESS:
        raise SelfieRefused(SelfieProblem.too_dark)
    if face.sharpness < MIN_SHARPNESS:
        raise SelfieRefused(SelfieProblem.too_blurred)
    return best


def _box(edges: NDArray[np.float32]) -> Box:
    left, top, right, bottom = edges.clip(0, 1).tolist()
    return left, top, right, bottom


def together(
    templates: NDArray[np.float32], qualities: Sequence[float], *, agreement: float = AGREEMENT
) -> tuple[NDArray[np.float32], list[int]]:
    """One template of several pictures of one person.

    Args:
        templates: (n, d), unit length, n >= 1.
        qualities: of each picture, 0-1.
        agreement: least cosine with the best picture; below it somebody else walked in.

    Returns:
        The mean weighted by quality, (d,), unit length, and the pictures that it is made of, the best first.
    """
    order = sorted(range(len(templates)), key=lambda row: -qualities[row])
    agreeing = [row for row in order if row == order[0] or templates[row] @ templates[order[0]] >= agreement]
    weights = np.array([max(qualities[row], 1e-3) for row in agreeing], np.float32)
    mean = weights @ templates[agreeing]
    return np.asarray(mean / np.linalg.norm(mean), np.float32), agreeing


def portrait_jpeg(image_rgb: NDArray[np.uint8], box_xyxy: NDArray[np.float32], *, limit_bytes: int) -> bytes:
    """What is kept of a selfie: the face and its surroundings, without bystanders far from it.

    Args:
        image_rgb: (h, w, 3).
        box_xyxy: (4,), pixels.

        limit_bytes: of the JPEG.
    """
    centre, half = (box_xyxy[:2] + box_xyxy[2:]) / 2, (box_xyxy[2:] - box_xyxy[:2]).max() * _PORTRAIT_FACES / 2
    left, top = (max(0, int(edge)) for edge in centre - half)
    right, bottom = (int(np.ceil(edge)) for edge in centre + half)
    portrait = image_rgb[top:bottom, left:right]
    return jpeg_within(shrunk(portrait, _PORTRAIT_SIDE_PX), limit_bytes)[0]
