"""The supervisor as a process of its own, with real children, signals and a real database."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from trouvaille.core.postgres import EmbeddedPostgres
from trouvaille.supervisor import Child, run_once, supervise

HEAD = """
import asyncio, os, signal, subprocess, sys, time
from pathlib import Path
from trouvaille.core.postgres import EmbeddedPostgres
from trouvaille.supervisor import Child, supervise

folder = Path(sys.argv[1])
def child(name, code, **more):
    return Child(name, (sys.executable, "-c", code), {**os.environ, "FOLDER": str(folder)}, **more)
"""
# A child says that it is ready with a file that holds its process number: a new one each time it starts.
READY = """
import os, signal, subprocess, sys, time
from pathlib import Path
def say(name, text=str(os.getpid())):
    made = Path(os.environ["FOLDER"], name)
    with made.open("a") as file:
        file.write(text + chr(10))
"""
STEADY = READY + "say('steady')\ntime.sleep(600)"
POLITE = (
    READY
    + "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), say('goodbye'), sys.exit(0)))\n"
    + "say('polite')\ntime.sleep(600)"
)
DEAF = (
    READY
    + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    + "say('grandchild', str(subprocess.Popen(('sleep', '600')).pid))\n"
    + "say('deaf')\ntime.sleep(600)"
)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs the parent-death signal of Linux")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's account can enter; pytest's own is closed to all but root."""
    made = Path(tempfile.mkdtemp(prefix="tv-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def run(folder: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Runs a supervisor whose program follows `HEAD`; it and its children's groups are gone after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def launch(code: str) -> subprocess.Popen[bytes]:
        script = HEAD + textwrap.dedent(code)
        constants = {"STEADY": STEADY, "POLITE": POLITE, "DEAF": DEAF, "READY": READY}
        script = "\n".join(f"{name} = {text!r}" for name, text in constants.items()) + script
        with (folder / "log").open("ab") as log:
            argv = (sys.executable, "-c", script, str(folder))
            started.append(subprocess.Popen(argv, stdout=log, stderr=log))
        return started[-1]

    yield launch
    for process in started:
        process.kill()
        process.wait()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        # Numbers are used again; the folder in its environment tells a child of this test.
        with suppress(OSError):
            if f"FOLDER={folder}".encode() in environ.read_bytes().split(b"\0"):
                os.kill(int(environ.parent.name), signal.SIGKILL)


def pids(path: Path) -> list[int]:
    """The process numbers that children have written, one a line."""
    return [int(line) for line in path.read_text().split() if line.isdigit()] if path.exists() else []


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not, yet counts as left behind."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(true: Callable[[], Any], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_children_in_their_own_way_and_the_status_is_0(
    number: signal.Signals, run: Callable[[str], subprocess.Popen[bytes]], folder: Path
) -> None:
    # Whoever runs the tests may have ignored the signal for all that they start, as nohup does.
    supervisor = run(
        f"signal.signal({int(number)}, signal.SIG_DFL)\n"
        "sys.exit(asyncio.run(supervise([child('a', POLITE), child('b', STEADY)])))"
    )
    wait_until(lambda: pids(folder / "polite") and pids(folder / "steady"))
    children = pids(folder / "polite") + pids(folder / "steady")
    assert all(map(lives, children))
    supervisor.send_signal(number)
    assert supervisor.wait(20) == 0
    assert not any(map(lives, children))
    assert pids(folder / "goodbye") == pids(folder / "polite")


def test_whoever_was_told_not_to_end_with_the_terminal_goes_on(
    run: Callable[[str], subprocess.Popen[bytes]], folder: Path
) -> None:
    supervisor = run("signal.signal(signal.SIGHUP, signal.SIG_IGN)\nasyncio.run(supervise([child('a', STEADY)]))")
    wait_until(lambda: pids(folder / "steady"))
    supervisor.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        supervisor.wait(1)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(20) == 0


def test_children_are_out_of_reach_of_the_terminal(run: Callable[[str], subprocess.Popen[bytes]], folder: Path) -> None:
    supervisor = run("asyncio.run(supervise([child('a', STEADY)]))")
    wait_until(lambda: pids(folder / "steady"))
    (pid,) = pids(folder / "steady")
    assert os.getsid(pid) == os.getpgid(pid) == pid
    assert os.getsid(supervisor.pid) != pid


@pytest.mark.parametrize(("end", "told"), [("sys.exit(0)", 0), ("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", -9)])
def test_a_child_that_ends_is_reported_and_started_again_whatever_its_status(
    end: str, told: int, run: Callable[[str], subprocess.Popen[bytes]], folder: Path
) -> None:
    run(
        f"""
        async def died(name, status):
            (folder / "deaths").open("a").write(f"{{name}}:{{status}} ")
        asyncio.run(supervise([child("fragile", READY + "say('fragile')\\n{end}")], on_death=died))
        """
    )
    wait_until(lambda: len(pids(folder / "fragile")) >= 3)
    assert len(set(pids(folder / "fragile"))) >= 3
    assert (folder / "deaths").read_text().startswith(f"fragile:{told} fragile:{told} ")


def test_the_pause_before_a_restart_doubles(run: Callable[[str], subprocess.Popen[bytes]], folder: Path) -> None:
    run("asyncio.run(supervise([child('fragile', READY + \"say('fragile')\")]))")
    wait_until(lambda: len(pids(folder / "fragile")) >= 4)
    pauses = [part.split("=")[1] for part in (folder / "log").read_text().split() if part.startswith("restart_in_s=")]
    assert [float(pause) for pause in pauses[:3]] == [0.2, 0.4, 0.8]


def test_a_listener_that_fails_does_not_keep_a_child_from_coming_back(
    run: Callable[[str], subprocess.Popen[bytes]], folder: Path
) -> None:
    run(
        """
        async def died(name, status):
            raise RuntimeError("the listener is broken")
        asyncio.run(supervise([child("fragile", READY + "say('fragile')")], on_death=died))
        """
    )
    wait_until(lambda: len(pids(folder / "fragile")) >= 2)
    assert "child.death_not_told" in (folder / "log").read_text()


def test_a_program_that_does_not_exist_is_tried_again_and_the_others_run(
    run: Callable[[str], subprocess.Popen[bytes]], folder: Path
) -> None:
    supervisor = run("sys.exit(asyncio.run(supervise([Child('x', ('/nonexistent',), {}), child('a', STEADY)])))")
    wait_until(lambda: (folder / "log").read_text().count("could not be started") >= 2)
    wait_until(lambda: pids(folder / "steady"))
    supervisor.terminate()
    assert supervisor.wait(10) == 0


def test_a_child_that_ignores_the_request_to_stop_is_killed_together_with_its_group(
    run: Callable[[str], subprocess.Popen[bytes]], folder: Path
) -> None:
    supervisor = run("sys.exit(asyncio.run(supervise([child('deaf', DEAF, stop_after_s=0.5)])))")
    wait_until(lambda: pids(folder / "deaf"))
    began = time.monotonic()
    supervisor.terminate()
    assert supervisor.wait(10) == 0
    assert time.monotonic() - began >= 0.5
    assert not any(map(lives, pids(folder / "deaf")))
    # Whoever adopts orphans on this machine needs a moment to reap it.
    wait_until(lambda: not any(map(lives, pids(folder / "grandchild"))))


def test_a_second_signal_does_not_wait(run: Callable[[str], subprocess.Popen[bytes]], folder: Path) -> None:
    supervisor = run("sys.exit(asyncio.run(supervise([child('deaf', DEAF, stop_after_s=600)])))")
    wait_until(lambda: pids(folder / "deaf"))
    supervisor.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        supervisor.wait(0.7)
    supervisor.terminate()
    assert supervisor.wait(10) == 0
    assert not any(map(lives, pids(folder / "deaf")))


def test_what_a_killed_child_leaves_behind_is_gone_before_it_starts_again(
    run: Callable[[str], subprocess.Popen[bytes]], folder: Path
) -> None:
    run("asyncio.run(supervise([child('deaf', DEAF)]))")
    wait_until(lambda: pids(folder / "deaf"))
    (first,), (left,) = pids(folder / "deaf"), pids(folder / "grandchild")
    assert lives(left)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(pids(folder / "deaf")) == 2)
    assert not lives(left)


