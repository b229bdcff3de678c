"""A web process of its own, reached through real sockets."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx2

from trouvaille import serving
from trouvaille.settings import Settings


@contextmanager
def web_process(settings: Settings, *, pool_size: int) -> Iterator[str]:
    """Run `trouvaille web`; gives its address."""
    with running_web(settings, pool_size=pool_size) as (address, _):
        yield address


@contextmanager
def running_web(
    settings: Settings, *, pool_size: int = 5, within: Sequence[str] = ()
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run `trouvaille web`; gives its address and the process, which may be killed.

    Args:
        within: a program and its arguments that becomes the web process.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, **serving.environment(settings), "TROUVAILLE_DATABASE_POOL_SIZE": str(pool_size)}
    argv = [*within, sys.executable, "-m", "trouvaille", "web", "--port", str(port)]
    process = subprocess.Popen(argv, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        with httpx2.Client(timeout=1) as client:  # one: each reads all certificates of the machine
            for _ in range(200):
                try:
                    client.get(f"{address}/livez")
                    break
                except httpx2.TransportError:
                    time.sleep(0.1)
        yield address, process
    finally:
        process.terminate()
        process.wait(20)
