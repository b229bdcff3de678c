"""Telling cameras' RAW files by their headers, without decoding anything: light enough for every process.

Most are TIFF files in all but name. What makes one a RAW file is a picture inside that is a sensor's mosaic, or its
linear values (PhotometricInterpretation 32803 and 34892), or Adobe's DNGVersion: a TIFF that was exported from a
photo of the same camera has none of them.
"""

from collections.abc import Iterator
from typing import Final, Protocol

TYPES: Final = {
    "image/x-canon-cr2": ".cr2",
    "image/x-canon-cr3": ".cr3",
    "image/x-nikon-nef": ".nef",
    "image/x-sony-arw": ".arw",
    "image/x-adobe-dng": ".dng",
    "image/x-fuji-raf": ".raf",
    "image/x-olympus-orf": ".orf",
    "image/x-panasonic-rw2": ".rw2",
    "image/x-pentax-pef": ".pef",
    "image/x-samsung-srw": ".srw",
    "image/x-raw": ".raw",
}
"""Media types and the endings of their files."""

HEAD_BYTES: Final = 32
_MARKS: Final = (
    (4, b"ftypcrx ", "image/x-canon-cr3"),
    (0, b"FUJIFILMCCD-RAW", "image/x-fuji-raf"),
    (0, b"IIRO", "image/x-olympus-orf"),
    (0, b"IIRS", "image/x-olympus-orf"),
    (0, b"MMOR", "image/x-olympus-orf"),
    (0, b"IIU\0", "image/x-panasonic-rw2"),
)
_BY_MAKE: Final = {
    b"CANON": "image/x-canon-cr2",
    b"NIKON": "image/x-nikon-nef",
    b"SONY": "image/x-sony-arw",
    b"PENTAX": "image/x-pentax-pef",
    b"RICOH": "image/x-pentax-pef",
    b"SAMSUNG": "image/x-samsung-srw",
}
_SENSOR: Final = {32803, 34892}
_MAKE, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 0x010F, 0x0106, 0x014A, 0xC612
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1, 13: 4}  # bytes of one value, by TIFF's type
_MOST_IFDS, _MOST_ENTRIES = 16, 512


class Bytes(Protocol):
    """``bytes`` or a mapped file."""

    def __len__(self) -> int: ...
    def __getitem__(self, at: slice, /) -> bytes: ...


def raw_type(data: Bytes) -> str | None:
    """The media type of a RAW file, or None for anything else.

    Args:
        data: the whole file. Only its directories are read: a few kilobytes, wherever they lie.
    """
    head = bytes(data[:HEAD_BYTES])
    known = next((kind for at, mark, kind in _MARKS if head[at : at + len(mark)] == mark), None)
    if known is None and head[:4] in (b"II*\0", b"MM\0*"):
        return "image/x-canon-cr2" if head[8:10] == b"CR" else _tiff_type(data)
    return known


def _tiff_type(data: Bytes) -> str | None:
    order = "little" if data[:2] == b"II" else "big"
    make, is_raw = b"", False
    for number, ifd in enumerate(_ifds(data, order)):
        if _DNG_VERSION in ifd:
            return "image/x-adobe-dng"
        if number == 0:
            make = ifd.get(_MAKE, b"").strip(b"\0 ").upper()
        is_raw = is_raw or int.from_bytes(ifd.get(_PHOTOMETRIC, b"")[:2], order) in _SENSOR  # type: ignore[arg-type]
    if not is_raw:
        return None
    return next((kind for name, kind in _BY_MAKE.items() if make.startswith(name)), "image/x-raw")


def _ifds(data: Bytes, order: str) -> Iterator[dict[int, bytes]]:
    """Directories of a TIFF, each once: the first, those behind it, and those below them."""
    waiting, seen = [_number(data[4:8], order)], set[int]()
    while waiting and len(seen) < _MOST_IFDS:
        at = waiting.pop(0)
        if at in seen or not 8 <= at < len(data) - 2:
            continue
        seen.add(at)
        count = min(_number(data[at : at + 2], order), _MOST_ENTRIES)
        ifd = {}
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, value = _entry(data, entry, order)
            if tag in (_MAKE, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION):
                ifd[tag] = value
        yield ifd
        below = ifd.get(_SUB_IFDS, b"")
        waiting += [_number(below[start : start + 4], order) for start in range(0, min(len(below), 32), 4)]
        waiting.append(_number(data[at + 2 + 12 * count : at + 6 + 12 * count], order))


def _entry(data: Bytes, at: int, order: str) -> tuple[int, bytes]:
    raw = bytes(data[at : at + 12])
    kind, count = _number(raw[2:4], order), _number(raw[4:8], order)
    size = _SIZES.get(kind, 0) * min(count, 256)
    start = _number(raw[8:12], order)
    return _number(raw[:2], order), raw[8 : 8 + size] if size <= 4 else bytes(data[start : start + size])


def _number(raw: bytes, order: str) -> int:
    return int.from_bytes(raw, order)  # type: ignore[arg-type]
