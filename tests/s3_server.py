"""A real S3 server for tests: rclone's, on a free port of this machine, over a folder of its own."""

import contextlib
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

KEY, SECRET = "trouvaille", "a-secret-of-tests"
RCLONE = f"{sysconfig.get_path('scripts')}/rclone"
"""Beside this Python, whether or not its environment is activated."""


class S3Server:
    """One server and one bucket. It can be stopped and started again, as servers are."""

    def __init__(self, folder: Path) -> None:
        self.bucket = folder / "data" / "photos"
        self.bucket.mkdir(parents=True)
        self._log = folder / "log"
        self.credentials = folder / "credentials"
        self.credentials.write_text(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, patience_s: float = 30) -> None:
        """Start, and wait until it answers."""
        address = f"127.0.0.1:{self.port}"
        argv = [RCLONE, "serve", "s3", "--addr", address, "--auth-key", f"{KEY},{SECRET}"]
        argv += ["--config", "/dev/null", str(self.bucket.parent)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)
        until = time.monotonic() + patience_s
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert self._process.poll() is None and time.monotonic() < until, self._log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """End it at once; what it has acknowledged is in its folder."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def url(self, prefix: str = "") -> str:
        """A store's URL in the bucket."""
        there = f"s3://photos/{prefix}" if prefix else "s3://photos"
        return f"{there}?endpoint=http://127.0.0.1:{self.port}&credentials_file={self.credentials}"

    def files(self, prefix: str = "") -> list[str]:
        """What lies in the bucket, as its disk has it."""
        folder = self.bucket / prefix
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def serving() -> Iterator[S3Server]:
    """A server of one's own."""
    folder = Path(tempfile.mkdtemp(prefix="trouvaille-s3-"))
    server = S3Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """One server for all tests; each uses a prefix of its own."""
    with serving() as server:
        yield server


@pytest.fixture
def s3_prefix() -> str:
    """A place in the bucket that no other test uses."""
    return f"test-{uuid4().hex[:12]}"
