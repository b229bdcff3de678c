"""RAW files: the largest preview that the camera put inside, through LibRaw. The sensor's data is never unpacked."""

import io
from contextlib import suppress
from typing import Final

import rawpy

from trouvaille.vision import exif
from trouvaille.vision.types import Exposure, Unreadable, UnreadableReason

LEAST_SIDE_PX: Final = 800
"""The longer side of a preview that is worth showing; smaller ones are made for the camera's own screen."""

_CR3_BOXES_BYTES: Final = 2 * 1024**2
_TIFF_HEADS: Final = {b"II*\0", b"MM\0*"}
_LIKE_TIFF: Final = {b"IIRO": b"II*\0", b"IIRS": b"II*\0", b"IIU\0": b"II*\0", b"MMOR": b"MM\0*"}


def preview(data: bytes) -> bytes:
    """The largest JPEG inside a RAW file, with the orientation of the whole in its EXIF.

    Raises:
        Unreadable: there is none, or the file ends early.
    """
    raw = rawpy.RawPy()
    try:
        # Only directories are read by this; it copies no pixels.
        raw.open_buffer(io.BytesIO(data))
        found = raw.extract_thumb()
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError) as error:
        raise Unreadable(UnreadableReason.no_preview) from error
    except (rawpy.LibRawIOError, rawpy.LibRawDataError) as error:
        raise Unreadable(UnreadableReason.truncated) from error
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        raise Unreadable(UnreadableReason.unsupported) from error
    finally:
        raw.close()
    if not isinstance(found.data, bytes) or not found.data.startswith(b"\xff\xd8"):
        raise Unreadable(UnreadableReason.no_preview)  # bitmaps are 160 pixels wide
    return found.data


def exposure(data: bytes, from_preview: Exposure) -> Exposure:
    """What the RAW file itself says, and where it is silent, its preview."""
    own = _own(data)
    return Exposure(
        taken_at=own.taken_at or from_preview.taken_at,
        offset_minutes=own.offset_minutes if own.taken_at else from_preview.offset_minutes,
        camera=own.camera or from_preview.camera,
        serial=own.serial or from_preview.serial,
    )


def _own(data: bytes) -> Exposure:
    head = data[:4]
    if head in _TIFF_HEADS:
        return exif.exposure(data)
    if head in _LIKE_TIFF:
        return exif.exposure(_LIKE_TIFF[head] + data[4:])
    with suppress(ValueError):
        # Canon's CR3 keeps its directories apart, each in a box that is a TIFF of its own.
        return exif.from_tags(exif.block(_box(data, b"CMT1")), exif.block(_box(data, b"CMT2")))
    return Exposure()


def _box(data: bytes, name: bytes) -> bytes:
    at = data.index(name, 0, _CR3_BOXES_BYTES)
    return data[at + 4 : at - 4 + int.from_bytes(data[at - 4 : at], "big")]
