"""A process that has imported what its children need and makes them by forking: they start at once and share memory.

A web process or a worker spends one to two seconds of a processor on importing, and a hundred megabytes. A nursery does
that once, and never anything else: it opens no file and starts no thread, so that a copy of it is as good as a process
that has just imported the same. It forks on order of the process that started it, which looks after the children
itself, by their numbers.

``multiprocessing`` has a fork server too. It reaps its children at once, after which the number of a child's group may
be somebody else's while we still have to kill what the child left behind; it brings a process of its own along to track
semaphores; and its children all have one name.

This file is also the program of a nursery. It imports little, for the process that gives the orders stays small.
"""

import errno
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trouvaille.core.processes import NOT_STARTED, Bond, Started, bind_to_parent, bury, signal_group, spawn_for_life

AVAILABLE = sys.platform == "linux"
"""Elsewhere a library that has been imported may not survive a fork, and there are no handles of processes."""
_MODULE = "trouvaille.core.nursery"
_NURSERY = "nursery"
PATIENCE_S = 120.0
MESSAGE_BYTES = 1 << 20
FILES = 16
STATUS_UNKNOWN = 255
"""Of a child whose nursery died before it: nobody was left to be told how it ended."""


class Forked:
    """A child of a nursery, with as much of `subprocess.Popen` as looking after it needs."""

    def __init__(self, line: "_Line", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._line = line
        self._handle = os.pidfd_open(pid)  # it is not reaped before we ask for it, so the number is its own
        self._mutex = threading.Lock()

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._reap() if self.returncode is None and self._has_ended(0) else self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended.

        Raises:
            TimeoutError
        """
        if self.returncode is not None:
            return self.returncode
        if not self._has_ended(timeout):
            raise TimeoutError(f"process {self.pid} has not ended after {timeout} s")
        return self._reap()

    def _has_ended(self, within_s: float | None) -> bool:
        waiting = select.poll()
        waiting.register(self._handle, select.POLLIN)
        return bool(waiting.poll(None if within_s is None else within_s * 1000))

    def _reap(self) -> int:
        with self._mutex:  # a nursery within another may be asked about by several that wait for it
            if self.returncode is None:
                try:
                    self.returncode = int(self._line.ask({"reap": self.pid})["status"])
                except OSError:  # the nursery is gone; the system reaps its children
                    self.returncode = STATUS_UNKNOWN
                os.close(self._handle)
            return self.returncode


class _Line:
    """One life of a nursery: the process, and how it is spoken to."""

    def __init__(self, process: Started, orders: socket.socket) -> None:
        self.process = process
        self._orders = orders
        self._mutex, self._ending = threading.Lock(), threading.Lock()
        self._is_over = False

    def ask(self, order: dict[str, Any], files: Sequence[int] = ()) -> dict[str, Any]:
        """Raises OSError when the nursery is dead or can't do it."""
        try:
            with self._mutex:
                socket.send_fds(self._orders, [json.dumps(order).encode()], list(files))
                answer = self._orders.recv(MESSAGE_BYTES)
            if not answer:
                raise ConnectionResetError(errno.ECONNRESET, "the nursery has ended")
        except OSError:
            self.end()  # an answer that came after all would be taken for that to the next order
            raise
        told: dict[str, Any] = json.loads(answer)
        if number := told.get("errno"):
            raise OSError(number, os.strerror(number))
        return told

    def end(self) -> None:
        """Close the line and end the nursery, once. It keeps nothing, so it need not be asked."""
        with self._ending:
            if not self._is_over:
                self._is_over = True
                self._orders.close()
                bury(self.process)


class Nursery:
    """Starts children of one kind; starts itself anew when it has died."""

    def __init__(self, main: str, imports: Sequence[str], *, within: "Nursery | None" = None) -> None:
        """
        Args:
            main: what children run, as ``module:function``; they find their arguments in ``sys.argv``.
            imports: what to import; what has the form ``module:function`` is also called, to prepare more.
            within: another nursery that makes this one; what it has imported is shared too.
        """
        self._main, self._imports, self._within = main, tuple(imports), within
        self._line: _Line | None = None
        self._mutex = threading.Lock()

    def start(self) -> None:
        """Let it begin to import, without waiting. `fork` does so too when it has not been done.

        Raises:
            OSError: no process could be made.
        """
        with self._mutex:
            self._alive()

    def fork(
        self, argv: Sequence[str], bond: Bond, *, env: Mapping[str, str] | None = None, files: Sequence[int] = ()
    ) -> Forked:
        """Make a child in a session of its own; waits until all is imported.

        Args:
            argv: its arguments, the first of which names it.
            bond: its niceness; it gets ``SIGTERM`` when the nursery dies, and that when we do.
            env: its whole environment; ours when None. What a library read when it was imported stays.
            files: numbers of open files of ours, which it gets under the same numbers.

        Raises:
            OSError: no process could be made.
        """
        if bond.user or bond.folder or bond.death_signal is not signal.SIGTERM:
            raise ValueError("a nursery's children keep its user and folder")
        order = {
            "argv": [*argv],
            "env": dict(os.environ if env is None else env),
            "nice": bond.nice,
            "files": [*files],
        }
        with self._mutex:
            line = self._alive()
        pid = line.ask(order, files)["pid"]
        try:
            return Forked(line, pid)
        except OSError:  # no file left for its handle: nobody could look after it
            signal_group(pid, signal.SIGKILL)
            line.ask({"reap": pid})
            raise

    def close(self) -> None:
        """End the nursery. Its children get ``SIGTERM``."""
        with self._mutex:
            if self._line is not None:
                self._line.end()
                self._line = None

    def _alive(self) -> _Line:
        if self._line is not None and self._line.process.poll() is not None:
            self._line.end()
            self._line = None
        if self._line is None:
            self._line = self._begun()
        return self._line

    def _begun(self) -> _Line:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(PATIENCE_S)
        told = (str(theirs.fileno()), self._main, *self._imports)
        process: Started
        try:
            if self._within is None:
                argv = (sys.executable, "-m", _MODULE, *told)
                process = spawn_for_life(argv, Bond(), files=[theirs.fileno()])
            else:
                process = self._within.fork((_NURSERY, *told), Bond(), files=[theirs.fileno()])
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return _Line(process, ours)


def run() -> None:
    """The program of a nursery, which in each of its children becomes that child's program."""
    argv = [_NURSERY, *sys.argv[1:]]
    while argv[0] == _NURSERY:
        number, main, *imports = argv[1:]
        _title(_NURSERY)
        _prepare(imports)
        argv = _serve(socket.socket(fileno=int(number)))
    sys.argv = argv
    _title(" ".join(argv[1:]))
    _function(main)()


def _title(words: str) -> None:
    # A name for lists of processes: all are copies of one program, which was started under one name.
    from setproctitle import setproctitle  # noqa: PLC0415 - the process that gives the orders does without

    setproctitle(f"trouvaille {words}")


def _function(name: str) -> Callable[[], object]:
    module, _, attribute = name.partition(":")
    found: Callable[[], object] = getattr(importlib.import_module(module), attribute)
    return found


def _prepare(imports: Sequence[str]) -> None:
    gc.disable()  # hardly anything of what is imported is ever thrown away
    for name in imports:
        if ":" in name:
            _function(name)()
        else:
            importlib.import_module(name)
    gc.enable()
    gc.collect()
    # Collections in a child would write to all that it shares with others.
    gc.freeze()


def _serve(orders: socket.socket) -> list[str]:
    """Carry out orders until there will be no more, which ends the process; in each child, gives its arguments."""
    ours = os.getpid()
    while True:
        try:
            message, files, _, _ = socket.recv_fds(orders, MESSAGE_BYTES, FILES)
        except ConnectionError:
            message, files = b"", []
        if not message:
            sys.exit(0)
        order = json.loads(message)
        answer: dict[str, int]
        try:
            if "reap" in order:
                answer = {"status": os.waitstatus_to_exitcode(os.waitpid(order["reap"], 0)[1])}
            elif (pid := os.fork()) == 0:
                orders.close()
                return _born(order, files, parent=ours)
            else:
                answer = {"pid": pid}
        except OSError as error:
            answer = {"errno": error.errno or errno.EIO}
        for file in files:
            os.close(file)
        orders.send(json.dumps(answer).encode())


def _born(order: dict[str, Any], files: list[int], *, parent: int) -> list[str]:
    argv: list[str] = order["argv"]
    try:
        os.setsid()
        bind_to_parent(signal.SIGTERM, parent)
        if order["nice"]:
            os.nice(order["nice"])
        _renumber(files, order["files"])
    except OSError as error:
        print(f"{argv[0]} could not be started: {error}", file=sys.stderr)  # noqa: T201 - it has no other voice
        sys.exit(NOT_STARTED)
    os.environ.clear()
    os.environ.update(order["env"])
    return argv


def _renumber(files: list[int], wanted: list[int]) -> None:
    """Give open files other numbers, some of which may be those that others of them have."""
    above = max([*files, *wanted, 2]) + 1
    apart = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, above) for file in files]
    for file in files:
        os.close(file)
    for file, number in zip(apart, wanted, strict=True):
        os.dup2(file, number)
        os.close(file)


if __name__ == "__main__":
    from trouvaille.core.ending import end_without_finalisation

    end_without_finalisation(run)
