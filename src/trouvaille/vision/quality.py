"""How far a face can be trusted, from what is cheap to measure on it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trouvaille.vision.align import ARCFACE_LANDMARKS_XY, umeyama


@dataclass(frozen=True, slots=True)
class Signs:
    """What quality is judged by.

    Attributes:
        width_px: of the face at full resolution.
        sharpness: how much more a further blur would take from the aligned crop, in the direction where it takes least;
            1.1 where there is nothing left to take, 1.2 at the limit of use, 1.5 and more for a sharp face.
        turned: how far the landmarks are from a frontal face's, RMS in pixels of the 112 px crop.
        score: the detector's, 0-1.
        brightness: mean grey level of the face, 0-255.
    """

    width_px: float
    sharpness: float
    turned: float
    score: float
    brightness: float


def signs(crop_rgb: NDArray[np.uint8], landmarks_xy: NDArray[np.float32], *, width_px: float, score: float) -> Signs:
    """Measure one face.

    Args:
        crop_rgb: (112, 112, 3), aligned.
        landmarks_xy: (5, 2), pixels of any image.
        width_px: of the face at full resolution.
        score: the detector's.
    """
    to_crop = umeyama(landmarks_xy, ARCFACE_LANDMARKS_XY)
    misfit = landmarks_xy @ to_crop[:, :2].T + to_crop[:, 2] - ARCFACE_LANDMARKS_XY
    # Hair, collar and backdrop are left out: they may be sharp or bright where the face is neither.
    grey = np.asarray(cv2.cvtColor(crop_rgb[24:104, 20:92], cv2.COLOR_RGB2GRAY), np.float32)
    return Signs(
        width_px=width_px,
        sharpness=_sharpness(grey),
        turned=float(np.sqrt((misfit**2).sum(axis=1).mean())),
        score=score,
        brightness=float(grey.mean()),
    )


def quality(face: Signs) -> float:
    """0-1, the product of one ramp per sign: one bad sign is enough to make a face poor."""
    return (
        _ramp(face.width_px, 16, 64)
        * _ramp(face.sharpness, 1.05, 1.3)
        * _ramp(face.turned, 12, 5)
        * _ramp(face.score, 0.5, 0.8)
        * _ramp(face.brightness, 12, 45)
        * _ramp(face.brightness, 252, 225)
    )


def _sharpness(grey: NDArray[np.float32]) -> float:
    """Edges at a fine scale over edges at a coarser one, in the worst of four directions.

    After Crete et al., "The blur effect" (2007), with one change: camera shake blurs along one direction alone, so the
    directions are judged apart. Both scales hold the same face, so its contrast and the exposure cancel out.
    """
    fine, coarse = cv2.GaussianBlur(grey, (0, 0), 1.0), cv2.GaussianBlur(grey, (0, 0), 2.5)
    shares = []
    for row, column in ((0, 1), (1, 0), (1, 1), (1, -1)):
        step = np.zeros((3, 3), np.float32)
        step[1 + row, 1 + column], step[1 - row, 1 - column] = 1, -1
        edges, left = (np.abs(cv2.filter2D(image, -1, step)).mean() for image in (fine, coarse))
        shares.append(float(edges / (left + 0.05)))
    return min(shares)


def _ramp(value: float, worst: float, good: float) -> float:
    """0 at ``worst`` and beyond, 1 at ``good`` and beyond, straight between them."""
    return float(np.clip((value - worst) / (good - worst), 0.0, 1.0))
