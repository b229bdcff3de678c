"""What `serve` consists of: the data folder, the database, and the child processes.

The process that runs `serve` lives as long as the instance and does nothing but look after the others, so this module
imports little: whatever needs tables, an engine or a page happens in children.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from trouvaille.core import nursery
from trouvaille.core.nursery import Nursery
from trouvaille.core.postgres import EmbeddedPostgres
from trouvaille.settings import Settings
from trouvaille.supervisor import Child

_MAIN = "trouvaille.cli:run"
BACKLOG = 4096
"""Every open page is a connection; a burst of guests must not be turned away by the operating system."""
GRACE_S = 3
"""Uvicorn waits so long for open streams; without a limit a guest's open page would block the stop."""


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
    """Settings whose database is running: the one that was set, or the embedded one. Its schema may be an older one."""
    prepare_data_dir(settings.data_dir)
    if settings.database_url is not None:
        yield settings, None
        return
    with EmbeddedPostgres(settings.data_dir / "postgres") as postgres:
        yield settings.model_copy(update={"database_url": postgres.start()}), postgres


@dataclass(frozen=True)
class Nurseries:
    """What children are forked from; None where the system has no such thing, and each is a program of its own."""

    web: Nursery | None = None
    workers: Nursery | None = None


ALONE = Nurseries()


@contextmanager
def nurseries(*, workers: bool = True) -> Iterator[Nurseries]:
    """Nurseries that begin to import at once. That of the workers is a child of that of the web processes, which knows
    no image library and no model.
    """
    if not nursery.AVAILABLE:
        yield ALONE
        return
    with ExitStack() as closing:
        web = Nursery(_MAIN, (_MAIN.partition(":")[0], "trouvaille.web_process:warm_up"))
        closing.callback(web.close)
        web.start()
        vision = Nursery(_MAIN, ("trouvaille.worker",), within=web) if workers else None
        if vision is not None:
            closing.callback(vision.close)
        yield Nurseries(web, vision)


def environment(settings: Settings) -> dict[str, str]:
    """What a child process needs to come to the same settings."""
    made = {}
    for name, value in settings.model_dump().items():
        if value is not None and name != "database_url":
            plain = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            made[f"TROUVAILLE_{name.upper()}"] = plain
    return made | {"DATABASE_URL": settings.database_url or ""}


def _child(settings: Settings, nursery: Nursery | None, name: str, *arguments: str) -> Child:
    argv = ("trouvaille", *arguments) if nursery else (sys.executable, "-m", "trouvaille", *arguments)
    return Child(name=name, argv=argv, env={**os.environ, **environment(settings)}, nursery=nursery)


def preparation(settings: Settings, made_by: Nurseries) -> Child:
    """What runs once, before all others: checks the engine, brings the database up to date, says where we are."""
    return _child(settings, made_by.workers, "prepare", "prepare")


def web(settings: Settings, made_by: Nurseries = ALONE) -> list[Child]:
    """The web processes. Several take connections from one socket, which is ours: whoever is idle takes the next, and
    those that wait while a process starts again are not lost.

    Raises:
        OSError: the port can't be had.
    """
    if settings.web_processes == 1:
        return [_child(settings, made_by.web, "web", "web")]
    at = _listen(settings.host, settings.port)
    more = ("web", "--socket", str(at.fileno()))
    names = [f"web-{number}" for number in range(1, settings.web_processes + 1)]
    return [replace(_child(settings, made_by.web, name, *more), sockets=(at,)) for name in names]


def _listen(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    made.listen(BACKLOG)
    return made


def workers(settings: Settings, made_by: Nurseries = ALONE) -> list[Child]:
    """A worker for selfies alone, so that none waits behind a photo, and those for everything else."""
    alone = ("worker", "--queues", "selfies", "--concurrency", "1")
    others = ("worker", "--queues", "photos,upkeep,mail", "--concurrency", str(settings.photo_threads))
    made = [_child(settings, made_by.workers, "worker-selfies", *alone)]
    for number in range(1, settings.photo_workers + 1):
        made.append(_child(settings, made_by.workers, f"worker-photos-{number}", *others))
    return made


def cameras(settings: Settings, made_by: Nurseries = ALONE) -> list[Child]:
    """The FTP process, where the settings name a port for it."""
    return [] if settings.ftp_port is None else [_child(settings, made_by.web, "ftp", "ftp")]
