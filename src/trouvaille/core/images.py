"""Telling image files apart by their first bytes, without decoding any: the web processes load no image library.

``imagesize`` reads declared sizes; its own recognition of types is not enough (it takes SVG and raw pixel maps, which
we don't), so the few signatures that we accept stand here.
"""

import io
import mmap
import re
from pathlib import Path
from typing import BinaryIO

import imagesize

from trouvaille import raw_files
from trouvaille.core.errors import N_, Invalid, TooLarge

# Their decoders make the whole picture at once, whatever is asked of them: 64 megapixels take about half a gigabyte.
WHOLE_AT_ONCE = {"image/webp", "image/avif", "image/heic"}
WHOLE_LIMIT_PIXELS = 64_000_000
HEIF_BRANDS = {b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heic", b"msf1": "image/heic"}
AVIF_BRANDS = {b"avif": "image/avif", b"avis": "image/avif"}
FILL = re.compile(rb"\xff+")
EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/heic": ".heic",
    "image/avif": ".avif",
    "image/tiff": ".tif",
    **raw_files.TYPES,
}


class NotAnImage(Invalid):
    """No signature that we know."""

    message = N_("This file is not a picture that we can read (JPEG, PNG, WebP, HEIC, AVIF, TIFF or a camera’s RAW).")


class EmptyFile(Invalid):
    """No bytes at all."""

    message = N_("This file is empty.")


class Truncated(Invalid):
    """The end of the file is missing."""

    message = N_("This file is incomplete. Please export or copy it again.")


class TooManyPixels(TooLarge):
    """The declared size is over the limit."""

    message = N_("This picture has more than %(limit)s megapixels.")


class FileTooLarge(TooLarge):
    """More bytes than the limit allows."""

    message = N_("This file is larger than %(limit)s MB.")


def media_type(head: bytes) -> str | None:
    """The type of an image file from its first 16 bytes or more, or None when it is no type that we take."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:4] in (b"II*\0", b"MM\0*"):
        return "image/tiff"
    if head[4:8] == b"ftyp":
        return AVIF_BRANDS.get(head[8:12]) or HEIF_BRANDS.get(head[8:12])
    return None


def check_size(size_bytes: int, *, limit_bytes: int) -> None:
    """Refuse a file by its size alone.

    Raises:
        FileTooLarge
    """
    if size_bytes > limit_bytes:
        raise FileTooLarge(limit=limit_bytes // 1024**2)


def check_image(data: bytes, *, limit_bytes: int, limit_pixels: int) -> str:
    """Refuse what is certainly no good before it is kept; the worker's decoder has the last word.

    Args:
        data: the whole file.

    Returns:
        The media type.

    Raises:
        FileTooLarge, EmptyFile, NotAnImage, Truncated, TooManyPixels
    """
    check_size(len(data), limit_bytes=limit_bytes)
    if not data:
        raise EmptyFile
    return _check(data, io.BytesIO(data), limit_pixels)


def check_image_file(path: Path, *, limit_bytes: int, limit_pixels: int) -> str:
    """``check_image`` of a file, which is mapped and not read into memory."""
    size_bytes = path.stat().st_size
    check_size(size_bytes, limit_bytes=limit_bytes)
    if not size_bytes:
        raise EmptyFile
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _check(data, file, limit_pixels)


def _check(data: bytes | mmap.mmap, file: BinaryIO, limit_pixels: int) -> str:
    if (raw := raw_files.raw_type(data)) is not None:
        return raw  # whether there is a preview inside, only a decoder can tell
    kind = media_type(data[:16])
    if kind is None:
        raise NotAnImage
    if _is_truncated(data, kind):
        raise Truncated
    try:
        width_px, height_px = imagesize.get(file)
    except (ValueError, OSError, IndexError, KeyError, TypeError) as error:
        raise Truncated from error
    if kind in WHOLE_AT_ONCE:
        limit_pixels = min(limit_pixels, WHOLE_LIMIT_PIXELS)
    if width_px * height_px > limit_pixels:
        raise TooManyPixels(limit=limit_pixels // 1_000_000)
    return kind


def _is_truncated(data: bytes | mmap.mmap, kind: str) -> bool:
    """Whether the mark that ends the picture is missing.

    JPEG: FF D9 can't occur in entropy-coded data, so it must follow the last FF DA (start of scan); an embedded
    preview ends before that. Bytes after the mark (motion photos, padding) are allowed.
    """
    if kind == "image/jpeg":
        scan = _start_of_scan(data)
        return scan < 0 or data.find(b"\xff\xd9", scan) < 0
    if kind == "image/png":
        return data.rfind(b"IEND") < 0
    if kind == "image/webp":
        return len(data) < int.from_bytes(data[4:8], "little") + 8
    return False


def _start_of_scan(data: bytes | mmap.mmap) -> int:
    """Where a JPEG's first scan begins, found by walking its segments; -1 when the file ends before."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return -1
        if data[at + 1] == 0xFF:  # fill bytes, of which there may be any number
            filled = FILL.match(data, at)
            at = filled.end() - 1 if filled else at + 1
        elif data[at + 1] == 0xDA:
            return at
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return -1


def shown_name(name: str | None) -> str:
    """A file name fit to show: the last part only, printable, at most 200 signs."""
    name = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(sign for sign in name if sign.isprintable()).strip().lstrip(".")[-200:]


def safe_file_name(name: str | None, kind: str) -> str:
    """A file name fit to keep and to offer for download."""
    return shown_name(name) or f"photo{EXTENSIONS[kind]}"
