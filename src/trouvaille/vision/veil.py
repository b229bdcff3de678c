"""Hiding faces for good: what is under the veil can't be computed back."""

import cv2
import numpy as np
from numpy.typing import NDArray

CELLS = 5
"""A hidden face is told by so many cells across: far fewer than any method of recognition needs."""
ROOM = 0.25
"""How much of its size is hidden around a face: hair and chin tell who it is, too."""


def veil(image_rgb: NDArray[np.uint8], boxes_xyxy: list[list[float]]) -> NDArray[np.uint8]:
    """The same picture with faces in coarse cells, whose borders are softened.

    Args:
        image_rgb: (h, w, 3).
        boxes_xyxy: left, top, right, bottom of each face as fractions of the picture.
    """
    veiled = image_rgb.copy()
    height, width = image_rgb.shape[:2]
    for left, top, right, bottom in boxes_xyxy:
        room_x, room_y = (right - left) * ROOM, (bottom - top) * ROOM
        x0, x1 = (round(max(0.0, min(1.0, at)) * width) for at in (left - room_x, right + room_x))
        y0, y1 = (round(max(0.0, min(1.0, at)) * height) for at in (top - room_y, bottom + room_y))
        if x1 <= x0 or y1 <= y0:
            continue
        # Averages of whole areas: no single pixel of the face is left in them.
        cells = cv2.resize(image_rgb[y0:y1, x0:x1], (CELLS, CELLS), interpolation=cv2.INTER_AREA)
        # A little less than there is, in steps of 16, so that not even the averages are exact.
        cells = (cells // 16 * 16 + 8).astype(np.uint8)
        veiled[y0:y1, x0:x1] = cv2.resize(cells, (x1 - x0, y1 - y0), interpolation=cv2.INTER_CUBIC)
    return veiled
