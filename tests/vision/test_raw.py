"""RAW files become the preview inside them, or a refusal that says why; the files are made on the spot."""

import io
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from tests.vision import raw_samples
from tests.vision.raw_samples import jpeg, longs, raw
from trouvaille.raw_files import raw_type
from trouvaille.vision.decode import decode
from trouvaille.vision.types import Exposure, Unreadable, UnreadableReason

MAKERS = {
    "image/x-nikon-nef": ("NIKON CORPORATION", "NIKON D850"),
    "image/x-sony-arw": ("SONY", "ILCE-7M3"),
    "image/x-pentax-pef": ("PENTAX", "PENTAX K-1"),
    "image/x-samsung-srw": ("SAMSUNG", "NX1"),
}
HEADS = {
    "image/x-canon-cr2": b"II*\0\x10\0\0\0CR\2\0" + bytes(40),
    "image/x-canon-cr3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(40),
    "image/x-fuji-raf": b"FUJIFILMCCD-RAW 0201FF383501X-T4" + bytes(60),
    "image/x-olympus-orf": b"IIRO\x08\0\0\0" + bytes(60),
    "image/x-panasonic-rw2": b"IIU\0\x18\0\0\0" + bytes(60),
}


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    """Red on the left, blue on the right, 1200 x 800."""
    pixels = np.zeros((800, 1200, 3), np.uint8)
    pixels[:, :600], pixels[:, 600:] = (200, 40, 40), (40, 40, 200)
    return Image.fromarray(pixels)


def refusal(data: bytes) -> UnreadableReason:
    with pytest.raises(Unreadable) as refused:
        decode(data)
    return refused.value.reason


@pytest.mark.parametrize("kind", MAKERS)
def test_a_makers_raw_file_is_known_by_its_content_and_shows_its_preview(kind: str, scene: Image.Image) -> None:
    make, model = MAKERS[kind]
    data = raw(jpeg(scene), make=make, model=model, dng=False)
    assert raw_type(data) == kind
    decoded = decode(data)
    assert (decoded.width_px, decoded.height_px) == (1200, 800)
    np.testing.assert_allclose(decoded.image_rgb[400, [100, 1100]], [(200, 40, 40), (40, 40, 200)], atol=6)


@pytest.mark.parametrize("kind", HEADS)
def test_other_layouts_are_known_by_their_first_bytes_and_one_without_more_is_refused(kind: str) -> None:
    assert raw_type(HEADS[kind]) == kind
    with pytest.raises(Unreadable):
        decode(HEADS[kind])


def test_a_preview_is_turned_as_the_raw_file_says(scene: Image.Image) -> None:
    decoded = decode(raw(jpeg(scene), orientation=6))
    assert (decoded.width_px, decoded.height_px) == (800, 1200)
    np.testing.assert_allclose(decoded.image_rgb[[100, 1100], 400], [(200, 40, 40), (40, 40, 200)], atol=6)


def test_moment_offset_camera_and_serial_are_the_raw_files_own(scene: Image.Image) -> None:
    data = raw(jpeg(scene), taken="2026:06:20 15:04:05", offset="-03:30", serial="30051", model="NIKON Z 6")
    assert decode(data).exposure == Exposure(datetime(2026, 6, 20, 15, 4, 5), -210, "NIKON Z 6", "30051")  # noqa: DTZ001


def test_no_preview_or_only_a_stamp_is_refused_with_that_reason(scene: Image.Image) -> None:
    assert refusal(raw(None)) == UnreadableReason.no_preview
    stamp = jpeg(scene.resize((160, 107)))
    assert refusal(raw(stamp, size_wh=(160, 107))) == UnreadableReason.no_preview


def test_a_preview_that_is_cut_is_refused(scene: Image.Image) -> None:
    whole = jpeg(scene)
    cut = whole[: len(whole) // 2]
    assert refusal(raw(cut)) == UnreadableReason.truncated


def test_a_preview_that_declares_too_many_pixels_is_refused_like_any_picture(scene: Image.Image) -> None:
    with pytest.raises(Unreadable) as refused:
        decode(raw(jpeg(scene)), pixels_limit=1200 * 800 - 1)
    assert refused.value.reason == UnreadableReason.too_many_pixels


def test_a_tiff_that_was_exported_from_a_photo_is_no_raw_file(scene: Image.Image) -> None:
    made = io.BytesIO()
    tags = Image.Exif()
    tags[0x010F], tags[0x0110] = "NIKON CORPORATION", "NIKON D850"
    scene.save(made, "TIFF", exif=tags)
    assert raw_type(made.getvalue()) is None
    assert decode(made.getvalue()).exposure.camera == "NIKON D850"


def test_directories_that_lead_in_a_circle_come_to_an_end() -> None:
    circle = raw_samples._ifd([longs(0x14A, 8)], 8)
    circle = circle[:-4] + (8).to_bytes(4, "little")
    assert raw_type(b"II*\0" + (8).to_bytes(4, "little") + circle) is None


@pytest.mark.parametrize("seed", range(40))
def test_a_raw_file_with_broken_bytes_is_shown_or_refused_and_nothing_else(seed: int, scene: Image.Image) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(raw(jpeg(scene), offset="+02:00", dng=seed % 2 == 0))
    for at in random.integers(8, len(data), 40):
        data[at] = random.integers(0, 256)
    directories = len(data) - 700
    for at in random.integers(directories, len(data), 6):
        data[at] = random.integers(0, 256)
    try:
        assert decode(bytes(data)).image_rgb.ndim == 3
    except Unreadable as error:
        assert error.reason in UnreadableReason
