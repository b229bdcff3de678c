"""The folder in which files lie while they arrive. Knows files and locks, and neither database nor HTTP.

An upload has two files here: ``ID``, its bytes, whose size is the upload's offset; and ``ID.turn``, which says whose
turn it is to write them. Several processes of one machine share the folder.

- Whoever wants to write takes the turn: under an exclusive ``flock`` of the turn file, a random number of their own
  goes into it. Every write happens under the same lock, after a look that the number still stands there. So once
  somebody has taken the turn, no byte of an earlier writer can follow: the newest wins, in this process or another.
  The kernel drops the lock of a process that dies.
- Bytes with a checksum count only once it was compared. Until then the turn file says where they begin; whoever comes
  next, perhaps after a kill, cuts the file back to there.
- A closed upload has an empty turn file, so that who still has it open sees that it is over.

Everything here blocks, and is called in threads.
"""

import fcntl
import hashlib
import os
import secrets
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import disk_usage
from uuid import UUID, uuid4

from trouvaille.core.errors import Conflict, NotFound, Unavailable
from trouvaille.core.storage import KEEP_FREE_BYTES, NO_ROOM

TURN = struct.Struct("<16sq")
"""Whose turn it is, and where unchecked bytes begin; -1 when there are none."""
LOCK_PATIENCE_S = 10.0
LOCK_CHECK_S = 0.01
BUFFERS_AT_ONCE = 512  # the kernel takes at most 1024


class NoSuchFile(NotFound):
    """Nothing is staged under this id, or no longer."""


class Overtaken(Conflict):
    """A newer request writes this file."""


class Busy(Unavailable):
    """Somebody holds this file for longer than one likes to wait."""


