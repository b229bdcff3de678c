"""A nursery as a real process, with real children that are copies of it."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from trouvaille.core.nursery import STATUS_UNKNOWN, Forked, Nursery
from trouvaille.core.processes import Bond, bury

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are forked on Linux only")

KIND = """
import os, signal, socket, subprocess, sys, time
from pathlib import Path

SEEN = []

def warm_up():
    SEEN.append(os.getpid())

def main():
    word, *more = sys.argv[1:]
    globals()[word](*more)

def say(file):
    file = Path(file)
    made = file.with_suffix(".new")
    made.write_text("\\n".join([
        str(SEEN[0]), " ".join(sys.argv), os.environ.get("WORD", "-"), str("HOME" in os.environ), str(os.getsid(0)),
        str(os.nice(0)), str(len(os.listdir("/proc/self/task"))),
    ]))
    made.rename(file)

def leave(status):
    sys.exit(int(status))

def crash():
    raise LookupError("on purpose")

def linger(file):
    signal.signal(signal.SIGTERM, lambda *_: (Path(file).write_text("goodbye"), sys.exit(3)))
    say(file + ".ready")
    time.sleep(600)

def leave_somebody(file):
    made = subprocess.Popen(("sleep", "600"))
    Path(file).write_text(str(made.pid))
    sys.exit(0)

def answer(number):
    with socket.socket(fileno=int(number)) as listening:
        connection, _ = listening.accept()
        connection.sendall(b"from a child")
        connection.close()
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (tmp_path / "kind.py").write_text(textwrap.dedent(KIND))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "WORD": "given"}


@pytest.fixture
def nursery(environment: dict[str, str]) -> Iterator[Nursery]:
    made = Nursery("kind:main", ["kind:warm_up"])
    yield made
    made.close()


def until(true: Callable[[], object], within_s: float = 20) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def process_of(child: Forked) -> psutil.Process:
    made = psutil.Process(child.pid).parent()
    assert made is not None
    return made


def test_a_child_has_what_was_imported_and_its_own_arguments_environment_session_and_niceness(
    nursery: Nursery, environment: dict[str, str], tmp_path: Path
) -> None:
    said = tmp_path / "said"
    child = nursery.fork(("trouvaille", "say", str(said)), Bond(nice=3), env=environment)
    assert child.wait(20) == 0
    before, argv, word, has_home, session, nice, threads = said.read_text().splitlines()
    assert int(before) != child.pid, "what was prepared was prepared by the nursery"
    assert (argv, word, has_home) == (f"trouvaille say {said}", "given", "False")
    assert int(session) == child.pid
    assert int(nice) == os.nice(0) + 3
    assert threads == "1"


