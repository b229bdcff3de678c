"""Cut faces out of a picture: upright, centred and at one size, as the recogniser was trained to see them."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from trouvaille.vision.shrink import shrunk_by

ALIGNED_PX: Final = 112

ARCFACE_LANDMARKS_XY: Final = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
"""Where the five landmarks lie in a 112 x 112 crop (ArcFace, Deng et al. 2019; SFace was trained on the same)."""


def umeyama(source_xy: NDArray[np.float32], target_xy: NDArray[np.float32]) -> NDArray[np.float64]:
    """The similarity transform with the least squared error (Umeyama, TPAMI 1991).

    Args:
        source_xy: (n, 2), n >= 2, not all at one point.
        target_xy: (n, 2).

    Returns:
        (2, 3): rotation, one scale and shift, without mirroring; ``target = source @ m[:, :2].T + m[:, 2]``.
    """
    source, target = source_xy.astype(np.float64), target_xy.astype(np.float64)
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    source, target = source - source_mean, target - target_mean
    left, strengths, right = np.linalg.svd(target.T @ source)
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    rotation = left @ np.diag(signs) @ right
    scale = (strengths * signs).sum() / max((source**2).sum(), 1e-12)
    linear = scale * rotation
    return np.column_stack([linear, target_mean - linear @ source_mean])


def align(
    image_rgb: NDArray[np.uint8], landmarks_xy: NDArray[np.float32], side_px: int = ALIGNED_PX
) -> NDArray[np.uint8]:
    """One face, ready for the recogniser.

    Args:
        image_rgb: (h, w, 3), at the highest resolution there is.
        landmarks_xy: (5, 2), pixels of ``image_rgb``; order as in ``Face``.
        side_px: of the result. What is seen of the face is the same at every size.

    Returns:
        (side, side, 3); black where the face reaches over the picture's edge.
    """
    # The same points at another size; pixel centres lie at +0.5.
    target_xy = ((ARCFACE_LANDMARKS_XY + 0.5) * (side_px / ALIGNED_PX) - 0.5).astype(np.float32)
    to_crop = umeyama(landmarks_xy, target_xy)
    scale = float(np.hypot(to_crop[0, 0], to_crop[1, 0]))
    if scale < 0.5:
        # Bilinear sampling reads 2 x 2 pixels: a larger face would alias unless it is averaged down first.
        # Twice the final size keeps what the warp can still use; the square holds the crop at any rotation.
        side = side_px * 1.5 / scale
        centre = cv2.invertAffineTransform(to_crop) @ np.array([side_px / 2, side_px / 2, 1.0])
        corner = (float(centre[0] - side / 2), float(centre[1] - side / 2))
        shrunk_px = round(side_px * 1.5 * 1.5)
        image_rgb = cut_square(image_rgb, corner, side, shrunk_px)
        shrink = shrunk_px / side
        # Pixel centres lie at +0.5: area averaging keeps edges in place, not the centres of corner pixels.
        moved = (landmarks_xy.astype(np.float64) + 0.5 - np.array(corner)) * shrink - 0.5
        to_crop = umeyama(moved.astype(np.float32), target_xy)
    crop = cv2.warpAffine(image_rgb, to_crop, (side_px, side_px), flags=cv2.INTER_LINEAR)
    return np.asarray(crop, np.uint8)


def cut_square(
    image_rgb: NDArray[np.uint8], corner_xy: tuple[float, float], side: float, out_px: int
) -> NDArray[np.uint8]:
    """A square of the picture at another size, averaged when it shrinks, black beyond the picture's edge.

    Args:
        image_rgb: (h, w, 3).
        corner_xy: left and top in pixels; may be negative.
        side: in pixels.
        out_px: side of the result.

    Returns:
        (out_px, out_px, 3).
    """
    height, width = image_rgb.shape[:2]
    scale = out_px / side
    left, top = (int(np.floor(edge)) for edge in corner_xy)
    right, bottom = (int(np.ceil(edge + side)) for edge in corner_xy)
    inside = image_rgb[max(top, 0) : max(min(bottom, height), 0), max(left, 0) : max(min(right, width), 0)]
    if not inside.size:
        return np.zeros((out_px, out_px, 3), np.uint8)
    # Bilinear sampling is good down to half the size; what lies beyond is averaged first, by a whole number of pixels,
    # which takes a tenth of the time of an average by a fraction.
    block = min(max(1, int(1 / scale)), *inside.shape[:2])
    if block > 1:
        inside = shrunk_by(inside, block)
    step = scale * block
    shift_x, shift_y = (max(left, 0) - corner_xy[0]) * scale, (max(top, 0) - corner_xy[1]) * scale
    to_square = np.array([[step, 0, shift_x + step / 2 - 0.5], [0, step, shift_y + step / 2 - 0.5]], np.float64)
    return np.asarray(cv2.warpAffine(inside, to_square, (out_px, out_px), flags=cv2.INTER_LINEAR), np.uint8)
