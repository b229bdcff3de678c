"""Where photos lie while cameras send them: a folder for each access, of which its cameras see what is unfinished.

A photo that has become one is removed; one that broke off stays, so that the camera may go on with it. The store may
have taken the file over under a second name (`Storage.put_file`), so no file that has two names is ever written to.
"""

import fcntl
import os
import secrets
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

KEPT_S = 2 * 24 * 3600.0
PRIVATE = ".part-"
# Between a file's making and its lock, nobody else may look at it; all cameras are served by threads of one process.
_opening = threading.Lock()


def home(staging: Path, credential_id: UUID) -> Path:
    """The folder of one access."""
    folder = staging / str(credential_id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def open_fresh(path: Path) -> BinaryIO:
    """An empty file to write to; one under a private name beside it while another camera writes to ``path``."""
    with _opening:
        return _open_fresh(path)


def _open_fresh(path: Path) -> BinaryIO:
    if path.is_dir():
        raise IsADirectoryError(21, "Is a directory")
    held = _lock(path)
    if held is None and path.exists():
        path = path.with_name(f"{PRIVATE}{secrets.token_hex(6)}-{path.name}"[:200])
    path.unlink(missing_ok=True)
    try:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "r+b")
    finally:
        if held is not None:
            os.close(held)
    fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    return _named(file, path)


def open_again(path: Path) -> BinaryIO:
    """An unfinished file to go on with.

    Raises:
        FileNotFoundError: there is none.
    """
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    if os.fstat(handle).st_nlink > 1:
        os.close(handle)
        path.unlink()
        raise FileNotFoundError(2, "No such file")
    file = os.fdopen(handle, "r+b")
    with suppress(BlockingIOError):
        # A camera that lost its network comes back before its old connection is known to be dead.
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    return _named(file, path)


class _Named:
    """A file that knows its path, as pyftpdlib wants it."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self.name = file, str(path)

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


def _named(file: BinaryIO, path: Path) -> BinaryIO:
    return _Named(file, path)  # type: ignore[return-value]


def _lock(path: Path) -> int | None:
    """The file, held; None when there is none, or somebody else holds it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def sweep(staging: Path, *, older_than_s: float = KEPT_S) -> int:
    """Remove what no camera has gone on with for days, and folders that are empty; returns how many files went."""
    removed = 0
    until = time.time() - older_than_s
    for place, folders, names in os.walk(staging, topdown=False):
        for name in names:
            path = Path(place) / name
            with suppress(OSError):
                if path.lstat().st_mtime < until:
                    path.unlink()
                    removed += 1
        for name in folders:
            with suppress(OSError):
                if (Path(place) / name).lstat().st_mtime < until:
                    (Path(place) / name).rmdir()  # only one that is empty
    return removed


def has_room(staging: Path, keep_free_bytes: int) -> bool:
    """Whether the disk takes another photo."""
    return shutil.disk_usage(staging).free > keep_free_bytes
