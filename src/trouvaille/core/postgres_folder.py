"""The folder of the embedded database: who owns it, who holds it, and where in it things lie.

Everything lies in one data folder, which belongs to the embedded database alone::

    lock           held while a launcher runs; names the socket folder
    18/            the cluster, named for PostgreSQL's major version
    run/           the socket, where that path is short enough; else it lies in a private temporary folder
    server.log     what the server says; the one before is server.log.1
"""

import contextlib
import fcntl
import os
import pwd
import re
import stat
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

MAJOR = "18"
NAME = "trouvaille"  # of the database and of the role that owns it
PORT = 5432  # part of the socket's name; fixed, because a PGPORT in somebody's environment must not decide it
UNPRIVILEGED = ("postgres", "trouvaille", "nobody")
# The kernel's limit is 104 (macOS) to 108 bytes with the final zero.
SOCKET_PATH_LIMIT_BYTES = 100
# A comma would mean several hosts, and libpq and SQLAlchemy disagree about how a space is quoted in a URL.
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
TEMPORARY_PREFIX = "trouvaille-pg-"
LOG_LIMIT_BYTES = 10_000_000
KNOWN = re.compile(r"lock|run|server\.log(\.1)?|\d+(\.new)?|lost\+found")


class Unusable(Exception):
    """The embedded database can't run here; the text says why, and what to do about it."""


class AlreadyRunning(Exception):
    """Another process runs the database of this folder; ``url`` is where, though it may still be starting."""

    def __init__(self, data_dir: Path, url: str) -> None:
        super().__init__(f"The database in {data_dir} is already run by another process.")
        self.url = url


