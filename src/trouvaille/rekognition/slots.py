"""At most so many calls at once for the whole instance, however many workers and machines it has.

A slot is a session-level advisory lock of PostgreSQL: it ends with the connection that holds it, so a killed worker
frees its slots by dying. Each process has one connection that holds its slots and one to wait on. Who waits stands in
line: the threads of a process in the order in which they came, the processes at a turnstile, which is one more advisory
lock and serves its waiters in order. So a guest's selfie waits for the few processes before it, not for all photos of a
bulk upload.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock
from typing import Any, Final

import psycopg
from psycopg import errors

from trouvaille.core.db import plain_url
from trouvaille.rekognition.errors import Busy

_SPACE: Final = 0x7265_6B6F  # "reko": keeps these locks apart from all others, which have one 64-bit key.
_TURNSTILE: Final = 0
_LOOK_AGAIN_S: Final = 0.02

# Only slots that this session does not hold are offered: it may take the same lock twice.
_TAKE = "SELECT slot FROM unnest(%(offered)s::int[]) slot WHERE pg_try_advisory_lock(%(space)s, slot) LIMIT 1"


class Slots:
    """The slots as one process sees them. Its verbs may be called from any thread."""

    def __init__(self, url: str, *, limit: int, timeout_s: float = 60.0) -> None:
        """
        Args:
            limit: calls at once for the instance; all processes should have the same.
            timeout_s: how long a call may stand in line.
        """
        self._url = plain_url(url)
        self._limit = limit
        self._timeout_s = timeout_s
        self._state = Lock()
        self._line: deque[Event] = deque()
        self._holder: psycopg.Connection[Any] | None = None
        self._waiter: psycopg.Connection[Any] | None = None
        self._held: set[int] = set()

    def close(self) -> None:
        """End the connections, and with them all slots that are still held."""
        with self._state:
            for connection in (self._holder, self._waiter):
                if connection is not None:
                    connection.close()
            self._holder = self._waiter = None
            self._held.clear()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a slot for as long as the block runs.

        Raises:
            Busy: none came free in time.
            psycopg.OperationalError: the database is away.
        """
        deadline = time.monotonic() + self._timeout_s
        with self._turn(deadline):
            holder, slot = self._wait(deadline)
        try:
            yield
        finally:
            self._free(holder, slot)

    @contextmanager
    def _turn(self, deadline: float) -> Iterator[None]:
        """Stand in this process's line until nobody is before us."""
        mine = Event()
        with self._state:
            self._line.append(mine)
            if self._line[0] is mine:
                mine.set()
        try:
            if not mine.wait(max(0.0, deadline - time.monotonic())):
                raise Busy
            yield
        finally:
            with self._state:
                self._line.remove(mine)
                if self._line:
                    self._line[0].set()

    def _wait(self, deadline: float) -> tuple[psycopg.Connection[Any], int]:
        """Queue with the other processes, then look until a slot is free. Called by one thread at a time."""
        waiter = self._waiter = self._open(self._waiter)
        left_ms = max(1, int((deadline - time.monotonic()) * 1000))
        try:
            waiter.execute("SELECT set_config('lock_timeout', %s, false)", (str(left_ms),))
            waiter.execute("SELECT pg_advisory_lock(%s, %s)", (_SPACE, _TURNSTILE))
        except errors.LockNotAvailable as error:
            raise Busy from error
        try:
            while (taken := self._try()) is None:
                if time.monotonic() >= deadline:
                    raise Busy
                time.sleep(_LOOK_AGAIN_S)
            return taken
        finally:
            with suppress(psycopg.OperationalError):  # a lost connection has left the turnstile already
                waiter.execute("SELECT pg_advisory_unlock(%s, %s)", (_SPACE, _TURNSTILE))

    def _try(self) -> tuple[psycopg.Connection[Any], int] | None:
        with self._state:
            if self._holder is None or self._holder.closed:
                # The slots of a lost connection are free again, though their calls may still run for some seconds.
                self._held.clear()
            holder = self._holder = self._open(self._holder)
            offered = [slot for slot in range(1, self._limit + 1) if slot not in self._held]
            row = holder.execute(_TAKE, {"offered": offered, "space": _SPACE}).fetchone() if offered else None
            if row is None:
                return None
            self._held.add(row[0])
            return holder, row[0]

    def _free(self, holder: psycopg.Connection[Any], slot: int) -> None:
        with self._state:
            if holder is not self._holder:
                return
            self._held.discard(slot)
            with suppress(psycopg.OperationalError):
                holder.execute("SELECT pg_advisory_unlock(%s, %s)", (_SPACE, slot))

    def _open(self, connection: psycopg.Connection[Any] | None) -> psycopg.Connection[Any]:
        if connection is not None and not connection.closed:
            return connection
        return psycopg.connect(
            self._url, autocommit=True, application_name="trouvaille rekognition slots", connect_timeout=10
        )
