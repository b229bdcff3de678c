"""The bytes of a ZIP as a plain function of its members, so that a download can go on anywhere.

Members are stored, not compressed: photos are already. With their lengths known beforehand, so is the place of every
byte. Of the format (APPNOTE.TXT 6.3.10) this writes what every reader knows: local headers with length and CRC, UTF-8
names, the central directory, and the ZIP64 parts where 4 GiB or 65,535 members are passed.
"""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

VERSION_NEEDED, VERSION_ZIP64 = 20, 45
UTF8 = 0x800
MADE_BY_UNIX = 3 << 8 | VERSION_ZIP64
MODE = 0o100644 << 16
MOST_32, MOST_16 = 0xFFFFFFFF, 0xFFFF
LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")
END = struct.Struct("<4s4H2LH")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a ZIP. ``modified`` is a clock's time, of no zone, as the format has it."""

    name: str
    size_bytes: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a ZIP: a member's header or data, or the end, where ``member`` is None."""

    start: int
    stop: int
    member: int | None
    is_data: bool = False


class Archive:
    """Where everything lies in a ZIP of these members."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        lengths = [len(self.header(number, 0)) + each.size_bytes for number, each in enumerate(members)]
        *self._offsets, self._directory = accumulate(lengths, initial=0)
        self.size_bytes = self._directory + len(self.end([0] * len(members)))

    def etag(self, salt: str) -> str:
        """A strong tag: another list of files, or other files (``salt``), gives another."""
        digest = hashlib.sha256(salt.encode())
        for each in self.members:
            digest.update(f"{each.name}\0{each.size_bytes}\0{each.modified.isoformat()}\0".encode())
        return f'"{digest.hexdigest()[:40]}"'

    def pieces(self, start: int, stop: int) -> Iterator[Piece]:
        """The stretches that overlap a range of the ZIP, in order."""
        for number, offset in enumerate(self._offsets):
            data = offset + len(self.header(number, 0))
            end = data + self.members[number].size_bytes
            if offset < stop and start < data:
                yield Piece(offset, data, number)
            if data < stop and start < end:
                yield Piece(data, end, number, is_data=True)
        if self._directory < stop:
            yield Piece(self._directory, self.size_bytes, None)

    def header(self, number: int, crc32: int) -> bytes:
        """What stands before a member's data."""
        member = self.members[number]
        name = member.name.encode()
        size, extra = member.size_bytes, b""
        if size >= MOST_32:
            size, extra = MOST_32, struct.pack("<2H2Q", 1, 16, member.size_bytes, member.size_bytes)
        version = VERSION_ZIP64 if extra else VERSION_NEEDED
        fixed = (version, UTF8, 0, *_dos(member.modified), crc32, size, size, len(name), len(extra))
        return LOCAL.pack(b"PK\3\4", *fixed) + name + extra

    def end(self, crc32s: Sequence[int]) -> bytes:
        """The central directory, and what finds it."""
        directory = b"".join(self._entry(number, crc32) for number, crc32 in enumerate(crc32s))
        count, size, offset = len(self.members), len(directory), self._directory
        wide = b""
        if count >= MOST_16 or size >= MOST_32 or offset >= MOST_32:
            versions = (MADE_BY_UNIX, VERSION_ZIP64)
            wide = END64.pack(b"PK\6\6", END64.size - 12, *versions, 0, 0, count, count, size, offset)
            wide += LOCATOR.pack(b"PK\6\7", 0, offset + size, 1)
        count, size, offset = min(count, MOST_16), min(size, MOST_32), min(offset, MOST_32)
        return directory + wide + END.pack(b"PK\5\6", 0, 0, count, count, size, offset, 0)

    def _entry(self, number: int, crc32: int) -> bytes:
        member, offset = self.members[number], self._offsets[number]
        name, size = member.name.encode(), member.size_bytes
        wide = []
        if size >= MOST_32:
            wide += [size, size]
        if offset >= MOST_32:
            wide.append(offset)
        extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        size, offset = min(size, MOST_32), min(offset, MOST_32)
        version = VERSION_ZIP64 if wide else VERSION_NEEDED
        fixed = (MADE_BY_UNIX, version, UTF8, 0, *_dos(member.modified), crc32, size, size)
        return CENTRAL.pack(b"PK\1\2", *fixed, len(name), len(extra), 0, 0, 0, MODE, offset) + name + extra


def _dos(at: datetime) -> tuple[int, int]:
    """Time and date as the format keeps them: two-second steps from 1980 on."""
    if at.year < 1980:
        at = datetime(1980, 1, 1)  # noqa: DTZ001 - a clock's time
    return at.hour << 11 | at.minute << 5 | at.second // 2, (min(at.year, 2107) - 1980) << 9 | at.month << 5 | at.day


def asked_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """The one range that a request asks for, as start and stop; None for all of it, and for what is no such range.

    Raises:
        ValueError: it begins past the end.
    """
    if not header or not header.startswith("bytes=") or "," in header:
        return None
    first, dash, last = header.removeprefix("bytes=").strip().partition("-")
    if not dash or not (first or last) or not (first + last).isdecimal():
        return None
    if not first:
        return (max(0, size_bytes - int(last)), size_bytes) if int(last) else None
    start, stop = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
    if start >= size_bytes:
        raise ValueError("the range begins past the end")
    return (start, stop) if start < stop else None
