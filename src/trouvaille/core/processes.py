"""Child processes that never outlive the process that started them.

This file is also the small program that stands between ``fork`` and the wanted program: run as a script it takes on
the user, the niceness and the bond to its parent, and then becomes the wanted program. Doing this in a process of its
own, and not in a ``preexec_fn``, keeps Python code out of a forked copy of a process that has threads. So it imports
nothing but the standard library, and little of that.
"""

import contextlib
import ctypes
import os
import pwd
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

PR_SET_PDEATHSIG = 1  # linux/prctl.h
NOT_STARTED = 126  # what a shell answers when a program is there but can't be run
Spawned = subprocess.Popen[bytes]


class Started(Protocol):
    """A process that we look after: of `subprocess.Popen` what we use of it."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


@dataclass(frozen=True)
class Bond:
    """How a child is tied to us and whom it runs as.

    Attributes:
        death_signal: what the child gets when we die (Linux); None leaves it alone.
        user: name of the account to change to, which only root may; None keeps ours.
        nice: added to our niceness, 0 to 19.
        folder: the child's working folder, entered as the new user; None keeps ours.
    """

    death_signal: signal.Signals | None = signal.SIGTERM
    user: str | None = None
    nice: int = 0
    folder: Path | None = None


def spawn(
    argv: Sequence[str],
    bond: Bond,
    *,
    env: Mapping[str, str] | None = None,
    output: IO[bytes] | int | None = None,
    files: Sequence[int] = (),
) -> Spawned:
    """Start a program in a session of its own, so that a Ctrl-C in the terminal does not reach it.

    Linux sends the death signal when the *thread* that started the child ends, which may be long before the process
    does. Call this from a thread that lives as long as the child may, or through `spawn_for_life`.

    Args:
        argv: program and arguments.
        env: its whole environment; ours when None.
        output: where both its standard output and standard error go; ours when None.
        files: numbers of open files of ours, which it gets under the same numbers.

    Returns:
        The process. Its status is `NOT_STARTED`, with a sentence on standard error, when the bond or the program
        could not be had.

    Raises:
        OSError: no process could be made.
    """
    terms = (
        str(int(bond.death_signal or 0)),
        str(os.getpid()),
        bond.user or "",
        str(bond.nice),
        str(bond.folder or ""),
    )
    return subprocess.Popen(  # noqa: S603 - every caller names its program itself
        (sys.executable, "-I", "-S", __file__, *terms, *argv),
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        pass_fds=files,
    )


class _Starter:
    """A thread that starts children for other threads and ends only with the process."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[tuple[Callable[[], Spawned], Future[Spawned]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._mutex = threading.Lock()

    def run(self, start: Callable[[], Spawned]) -> Spawned:
        with self._mutex:
            # A fork leaves the thread behind, so the copy of this object needs a new one.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name="process-starter", daemon=True)
                self._thread.start()
        answer: Future[Spawned] = Future()
        self._orders.put((start, answer))
        return answer.result()

    def _serve(self) -> None:
        while True:
            start, answer = self._orders.get()
            try:
                answer.set_result(start())
            except BaseException as error:
                answer.set_exception(error)


_starter = _Starter()


def spawn_for_life(
    argv: Sequence[str],
    bond: Bond,
    *,
    env: Mapping[str, str] | None = None,
    output: IO[bytes] | int | None = None,
    files: Sequence[int] = (),
) -> Spawned:
    """As `spawn`, from any thread: the child's death signal waits for the end of this process, not of the thread."""
    return _starter.run(lambda: spawn(argv, bond, env=env, output=output, files=files))


def signal_group(group: int, number: int) -> bool:
    """Send a signal, or with 0 none, to all processes of a group; False when there is none left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        # macOS answers so for a group whose last member is a zombie.
        return False
    return True


def bury(process: Started, *, timeout_s: float = 2.0) -> int:
    """Reap a process that has ended, and kill what it left behind in its group.

    As long as the process is not reaped, its number, and with it that of the group, belongs to nobody else. Where we
    are the first process of a container, the group's orphans become our children and are reaped too.

    Returns:
        The exit status, negative for a signal.
    """
    if process.returncode is None:
        signal_group(process.pid, signal.SIGKILL)
    status = process.wait()
    deadline = time.monotonic() + timeout_s
    while signal_group(process.pid, 0) and time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-process.pid, os.WNOHANG)
        time.sleep(0.002)
    return status


def working_in(folder: Path, program: str) -> list[int]:
    """The processes of a program whose working folder is this one; empty where the system has no ``/proc`` to ask.

    A PostgreSQL server and all its workers work in the folder of their data, and so may the shell of somebody who
    looks at it: hence the program's name, at most 15 bytes.
    """
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # A zombie has no working folder, and those of other users are hidden: both raise.
            if (entry / "cwd").readlink() == folder and (entry / "comm").read_text().strip() == program:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _take_user(name: str) -> None:
    account = pwd.getpwnam(name)
    os.initgroups(name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.umask(0o077)


def bind_to_parent(number: int, parent: int) -> None:
    """Ask for a signal at the parent's death; the kernel forgets the wish when the user changes. Where it is dead
    already, this process ends."""
    if number and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(NOT_STARTED)  # it died before we asked


def _become(death_signal: str, parent: str, user: str, nice: str, folder: str, *argv: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    # Our own parent may have been started with signals blocked or ignored, and a program inherits both.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        if int(nice):
            os.nice(int(nice))
        if user:
            _take_user(user)
        bind_to_parent(int(death_signal), int(parent))
        if folder:
            os.chdir(folder)
        os.execvp(argv[0], argv)  # noqa: S606 - the whole purpose of this program
    except (OSError, KeyError) as error:
        print(f"{argv[0]} could not be started: {error}", file=sys.stderr)  # noqa: T201 - it has no other voice
        sys.exit(NOT_STARTED)


if __name__ == "__main__":
    _become(*sys.argv[1:])
