"""Whose turn it is to write a file: the newest request's, whatever process serves it and whoever dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from trouvaille.core.errors import Unavailable
from trouvaille.ingest.staging import Busy, NoSuchFile, Overtaken, Staging

DIES = """
import os, signal, sys
from pathlib import Path
from uuid import UUID
from trouvaille.ingest.staging import Staging
turn = Staging(Path(sys.argv[1])).take_turn(UUID(sys.argv[2]))
if sys.argv[3] == "unchecked":
    turn.begin_check()
turn.append([b"more"])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path / "uploads")


@pytest.fixture
def upload(staging: Staging) -> UUID:
    """A file with five bytes."""
    upload = uuid4()
    turn = staging.create(upload)
    turn.append([b"he", b"llo"])
    turn.close()
    return upload


def _bytes(staging: Staging, upload: UUID) -> bytes:
    return (staging.folder / str(upload)).read_bytes()


def test_the_offset_is_the_files_size_on_the_disk(staging: Staging, upload: UUID) -> None:
    assert staging.take_turn(upload).offset == 5
    os.truncate(staging.folder / str(upload), 3)
    turn = staging.take_turn(upload)
    assert turn.offset == 3
    turn.append([b"p"])
    assert (turn.offset, _bytes(staging, upload)) == (4, b"help")


def test_the_newest_turn_wins_and_no_byte_of_an_earlier_one_follows(staging: Staging, upload: UUID) -> None:
    first = staging.take_turn(upload)
    elsewhere = Staging(staging.folder).take_turn(upload)
    with pytest.raises(Overtaken):
        first.append([b" never"])
    elsewhere.append([b" world"])
    with pytest.raises(Overtaken):
        first.append([b" never"])
    assert _bytes(staging, upload) == b"hello world"


@pytest.mark.slow
def test_who_holds_a_whole_file_is_alone_with_it(staging: Staging, upload: UUID) -> None:
    writing = staging.take_turn(upload)
    held = staging.hold(upload)
    for act in (staging.take_turn, staging.hold):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Busy):
            patch.setattr("trouvaille.ingest.staging.LOCK_PATIENCE_S", 0.05)
            act(upload) if act == staging.take_turn else staging.hold(upload, patience_s=0.05)
    with pytest.raises(Overtaken):
        writing.append([b"!"])
    held.discard()
    held.close()
    with pytest.raises(Overtaken):
        writing.append([b"!"])
    with pytest.raises(NoSuchFile):
        staging.take_turn(upload)


@pytest.mark.parametrize(("kind", "left"), [("plain", b"hellomore"), ("unchecked", b"hello")])
def test_what_a_killed_process_wrote_stays_unless_it_was_to_be_checked(
    staging: Staging, upload: UUID, kind: str, left: bytes
) -> None:
    killed = subprocess.run([sys.executable, "-c", DIES, str(staging.folder), str(upload), kind], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert staging.take_turn(upload).offset == len(left)
    assert _bytes(staging, upload) == left


def test_a_file_that_could_not_be_brought_to_the_disk_has_to_be_sent_again(
    staging: Staging, upload: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(handle: int) -> None:
        raise OSError(5, "Input/output error")

    held = staging.hold(upload)
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(Unavailable):
        held.sync()
    monkeypatch.undo()
    held.close()
    assert staging.take_turn(upload).offset == 0


def test_a_turn_file_without_bytes_is_removed_after_a_while(staging: Staging, upload: UUID) -> None:
    (staging.folder / str(upload)).unlink()
    staging.sweep_stray_turns(older_than_s=600)
    assert (staging.folder / f"{upload}.turn").exists()
    os.utime(staging.folder / f"{upload}.turn", (0, 0))
    staging.sweep_stray_turns(older_than_s=600)
    assert not (staging.folder / f"{upload}.turn").exists()
