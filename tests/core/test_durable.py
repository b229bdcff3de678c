"""Entries of folders are brought to the disk: each that is new, and none twice."""

import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from trouvaille.core.durable import KNOWN_AT_MOST, Folders


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[str]]:
    """The folders that were flushed since it was last asked, from the root on."""
    seen: list[str] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        fsync(handle)
        seen.append(str(Path(f"/proc/self/fd/{handle}").readlink().relative_to(tmp_path)))

    def since() -> list[str]:
        taken = sorted(seen)
        seen.clear()
        return taken

    monkeypatch.setattr(os, "fsync", noted)
    return since


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    path = folder / "original"
    path.touch()
    return path


def test_every_folder_that_leads_to_a_new_entry_is_flushed_once(
    tmp_path: Path, flushed: Callable[[], list[str]]
) -> None:
    folders = Folders(tmp_path)
    folders.flush_entry(_made(tmp_path / "event" / "first"))
    assert flushed() == [".", "event", "event/first"]
    folders.flush_entry(_made(tmp_path / "event" / "second"))
    assert flushed() == ["event", "event/second"]
    folders.flush_entry(tmp_path / "event" / "second" / "original")
    assert flushed() == ["event/second"]


def test_a_folder_that_was_made_anew_is_flushed_anew(tmp_path: Path, flushed: Callable[[], list[str]]) -> None:
    folders = Folders(tmp_path)
    folders.flush_entry(_made(tmp_path / "event" / "first"))
    flushed()
    shutil.rmtree(tmp_path / "event")
    folders.flush_entry(_made(tmp_path / "event" / "first"))
    assert flushed() == [".", "event", "event/first"]


def test_who_waits_shares_a_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders, going, go_on = Folders(tmp_path), threading.Event(), threading.Event()
    folders.flush_entry(tmp_path / "a")
    flushes: list[int] = []

    def slow(handle: int) -> None:
        flushes.append(handle)
        going.set()
        go_on.wait(10)

    monkeypatch.setattr(os, "fsync", slow)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(folders.flush_entry, tmp_path / "b")
        going.wait(10)
        others = [pool.submit(folders.flush_entry, tmp_path / name) for name in "cdefghij"]
        while folders._folder(tmp_path)._asked < 1 + 1 + len(others):
            pass
        go_on.set()
        for each in (first, *others):
            each.result()
    assert len(flushes) == 2


def test_no_more_folders_are_kept_open_than_so_many(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(KNOWN_AT_MOST + 20):
        folders.flush_entry(_made(tmp_path / str(number)))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + KNOWN_AT_MOST


def test_what_can_not_be_flushed_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Folders(tmp_path).flush_entry(tmp_path / "nowhere" / "original")
