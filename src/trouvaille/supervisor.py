"""Keeps the processes of one machine running, and stops them in order.

A child that ends, for whatever reason, is started again; so is the embedded database. Workers rely on that: theirs
end with status 0 when the database restarts.
"""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog

from trouvaille.core.nursery import Nursery
from trouvaille.core.postgres import EmbeddedPostgres, Unusable
from trouvaille.core.processes import NOT_STARTED, Bond, Started, bury, signal_group, spawn

log = structlog.get_logger()

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
STEADY_AFTER_S = 30.0  # a child that lived so long starts over with the first pause
DATABASE_CHECK_S = 0.25
EXIT_CHECK_S = 0.1
DEATH_TOLD_WITHIN_S = 5.0

OnDeath = Callable[[str, int], Awaitable[None]]


@dataclass(frozen=True)
class Child:
    """A process to keep running.

    Attributes:
        name: how logs and `OnDeath` call it.
        argv: program and arguments; of a nursery's child its arguments alone, the first of which names it.
        env: its whole environment.
        stop_after_s: how long it may take to end after SIGTERM before it is killed.
        nice: added to our niceness, 0 to 19.
        sockets: given to it under the same numbers as ours.
        nursery: makes it by forking; the caller ends it afterwards. None: a program of its own.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    stop_after_s: float = 10
    nice: int = 0
    sockets: tuple[socket.socket, ...] = ()
    nursery: Nursery | None = None


async def supervise(
    children: Sequence[Child],
    *,
    stop: asyncio.Event | None = None,
    postgres: EmbeddedPostgres | None = None,
    on_death: OnDeath | None = None,
) -> int:
    """Keep all children running until SIGINT, SIGTERM, SIGHUP or ``stop``; then end them, and answer 0.

    A second signal kills what is still ending; a cancellation counts as a signal. When this returns, no child and
    nothing that a child left in its process group is alive. It handles signals when it runs in the main thread.

    Args:
        children: started all at once.
        stop: ends everything when set.
        postgres: watched as well, and started again at the same address when it dies; the caller stops it afterwards.
        on_death: awaited with the name and the exit status (negative for a signal) of a child that ended unasked,
            before that child starts again, and for `DEATH_TOLD_WITHIN_S` at most.
    """
    keepers = _Keepers(stop or asyncio.Event(), on_death)
    async with _signals(keepers.ask_to_stop):
        tasks = [asyncio.create_task(keepers.keep(child), name=child.name) for child in children]
        if postgres is not None:
            tasks.append(asyncio.create_task(keepers.keep_database(postgres), name="postgres"))
        waiting = asyncio.create_task(keepers.stop.wait())
        try:
            # A keeper that ends by itself has failed; its error is raised below.
            await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            await keepers.finish(tasks)
        for task in tasks:
            task.result()
    return 0


@asynccontextmanager
async def _signals(handle: Callable[[], None]) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    handled = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup asks not to end with the terminal.
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue
        # Signals reach the main thread only; elsewhere the event is the way to stop.
        with suppress(RuntimeError, ValueError):
            loop.add_signal_handler(number, handle)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


class _Keepers:
    """One task for each child, and what they share."""

    def __init__(self, stop: asyncio.Event, on_death: OnDeath | None) -> None:
        self.stop = stop
        self._hurry = asyncio.Event()
        self._on_death = on_death

    def ask_to_stop(self) -> None:
        """Stop; asked a second time, at once."""
        if self.stop.is_set():
            self._hurry.set()
        self.stop.set()

    async def finish(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Let every keeper end its process, also while we are being cancelled."""
        self.stop.set()
        cancelled: asyncio.CancelledError | None = None
        while any(not task.done() for task in tasks):
            try:
                await asyncio.wait(tasks)
            except asyncio.CancelledError as error:
                self._hurry.set()
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def keep(self, child: Child) -> None:
        """Run a child again and again until the stop."""
        pause_s = FIRST_PAUSE_S
        while not self.stop.is_set():
            began = time.monotonic()
            status = await self._run(child)
            if status is None or self.stop.is_set():
                return
            if time.monotonic() - began >= STEADY_AFTER_S:
                pause_s = FIRST_PAUSE_S
            log.warning("child.died", child=child.name, status=status, restart_in_s=pause_s)
            await self._tell(child, status)
            await _happens(self.stop, pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _run(self, child: Child) -> int | None:
        """The exit status of a child that ended unasked; None when it ended because of the stop."""
        try:
            if child.nursery is None:
                process = _start(child)  # here, for its bond is to the thread that starts it
            else:
                # It may still be importing. What it makes meanwhile is not lost: no keeper is cancelled before its end.
                process = await asyncio.to_thread(_start, child)
        except OSError as error:  # no memory or no process numbers left: it may pass
            log.error("child.not_started", child=child.name, errno=error.errno)
            return NOT_STARTED
        log.info("child.started", child=child.name, pid=process.pid)
        exit_ = asyncio.create_task(_ended(process))
        stop = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait((exit_, stop), return_when=asyncio.FIRST_COMPLETED)
            if exit_.done():
                return await asyncio.to_thread(bury, process)
            await self._end(child, process, exit_)
            return None
        except BaseException:
            bury(process)  # whatever went wrong, the process does not stay behind
            raise
        finally:
            stop.cancel()
            exit_.cancel()

    async def _end(self, child: Child, process: Started, exit_: asyncio.Task[None]) -> None:
        signal_group(process.pid, signal.SIGTERM)
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait((exit_, hurry), timeout=child.stop_after_s, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not exit_.done():
            log.warning("child.killed", child=child.name, pid=process.pid)
        status = await asyncio.to_thread(bury, process)
        log.info("child.stopped", child=child.name, status=status)

    async def _tell(self, child: Child, status: int) -> None:
        if self._on_death is None:
            return
        try:
            async with asyncio.timeout(DEATH_TOLD_WITHIN_S):
                await self._on_death(child.name, status)
        except Exception:
            # What listens to deaths must not be able to keep a child from coming back.
            log.exception("child.death_not_told", child=child.name)

    async def keep_database(self, postgres: EmbeddedPostgres) -> None:
        """Start the database again when it dies."""
        pause_s = FIRST_PAUSE_S
        while not await _happens(self.stop, DATABASE_CHECK_S):
            if postgres.is_alive():
                continue
            log.error("postgres.died")
            start = asyncio.create_task(asyncio.to_thread(postgres.start))
            stop = asyncio.create_task(self.stop.wait())
            await asyncio.wait((start, stop), return_when=asyncio.FIRST_COMPLETED)
            if not start.done():
                # Recovery may take minutes; it goes on from where it was at the next start.
                await asyncio.to_thread(postgres.stop)
            stop.cancel()
            try:
                await start
                pause_s = FIRST_PAUSE_S
            except Unusable as error:
                log.error("postgres.not_started", reason=str(error), again_in_s=pause_s)
                await _happens(self.stop, pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def run_once(child: Child) -> int:
    """Run a child to its end; gives its exit status, negative for a signal.

    Raises:
        OSError: it could not be started.
    """
    process = _start(child)
    try:
        return process.wait()
    finally:
        bury(process)


def _start(child: Child) -> Started:
    """Raises OSError."""
    make = spawn if child.nursery is None else child.nursery.fork
    return make(child.argv, Bond(nice=child.nice), env=child.env, files=[each.fileno() for each in child.sockets])


async def _happens(event: asyncio.Event, within_s: float) -> bool:
    """Whether an event is set within some seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), within_s)
    return event.is_set()


async def _ended(process: Started) -> None:
    """Wait until a process has ended. Linux leaves it unreaped for `bury`, so that its group's number stays its own."""
    try:
        handle = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        while process.poll() is None:  # noqa: ASYNC110 - nothing tells us here, so we have to ask
            await asyncio.sleep(EXIT_CHECK_S)
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
