"""ZIPs as other programs read them, and every range of one."""

import io
import random
import zipfile
import zlib
from datetime import datetime
from itertools import pairwise

import pytest

from trouvaille.delivery.archive import Archive, Member, asked_range

AT = datetime(2026, 6, 13, 19, 40, 5)  # noqa: DTZ001 - a camera's clock
FILES = {
    "2026-06-13_19-40-05_IMG_1.jpg": b"one" * 1000,
    "Été à Orléans.jpg": b"",
    "last.jpg": random.Random(1).randbytes(5000),
}


def _whole(archive: Archive, files: list[bytes]) -> bytes:
    crc32s = [zlib.crc32(each) for each in files]
    made = b""
    for piece in archive.pieces(0, archive.size_bytes):
        assert piece.start == len(made)
        if piece.member is None:
            made += archive.end(crc32s)
        else:
            made += files[piece.member] if piece.is_data else archive.header(piece.member, crc32s[piece.member])
        assert piece.stop == len(made)
    return made


def test_a_zip_is_as_long_as_was_said_and_holds_the_files() -> None:
    archive = Archive([Member(name, len(data), AT) for name, data in FILES.items()])
    made = _whole(archive, list(FILES.values()))
    assert len(made) == archive.size_bytes
    with zipfile.ZipFile(io.BytesIO(made)) as opened:
        assert opened.testzip() is None
        assert {each.filename: opened.read(each) for each in opened.infolist()} == FILES
        assert opened.infolist()[0].date_time == (2026, 6, 13, 19, 40, 4)  # the format counts in twos


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (10, 40), (3000, 9000), (8900, 9100), (20, 3100)])
def test_the_pieces_of_a_range_cover_it_without_gaps(start: int, stop: int) -> None:
    archive = Archive([Member(name, len(data), AT) for name, data in FILES.items()])
    stop = min(stop, archive.size_bytes)
    pieces = list(archive.pieces(start, stop))
    assert pieces[0].start <= start
    assert pieces[-1].stop >= stop
    assert all(a.stop == b.start for a, b in pairwise(pieces))


def test_a_zip_beyond_four_gigabytes_or_65535_files_is_a_zip64() -> None:
    huge = 5 * 1024**3
    archive = Archive([Member("film.mov", huge, AT), Member("after.jpg", 3, AT)])
    # The data itself stays away: the directory alone says where things are.
    opened = zipfile.ZipFile(_Sparse(archive, [0, zlib.crc32(b"abc")], b"abc"))
    assert [each.file_size for each in opened.infolist()] == [huge, 3]
    assert opened.infolist()[1].header_offset > huge
    assert opened.read("after.jpg") == b"abc"
    many = Archive([Member(f"{number}.jpg", 0, AT) for number in range(70_000)])
    with zipfile.ZipFile(io.BytesIO(_whole(many, [b""] * 70_000))) as small:
        assert len(small.infolist()) == 70_000


class _Sparse(io.RawIOBase):
    """A ZIP whose first member's data is not there."""

    def __init__(self, archive: Archive, crc32s: list[int], last: bytes) -> None:
        self.archive, self.at = archive, 0
        self.parts = []
        for piece in archive.pieces(0, archive.size_bytes):
            if piece.member is None:
                self.parts.append((piece.start, archive.end(crc32s)))
            elif not piece.is_data:
                self.parts.append((piece.start, archive.header(piece.member, crc32s[piece.member])))
            elif piece.member == 1:
                self.parts.append((piece.start, last))

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (0, self.at, self.archive.size_bytes)[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def read(self, size: int = -1) -> bytes:
        stop = self.archive.size_bytes if size < 0 else min(self.at + size, self.archive.size_bytes)
        made = bytearray(stop - self.at)
        for start, data in self.parts:
            first, last = max(start, self.at), min(start + len(data), stop)
            if first < last:
                made[first - self.at : last - self.at] = data[first - start : last - start]
        self.at = stop
        return bytes(made)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-5", (95, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=0-1,5-6", None),
        ("bytes=9-3", None),
        ("bytes=x-", None),
        ("bytes=-", None),
        ("pages=1-2", None),
        ("bytes=-0", None),
    ],
)
def test_one_range_is_understood_and_anything_else_means_all(
    header: str | None, expected: tuple[int, int] | None
) -> None:
    assert asked_range(header, 100) == expected


def test_a_range_past_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match="past the end"):
        asked_range("bytes=100-", 100)
