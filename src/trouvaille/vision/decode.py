"""From bytes to upright 8-bit sRGB pixels, once per photo, with bounded memory and without trusting the file."""

import dataclasses
import functools
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import cv2
import numpy as np
import pyvips
import simplejpeg
from numpy.typing import NDArray

from trouvaille.raw_files import raw_type
from trouvaille.vision import exif, heic, raw
from trouvaille.vision.types import Exposure, Unreadable, UnreadableReason

PIXELS_LIMIT: Final = 200_000_000
"""More declared pixels than this are refused before any is decoded."""

WORKING_PIXELS: Final = 40_000_000
"""Larger pictures are shrunk while they are read, so that one decode never holds more than 120 MB of pixels."""

ENOUGH_SIDE_PX: Final = 2560
"""Of a photo: room for the largest rendition, and for all but small faces."""

HELD_LIMIT_BYTES: Final = 400 * 1024**2
"""Pictures that can't be read in strips are refused when their decoder would hold more than about this."""

_WHOLE_BYTES_A_PIXEL: Final = {"webp": 8.0, "avif": 17.0, "heic": 8.0}  # measured, with the finished pixels
_TRANSPOSED: Final = (5, 6, 7, 8)
_LOADERS: Final = frozenset({"jpegload", "pngload", "webpload", "tiffload", "heifload"})

# Loaders that libvips itself marks as unfit for strangers' files (SVG, PDF, ImageMagick...) are off for good, and
# nothing of a guest's picture stays behind in an operation cache.
pyvips.block_untrusted_set(True)
pyvips.cache_set_max(0)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture as people see it.

    Attributes:
        image_rgb: (h, w, 3) uint8, upright, sRGB; smaller than declared where that exceeds ``WORKING_PIXELS``.
        width_px: declared width, upright.
        height_px: declared height, upright.
        exposure: when and by which camera.
    """

    image_rgb: NDArray[np.uint8]
    width_px: int
    height_px: int
    exposure: Exposure

    @property
    def taken_at(self) -> datetime | None:
        """EXIF DateTimeOriginal, or None."""
        return self.exposure.taken_at


def decode(data: bytes, *, pixels_limit: int = PIXELS_LIMIT, enough_px: int | None = None) -> Decoded:
    """Decode JPEG, PNG, WebP, TIFF, AVIF or HEIC, or the preview inside a camera's RAW file.

    Args:
        data: the whole file.
        pixels_limit: most pixels that the header may declare.
        enough_px: a JPEG is read at a half, a quarter or an eighth of its size while its longer side keeps so many,
            which takes a large one a third of the time; None reads all there is.

    Raises:
        Unreadable: with the reason; a file that ends early is refused, not shown half grey.
    """
    if raw_type(data) is not None:
        return _decode_raw(data, pixels_limit, enough_px)
    if heic.is_heic(data):
        return _decode_heic(data, pixels_limit)
    header = _open(data)
    limit = min(pixels_limit, _strips_limit(data, header))
    width_px, height_px = _checked_size(header.width, header.height, limit)
    metadata = _exif_blob(header, data)
    orientation = header.get("orientation") if header.get_typeof("orientation") else 1
    try:
        image_rgb = _jpeg_pixels(data, header, enough_px)
        if image_rgb is None:
            image_rgb = _pixels(_shrink_while_loading(data, header))
    except pyvips.Error as error:
        raise Unreadable(UnreadableReason.truncated) from error
    if orientation in _TRANSPOSED:
        width_px, height_px = height_px, width_px
    return Decoded(turn_upright(image_rgb, orientation), width_px, height_px, exif.exposure(metadata))


def turn_upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Apply an EXIF orientation.

    Args:
        image: (h, w, 3), as stored.
        orientation: 1-8 as in EXIF 2.32, tag 0x0112; anything else means upright already.
    """
    if orientation in _TRANSPOSED:
        image = _u8(cv2.transpose(image))
    flips: dict[int, int] = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    return _u8(cv2.flip(image, flips[orientation])) if orientation in flips else image


def _open(data: bytes) -> pyvips.Image:
    loader = pyvips.vips_lib.vips_foreign_find_load_buffer(data, len(data)) if data else pyvips.ffi.NULL
    if loader == pyvips.ffi.NULL:
        # libtiff only knows a TIFF by its directory, which most writers put at the very end.
        cut = data.startswith((b"II*\0", b"MM\0*"))
        raise Unreadable(UnreadableReason.truncated if cut else UnreadableReason.not_an_image)
    try:
        header = pyvips.Image.new_from_buffer(data, "", access="sequential", fail_on=_fail_on(data))
    except pyvips.Error as error:
        # The first bytes promised a picture, and the header behind them is cut or broken.
        raise Unreadable(UnreadableReason.truncated) from error
    if header.get("vips-loader").removesuffix("_buffer") not in _LOADERS:
        raise Unreadable(UnreadableReason.unsupported)
    return header


def _fail_on(data: bytes) -> str:
    # Cameras write JPEGs with harmless flaws, so only a missing end counts; libtiff reports a missing end as an error.
    return "truncated" if data.startswith(b"\xff\xd8") else "error"


def _checked_size(width_px: int, height_px: int, pixels_limit: int) -> tuple[int, int]:
    if width_px * height_px > pixels_limit:
        raise Unreadable(UnreadableReason.too_many_pixels)
    return width_px, height_px