@on_linux
def test_no_child_outlives_a_killed_supervisor(run: Callable[[str], subprocess.Popen[bytes]], folder: Path) -> None:
    supervisor = run("asyncio.run(supervise([child('a', POLITE), child('b', STEADY)]))")
    wait_until(lambda: pids(folder / "polite") and pids(folder / "steady"))
    supervisor.kill()
    supervisor.wait()
    wait_until(lambda: not any(map(lives, pids(folder / "polite") + pids(folder / "steady"))))
    assert pids(folder / "goodbye") == pids(folder / "polite")


@on_linux
def test_a_child_gives_way_by_as_much_as_it_was_told(
    run: Callable[[str], subprocess.Popen[bytes]], folder: Path
) -> None:
    run("asyncio.run(supervise([child('a', STEADY, nice=7)]))")
    wait_until(lambda: pids(folder / "steady"))
    assert os.getpriority(os.PRIO_PROCESS, pids(folder / "steady")[0]) == os.getpriority(os.PRIO_PROCESS, 0) + 7


@on_linux
def test_no_zombie_stays_after_many_deaths(run: Callable[[str], subprocess.Popen[bytes]], folder: Path) -> None:
    supervisor = run("asyncio.run(supervise([child(str(n), READY + \"say('fragile')\") for n in range(3)]))")
    wait_until(lambda: len(pids(folder / "fragile")) >= 9)
    wait_until(lambda: "Z" not in states_of_children(supervisor.pid))


