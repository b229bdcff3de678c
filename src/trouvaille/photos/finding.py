"""Finding what is to be blanked in a file: the worker's part. Nothing is decoded; containers are walked.

What a container holds that is not known to be harmless is blanked whole: a trailer, a maker's own segment, a film.
"""

import re
import zlib
from collections.abc import Generator, Iterator
from typing import Any

from trouvaille.photos import isobmff
from trouvaille.photos.blanks import Blank, CannotBlank, cover, kept
from trouvaille.photos.tags import in_exif, in_photoshop, in_xmp

_XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_XMP_MORE_BYTES = len(_XMP_MORE) + 32 + 4 + 4
_EXIF_HEAD = b"Exif\0"
_HARMLESS_SEGMENTS = {
    0xE0: (b"JFIF\0", b"JFXX\0"),
    0xE2: (b"ICC_PROFILE\0", b"MPF\0", b"urn:iso:std:iso:ts:21496:-1\0"),  # colours, further pictures, gain maps
    0xEE: (b"Adobe",),
}
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_WEBP_PIXELS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}
_PNG_HARMLESS = set(b"gAMA cHRM sRGB iCCP sBIT pHYs bKGD tRNS hIST tIME sPLT cICP mDCV cLLI acTL fcTL fdAT".split())
_PNG_TEXTS = {b"Title", b"Author", b"Description", b"Copyright", b"Creation Time", b"Software", b"Comment"}
_PNG_XMP = b"XML:com.adobe.xmp\0"
_PNG_NOTHING = b"blNk"
"""A chunk type that says of itself that it is private and may be ignored (PNG, 5.4)."""


def find(data: bytes, media_type: str) -> list[Blank]:
    """What is to be covered before a stranger may have this file.

    Raises:
        CannotBlank: of a kind that we don't know, or damaged.
    """
    walk = _WALKS.get(media_type)
    if walk is None:
        raise CannotBlank(media_type)
    try:
        return list(walk(data))
    except IndexError as error:
        raise CannotBlank("it ends too early") from error


def blanks_of(data: bytes, media_type: str) -> dict[str, Any]:
    """``find`` as the photo's row keeps it."""
    try:
        return kept(find(data, media_type))
    except CannotBlank:
        return kept(None)


def _jpeg(data: bytes) -> Iterator[Blank]:
    at = yield from _one_jpeg(data, 0)
    while at < len(data):
        # More pictures (gain maps, previews), with padding between. Anything else is blanked from there on.
        start = len(data) - len(data[at:].lstrip(b"\0"))
        if data[start : start + 3] != b"\xff\xd8\xff":
            yield from _zeros(start, len(data))
            return
        try:
            further = _one_jpeg(data, start)
            blanks = []
            while True:
                blanks.append(next(further))
        except StopIteration as end:
            yield from blanks
            at = end.value
        except (CannotBlank, IndexError):
            yield from _zeros(start, len(data))
            return


def _one_jpeg(data: bytes, start: int) -> Generator[Blank, None, int]:
    """One picture; returns where it ends."""
    at = start + 2
    while True:
        if (found := _MARKER.match(data, at)) is None:
            raise CannotBlank("no marker where one must be")
        at, marker = found.end(), data[found.end() - 1]
        if marker == 0xD9:
            return at
        if marker in (0x01, 0xD8):
            continue
        end = at + int.from_bytes(data[at : at + 2], "big")
        if end > len(data) or end < at + 2:
            raise CannotBlank("a segment ends outside")
        if 0xE0 <= marker <= 0xEF:
            yield from _segment(data, marker, at + 2, end)
        at = end
        if marker == 0xDA:
            if (scanned := _MARKER.search(data, at)) is None:
                raise CannotBlank("the picture has no end")
            at = scanned.start()


def _segment(data: bytes, marker: int, start: int, end: int) -> Iterator[Blank]:
    body = data[start:end]
    if any(body.startswith(head) for head in _HARMLESS_SEGMENTS.get(marker, ())):
        return
    if marker == 0xE1 and body.startswith(_EXIF_HEAD):
        yield from in_exif(data, start + 6, end)
    elif marker == 0xE1 and body.startswith(_XMP_HEAD):
        yield from in_xmp(data, start + len(_XMP_HEAD), end)
    elif marker == 0xE1 and body.startswith(_XMP_MORE):
        # One property may be in two segments: readers drop all of it when its digest does not fit.
        yield from _fill(start + _XMP_MORE_BYTES, end, b" ")
    elif marker == 0xED and body.startswith(b"Photoshop 3.0\0"):
        yield from in_photoshop(data, start + 14, end)
    else:
        yield from _zeros(start, end)


def _png(data: bytes) -> Iterator[Blank]:
    at = 8
    while at < len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body, end = at + 8, at + 8 + size
        if end + 4 > len(data):
            raise CannotBlank("a chunk ends outside")
        blanks = list(_chunk(data, kind, body, end))
        yield from blanks
        if blanks:
            whole = cover(data[at + 4 : end], blanks, offset=at + 4)
            yield Blank(end, 4, zlib.crc32(whole).to_bytes(4, "big"))
        at = end + 4
        if kind == b"IEND":
            yield from _zeros(at, len(data))
            return
    raise CannotBlank("no end")


def _chunk(data: bytes, kind: bytes, body: int, end: int) -> Iterator[Blank]:
    if not kind[0] & 0x20 or kind in _PNG_HARMLESS:
        return
    text = data[body:end]
    if kind == b"eXIf":
        yield from in_exif(data, body, end)
    elif kind == b"iTXt" and text.startswith(_PNG_XMP + b"\0\0"):  # not compressed
        yield from in_xmp(data, body + len(_PNG_XMP) + 2, end)
    elif not (kind in (b"tEXt", b"iTXt") and text.partition(b"\0")[0] in _PNG_TEXTS):
        yield Blank(body - 4, 4, _PNG_NOTHING)
        yield from _zeros(body, end)


def _webp(data: bytes) -> Iterator[Blank]:
    at, stop = 12, int.from_bytes(data[4:8], "little") + 8
    if stop > len(data):
        raise CannotBlank("it ends too early")
    while at + 8 <= stop:
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body, end = at + 8, min(at + 8 + size, stop)
        if kind == b"EXIF":
            yield from in_exif(data, body + (6 if data[body:end].startswith(_EXIF_HEAD) else 0), end)
        elif kind == b"XMP ":
            yield from in_xmp(data, body, end)
        elif kind not in _WEBP_PIXELS:
            yield from _zeros(body, end)
        at += 8 + size + size % 2
    yield from _zeros(stop, len(data))


def _tiff(data: bytes) -> Iterator[Blank]:
    return in_exif(data, 0, len(data))


def _zeros(start: int, end: int) -> Iterator[Blank]:
    return _fill(start, end, b"\0")


def _fill(start: int, end: int, fill: bytes) -> Iterator[Blank]:
    if end > start:
        yield Blank(start, end - start, fill)


_WALKS = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/webp": _webp,
    "image/tiff": _tiff,
    "image/heic": isobmff.blanks,
    "image/avif": isobmff.blanks,
}