def _strips_limit(data: bytes, header: pyvips.Image) -> int:
    """How many pixels a file of this kind may have so that its decoder holds no more than ``HELD_LIMIT_BYTES``."""
    loader = header.get("vips-loader").removesuffix("_buffer").removesuffix("load")
    if loader in {"webp", "heif"}:
        return _whole_limit(_WHOLE_BYTES_A_PIXEL["avif" if loader == "heif" else loader])
    if not header.get_typeof("interlaced"):
        return PIXELS_LIMIT
    if loader == "jpeg":
        # Two bytes for every coefficient, because each scan only refines them; and the shrunk picture.
        return _whole_limit(2 * _samples_a_pixel(data, header.bands) + 0.7)
    return _whole_limit(1.2 * header.bands * (2 if header.format == "ushort" else 1) + 2)


def _whole_limit(bytes_a_pixel: float) -> int:
    return int(HELD_LIMIT_BYTES / bytes_a_pixel)


def _samples_a_pixel(data: bytes, bands: int) -> float:
    """Stored samples for each pixel of a JPEG, from its frame header: 3 without and 1.5 with halved colours."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            factors = [divmod(factor, 16) for factor in data[at + 11 : at + 10 + 3 * data[at + 9] : 3]]
            largest = max((h for h, _ in factors), default=1) * max((v for _, v in factors), default=1)
            return sum(h * v for h, v in factors) / max(largest, 1)
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return bands  # an unusual header: what it could be at most


def _exif_blob(image: pyvips.Image, data: bytes) -> bytes:
    if image.get("vips-loader").startswith("tiff"):
        return data  # libvips leaves it out, and a TIFF is what an EXIF block is made like
    return bytes(image.get("exif-data")) if image.get_typeof("exif-data") else b""


def _jpeg_pixels(data: bytes, header: pyvips.Image, enough_px: int | None) -> NDArray[np.uint8] | None:
    """The pixels of a plain JPEG, straight from libjpeg-turbo: in a third of the time that libvips' pipeline takes.

    None where there is more to it: another colour space or profile, or a flaw that libvips has to judge.
    """
    if not header.get("vips-loader").startswith("jpeg") or header.interpretation not in ("srgb", "b-w"):
        return None
    if header.get_typeof("icc-profile-data") and not _is_srgb(bytes(header.get("icc-profile-data"))):
        return None
    width, height = header.width, header.height
    factor = 1
    while factor < 8 and (
        width * height > WORKING_PIXELS * factor**2
        or (enough_px is not None and max(width, height) >= 2 * factor * enough_px)
    ):
        factor *= 2
    least = {"min_width": -(-width // factor), "min_height": -(-height // factor)} if factor > 1 else {}
    try:
        return _u8(simplejpeg.decode_jpeg(data, "RGB", min_factor=factor, strict=True, **least))
    except ValueError:  # it warns of harmless flaws and of a missing end alike
        return None


def _shrink_while_loading(data: bytes, header: pyvips.Image) -> pyvips.Image:
    """The picture at no more than ``WORKING_PIXELS``; a JPEG then decodes only the coefficients that this needs."""
    excess = header.width * header.height / WORKING_PIXELS
    if excess <= 1:
        return header
    if header.get("vips-loader").startswith("jpeg"):
        shrink = next(factor for factor in (2, 4, 8) if factor * factor >= excess or factor == 8)
        return pyvips.Image.new_from_buffer(data, "", access="sequential", fail_on=_fail_on(data), shrink=shrink)
    return header.resize(excess**-0.5, kernel="linear")


def _pixels(image: pyvips.Image) -> NDArray[np.uint8]:
    image = _to_srgb(image)
    if image.hasalpha():
        image = image.flatten(background=255)
    if image.bands > 3:
        image = image.extract_band(0, n=3)
    return _u8(image.numpy())


def _to_srgb(image: pyvips.Image) -> pyvips.Image:
    """Any interpretation, depth and embedded profile to 8-bit sRGB (alpha, where there is one, is kept)."""
    plain_rgb = image.interpretation == "srgb" and image.format == "uchar"
    if image.get_typeof("icc-profile-data"):
        profile = bytes(image.get("icc-profile-data"))
        if plain_rgb and _is_srgb(profile):
            return image
        try:
            return image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True)
        except pyvips.Error:
            # A broken profile, or one for another colour space, must not cost the photo.
            return image.colourspace("srgb").cast("uchar")
    return image if plain_rgb else image.colourspace("srgb").cast("uchar")


@functools.lru_cache(maxsize=64)
def _is_srgb(profile: bytes) -> bool:
    """Whether a profile changes no colour by more than two levels: then the costly transform can be left out."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    image = _with_profile(lattice, profile)
    try:
        moved = image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True).numpy()
    except pyvips.Error:
        return True
    return bool(np.abs(moved.astype(int) - lattice).max() <= 2)


def _decode_heic(data: bytes, pixels_limit: int) -> Decoded:
    picture = heic.open_heic(data)
    limit = min(pixels_limit, _whole_limit(_WHOLE_BYTES_A_PIXEL["heic"]))
    width_px, height_px = _checked_size(picture.width_px, picture.height_px, limit)
    pixels = picture.pixels()
    image = _with_profile(pixels, picture.icc_profile)
    excess = width_px * height_px / WORKING_PIXELS
    if excess > 1:
        image = image.resize(excess**-0.5, kernel="linear")
    return Decoded(_pixels(image), width_px, height_px, exif.exposure(picture.exif))


def _decode_raw(data: bytes, pixels_limit: int, enough_px: int | None) -> Decoded:
    shown = decode(raw.preview(data), pixels_limit=pixels_limit, enough_px=enough_px)
    if max(shown.width_px, shown.height_px) < raw.LEAST_SIDE_PX:
        raise Unreadable(UnreadableReason.no_preview)
    return dataclasses.replace(shown, exposure=raw.exposure(data, shown.exposure))


def _with_profile(pixels: NDArray[np.uint8], icc_profile: bytes) -> pyvips.Image:
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb").copy()
    if icc_profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc_profile)
    return image


def _u8(image: Any) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image, dtype=np.uint8)
