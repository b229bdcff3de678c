"""One photo in every shape that files come in, made on the spot."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pyvips
from numpy.typing import NDArray
from PIL import Image

Make = Callable[[Image.Image], bytes]

TURNED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera that writes each EXIF orientation stores an upright picture."""


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    """Encode with Pillow."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def heic(picture: Image.Image) -> bytes:
    """Encode as a phone's HEVC still."""
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture).save(buffer, quality=90, enc_params={"preset": "ultrafast"})
    return buffer.getvalue()


def srgb(picture: Image.Image) -> pyvips.Image:
    """The picture for libvips."""
    return pyvips.Image.new_from_array(np.asarray(picture)).copy(interpretation="srgb")


def turned(picture: Image.Image, orientation: int) -> bytes:
    """A JPEG as a turned camera writes it."""
    how = TURNED[orientation]
    tags = Image.Exif()
    tags[0x0112] = orientation
    return saved(picture if how is None else picture.transpose(how), "JPEG", quality=92, exif=tags.tobytes())


def sixteen_bits(picture: Image.Image) -> pyvips.Image:
    """The picture with 16 bits a channel."""
    return pyvips.Image.new_from_array(np.asarray(picture).astype(np.uint16) * 257, interpretation="rgb16")


def palette_with_transparency(picture: Image.Image) -> bytes:
    """A palette PNG whose rarest colour is transparent."""
    paletted = picture.quantize(256)
    rarest = min(paletted.getcolors() or [], key=lambda counted: counted[0])[1]
    return saved(paletted, "PNG", transparency=rarest)


def animated(picture: Image.Image) -> bytes:
    """A WebP of two frames; the first one counts."""
    blank = Image.new("RGB", picture.size, (90, 90, 90))
    return saved(picture, "WEBP", save_all=True, append_images=[blank], duration=200, quality=90, method=0)


def adobe_rgb() -> bytes:
    """A profile with the primaries, the white and the curve of Adobe RGB (1998), written out by hand."""

    def fixed(*values: float) -> bytes:
        return b"".join(round(value * 65536).to_bytes(4, "big", signed=True) for value in values)

    tags = {
        b"desc": b"desc\0\0\0\0" + (10).to_bytes(4, "big") + b"Adobe RGB\0" + bytes(78),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249),
        b"rXYZ": b"XYZ \0\0\0\0" + fixed(0.60974, 0.31111, 0.01947),
        b"gXYZ": b"XYZ \0\0\0\0" + fixed(0.20528, 0.62567, 0.06087),
        b"bXYZ": b"XYZ \0\0\0\0" + fixed(0.14919, 0.06322, 0.74457),
        **dict.fromkeys(
            (b"rTRC", b"gTRC", b"bTRC"), b"curv\0\0\0\0" + (1).to_bytes(4, "big") + (563).to_bytes(2, "big") + b"\0\0"
        ),
    }
    table, body = len(tags).to_bytes(4, "big"), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        table += name + (start + len(body)).to_bytes(4, "big") + len(value).to_bytes(4, "big")
        body += padded
    head = bytes(8) + b"\x02\x20\0\0mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28) + fixed(0.9642, 1, 0.8249)
    head = head.ljust(128, b"\0")
    return (128 + len(table) + len(body)).to_bytes(4, "big") + (head + table + body)[4:]


def in_adobe_rgb(picture: Image.Image, folder: Path) -> bytes:
    """A JPEG whose numbers are Adobe RGB's."""
    profile = folder / "adobe.icc"
    profile.write_bytes(adobe_rgb())
    return bytes(srgb(picture).icc_transform(str(profile), input_profile="srgb").jpegsave_buffer(Q=92))


READABLE: dict[str, Make] = {
    "baseline JPEG": lambda picture: saved(picture, "JPEG", quality=92),
    "progressive JPEG": lambda picture: saved(picture, "JPEG", quality=92, progressive=True),
    "CMYK JPEG": lambda picture: bytes(srgb(picture).icc_transform("cmyk", input_profile="srgb").jpegsave_buffer(Q=92)),
    "greyscale JPEG": lambda picture: saved(picture.convert("L"), "JPEG", quality=92),
    "16-bit PNG": lambda picture: bytes(sixteen_bits(picture).pngsave_buffer(bitdepth=16, compression=1)),
    "interlaced PNG": lambda picture: bytes(srgb(picture).pngsave_buffer(interlace=True, compression=1)),
    "grey and alpha PNG": lambda picture: saved(picture.convert("LA"), "PNG", compress_level=1),
    "palette PNG with transparency": palette_with_transparency,
    "TIFF": lambda picture: saved(picture, "TIFF", compression="tiff_lzw"),
    "16-bit TIFF": lambda picture: bytes(sixteen_bits(picture).tiffsave_buffer(compression="lzw")),
    "HEIC": heic,
    "AVIF": lambda picture: bytes(srgb(picture).heifsave_buffer(compression="av1", Q=80, effort=0)),
    "lossy WebP": lambda picture: saved(picture, "WEBP", quality=90, method=0),
    "lossless WebP": lambda picture: saved(picture, "WEBP", lossless=True, quality=0, method=0),
    "animated WebP": animated,
    "Display P3": lambda picture: bytes(srgb(picture).icc_transform("p3", input_profile="srgb").jpegsave_buffer(Q=92)),
}
"""What is read: each gives the faces of the photo that it was made from."""


def huge(kind: str, *, interlace: bool = False, bands: int = 3) -> bytes:
    """A real picture of 400 megapixels, written in strips: no more than a few rows are ever held."""
    tile: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (64, 64, bands), dtype=np.uint8)
    picture = pyvips.Image.new_from_array(tile).replicate(313, 313).crop(0, 0, 20_000, 20_000)
    picture = picture.copy(interpretation="srgb" if bands == 3 else "b-w")
    if kind == "JPEG":
        return bytes(picture.jpegsave_buffer(Q=20, interlace=interlace))
    return bytes(picture.pngsave_buffer(compression=1, filter="none"))
