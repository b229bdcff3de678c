"""An instance as users start it, for benches that come as guests; imports none of what only plots and guests need."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from trouvaille.settings import Settings

START_WITHIN_S = 120


@contextmanager
def serving(settings: Settings, port: int) -> Iterator[psutil.Process]:
    """`trouvaille serve`, until it answers that it is ready; stopped at the end."""
    # The load comes from this machine for many addresses, as through a proxy on it.
    env = {**os.environ, "TROUVAILLE_TRUSTED_PROXIES": "127.0.0.1", "TROUVAILLE_LOG_LEVEL": "WARNING"}
    argv = [sys.executable, "-m", "trouvaille", "serve", "--port", str(port), "--data-dir", str(settings.data_dir)]
    with (
        (settings.data_dir / "serve.log").open("wb") as log,
        subprocess.Popen(argv, env=env, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            await_ready(f"http://127.0.0.1:{port}/readyz", process)
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def await_ready(url: str, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until an instance says that it is ready.

    Raises:
        SystemExit: it did not within two minutes, or ended.
    """
    until = time.monotonic() + START_WITHIN_S
    while (process is None or process.poll() is None) and time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    raise SystemExit("the instance did not start")


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
