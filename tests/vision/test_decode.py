"""Bytes of any kind become upright 8-bit sRGB pixels, or a refusal that says why."""

import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
import pyvips
from PIL import Image, ImageCms

from trouvaille.vision.decode import decode
from trouvaille.vision.types import Unreadable, UnreadableReason

Encode = Callable[..., bytes]


def refusal(data: bytes, **limits: int) -> UnreadableReason:
    with pytest.raises(Unreadable) as refused:
        decode(data, **limits)
    return refused.value.reason


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    """Four colours, one in each quarter, 160 x 96: every turn and every wrong colour shows."""
    pixels = np.zeros((96, 160, 3), np.uint8)
    pixels[:48, :80], pixels[:48, 80:] = (200, 60, 40), (40, 180, 70)
    pixels[48:, :80], pixels[48:, 80:] = (50, 70, 210), (230, 230, 90)
    return Image.fromarray(pixels)


def quarters(image_rgb: np.ndarray) -> np.ndarray:
    """Colour in the middle of each quarter: (4, 3)."""
    height, width = image_rgb.shape[:2]
    return image_rgb[[height // 4, height // 4, 3 * height // 4, 3 * height // 4], [width // 4, 3 * width // 4] * 2]


@pytest.mark.parametrize("data", [b"", b"hello, I am a text file\n" * 50, b"\0" * 4096, b"%PDF", b"\xff"])
def test_what_is_no_picture_is_refused_as_such(data: bytes) -> None:
    assert refusal(data) == UnreadableReason.not_an_image


def test_a_picture_in_a_format_that_photos_do_not_come_in_is_unsupported(scene: Image.Image, encode: Encode) -> None:
    assert refusal(encode(scene, "GIF")) == UnreadableReason.unsupported


def test_a_drawing_that_could_fetch_other_files_is_never_opened() -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>'
    assert refusal(svg) in {UnreadableReason.unsupported, UnreadableReason.not_an_image}


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_file_that_ends_early_is_refused(kind: str, share: float, portrait: Image.Image, encode: Encode) -> None:
    data = encode(portrait, kind)
    assert refusal(data[: int(len(data) * share)]) == UnreadableReason.truncated


def test_a_compressed_tiff_without_its_directory_is_refused_as_cut(portrait: Image.Image, encode: Encode) -> None:
    data = encode(portrait, "TIFF", compression="tiff_lzw")
    assert refusal(data[: len(data) // 2]) == UnreadableReason.truncated


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_heic_that_ends_early_is_refused(share: float, portrait: Image.Image) -> None:
    data = heic_bytes(portrait)
    assert refusal(data[: int(len(data) * share)]) == UnreadableReason.truncated


def test_a_bomb_is_refused_by_its_header_before_any_pixel_is_decoded(bare_png: Callable[[int, int], bytes]) -> None:
    assert refusal(bare_png(60_000, 60_000)) == UnreadableReason.too_many_pixels
    # Its pixels are missing, which whoever decodes first would notice first: a small one shows that.
    assert refusal(bare_png(600, 600)) == UnreadableReason.truncated


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC"])
def test_the_limit_of_pixels_holds_for_every_format(kind: str, scene: Image.Image, encode: Encode) -> None:
    data = heic_bytes(scene) if kind == "HEIC" else avif_bytes(scene) if kind == "AVIF" else encode(scene, kind)
    assert refusal(data, pixels_limit=160 * 96 - 1) == UnreadableReason.too_many_pixels
    assert decode(data, pixels_limit=160 * 96).width_px == 160


def heic_bytes(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90)
    return buffer.getvalue()


def avif_bytes(image: Image.Image) -> bytes:
    return bytes(pyvips.Image.new_from_array(np.asarray(image)).heifsave_buffer(compression="av1", Q=90))


def cmyk_bytes(image: Image.Image) -> bytes:
    srgb = pyvips.Image.new_from_array(np.asarray(image)).copy(interpretation="srgb")
    return bytes(srgb.icc_transform("cmyk", input_profile="srgb").jpegsave_buffer(Q=95))


def sixteen_bit_png(image: Image.Image) -> bytes:
    wide = pyvips.Image.new_from_array(np.asarray(image).astype(np.uint16) * 257, interpretation="rgb16")
    return bytes(wide.pngsave_buffer(bitdepth=16))


def half_seen_png(image: Image.Image) -> bytes:
    """Fully opaque on top, fully transparent below."""
    alpha = np.full((96, 160, 1), 255, np.uint8)
    alpha[48:] = 0
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate([np.asarray(image), alpha], axis=2)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "tolerance"),
    [
        pytest.param(heic_bytes, 8, id="HEIC"),
        pytest.param(avif_bytes, 8, id="AVIF"),
        pytest.param(sixteen_bit_png, 1, id="16-bit PNG"),
        pytest.param(cmyk_bytes, 64, id="CMYK JPEG"),  # no ink prints this blue; inverted inks are off by 170
    ],
)
def test_every_format_gives_the_colours_that_went_in(
    make: Callable[[Image.Image], bytes], tolerance: int, scene: Image.Image
) -> None:
    decoded = decode(make(scene))
    assert (decoded.width_px, decoded.height_px) == (160, 96)
    assert decoded.image_rgb.dtype == np.uint8
    np.testing.assert_allclose(quarters(decoded.image_rgb), quarters(np.asarray(scene)), atol=tolerance)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_usual_formats_give_the_colours_that_went_in(kind: str, scene: Image.Image, encode: Encode) -> None:
    decoded = decode(encode(scene, kind))
    np.testing.assert_allclose(quarters(decoded.image_rgb), quarters(np.asarray(scene)), atol=8)


def test_greyscale_becomes_three_equal_channels(scene: Image.Image, encode: Encode) -> None:
    grey = scene.convert("L")
    decoded = decode(encode(grey, "PNG")).image_rgb
    np.testing.assert_array_equal(decoded, np.asarray(grey)[:, :, None].repeat(3, axis=2))


def test_what_is_transparent_becomes_white(scene: Image.Image) -> None:
    seen = quarters(decode(half_seen_png(scene)).image_rgb)
    np.testing.assert_array_equal(seen[:2], quarters(np.asarray(scene))[:2])
    np.testing.assert_array_equal(seen[2:], np.full((2, 3), 255))


def test_a_palette_picture_keeps_its_colours(scene: Image.Image, encode: Encode) -> None:
    decoded = decode(encode(scene.quantize(8), "PNG"))
    np.testing.assert_allclose(quarters(decoded.image_rgb), quarters(np.asarray(scene)), atol=2)


def test_an_embedded_profile_is_converted_and_not_just_dropped(scene: Image.Image, encode: Encode) -> None:
    srgb = pyvips.Image.new_from_array(np.asarray(scene)).copy(interpretation="srgb")
    display_p3 = bytes(srgb.icc_transform("p3", input_profile="srgb").pngsave_buffer())
    as_numbers = np.asarray(Image.open(io.BytesIO(display_p3)).convert("RGB"))
    assert np.abs(quarters(as_numbers).astype(int) - quarters(np.asarray(scene))).max() > 10
    np.testing.assert_allclose(quarters(decode(display_p3).image_rgb), quarters(np.asarray(scene)), atol=3)


def test_an_srgb_profile_leaves_every_pixel_as_it_is(scene: Image.Image, encode: Encode) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    decoded = decode(encode(scene, "PNG", icc_profile=profile))
    np.testing.assert_array_equal(decoded.image_rgb, np.asarray(scene))


def test_a_broken_profile_does_not_cost_the_photo(scene: Image.Image, encode: Encode) -> None:
    decoded = decode(encode(scene, "JPEG", icc_profile=b"no profile at all" * 20))
    np.testing.assert_allclose(quarters(decoded.image_rgb), quarters(np.asarray(scene)), atol=8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_shows_the_picture_upright(orientation: int, scene: Image.Image, encode: Encode) -> None:
    as_stored = {
        1: scene,
        2: scene.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: scene.transpose(Image.Transpose.ROTATE_180),
        4: scene.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: scene.transpose(Image.Transpose.TRANSPOSE),
        6: scene.transpose(Image.Transpose.ROTATE_90),
        7: scene.transpose(Image.Transpose.TRANSVERSE),
        8: scene.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    tags = Image.Exif()
    tags[0x0112] = orientation
    decoded = decode(encode(as_stored, "JPEG", quality=95, exif=tags.tobytes()))
    assert (decoded.width_px, decoded.height_px) == (160, 96)
    np.testing.assert_allclose(quarters(decoded.image_rgb), quarters(np.asarray(scene)), atol=8)


def test_the_moment_of_the_photo_is_read_from_exif(samples: dict[str, Path]) -> None:
    moment = decode(samples["sample1.jpg"].read_bytes()).taken_at
    assert moment == datetime(2017, 10, 31, 20, 16, 18)  # noqa: DTZ001 - EXIF has no time zone


@pytest.mark.parametrize("written", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday", "2024:13:45 99:00:00"])
def test_a_clock_that_was_never_set_gives_no_moment(written: str, scene: Image.Image, encode: Encode) -> None:
    tags = Image.Exif()
    tags.get_ifd(0x8769)[0x9003] = written
    assert decode(encode(scene, "JPEG", exif=tags.tobytes())).taken_at is None


def test_damaged_exif_does_not_cost_the_photo(scene: Image.Image, encode: Encode) -> None:
    damaged = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x99" * 40
    assert decode(encode(scene, "JPEG", exif=damaged)).taken_at is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_very_large_picture_is_shrunk_while_it_is_read(kind: str, encode: Encode) -> None:
    large = Image.new("RGB", (9_000, 6_000), (90, 120, 150))
    decoded = decode(encode(large, kind))
    assert (decoded.width_px, decoded.height_px) == (9_000, 6_000)
    assert decoded.image_rgb.shape[0] * decoded.image_rgb.shape[1] <= 40_100_000
    np.testing.assert_allclose(decoded.image_rgb[100, 100], (90, 120, 150), atol=2)


def test_a_picture_one_pixel_high_is_a_picture(encode: Encode) -> None:
    assert decode(encode(Image.new("RGB", (5_000, 1)), "PNG")).image_rgb.shape == (1, 5_000, 3)
