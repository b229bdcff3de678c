"""`trouvaille serve` that a test may kill and start again, on the same port with the same data."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


class Server:
    """A server of a test's own. ``setup`` is the path of its first-run page."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.folder = folder / f"instance-{self.port}"
        self.address = f"http://localhost:{self.port}"
        self._log = (folder / f"serve-{self.port}.log").open("w")
        self._process: subprocess.Popen[str] | None = None
        self.setup = ""

    def start(self) -> None:
        """Come up; returns once it listens."""
        environment = {**os.environ, "TROUVAILLE_DATA_DIR": str(self.folder), "TROUVAILLE_STALLED_AFTER_S": "3"}
        environment["TROUVAILLE_WEB_PROCESSES"] = "1"
        command = [sys.executable, "-m", "trouvaille", "serve", "--port", str(self.port)]
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=self._log, text=True)
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        if not self.setup:
            found = re.search(r"/setup\?token=\S+", first + self._process.stdout.readline())
            assert found, first
            self.setup = found[0]
        self._await_answer()

    def _await_answer(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError("the server did not listen within 60 s")

    def kill(self) -> None:
        """End it as a power cut would; its children go with it."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as an operator does; its exit status."""
        status = self._end(signal.SIGTERM)
        self._log.close()
        return status

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None and self._process.stdout is not None
        self._process.send_signal(how)
        status = self._process.wait(60)
        self._process.stdout.close()
        return status
