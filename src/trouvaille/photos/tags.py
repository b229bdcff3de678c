"""Where position, serial numbers and maker notes stand in EXIF, XMP and Photoshop blocks.

No library that is kept up and fit for our licence blanks these in place: piexif is abandoned and knows JPEG only,
Exiv2's bindings are GPL, Pillow writes files anew. EXIF is TIFF 6.0 directories (EXIF 2.32, 4.6), walked here.
"""

import re
from collections.abc import Iterator

from trouvaille.photos.blanks import Blank, CannotBlank

_BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_EXIF_IFD, _INTEROP_IFD, _SUB_IFDS, _GPS_IFD = 0x8769, 0xA005, 0x014A, 0x8825
_XMP, _PHOTOSHOP = 0x02BC, 0x8649
_TELLING = {
    0x927C,  # MakerNote: serial numbers, owner, sometimes a position, as each maker likes
    0xA430,  # CameraOwnerName
    0xA431,  # BodySerialNumber
    0xA435,  # LensSerialNumber
    0xC62F,  # CameraSerialNumber
    0xC634,  # DNGPrivateData
    *(0xFDE8, 0xFDE9),  # OwnerName and SerialNumber of Adobe Camera Raw
    *(0x830E, 0x8482, 0x85D8, 0x87AF, 0x87B0, 0x87B1),  # GeoTIFF
}
_DIRECTORIES_LIMIT = 64

_NAME = rb"[\w.-]+:[\w.-]*(?:gps|latitude|longitude|altitude|serial|ownername|makernote)[\w.-]*"
_ATTRIBUTE = re.compile(rb"\s" + _NAME + rb"\s*=\s*(?:\"(?P<a>[^\"]*)\"|'(?P<b>[^']*)')", re.IGNORECASE)
_ELEMENT = re.compile(rb"<(?P<name>" + _NAME + rb")(?:\s[^>]*)?(?<!/)>(?P<inside>.*?)</(?P=name)\s*>", re.I | re.DOTALL)


def in_exif(data: bytes, start: int, stop: int) -> Iterator[Blank]:
    """Of a TIFF block; offsets in it count from its first byte.

    Raises:
        CannotBlank: it is damaged.
    """
    order = data[start : start + 4]
    if order not in (b"II*\0", b"MM\0*"):
        raise CannotBlank("no TIFF header")
    yield from _Block(data, start, stop, "little" if order[:2] == b"II" else "big").blanks()


class _Block:
    """A TIFF block that is being walked."""

    def __init__(self, data: bytes, start: int, stop: int, order: str) -> None:
        self._data, self._start, self._stop = data, start, stop
        self._little = order == "little"

    def _number(self, at: int, size: int) -> int:
        if not 0 <= at <= self._stop - self._start - size:
            raise CannotBlank("directory outside its block")
        at += self._start
        return int.from_bytes(self._data[at : at + size], "little" if self._little else "big")

    def blanks(self) -> Iterator[Blank]:
        todo, seen = [self._number(4, 4)], set[int]()
        while todo:
            at = todo.pop()
            if at == 0 or at in seen:
                continue
            seen.add(at)
            if len(seen) > _DIRECTORIES_LIMIT:
                raise CannotBlank("too many directories")
            count = self._number(at, 2)
            for entry in range(at + 2, at + 2 + 12 * count, 12):
                yield from self._entry(entry, todo)
            end = at + 2 + 12 * count
            if end + 4 <= self._stop - self._start:  # some writers leave the last link out
                todo.append(self._number(end, 4))

    def _entry(self, at: int, todo: list[int]) -> Iterator[Blank]:
        tag, kind, count = self._number(at, 2), self._number(at + 2, 2), self._number(at + 4, 4)
        size = count * _BYTES_OF_TYPE.get(kind, 1)
        value = at + 8 if size <= 4 else self._number(at + 8, 4)
        if tag in (_EXIF_IFD, _INTEROP_IFD, _SUB_IFDS):
            todo.extend(self._number(value + 4 * index, 4) for index in range(min(count, _DIRECTORIES_LIMIT)))
        elif tag == _GPS_IFD:
            yield from self._gps(self._number(at + 8, 4))
        elif tag in _TELLING:
            yield from self._zeros(value, size)
        elif tag == _XMP:
            yield from in_xmp(self._data, self._start + value, min(self._start + value + size, self._stop))
        elif tag == _PHOTOSHOP:
            yield from in_photoshop(self._data, self._start + value, min(self._start + value + size, self._stop))

    def _gps(self, at: int) -> Iterator[Blank]:
        """The whole directory with all its values; what stays is one without entries."""
        count = self._number(at, 2)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            size = self._number(entry + 4, 4) * _BYTES_OF_TYPE.get(self._number(entry + 2, 2), 1)
            if size > 4:
                yield from self._zeros(self._number(entry + 8, 4), size)
        yield from self._zeros(at, 2 + 12 * count + 4)

    def _zeros(self, at: int, size: int) -> Iterator[Blank]:
        size = min(size, self._stop - self._start - at)
        if size > 0:
            yield Blank(self._start + at, size)


def in_xmp(data: bytes, start: int, stop: int) -> Iterator[Blank]:
    """Of an XMP packet: the values become spaces, so that it stays well-formed. One that is not UTF-8 goes whole."""
    packet = data[start:stop]
    if b"<rdf:RDF" not in packet:
        yield Blank(start, stop - start, b" ")
        return
    for found in _ATTRIBUTE.finditer(packet):
        group = "a" if found["a"] is not None else "b"
        yield from _spaces(start + found.start(group), found.end(group) - found.start(group))
    for found in _ELEMENT.finditer(packet):
        yield from _spaces(start + found.start("inside"), found.end("inside") - found.start("inside"))


def _spaces(at: int, size: int) -> Iterator[Blank]:
    if size:
        yield Blank(at, size, b" ")


def in_photoshop(data: bytes, start: int, stop: int) -> Iterator[Blank]:
    """Of Photoshop's image resources, which may hold EXIF and XMP once more."""
    at = start
    while at + 12 <= stop and data[at : at + 4] == b"8BIM":
        kind = int.from_bytes(data[at + 4 : at + 6], "big")
        name = 1 + data[at + 6]
        body = at + 6 + name + name % 2
        size = int.from_bytes(data[body : body + 4], "big")
        first, last = body + 4, min(body + 4 + size, stop)
        if kind in (0x0422, 0x0423) and first < last:
            yield from in_exif(data, first, last)
        elif kind == 0x0424:
            yield from in_xmp(data, first, last)
        at = body + 4 + size + size % 2