class Turn:
    """The right to write one file, until somebody else takes it. Close it, in a thread."""

    def __init__(self, data: int, turn: int, number: bytes, offset: int) -> None:
        self._data, self._turn, self._number = data, turn, number
        self._guard = threading.Lock()  # a thread may still write when a cancelled request closes
        self._open = True
        self._unchecked_from = -1
        # A file that comes in one go is hashed meanwhile, and need not be read once more.
        self._hash = hashlib.sha256() if offset == 0 else None
        self.offset = offset
        self.taken_at = time.monotonic()

    def sha256_for(self, held: "Held") -> bytes | None:
        """The hash of the whole file; None where others have had a turn, so that it has to be read."""
        return self._hash.digest() if self._hash is not None and held.last_turn == self._number else None

    @property
    def touched_at(self) -> float:
        """When the last byte came, in seconds since 1970."""
        return os.fstat(self._data).st_mtime

    def begin_check(self) -> None:
        """What is written from here on counts only once ``end_check`` was called."""
        with self._held():
            self._note_unchecked(self.offset)

    def end_check(self, *, good: bool) -> None:
        """Keep what was written since ``begin_check``, or cut it off."""
        with self._held():
            if not good:
                os.ftruncate(self._data, self._unchecked_from)
                self.offset, self._hash = self._unchecked_from, None
            self._note_unchecked(-1)

    def append(self, pieces: Sequence[bytes]) -> None:
        """Add bytes at the end. ``Held.sync`` brings them to the disk, before the file counts as whole.

        Raises:
            Overtaken, Unavailable
        """
        with self._held():
            try:
                left = os.fstatvfs(self._data)
                if left.f_bavail * left.f_frsize - sum(map(len, pieces)) < KEEP_FREE_BYTES:
                    raise Unavailable(NO_ROOM)
                for start in range(0, len(pieces), BUFFERS_AT_ONCE):
                    self._write(pieces[start : start + BUFFERS_AT_ONCE])
            except OSError as error:
                self.offset, self._hash = os.fstat(self._data).st_size, None
                raise Unavailable from error
            if self._hash is not None:
                for piece in pieces:
                    self._hash.update(piece)

    def _write(self, pieces: Sequence[bytes]) -> None:
        buffers = [memoryview(piece) for piece in pieces]
        while buffers:
            written = os.pwritev(self._data, buffers, self.offset)
            self.offset += written
            while buffers and written >= len(buffers[0]):
                written -= len(buffers.pop(0))
            if buffers:
                buffers[0] = buffers[0][written:]

    def _note_unchecked(self, start: int) -> None:
        os.pwrite(self._turn, TURN.pack(self._number, start), 0)
        self._unchecked_from = start

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._guard:
            if not self._open:
                raise Overtaken
            try:
                fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Overtaken from None  # only somebody newer is ever at it
            try:
                if os.pread(self._turn, TURN.size, 0)[:16] != self._number:
                    raise Overtaken
                yield
            finally:
                fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the files; waits for a write that is under way."""
        with self._guard:
            if self._open:
                self._open = False
                os.close(self._data)
                os.close(self._turn)


class Held:
    """One file that nobody else can write, read as whole, or remove. Close it, in a thread."""

    def __init__(
        self, folder: Path, upload_id: UUID, turn: int, *, last_turn: bytes, size_bytes: int, touched_at: float
    ) -> None:
        self._folder, self._id, self._turn = folder, upload_id, turn
        self.last_turn = last_turn
        self.path = folder / str(upload_id)
        self.size_bytes = size_bytes
        self.touched_at = touched_at

    def sync(self) -> None:
        """Bring all bytes to the disk.

        Where that fails, the system may have thrown away what it could not write and says so only once. So no byte
        counts any more, and the file has to be sent again.

        Raises:
            Unavailable
        """
        data = -1
        try:
            data = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            os.fsync(data)
        except OSError as error:
            if data >= 0:
                with suppress(OSError):
                    os.ftruncate(data, 0)
            raise Unavailable from error
        finally:
            if data >= 0:
                os.close(data)

    def discard(self) -> None:
        """Remove the file; who has it open finds that it is over."""
        os.ftruncate(self._turn, 0)
        self.path.unlink(missing_ok=True)
        _turn_path(self._folder, self._id).unlink(missing_ok=True)

    def close(self) -> None:
        """Let others have it."""
        if self._turn >= 0:
            os.close(self._turn)
            self._turn = -1


def _turn_path(folder: Path, upload_id: UUID) -> Path:
    return folder / f"{upload_id}.turn"


class Staging:
    """All files that arrive on this machine."""

    def __init__(self, folder: Path) -> None:
        """``folder``: made if need be, closed to others."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.id = _id_of(folder)

    def check_room(self, size_bytes: int) -> None:
        """Refuse a file for which the disk has no room.

        Raises:
            Unavailable
        """
        try:
            free = disk_usage(self.folder).free
        except OSError as error:
            raise Unavailable from error
        if free - size_bytes < KEEP_FREE_BYTES:
            raise Unavailable(NO_ROOM)

    def create(self, upload_id: UUID) -> Turn:
        """An empty file, and the turn to write it.

        Raises:
            Unavailable: the folder can't be written.
        """
        opened: list[int] = []
        try:
            number = secrets.token_bytes(16)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            opened.append(os.open(_turn_path(self.folder, upload_id), flags, 0o600))
            os.pwrite(opened[0], TURN.pack(number, -1), 0)
            opened.append(os.open(self.folder / str(upload_id), flags, 0o600))
        except OSError as error:
            for handle in opened:
                os.close(handle)
            with suppress(OSError):  # a folder that is read-only says so again
                _turn_path(self.folder, upload_id).unlink(missing_ok=True)
            raise Unavailable from error
        return Turn(opened[1], opened[0], number, 0)

    def unlink(self, upload_id: UUID) -> None:
        """Remove a file that has no turn, and so can't be held."""
        (self.folder / str(upload_id)).unlink(missing_ok=True)
        _turn_path(self.folder, upload_id).unlink(missing_ok=True)

    def take_turn(self, upload_id: UUID) -> Turn:
        """The turn to write a file from where it ends; whoever had it before has it no more.

        Raises:
            NoSuchFile, Busy, Unavailable
        """
        turn = self._lock(upload_id)
        data = -1
        try:
            data = os.open(self.folder / str(upload_id), os.O_RDWR | os.O_CLOEXEC)
            size = self._settle(turn, data)
            number = secrets.token_bytes(16)
            os.pwrite(turn, TURN.pack(number, -1), 0)
            fcntl.flock(turn, fcntl.LOCK_UN)
        except OSError as error:
            for handle in (data, turn):
                if handle >= 0:
                    os.close(handle)
            raise _as_refusal(error) from error
        return Turn(data, turn, number, size)

    def hold(self, upload_id: UUID, *, patience_s: float = LOCK_PATIENCE_S) -> Held:
        """Keep everybody else away from a file; whoever had the turn has it no more.

        Args:
            patience_s: how long to wait for who holds it now.

        Raises:
            NoSuchFile, Busy, Unavailable
        """
        turn = self._lock(upload_id, patience_s)
        try:
            data = os.open(self.folder / str(upload_id), os.O_RDWR | os.O_CLOEXEC)
            try:
                size, touched_at = self._settle(turn, data), os.fstat(data).st_mtime
            finally:
                os.close(data)
            last_turn = os.pread(turn, TURN.size, 0)[:16]
            os.pwrite(turn, TURN.pack(secrets.token_bytes(16), -1), 0)
        except OSError as error:
            os.close(turn)
            raise _as_refusal(error) from error
        return Held(self.folder, upload_id, turn, last_turn=last_turn, size_bytes=size, touched_at=touched_at)

    @staticmethod
    def _settle(turn: int, data: int) -> int:
        """Cut off what was never checked; returns the size."""
        _, unchecked_from = TURN.unpack(os.pread(turn, TURN.size, 0))
        if unchecked_from >= 0 and os.fstat(data).st_size > unchecked_from:
            os.ftruncate(data, unchecked_from)
        return os.fstat(data).st_size

    def _lock(self, upload_id: UUID, patience_s: float = LOCK_PATIENCE_S) -> int:
        try:
            turn = os.open(_turn_path(self.folder, upload_id), os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise _as_refusal(error) from error
        until = time.monotonic() + patience_s
        try:
            while True:
                try:
                    fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise Busy from None
                    time.sleep(LOCK_CHECK_S)
            if len(os.pread(turn, TURN.size, 0)) < TURN.size:
                raise NoSuchFile
        except BaseException:
            os.close(turn)
            raise
        return turn

    def listed(self) -> dict[UUID, tuple[int, float]]:
        """What lies here: size and time of the last byte, by id. Only to choose from: it may have changed by now."""
        found: dict[UUID, tuple[int, float]] = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(ValueError, FileNotFoundError):
                    status = entry.stat()
                    found[UUID(entry.name)] = (status.st_size, status.st_mtime)
        return found

    def sweep_stray_turns(self, *, older_than_s: float) -> None:
        """Remove turn files whose bytes are gone, as a kill between two removals leaves them."""
        for path in self.folder.glob("*.turn"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > older_than_s and not path.with_suffix("").exists():
                    path.unlink()


def _as_refusal(error: OSError) -> NoSuchFile | Unavailable:
    return NoSuchFile() if isinstance(error, FileNotFoundError) else Unavailable()


def _id_of(folder: Path) -> UUID:
    """The folder's own id, made at first use: rows say by it which machine has their file."""
    path = folder / "folder.id"
    if not path.exists():
        made = folder / f"folder.{secrets.token_hex(8)}"
        made.write_text(str(uuid4()))
        with suppress(FileExistsError):
            os.link(made, path)
        made.unlink()
    return UUID(path.read_text().strip())
