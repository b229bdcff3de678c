"""Folders of the server, below the roots that its operator allows, without following a single link."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from trouvaille.imports.sources import MOST_FILES, Gone, Listed, NotThere, TooManyFiles, copy, is_hidden

DEEPEST = 64


@contextmanager
def opened(root: Path, way: str, *, folder: bool = False) -> Iterator[int]:
    """Open what lies at a way below a root, one step after another, none of them a link.

    The root itself is the operator's, and may be a link.

    Raises:
        NotThere: it is gone, no ordinary file or folder, or there is a link on the way.
    """
    held: list[int] = []
    parts = [part for part in PurePosixPath(way).parts if part not in (".", "")]
    try:
        held.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for number, part in enumerate(parts):
            if part in ("..", "/"):
                raise NotThere
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            if number < len(parts) - 1 or folder:
                flags |= os.O_DIRECTORY
            held.append(os.open(part, flags, dir_fd=held[-1]))
        mode = os.fstat(held[-1]).st_mode
        if not (stat.S_ISDIR(mode) if folder else stat.S_ISREG(mode)):
            raise NotThere
        yield held[-1]
    except OSError as error:
        raise NotThere from error
    finally:
        for each in held:
            os.close(each)


def is_file(root: Path, way: str) -> bool:
    """Whether an ordinary file lies there."""
    with suppress(NotThere), opened(root, way):
        return True
    return False


class Folder:
    """A folder and those below it."""

    def __init__(self, root: Path, way: str) -> None:
        self._root, self._way = root, way

    def files(self) -> Iterator[Listed]:
        """All ordinary files by path; links are passed over, whatever they lead to."""
        count = 0
        with opened(self._root, self._way, folder=True) as top:
            for listed in self._walk(top, "", 0):
                count += 1
                if count > MOST_FILES:
                    raise TooManyFiles
                yield listed

    def _walk(self, folder: int, way: str, depth: int) -> Iterator[Listed]:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            name = f"{way}{entry.name}"
            if is_hidden(entry.name) or entry.is_symlink():
                continue
            with suppress(OSError):  # it vanished, or is closed to us
                if entry.is_dir(follow_symlinks=False) and depth < DEEPEST:
                    inner = os.open(entry.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                    try:
                        yield from self._walk(inner, f"{name}/", depth + 1)
                    finally:
                        os.close(inner)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield Listed(name, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def fetch(self, _: int, name: str, target: BinaryIO, *, limit_bytes: int) -> None:
        """Copy a file, so that what its owner does to it later does not reach the store."""
        try:
            with opened(self._root, f"{self._way}/{name}") as handle, os.fdopen(os.dup(handle), "rb") as source:
                copy(source, target, limit_bytes=limit_bytes)
        except NotThere as error:
            raise Gone from error

    def close(self) -> None:
        """Nothing is held between calls."""
