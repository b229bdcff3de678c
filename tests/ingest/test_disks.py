"""A disk that is full or read-only, for real: a small file system of the web process's own, mounted for it alone."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.ingest.real_web import Web, web_with_sender
from tests.ingest.sender import token_of
from tests.ingest.test_protocol import originals
from tests.people import Visitor
from trouvaille.core.storage import KEEP_FREE_BYTES
from trouvaille.settings import Settings

ROOM_BYTES = 16 * 1024**2
# Whoever is not root becomes it in a user namespace; there, root could not reach the database's socket.
AS_ROOT = os.geteuid() == 0
OWN_NAMESPACE = ("unshare", "--mount") if AS_ROOT else ("unshare", "--map-root-user", "--mount")


def _can_mount() -> bool:
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return False
    tried = [*OWN_NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(tried, check=False, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not _can_mount(), reason="this machine lets nobody mount a file system of their own")


@dataclass(frozen=True)
class Disk:
    """The file system that a web process stages files on, or keeps photos on."""

    web: Web
    folder: Path

    @property
    def seen(self) -> Path:
        """The folder as the web process sees it."""
        return Path(f"/proc/{self.web.process.pid}/root{self.folder}")

    def fill(self) -> None:
        """Leave no room."""
        left = os.statvfs(self.seen)
        size_bytes = left.f_bavail * left.f_frsize - KEEP_FREE_BYTES
        with (self.seen / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size_bytes)

    def free(self) -> None:
        """Make room again."""
        (self.seen / "filler").unlink()

    def remount(self, mode: str) -> None:
        """``ro`` or ``rw``."""
        enter = ["nsenter", "--target", str(self.web.process.pid), "--mount"]
        enter += [] if AS_ROOT else ["--user", "--preserve-credentials"]
        subprocess.run([*enter, "mount", "-o", f"remount,{mode}", str(self.folder)], check=True)


@contextmanager
def _on_a_disk(owner: Visitor, settings: Settings, folder: Path) -> Iterator[Disk]:
    """A web process with a small file system at a folder."""
    folder.mkdir()
    mount = f'mount -t tmpfs -o size={KEEP_FREE_BYTES + ROOM_BYTES} none "{folder}" && exec "$@"'
    within = (*OWN_NAMESPACE, "sh", "-c", mount, "sh")
    with web_with_sender(settings, owner.event_id, token_of(owner, "photos:write"), within=within) as web:
        yield Disk(web, folder)


@pytest.fixture
def disk(owner: Visitor, settings: Settings, tmp_path: Path) -> Iterator[Disk]:
    """Where files are staged."""
    folder = tmp_path / "disk"
    with _on_a_disk(owner, settings.model_copy(update={"uploads_dir": folder / "uploads"}), folder) as disk:
        yield disk


@pytest.fixture
def store_disk(owner: Visitor, settings: Settings, tmp_path: Path) -> Iterator[Disk]:
    """Where photos are kept, while files are staged elsewhere."""
    folder = tmp_path / "disk"
    with _on_a_disk(owner, settings.model_copy(update={"storage_url": (folder / "photos").as_uri()}), folder) as disk:
        yield disk


def _is_told(answer: httpx2.Response, words: str) -> None:
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert int(answer.headers["retry-after"]) > 0
    assert words in answer.json()["detail"]


def test_a_full_disk_is_told_and_everything_goes_on_once_there_is_room(
    disk: Disk, photo: bytes, settings: Settings
) -> None:
    sender = disk.web.sender
    path, half = sender.create(len(photo), first=photo[: len(photo) // 2]).headers["location"], len(photo) // 2
    disk.fill()
    _is_told(sender.create(len(photo)), "disk is full")
    _is_told(sender.patch(path, half, photo[half:]), "disk is full")
    assert sender.head(path).headers["upload-offset"] == str(half)
    disk.free()
    assert sender.patch(path, half, photo[half:]).headers["trouvaille-result"] == "accepted"
    assert sender.create(len(photo), first=photo).headers["trouvaille-result"] == "duplicate"
    assert originals(settings) == [photo]


def test_a_disk_that_is_read_only_is_told_and_everything_goes_on_afterwards(
    disk: Disk, photo: bytes, settings: Settings
) -> None:
    sender, half = disk.web.sender, len(photo) // 2
    path = sender.create(len(photo), first=photo[:half]).headers["location"]
    disk.remount("ro")
    _is_told(sender.create(len(photo)), "Please try again")
    _is_told(sender.patch(path, half, photo[half:]), "Please try again")
    disk.remount("rw")
    assert sender.head(path).headers["upload-offset"] == str(half)
    assert sender.patch(path, half, photo[half:]).headers["trouvaille-result"] == "accepted"
    assert originals(settings) == [photo]


def test_a_file_larger_than_the_room_is_refused_before_it_is_sent(disk: Disk) -> None:
    _is_told(disk.web.sender.create(ROOM_BYTES * 2), "disk is full")


def _kept(disk: Disk) -> list[bytes]:
    return [path.read_bytes() for path in (disk.seen / "photos").rglob("original*")]


def test_a_store_that_is_full_or_read_only_is_told_and_the_upload_ends_once_it_takes_files(
    store_disk: Disk, photo: bytes
) -> None:
    disk, sender = store_disk, store_disk.web.sender
    path = sender.create(len(photo)).headers["location"]
    disk.fill()
    _is_told(sender.patch(path, 0, photo), "disk is full")
    assert sender.head(path).status_code == 503, "whoever asks how far it is has it tried once more"
    disk.free()
    disk.remount("ro")
    _is_told(sender.patch(path, len(photo), b""), "Please try again")
    disk.remount("rw")
    assert sender.patch(path, len(photo), b"").headers["trouvaille-result"] == "accepted"
    assert _kept(disk) == [photo]
