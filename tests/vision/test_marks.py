"""Drawing a watermark: only where it belongs, whatever is written, on a photo of any size."""

import io

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image

from trouvaille.photos import watermark_pages
from trouvaille.vision import marks
from trouvaille.vision.decode import decode
from trouvaille.vision.marks import Stamp, stamped

GREY = 128


def _grey(width: int = 900, height: int = 600) -> NDArray[np.uint8]:
    return np.full((height, width, 3), GREY, np.uint8)


def _touched(image: NDArray[np.uint8], before: int = GREY) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of all that is not what it was."""
    rows, columns = np.nonzero((image != before).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def _png(width: int = 300, height: int = 100, alpha: int = 255) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (width, height), (255, 0, 0, alpha)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("position", "centre_xy"),
    [
        ("top_left", (0, 0)),
        ("top_right", (1, 0)),
        ("bottom_left", (0, 1)),
        ("bottom_right", (1, 1)),
        ("centre", (0.5, 0.5)),
    ],
)
def test_a_mark_stands_where_it_is_wanted_and_no_pixel_elsewhere_changes(
    position: str, centre_xy: tuple[float, float]
) -> None:
    plain = _grey()
    image = stamped(plain, Stamp(position, 0.25, 1, picture=_png()))
    left, top, right, bottom = _touched(image)
    margin = round(600 * marks.MARGIN)
    assert (right - left, bottom - top) == (225, 75)
    assert left == round(margin + centre_xy[0] * (900 - 2 * margin - 225)) or position == "centre"
    assert top == round(margin + centre_xy[1] * (600 - 2 * margin - 75)) or position == "centre"
    if position == "centre":
        assert abs(left + right - 900) <= 2
        assert abs(top + bottom - 600) <= 2
    assert (image[top:bottom, left:right] == (255, 0, 0)).all()
    assert (plain == GREY).all(), "the picture that was given is not changed"


def test_a_repeated_mark_reaches_every_part_of_the_photo() -> None:
    image = stamped(_grey(), Stamp("tiled", 0.2, 1, text="Lea & Tom"))
    thirds = [part for row in np.array_split(image, 3) for part in np.array_split(row, 3, axis=1)]
    assert all((part != GREY).any() for part in thirds)


def test_opacity_is_the_share_of_the_mark_in_what_is_seen() -> None:
    image = stamped(_grey(), Stamp("centre", 0.5, 0.25, picture=_png()))
    assert image[300, 450].tolist() == [round(GREY * 0.75 + 255 * 0.25), round(GREY * 0.75), round(GREY * 0.75)]
    clear = stamped(_grey(), Stamp("centre", 0.5, 1, picture=_png(alpha=0)))
    assert (clear == GREY).all()


@pytest.mark.parametrize("ground", [0, 255])
def test_text_is_read_on_black_and_on_white(ground: int) -> None:
    image = stamped(np.full((600, 900, 3), ground, np.uint8), Stamp("centre", 0.5, 1, text="Lea & Tom"))
    assert np.abs(image.astype(int) - ground).max() > 60


@pytest.mark.parametrize("size", [0.05, 0.25, 0.6, 1.0])
@pytest.mark.parametrize("text", ["I", "Lea & Tom", "W" * 80, "<b>&amp;</b>"])
def test_text_is_as_wide_as_wanted_or_as_high_as_allowed_and_never_outside(text: str, size: float) -> None:
    left, top, right, bottom = _touched(stamped(_grey(), Stamp("centre", size, 1, text=text)))
    width, height = right - left, bottom - top
    # The soft edge goes along, at most a sixth of the height on either side.
    most_wide, most_high = min(900 * size, 900 - 36), 600 * marks.TEXT_HEIGHT
    assert width <= most_wide + height / 3 + 2
    assert height <= most_high * 1.35 + 2
    assert left > 0
    assert right < 900
    assert width >= most_wide * 0.8 or height >= most_high * 0.8


@pytest.mark.parametrize(
    "text",
    [
        "مرحبا بكم",
        "שלום",
        "日本語の結婚式",
        "👩‍👩‍👧 🎉",
        "नमस्ते",
        "a\u202eb\u200f",
        "Z\u0351\u036b\u0343",
        "\x00\x07 x",
        "\u200d",
        " ",
        "",
    ],
)
def test_every_script_is_drawn_and_what_no_font_shows_is_not_left_out(text: str) -> None:
    assert (stamped(_grey(), Stamp("centre", 0.5, 1, text=text)) != GREY).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (3, 2), (20, 4000)])
@pytest.mark.parametrize("position", ["top_left", "bottom_right", "centre", "tiled"])
@pytest.mark.parametrize("picture", [None, _png(2000, 10), _png(10, 2000)])
def test_a_photo_of_any_size_keeps_its_size(shape: tuple[int, int], position: str, picture: bytes | None) -> None:
    plain = np.full((*shape, 3), GREY, np.uint8)
    assert stamped(plain, Stamp(position, 1, 1, text="Lea & Tom", picture=picture)).shape == plain.shape


def test_a_huge_photo_is_drawn_on_in_the_size_that_a_decode_holds() -> None:
    # A flat TIFF of 120 megapixels takes no room; what is drawn on it is shrunk to what fits into memory.
    huge = (
        pyvips.Image.black(12_000, 10_000, bands=3).copy(interpretation="srgb").tiffsave_buffer(compression="deflate")
    )
    view, full = marks.renditions(huge, Stamp("centre", 0.5, 1, text="Lea"), full=True)
    assert (view.name, max(view.width_px, view.height_px)) == ("view", 2048)
    assert full.name == "full"
    assert full.width_px * full.height_px <= 41_000_000
    assert (decode(full.jpeg).image_rgb.max(axis=2) > 100).any()


def test_the_preview_has_the_geometry_of_what_is_drawn() -> None:
    pages = watermark_pages
    assert (pages.MARGIN, pages.TEXT_HEIGHT, pages.PICTURE_HEIGHT) == (
        marks.MARGIN,
        marks.TEXT_HEIGHT,
        marks.PICTURE_HEIGHT,
    )
    assert (pages.TILE_ACROSS, pages.TILE_DOWN) == (marks.TILE_ACROSS, marks.TILE_DOWN)
