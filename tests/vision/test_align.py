"""Faces are cut out upright, centred and at one size."""

import cv2
import numpy as np
import pytest

from trouvaille.vision.align import ALIGNED_PX, ARCFACE_LANDMARKS_XY, align, cut_square, umeyama


def turned(points_xy: np.ndarray, *, scale: float, degrees: float, shift_xy: tuple[float, float]) -> np.ndarray:
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points_xy @ (scale * rotation).T + np.array(shift_xy)).astype(np.float32)


@pytest.mark.parametrize("scale", [0.1, 1.0, 7.5])
@pytest.mark.parametrize("degrees", [0, 33, -90, 170])
def test_umeyama_finds_the_transform_that_was_applied(scale: float, degrees: float) -> None:
    moved = turned(ARCFACE_LANDMARKS_XY, scale=scale, degrees=degrees, shift_xy=(40, -17))
    back = umeyama(moved, ARCFACE_LANDMARKS_XY)
    np.testing.assert_allclose(moved @ back[:, :2].T + back[:, 2], ARCFACE_LANDMARKS_XY, atol=1e-3)
    assert np.linalg.det(back[:, :2]) == pytest.approx(scale**-2, rel=1e-4)


def test_umeyama_never_mirrors_a_face() -> None:
    mirrored = ARCFACE_LANDMARKS_XY * np.array([-1, 1], np.float32)
    assert np.linalg.det(umeyama(mirrored, ARCFACE_LANDMARKS_XY)[:, :2]) >= 0


def test_umeyama_has_a_smaller_squared_error_than_its_neighbours() -> None:
    noisy = ARCFACE_LANDMARKS_XY + np.array([[2, 1], [-1, 3], [0, -2], [4, 0], [-3, -1]], np.float32)
    best = umeyama(noisy, ARCFACE_LANDMARKS_XY)

    def error(transform: np.ndarray) -> float:
        return float(((noisy @ transform[:, :2].T + transform[:, 2] - ARCFACE_LANDMARKS_XY) ** 2).sum())

    for nudge in ([[0.01, 0, 0], [0, 0.01, 0]], [[0, -0.01, 0], [0.01, 0, 0]], [[0, 0, 0.2], [0, 0, -0.1]]):
        assert error(best) < min(error(best + np.array(nudge)), error(best - np.array(nudge)))


def dots(size_px: int, points_xy: np.ndarray, radius: float) -> np.ndarray:
    """White Gaussian dots at five places on black, the nose in red alone."""
    y, x = np.mgrid[:size_px, :size_px].astype(np.float32)
    image = np.zeros((size_px, size_px, 3), np.float32)
    for place, (dot_x, dot_y) in enumerate(points_xy):
        dot = np.exp(-((x - dot_x) ** 2 + (y - dot_y) ** 2) / (2 * radius**2))[:, :, None]
        image += dot * (np.array([255, 0, 0]) if place == 2 else 255)
    return image.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.5, 6.0])
@pytest.mark.parametrize("degrees", [0, 25, -80])
def test_landmarks_land_where_the_recogniser_expects_them(scale: float, degrees: float) -> None:
    landmarks = turned(ARCFACE_LANDMARKS_XY - 56, scale=scale, degrees=degrees, shift_xy=(400, 390))
    crop = align(dots(800, landmarks, radius=3 * scale), landmarks)
    assert crop.shape == (ALIGNED_PX, ALIGNED_PX, 3)
    for place, (x, y) in enumerate(ARCFACE_LANDMARKS_XY):
        window = crop[int(y) - 8 : int(y) + 10, int(x) - 8 : int(x) + 10, 0].astype(float)
        rows, columns = np.mgrid[int(y) - 8 : int(y) + 10, int(x) - 8 : int(x) + 10]
        centre = np.array([(columns * window).sum(), (rows * window).sum()]) / window.sum()
        np.testing.assert_allclose(centre, [x, y], atol=0.35, err_msg=f"landmark {place}")


def test_a_large_face_is_averaged_down_and_not_sampled_in_passing() -> None:
    # Single-pixel stripes average to grey; a bilinear warp without averaging would show them as moiré.
    stripes = np.zeros((1600, 1600, 3), np.uint8)
    stripes[:, ::2] = 255
    landmarks = turned(ARCFACE_LANDMARKS_XY - 56, scale=9.3, degrees=4, shift_xy=(800, 800))
    crop = align(stripes, landmarks)[8:-8, 8:-8].astype(float)
    assert crop.mean() == pytest.approx(127.5, abs=2)
    assert crop.std() < 6


def test_a_face_at_the_edge_is_cut_with_black_beyond_it() -> None:
    white = np.full((200, 200, 3), 255, np.uint8)
    crop = align(white, ARCFACE_LANDMARKS_XY - np.array([56, 0], np.float32))
    assert crop[:, :40].max() == 0
    assert crop[5:-5, 70:].min() == 255


def test_a_square_beside_the_picture_is_black() -> None:
    white = np.full((50, 50, 3), 255, np.uint8)
    assert cut_square(white, (80.0, 80.0), 20.0, 16).max() == 0


@pytest.mark.parametrize(("side", "out_px"), [(64.0, 64), (128.0, 64), (300.0, 64), (40.0, 64)])
def test_a_cut_square_keeps_places_at_any_scale(side: float, out_px: int) -> None:
    gradient = np.linspace(0, 255, 400, dtype=np.float32)[None, :, None].repeat(400, axis=0).repeat(3, axis=2)
    cut = cut_square(cv2.convertScaleAbs(gradient), (50.0, 60.0), side, out_px).astype(float)
    seen = cut[out_px // 2, 4:-4, 0]
    expected = (50.0 + (np.arange(out_px) + 0.5) * side / out_px - 0.5)[4:-4] * 255 / 399
    np.testing.assert_allclose(seen, expected, atol=1.0)
