"""A whole instance as operators run it, `trouvaille serve`, for benches that send files to it over HTTP."""

import io
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import httpx2
import psutil
import pyvips

from bench.load.serving import free_port
from bench.load.watch import words_of
from bench.real_path import make_event
from trouvaille import instance, serving
from trouvaille.accounts import service as accounts
from trouvaille.accounts import tokens
from trouvaille.accounts.models import Role
from trouvaille.accounts.service import Viewer
from trouvaille.core.db import Sessions, transaction
from trouvaille.demo.run import scratch_settings
from trouvaille.settings import Settings

EMAIL, PASSWORD = "bench@example.org", "a password for a bench"


@dataclass(frozen=True)
class Served:
    """A running instance with one event, and an access token of its owner."""

    settings: Settings
    address: str
    event_id: UUID
    token: str
    supervisor: psutil.Process

    @property
    def uploads(self) -> str:
        """Where uploads are created."""
        return f"{self.address}/api/v1/events/{self.event_id}/uploads"

    @property
    def headers(self) -> dict[str, str]:
        """What every request of the receiver brings."""
        return {"authorization": f"Bearer {self.token}", "tus-resumable": "1.0.0"}

    def victims(self) -> dict[str, list[psutil.Process]]:
        """The processes of each kind that are alive."""
        found: dict[str, list[psutil.Process]] = {"web": [], "worker": [], "postgres": []}
        for process in self.supervisor.children(recursive=True):
            try:
                words, parent = words_of(process), process.parent()
                if words[:2] == ["trouvaille", "web"]:
                    found["web"].append(process)
                elif words[:2] == ["trouvaille", "worker"] and "selfies" not in words:
                    found["worker"].append(process)
                elif process.name() == "postgres" and (parent is None or parent.name() != "postgres"):
                    found["postgres"].append(process)
            except psutil.Error:
                continue
        return found


async def _prepare(sessions: Sessions) -> tuple[UUID, str]:
    hasher = instance.hasher(Settings(), threads=1)
    try:
        async with transaction(sessions) as session:
            staff = await accounts.create_staff(
                session,
                hasher,
                email=EMAIL,
                display_name="Bench",
                password=PASSWORD,
                role=Role.ADMINISTRATOR,
            )
    finally:
        hasher.close()
    viewer = Viewer(UUID(int=0), "staff", staff.id, "Bench", Role.ADMINISTRATOR)
    async with transaction(sessions) as session:
        _, token = await tokens.make(session, viewer, name="bench", scopes=["photos:write"], days=1)
    return (await make_event(sessions, staff.id)).id, token


@contextmanager
def served(**settings: object) -> Iterator[Served]:
    """Start an instance; everything is stopped and removed afterwards."""
    with scratch_settings(port=free_port(), **settings) as wanted:
        event_id, token = instance.on_database(wanted, lambda sessions, _: _prepare(sessions))
        with running(wanted, "serve") as (address, process):
            yield Served(wanted, address, event_id, token, process)


@contextmanager
def served_web(**settings: object) -> Iterator[Served]:
    """A web process and its database, without workers: ``supervisor`` is the web process."""
    with scratch_settings(port=free_port(), **settings) as wanted, instance.database(wanted) as (ready, _):
        event_id, token = instance.on_database(ready, lambda sessions, _: _prepare(sessions))
        with running(ready, "web") as (address, process):
            yield Served(ready, address, event_id, token, process)


@contextmanager
def running(settings: Settings, command: str) -> Iterator[tuple[str, psutil.Process]]:
    """Run `trouvaille COMMAND` until the block ends, ready when it begins; gives its address and the process."""
    environment = {**os.environ, **serving.environment(settings)}
    if settings.database_url is None:
        del environment["DATABASE_URL"]
    process = subprocess.Popen(
        [sys.executable, "-m", "trouvaille", command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{settings.port}"
    try:
        wait_until_up(address)
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def wait_until_up(address: str, *, patience_s: float = 60) -> None:
    """Until the server answers.

    Raises:
        TimeoutError
    """
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        try:
            if httpx2.get(f"{address}/readyz", timeout=2).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"{address} does not answer")


def picture(number: int, size_bytes: int = 0) -> bytes:
    """A small JPEG that no other number gives, followed by noise up to a size, as motion photos carry a film."""
    image = pyvips.Image.gaussnoise(320, 240, mean=128, sigma=40, seed=number).cast("uchar")
    jpeg: bytes = image.bandjoin([image, image]).copy(interpretation="srgb").jpegsave_buffer(Q=80)
    made = io.BytesIO(jpeg)
    made.seek(0, io.SEEK_END)
    made.write(random.Random(number).randbytes(max(8, size_bytes - len(jpeg))))
    return made.getvalue()