def test_it_prepares_once_and_each_child_is_a_copy(
    nursery: Nursery, environment: dict[str, str], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        assert nursery.fork(("trouvaille", "say", str(tmp_path / name)), Bond(), env=environment).wait(20) == 0
    first, second = ((tmp_path / name).read_text().splitlines()[0] for name in ("a", "b"))
    assert first == second


def test_a_process_list_tells_who_is_who(nursery: Nursery, environment: dict[str, str], tmp_path: Path) -> None:
    child = nursery.fork(("trouvaille", "linger", str(tmp_path / "x")), Bond(), env=environment)
    until((tmp_path / "x.ready").exists)
    assert " ".join(psutil.Process(child.pid).cmdline()).startswith("trouvaille linger")
    assert " ".join(process_of(child).cmdline()).strip() == "trouvaille nursery"
    bury(child)


def test_how_a_child_ended_is_told(nursery: Nursery, environment: dict[str, str], tmp_path: Path) -> None:
    assert nursery.fork(("trouvaille", "leave", "0"), Bond(), env=environment).wait(20) == 0
    assert nursery.fork(("trouvaille", "leave", "7"), Bond(), env=environment).wait(20) == 7
    assert nursery.fork(("trouvaille", "crash"), Bond(), env=environment).wait(20) == 1
    lingers = nursery.fork(("trouvaille", "linger", str(tmp_path / "x")), Bond(), env=environment)
    until((tmp_path / "x.ready").exists)
    assert lingers.poll() is None
    with pytest.raises(TimeoutError):
        lingers.wait(0.05)
    os.kill(lingers.pid, signal.SIGTERM)
    until(lambda: lingers.poll() is not None)
    assert lingers.poll() == lingers.wait() == 3
    lingers = nursery.fork(("trouvaille", "linger", str(tmp_path / "y")), Bond(), env=environment)
    until((tmp_path / "y.ready").exists)
    assert bury(lingers) == -signal.SIGKILL
    assert not psutil.pid_exists(lingers.pid)


def test_what_a_dead_child_left_behind_is_buried_with_it(
    nursery: Nursery, environment: dict[str, str], tmp_path: Path
) -> None:
    child = nursery.fork(("trouvaille", "leave_somebody", str(tmp_path / "left")), Bond(), env=environment)
    until(lambda: (tmp_path / "left").exists() and psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
    left = int((tmp_path / "left").read_text())
    assert psutil.pid_exists(left)
    assert bury(child) == 0
    until(lambda: not psutil.pid_exists(left))


def test_a_child_gets_our_files_under_our_numbers(nursery: Nursery, environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        high = os.dup(listening.fileno())
        os.dup2(listening.fileno(), 200)
        for number in (listening.fileno(), high, 200):  # some of them the nursery uses itself
            child = nursery.fork(("trouvaille", "answer", str(number)), Bond(), env=environment, files=[high, number])
            with socket.create_connection(listening.getsockname(), timeout=20) as connection:
                assert connection.recv(100) == b"from a child"
            assert child.wait(20) == 0
        os.close(200)
        os.close(high)


def test_a_nursery_that_is_killed_takes_its_children_along_and_comes_back(
    nursery: Nursery, environment: dict[str, str], tmp_path: Path
) -> None:
    child = nursery.fork(("trouvaille", "linger", str(tmp_path / "x")), Bond(), env=environment)
    until((tmp_path / "x.ready").exists)
    process_of(child).kill()
    assert child.wait(20) == STATUS_UNKNOWN
    assert (tmp_path / "x").read_text() == "goodbye", "it was asked to end, not killed"
    assert nursery.fork(("trouvaille", "leave", "5"), Bond(), env=environment).wait(20) == 5


def test_one_nursery_within_another_shares_what_that_has(
    nursery: Nursery, environment: dict[str, str], tmp_path: Path
) -> None:
    within = Nursery("kind:main", ["json.tool"], within=nursery)
    try:
        child = within.fork(("trouvaille", "linger", str(tmp_path / "x")), Bond(), env=environment)
        until((tmp_path / "x.ready").exists)
        inner = process_of(child)
        outer = inner.parent()
        assert outer is not None
        assert int((tmp_path / "x.ready").read_text().splitlines()[0]) == outer.pid
        outer.kill()
        assert child.wait(20) == STATUS_UNKNOWN
        assert within.fork(("trouvaille", "leave", "6"), Bond(), env=environment).wait(20) == 6
    finally:
        within.close()


def test_what_cannot_be_imported_is_an_error_of_each_try(environment: dict[str, str]) -> None:
    broken = Nursery("kind:main", ["no_such_module"])
    for _ in range(2):
        with pytest.raises(OSError, match=r"ended|reset|Broken"):
            broken.fork(("trouvaille", "leave", "0"), Bond(), env=environment)
    broken.close()


def test_all_end_with_the_process_that_gave_the_orders(environment: dict[str, str], tmp_path: Path) -> None:
    script = f"""
import time
from trouvaille.core.nursery import Nursery
from trouvaille.core.processes import Bond
outer = Nursery("kind:main", ["kind:warm_up"])
child = Nursery("kind:main", [], within=outer).fork(("trouvaille", "linger", {str(tmp_path / "x")!r}), Bond())
time.sleep(600)
"""
    giver = subprocess.Popen((sys.executable, "-c", script), env=environment)
    try:
        until((tmp_path / "x.ready").exists)
        below = psutil.Process(giver.pid).children(recursive=True)
        assert len(below) == 3
        giver.kill()
        until(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in below))
        assert (tmp_path / "x").read_text() == "goodbye"
    finally:
        giver.kill()
        giver.wait()
