"""A web process of its own and a script that sends files to it."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2

from tests.ingest.sender import Sender
from tests.web_process import running_web
from trouvaille.settings import Settings


@dataclass(frozen=True)
class Web:
    """A running web process. ``sender`` has a token."""

    sender: Sender
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()


@contextmanager
def web_with_sender(
    settings: Settings, event_id: str, token: dict[str, str], *, within: Sequence[str] = ()
) -> Iterator[Web]:
    """A web process, and somebody who sends files to an event."""
    with (
        running_web(settings, within=within) as (address, process),
        httpx2.Client(base_url=address, timeout=60) as client,
    ):
        yield Web(Sender(client, f"/api/v1/events/{event_id}/uploads", token), process)
