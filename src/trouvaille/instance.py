"""One instance on one machine: its data folder, its database, and the child processes that serve it."""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from trouvaille.accounts import service as accounts
from trouvaille.accounts.models import Role
from trouvaille.accounts.passwords import Passwords
from trouvaille.core.db import Sessions, connect, sessions_of, transaction
from trouvaille.core.postgres import AlreadyRunning, EmbeddedPostgres
from trouvaille.settings import Settings
from trouvaille.supervisor import Child

Result = TypeVar("Result")
# Uvicorn waits so long for open streams; without a limit a guest's open page would block the stop.
BACKLOG = 4096
"""Every open page is a connection; a burst of guests must not be turned away by the operating system."""
GRACE_S = 3


def prepare_data_dir(data_dir: Path) -> None:
    """Make the data folder, closed to others.

    PostgreSQL runs as another user when we are root, and has to pass through the folder to its own; it may not list it.
    """
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        data_dir.chmod(0o711)


def raise_file_limit() -> None:
    """Let this process open as many files as the system allows it: every guest's open page is one."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - Windows has none

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    if soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def check_port(host: str, port: int) -> None:
    """Refuse a taken port before anything starts: an address that is printed must be ours.

    Raises:
        OSError: with a sentence for the operator.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(f"Port {port} can't be used ({error.strerror}). Choose another with --port.") from error


@contextmanager
def database(settings: Settings) -> Iterator[tuple[Settings, EmbeddedPostgres | None]]:
    """Settings whose database is running and migrated: the one that was set, or the embedded one."""
    # Web processes and workers, which import this module too, never migrate: they are spared Alembic.
    from trouvaille.schema import migrate  # noqa: PLC0415

    prepare_data_dir(settings.data_dir)
    if settings.database_url is not None:
        migrate(settings.database_url)
        yield settings, None
        return
    with EmbeddedPostgres(settings.data_dir / "postgres") as postgres:
        url = postgres.start()
        migrate(url)
        yield settings.model_copy(update={"database_url": url}), postgres


def environment(settings: Settings) -> dict[str, str]:
    """What a child process needs to come to the same settings."""
    made = {}
    for name, value in settings.model_dump().items():
        if value is not None and name != "database_url":
            plain = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            made[f"TROUVAILLE_{name.upper()}"] = plain
    return made | {"DATABASE_URL": settings.database_url or ""}


def _child(settings: Settings, name: str, *arguments: str) -> Child:
    argv = (sys.executable, "-m", "trouvaille", *arguments)
    return Child(name=name, argv=argv, env={**os.environ, **environment(settings)})


def web(settings: Settings) -> list[Child]:
    """The web processes. Several take connections from one socket, which is ours: whoever is idle takes the next, and
    those that wait while a process starts again are not lost.

    Raises:
        OSError: the port can't be had.
    """
    if settings.web_processes == 1:
        return [_child(settings, "web", "web")]
    at = _listen(settings.host, settings.port)
    more = ("web", "--socket", str(at.fileno()))
    names = [f"web-{number}" for number in range(1, settings.web_processes + 1)]
    return [replace(_child(settings, name, *more), sockets=(at,)) for name in names]


def _listen(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    made.listen(BACKLOG)
    return made


def workers(settings: Settings) -> list[Child]:
    """A worker for selfies alone, so that none waits behind a photo, and those for everything else."""
    made = [_child(settings, "worker-selfies", "worker", "--queues", "selfies", "--concurrency", "1")]
    for number in range(1, settings.photo_workers + 1):
        made.append(
            _child(
                settings,
                f"worker-photos-{number}",
                "worker",
                "--queues",
                "photos,upkeep,mail",
                "--concurrency",
                str(settings.photo_threads),
            )
        )
    return made


def cameras(settings: Settings) -> list[Child]:
    """The FTP process, where the settings name a port for it."""
    return [] if settings.ftp_port is None else [_child(settings, "ftp", "ftp")]


def hasher(settings: Settings, *, threads: int) -> Passwords:
    """Passwords as these settings want them."""
    return Passwords(threads, memory_kib=settings.password_memory_kib, passes=settings.password_passes)


def create_staff(settings: Settings, *, email: str, name: str, password: str, role: Role) -> None:
    """Make an account for a member of staff, also while the instance is running.

    Raises:
        Refused: a field is wrong, or the address is taken.
    """

    async def create(sessions: Sessions) -> None:
        passwords = hasher(settings, threads=1)
        try:
            async with transaction(sessions) as session:
                await accounts.create_staff(
                    session, passwords, email=email, display_name=name, password=password, role=role
                )
        finally:
            passwords.close()

    on_database(settings, lambda sessions, _: create(sessions))


def on_database(settings: Settings, act: Callable[[Sessions, Settings], Awaitable[Result]]) -> Result:
    """Do something with the instance's database, whether the instance is running or not.

    Args:
        act: gets sessions, and settings that name the database.
    """

    async def run(ready: Settings) -> Result:
        engine = connect(ready.database_url or "", pool_size=1)
        try:
            return await act(sessions_of(engine), ready)
        finally:
            await engine.dispose()

    try:
        with database(settings) as (ready, _):
            return asyncio.run(run(ready))
    except AlreadyRunning as running:
        return asyncio.run(run(settings.model_copy(update={"database_url": running.url})))
