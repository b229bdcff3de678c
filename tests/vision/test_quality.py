"""Quality falls with everything that makes a template doubtful."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from trouvaille.vision.align import ARCFACE_LANDMARKS_XY, align
from trouvaille.vision.quality import Signs, quality, signs

FINE = Signs(width_px=200, sharpness=1.6, turned=2, score=0.93, brightness=120)


def test_a_large_sharp_frontal_bright_face_is_as_good_as_can_be() -> None:
    assert quality(FINE) == 1


@pytest.mark.parametrize(
    "flaw",
    [
        {"width_px": 10.0},
        {"sharpness": 1.0},
        {"turned": 14.0},
        {"score": 0.4},
        {"brightness": 5.0},
        {"brightness": 254.0},
    ],
)
def test_one_bad_sign_is_enough_to_make_a_face_worthless(flaw: dict[str, float]) -> None:
    assert quality(replace(FINE, **flaw)) == 0


@pytest.mark.parametrize(
    ("sign", "falling"),
    [
        ("width_px", (60, 45, 30, 20)),
        ("sharpness", (1.28, 1.2, 1.1)),
        ("turned", (6, 8, 11)),
        ("score", (0.75, 0.6)),
        ("brightness", (40, 25, 15)),
        ("brightness", (230, 240, 250)),
    ],
)
def test_quality_falls_with_each_sign(sign: str, falling: tuple[float, ...]) -> None:
    values = [1.0, *(quality(replace(FINE, **{sign: value})) for value in falling)]
    assert all(better > worse > 0 for better, worse in itertools.pairwise(values))


def measured(image: Image.Image) -> Signs:
    """The portrait's face, whose eyes and mouth lie at these places (read off the picture)."""
    landmarks = np.array([[441, 221], [547, 211], [497, 281], [459, 339], [549, 330]], np.float32)
    crop = align(np.asarray(image), landmarks)
    return signs(crop, landmarks, width_px=232, score=0.95)


def test_blur_lowers_sharpness_and_exposure_does_not(portrait: Image.Image) -> None:
    plain = measured(portrait).sharpness
    blurred = [measured(portrait.filter(ImageFilter.GaussianBlur(radius))).sharpness for radius in (3, 6, 10)]
    assert plain > blurred[0] > blurred[1] > blurred[2]
    assert measured(portrait.point(lambda level: level * 0.5)).sharpness == pytest.approx(plain, rel=0.05)


def test_brightness_is_that_of_the_face(portrait: Image.Image) -> None:
    half = measured(portrait.point(lambda level: level * 0.5)).brightness
    assert half == pytest.approx(measured(portrait).brightness / 2, rel=0.05)


def test_a_frontal_face_is_less_turned_than_a_profile() -> None:
    crop = np.zeros((112, 112, 3), np.uint8)
    profile = ARCFACE_LANDMARKS_XY.copy()
    profile[2, 0] += 25  # the nose points past the eye
    profile[[0, 3], 0] += 18  # the far side is foreshortened
    frontal = signs(crop, ARCFACE_LANDMARKS_XY, width_px=100, score=0.9)
    assert frontal.turned == pytest.approx(0, abs=1e-3)
    assert signs(crop, profile, width_px=100, score=0.9).turned > 5