class PostgresFolder:
    """A data folder, and the right to run the server of it between `take` and `release`."""

    def __init__(self, path: Path, user: str | None) -> None:
        self.path = path
        self.cluster = path / MAJOR
        self.log = path / "server.log"
        self.socket_dir = path / "run"
        self._wished_user = user
        self._account: pwd.struct_passwd | None = None
        self._lock: int | None = None

    @property
    def held(self) -> bool:
        """Whether we hold the lock."""
        return self._lock is not None

    @property
    def user(self) -> str | None:
        """The account that the server has to run as; None for our own."""
        return self._account.pw_name if self._account else None

    @property
    def url(self) -> str:
        """Where the database is reached."""
        return _url(str(self.socket_dir))

    def take(self) -> None:
        """Make the folder if it is missing, hold its lock, and decide where the socket lies.

        Raises:
            AlreadyRunning: another process holds the lock.
            Unusable: the folder holds something else, or there is no account to run as.
        """
        if self.held:
            return
        self._account = self._choose_account()
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for entry in self.path.iterdir():
            if not KNOWN.fullmatch(entry.name):
                raise Unusable(f"{self.path} holds something else ({entry.name}): choose an empty or a new folder.")
        # The folder belongs to a less privileged user than we may be, so a link in it is never followed.
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            socket_dir = _read_when_written(lock)
            os.close(lock)
            raise AlreadyRunning(self.path, _url(socket_dir)) from None
        self._lock = lock
        self.path.chmod(0o700)
        self.give(self.path)
        self.give(self.path / "lock")
        self._settle_socket(lock)

    def release(self) -> None:
        """Give up the lock, and remove the socket's folder."""
        if self._lock is None:
            return
        _remove_socket(self.socket_dir, folder_too=True)
        os.ftruncate(self._lock, 0)
        os.close(self._lock)
        self._lock = None

    def give(self, path: Path) -> None:
        """Make a file or folder, never what a link points to, the server's own."""
        if self._account is not None:
            os.chown(path, self._account.pw_uid, self._account.pw_gid, follow_symlinks=False)

    def give_cluster(self) -> None:
        """Make the whole cluster the server's own, if it was another account's."""
        if self._account is None or self.cluster.stat().st_uid == self._account.pw_uid:
            return
        # The cluster's own folder comes last: it is what tells that all the others are done.
        for folder, _, files, handle in os.fwalk(self.cluster, topdown=False):
            for name in files:
                os.chown(name, self._account.pw_uid, self._account.pw_gid, dir_fd=handle, follow_symlinks=False)
            self.give(Path(folder))

    def adopt(self, new: Path) -> None:
        """Move a finished cluster to its place, durably."""
        new.rename(self.cluster)
        handle = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def clear_socket(self) -> None:
        """Have an empty folder for the socket: after a crash the old socket and its lock are still there.

        Raises:
            Unusable: somebody else's folder stands in its place.
        """
        _remove_socket(self.socket_dir)
        with contextlib.suppress(FileExistsError):
            self.socket_dir.mkdir(mode=0o700)
        found = self.socket_dir.lstat()
        ours = {os.geteuid(), self._account.pw_uid if self._account else os.geteuid()}
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours:
            raise Unusable(f"{self.socket_dir} belongs to somebody else: remove it, or stop and start again.")
        self.socket_dir.chmod(0o700)
        self.give(self.socket_dir)

    def open_log(self) -> int:
        """A file descriptor that appends to the server's log; a log that has grown large makes room first."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.lstat().st_size > LOG_LIMIT_BYTES:
                self.log.replace(self.log.with_name("server.log.1"))
        made = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        if self._account is not None:
            os.fchown(made, self._account.pw_uid, self._account.pw_gid)
        return made

    def last_words(self) -> str:
        """The end of the server's log."""
        with self.log.open("rb") as lines:
            lines.seek(max(0, self.log.stat().st_size - 4096))
            return " | ".join(lines.read().decode(errors="replace").splitlines()[-6:])

    def why_closed(self, program: Path) -> str | None:
        """A sentence about the folder that keeps the server's account from its data or its program, if one does."""
        if self._account is None:
            return None
        for path, otherwise in (
            (self.path, "choose a data folder elsewhere"),
            (program.parent, "install Trouvaille where others may enter, as in /opt"),
        ):
            if closed := _first_closed(self._account, path):
                return (
                    f"PostgreSQL refuses to run as root, so it runs as {self._account.pw_name}, who may not enter "
                    f"{closed}. Let others pass through it (chmod o+x {closed}), {otherwise}, "
                    "or start Trouvaille as an ordinary user."
                )
        return None

    def _choose_account(self) -> pwd.struct_passwd | None:
        if os.geteuid() != 0:
            return None
        if self._wished_user is None and self.cluster.exists() and (owner := self.cluster.stat().st_uid) != 0:
            # Which accounts exist may change, as when somebody installs the system's PostgreSQL; the data stay put.
            with contextlib.suppress(KeyError):
                return pwd.getpwuid(owner)
        wished = (self._wished_user,) if self._wished_user else UNPRIVILEGED
        for name in wished:
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        raise Unusable(
            f"PostgreSQL refuses to run as root, and there is no account named {' or '.join(wished)}. "
            "Make one (useradd --system trouvaille) or start Trouvaille as an ordinary user."
        )

    def _settle_socket(self, lock: int) -> None:
        before = Path(os.pread(lock, 4096, 0).decode(errors="replace"))
        if before.name.startswith(TEMPORARY_PREFIX):
            _remove_socket(before, folder_too=True)  # of a launcher that was killed
        self.socket_dir = self.path / "run"
        if not _fits(self.socket_dir):
            runtime = Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp"))  # noqa: S108 - mkdtemp makes it private
            # Another account may not pass through our runtime folder.
            if self._account is not None or not runtime.is_dir() or not _fits(runtime / f"{TEMPORARY_PREFIX}12345678"):
                runtime = Path("/tmp")  # noqa: S108
            self.socket_dir = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=runtime))
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(self.socket_dir).encode(), 0)


def _url(socket_dir: str) -> str:
    return f"postgresql://{NAME}@/{NAME}?host={quote(socket_dir, safe='')}&port={PORT}"


def _fits(socket_dir: Path) -> bool:
    path = str(socket_dir.absolute() / f".s.PGSQL.{PORT}")
    return len(path) <= SOCKET_PATH_LIMIT_BYTES and PLAIN_PATH.fullmatch(path) is not None


def _remove_socket(socket_dir: Path, *, folder_too: bool = False) -> None:
    for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
        with contextlib.suppress(OSError):
            (socket_dir / name).unlink()
    if folder_too:
        with contextlib.suppress(OSError):
            socket_dir.rmdir()


def _read_when_written(lock: int) -> str:
    """The socket folder that the lock's holder wrote, which it does a moment after it takes the lock."""
    for _ in range(100):
        if written := os.pread(lock, 4096, 0):
            return written.decode(errors="replace")
        time.sleep(0.01)
    return ""


def _first_closed(account: pwd.struct_passwd, path: Path) -> Path | None:
    """The outermost folder on the way to a path that an account may not enter, by its permission bits."""
    groups = os.getgrouplist(account.pw_name, account.pw_gid)
    for folder in (*reversed(path.parents), path):
        found = folder.stat()
        enter = stat.S_IXOTH
        if found.st_uid == account.pw_uid:
            enter = stat.S_IXUSR
        elif found.st_gid in groups:
            enter = stat.S_IXGRP
        if not found.st_mode & enter:
            return folder
    return None
