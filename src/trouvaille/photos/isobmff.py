"""HEIC and AVIF: a tree of boxes (ISO/IEC 14496-12) whose ``meta`` says where each item lies (ISO/IEC 23008-12)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from trouvaille.photos.blanks import Blank, CannotBlank
from trouvaille.photos.tags import in_exif, in_xmp

_HARMLESS_BOXES = {b"ftyp", b"meta", b"mdat", b"free", b"skip"}
_PICTURES = {b"hvc1", b"hvt1", b"av01", b"grid", b"iden", b"iovl", b"tmap", b"jpeg", b"j2k1"}


@dataclass(slots=True)
class _Item:
    kind: bytes
    content_type: bytes = b""
    extents: list[tuple[int, int]] = field(default_factory=list)


def blanks(data: bytes) -> Iterator[Blank]:
    """What is to be covered in a file.

    Raises:
        CannotBlank: a sequence of pictures, or damaged.
    """
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"moov":
            raise CannotBlank("a film")
        if kind == b"meta":
            for item in _items(data, start + 4, end).values():
                yield from _of_item(data, item)
        elif kind not in _HARMLESS_BOXES and end > start:
            yield Blank(start, end - start)


def _of_item(data: bytes, item: _Item) -> Iterator[Blank]:
    if item.kind in _PICTURES:
        return
    if any(offset + size > len(data) for offset, size in item.extents):
        raise CannotBlank("an item ends outside")
    is_xmp = item.kind == b"mime" and item.content_type == b"application/rdf+xml"
    if item.kind == b"Exif" or is_xmp:
        if len(item.extents) != 1:
            raise CannotBlank("an item in pieces")
        ((start, size),) = item.extents
        if is_xmp:
            yield from in_xmp(data, start, start + size)
        else:
            head = start + 4 + int.from_bytes(data[start : start + 4], "big")
            yield from in_exif(data, head, start + size)
        return
    for offset, size in item.extents:
        if size:
            yield Blank(offset, size)


def _boxes(data: bytes, at: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the contents of each box."""
    while at + 8 <= stop:
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = stop if size == 0 else at + size
        if end > stop or end < at + head:
            raise CannotBlank("a box ends outside")
        yield kind, at + head, end
        at = end
    if at != stop:
        raise CannotBlank("something behind the last box")


def _items(data: bytes, start: int, stop: int) -> dict[int, _Item]:
    boxes = {kind: (first, last) for kind, first, last in _boxes(data, start, stop)}
    if b"iinf" not in boxes or b"iloc" not in boxes:
        raise CannotBlank("no list of items")
    items = dict(_infos(data, *boxes[b"iinf"]))
    _locate(data, *boxes[b"iloc"], items, inside=boxes.get(b"idat"))
    return items


def _infos(data: bytes, start: int, stop: int) -> Iterator[tuple[int, _Item]]:
    first = start + (6 if data[start] == 0 else 8)
    for kind, at, end in _boxes(data, first, stop):
        version = data[at]
        if kind != b"infe" or version not in (2, 3):
            raise CannotBlank("items of an older kind")
        size = 2 if version == 2 else 4
        item_id = int.from_bytes(data[at + 4 : at + 4 + size], "big")
        rest = at + 4 + size + 2
        _name, _, more = data[rest + 4 : end].partition(b"\0")
        yield item_id, _Item(data[rest : rest + 4], more.partition(b"\0")[0])


class _Reader:
    """Big-endian numbers one after another."""

    def __init__(self, data: bytes, at: int, stop: int) -> None:
        self._data, self._at, self._stop = data, at, stop

    def take(self, size: int) -> int:
        self._at += size
        if self._at > self._stop:
            raise CannotBlank("a list that ends too early")
        return int.from_bytes(self._data[self._at - size : self._at], "big")


def _locate(data: bytes, start: int, stop: int, items: dict[int, _Item], *, inside: tuple[int, int] | None) -> None:
    version = data[start]
    if version > 2:
        raise CannotBlank("places of a newer kind")
    reader = _Reader(data, start + 4, stop)
    sizes, more = reader.take(1), reader.take(1)
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
    index_size = more & 15 if version else 0
    id_size = 2 if version < 2 else 4
    for _ in range(reader.take(id_size)):
        item_id = reader.take(id_size)
        method = reader.take(2) & 15 if version else 0
        source, base = reader.take(2), reader.take(base_size)
        if method == 1 and inside is not None:
            base += inside[0]
        for _ in range(reader.take(2)):
            reader.take(index_size)
            offset, length = base + reader.take(offset_size), reader.take(length_size)
            item = items.get(item_id)
            if item is None or item.kind in _PICTURES:
                continue
            if source or method > 1 or (method == 1 and inside is None):
                raise CannotBlank("an item that lies elsewhere")
            item.extents.append((offset, length or len(data) - offset))
