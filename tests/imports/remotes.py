"""Real servers of other people's files: rclone's S3 and WebDAV, on free ports of this machine."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.s3_server import RCLONE

KEY, SECRET = "importer", "a-secret-of-tests"


@dataclass
class Elsewhere:
    """A server and the folder whose files it serves."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def serving(kind: str, folder: Path, log: Path, *, patience_s: float = 30) -> Iterator[Elsewhere]:
    """``rclone serve`` of one kind, until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [RCLONE, "serve", kind, "--addr", f"127.0.0.1:{port}", "--config", "/dev/null", "--dir-cache-time", "0s"]
    argv += ["--auth-key", f"{KEY},{SECRET}"] if kind == "s3" else ["--user", KEY, "--pass", SECRET]
    with log.open("ab") as said:
        process = subprocess.Popen([*argv, str(folder)], stdout=said, stderr=said)
    try:
        until = time.monotonic() + patience_s
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield Elsewhere(folder, port, process)
    finally:
        process.kill()
        process.wait()
