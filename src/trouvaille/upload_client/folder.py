"""Which files of a folder are photos to send, and which of them are still being written."""

import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PICTURES = {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".heic", ".heif", ".hif", ".avif", ".tif", ".tiff"}
RAW = {".cr2", ".cr3", ".nef", ".nrw", ".arw", ".sr2", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw", ".3fr", ".iiq"}
UNFINISHED = {".tmp", ".temp", ".lrtmp", ".part", ".partial", ".crdownload", ".download", ".filepart", ".lock"}
CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True, slots=True)
class Found:
    """A photo as it lies in the folder. ``name``: below the folder, with forward slashes."""

    path: Path
    name: str
    size_bytes: int
    modified_ns: int

    @property
    def look(self) -> tuple[int, int]:
        """What changes when the file does."""
        return self.size_bytes, self.modified_ns


@dataclass(slots=True)
class Scan:
    """All photos of a folder, by name, and how many other files there are."""

    photos: list[Found]
    others: int = 0
    raw: int = 0


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the photographer's own: hidden, a program's, or not finished."""
    low = name.lower()
    return name.startswith((".", "~", "_$")) or low.endswith("~") or low in CLUTTER or Path(low).suffix in UNFINISHED


def scan(folder: Path, *, raw: bool = False) -> Scan:
    """Look through a folder and those below it; what vanishes meanwhile is left out, links to folders too.

    Args:
        raw: whether raw files are sent as well.

    Raises:
        OSError: the folder itself can't be read.
    """
    found = Scan([])
    os.listdir(folder)  # noqa: PTH208 - only to raise: walking passes over folders that can't be read
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not is_hidden(each))
        for name in sorted(names):
            if is_hidden(name):
                continue
            kind = Path(name).suffix.lower()
            if kind not in PICTURES and not (raw and kind in RAW):
                found.others += 1
                found.raw += kind in RAW
                continue
            path = Path(place) / name
            with suppress(OSError):
                status = path.stat()
                found.photos.append(Found(path, _below(folder, path), status.st_size, status.st_mtime_ns))
    return found


def _below(folder: Path, path: Path) -> str:
    # macOS keeps accents apart from their letters; everybody else, and the server, has them together.
    return unicodedata.normalize("NFC", path.relative_to(folder).as_posix().encode(errors="replace").decode())


def is_being_written(path: Path) -> bool:
    """Whether some program has the file open for writing, as far as this system tells; False where it does not."""
    if not sys.platform.startswith("linux"):
        return False
    import fcntl  # noqa: PLC0415 - Unix only

    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # The kernel grants this lease only while nobody has the file open for writing.
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:  # another's file, or a file system without leases
        return False
    finally:
        os.close(handle)
    return False


class Patience:
    """Tells complete files from those that are still being written: they looked the same for a while."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._since: dict[str, tuple[tuple[int, int], float]] = {}

    def complete(self, photos: list[Found], *, clock_s: float, wall_s: float) -> Iterator[Found]:
        """Those to be sent by now.

        Args:
            clock_s: a clock that only goes forward; measures between two calls.
            wall_s: seconds since 1970; a file that was last changed long ago needs no second look.
        """
        for photo in photos:
            look, since = self._since.get(photo.name, (None, clock_s))
            if look != photo.look:
                since = clock_s
                self._since[photo.name] = (photo.look, since)
            is_old = 0 <= photo.modified_ns / 1e9 <= wall_s - max(self._settle_s, 1) * 3
            if (is_old or clock_s - since >= self._settle_s) and photo.size_bytes and not is_being_written(photo.path):
                yield photo