def states_of_children(parent: int) -> list[str]:
    told = subprocess.run(("ps", "--ppid", str(parent), "-o", "state="), capture_output=True, text=True, check=False)
    return told.stdout.split()


def test_the_database_that_dies_is_started_again_at_the_same_address(
    run: Callable[[str], subprocess.Popen[bytes]], folder: Path
) -> None:
    supervisor = run(
        """
        with EmbeddedPostgres(folder / "data", settings={"fsync": "off"}) as postgres:
            (folder / "url.new").write_text(f"{postgres.start()} {postgres.pid}")
            (folder / "url.new").rename(folder / "url")
            status = asyncio.run(supervise([child("a", POLITE)], postgres=postgres))
        sys.exit(status)
        """
    )
    wait_until((folder / "url").exists)
    url, pid = (folder / "url").read_text().split()
    wait_until(lambda: pids(folder / "polite"))
    for _ in range(2):  # a start after a restart has to work as well
        os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda before=int(pid): server_of(folder) not in {None, before})  # type: ignore[misc]
        wait_until(lambda: answers(url))
        pid = str(server_of(folder))
    assert len(pids(folder / "polite")) == 1
    supervisor.terminate()
    assert supervisor.wait(20) == 0
    assert not lives(int(pid))
    assert not (folder / "data" / "18" / "postmaster.pid").exists()
    assert pids(folder / "goodbye") == pids(folder / "polite")


def server_of(folder: Path) -> int | None:
    try:
        return int((folder / "data" / "18" / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return None


def answers(url: str) -> bool:
    try:
        with psycopg.connect(url) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_an_event_stops_as_a_signal_does(folder: Path) -> None:
    async def scenario() -> tuple[int, list[int]]:
        stop = asyncio.Event()
        env = {**os.environ, "FOLDER": str(folder)}
        children = [Child(name, (sys.executable, "-c", STEADY), env) for name in ("a", "b")]
        running = asyncio.create_task(supervise(children, stop=stop))
        while len(seen := pids(folder / "steady")) < 2:
            await asyncio.sleep(0.02)
        stop.set()
        return await running, seen

    status, seen = asyncio.run(scenario())
    assert status == 0
    assert len(seen) == 2
    assert not any(map(lives, seen))


@on_linux
def test_a_child_of_a_nursery_is_kept_and_ended_as_any_other(
    run: Callable[[str], subprocess.Popen[bytes]], folder: Path
) -> None:
    (folder / "kind.py").write_text(f"def main():\n    exec({POLITE!r}, {{}})\n")
    supervisor = run(
        """
        os.environ["PYTHONPATH"], os.environ["FOLDER"] = str(folder), str(folder)
        from trouvaille.core.nursery import Nursery
        made_by = Nursery("kind:main", [])
        forked = Child("forked", ("trouvaille", "forked"), os.environ, nursery=made_by)
        status = asyncio.run(supervise([forked, child("a", STEADY)]))
        made_by.close()
        sys.exit(status)
        """
    )
    wait_until(lambda: pids(folder / "polite"))
    os.kill(pids(folder / "polite")[0], signal.SIGKILL)
    wait_until(lambda: len(pids(folder / "polite")) == 2)
    supervisor.terminate()
    assert supervisor.wait(20) == 0
    assert pids(folder / "goodbye") == pids(folder / "polite")[1:]
    assert not any(map(lives, pids(folder / "polite")))


def test_what_runs_once_tells_how_it_ended(folder: Path) -> None:
    env = {**os.environ, "FOLDER": str(folder)}
    assert run_once(Child("a", (sys.executable, "-c", "raise SystemExit(4)"), env)) == 4
    assert run_once(Child("a", (sys.executable, "-c", READY + "os.kill(os.getpid(), 9)"), env)) == -signal.SIGKILL


def test_a_cancelled_supervisor_leaves_no_child(folder: Path) -> None:
    env = {**os.environ, "FOLDER": str(folder)}

    async def scenario() -> None:
        task = asyncio.create_task(supervise([Child("a", (sys.executable, "-c", STEADY), env)]))
        while not pids(folder / "steady"):
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert not any(map(lives, pids(folder / "steady")))


def test_a_database_restarted_from_another_thread_outlives_that_thread(folder: Path) -> None:
    """Linux ties a child's death signal to the thread that started it, and the supervisor's threads come and go."""
    with EmbeddedPostgres(folder / "data", settings={"fsync": "off"}) as postgres:
        url, pid = postgres.start(), postgres.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not postgres.is_alive())
        asyncio.run(asyncio.to_thread(postgres.start))  # the loop's end takes its threads with it
        time.sleep(0.5)
        assert postgres.is_alive()
        assert answers(url)
