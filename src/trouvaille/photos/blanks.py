"""Ranges of an original that are covered as it is sent: position and serial numbers, at the same length.

The worker finds them once (``finding.find``); whoever sends the file lays them over its bytes as they pass.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

CLEAN = "clean"


class CannotBlank(Exception):
    """A file whose parts are not all known, so that something might stay in it."""


@dataclass(frozen=True, slots=True)
class Blank:
    """Bytes from ``offset`` on are replaced by ``fill``, repeated to ``length``."""

    offset: int
    length: int
    fill: bytes = b"\0"

    def part(self, start: int, stop: int) -> bytes:
        """What stands at these offsets of the file, which lie inside."""
        shift = (start - self.offset) % len(self.fill)
        wanted = stop - start
        return (self.fill * ((shift + wanted) // len(self.fill) + 1))[shift : shift + wanted]


def kept(blanks: Sequence[Blank] | None) -> dict[str, Any]:
    """As a column holds it. None: the file can't be blanked."""
    return {"ranges": None if blanks is None else [[each.offset, each.length, each.fill.hex()] for each in blanks]}


def read(column: dict[str, Any] | None) -> list[Blank] | None:
    """The ranges that a column holds; None where the file can't be blanked, or nobody has looked at it yet."""
    if column is None or column["ranges"] is None:
        return None
    return [Blank(offset, length, bytes.fromhex(fill)) for offset, length, fill in column["ranges"]]


def cover(data: bytes, blanks: Sequence[Blank], *, offset: int = 0) -> bytes:
    """A part of a file, which begins at ``offset``, with the ranges laid over it in their order."""
    covered = None
    for each in blanks:
        start, stop = max(offset, each.offset), min(offset + len(data), each.offset + each.length)
        if start < stop:
            covered = bytearray(data) if covered is None else covered
            covered[start - offset : stop - offset] = each.part(start, stop)
    return data if covered is None else bytes(covered)


async def covered(pieces: AsyncIterator[bytes], blanks: Sequence[Blank], *, offset: int = 0) -> AsyncIterator[bytes]:
    """``cover`` of a file as it streams by, from ``offset`` on."""
    async for piece in pieces:
        yield cover(piece, blanks, offset=offset)
        offset += len(piece)
