"""Telling open pages that something changed: PostgreSQL's NOTIFY in, one small queue per listener out.

A message names a topic and an event; pages then ask for what they show. A listener that falls behind gets the newest
state once, not a backlog.
"""

import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.db import plain_url, raw_connection
from trouvaille.core.errors import N_, Unavailable

log = structlog.get_logger()
CHANNEL = "trouvaille_live"
ARRIVED, PLACE = "arrived", "place"
"""Events that are told without hurry: there is more of what all may see, and nothing is gone or anybody's own; those
who wait for their selfie have moved up."""
LONGEST_S = 15.0
"""However many pages are open: a live wall is one of them."""
PAGES_TOLD_PER_S = 15
"""So many pages of a process look for what is told without hurry in a second; with more open pages, each looks less
often. Each look costs what a small page does, and in a rush hundreds wait."""


async def publish(session: AsyncSession, topic: str, event: str = "changed", **data: Any) -> None:
    """Tell the listeners of ``topic`` when this transaction commits; nothing is told if it does not."""
    message = json.dumps({"topic": topic, "event": event, "data": data})
    # Straight to the driver: nothing of it is worth remembering, and each photo is told of.
    driver = await raw_connection(session)
    try:
        await driver.execute("SELECT pg_notify(%s, %s)", (CHANNEL, message))
    except psycopg.OperationalError as error:
        raise OperationalError("pg_notify", None, error) from error


async def publish_all(session: AsyncSession, topics: Iterable[str], event: str = "changed") -> None:
    """Tell the listeners of many topics the same, in one query."""
    messages = [json.dumps({"topic": topic, "event": event, "data": {}}) for topic in topics]
    if messages:
        notify = text("SELECT pg_notify(:channel, message) FROM unnest(CAST(:messages AS text[])) AS message")
        await session.execute(notify, {"channel": CHANNEL, "messages": messages})


class NoRoom(Unavailable):
    """As many pages are open as this process keeps."""

    retry_after_s = 30
    message = N_("Many people are here right now. This page looks for news now and then.")


class Listener:
    """What one open page has not been told yet: the newest message of each event."""

    def __init__(self) -> None:
        self._pending: dict[str, dict[str, Any]] = {}
        self._wake = asyncio.Event()
        self._later: asyncio.TimerHandle | None = None

    def offer(self, event: str, data: dict[str, Any], *, within_s: float = 0.0) -> None:
        """Leave a message, to be taken in this time; it replaces an older one of the same event."""
        self._pending[event] = data
        if within_s <= 0:
            self._wake.set()
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(within_s, self._wake.set)

    async def take(self, timeout_s: float) -> dict[str, dict[str, Any]]:
        """All messages that wait, at most ``timeout_s`` from now; empty when nothing came."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout_s)
        self._wake.clear()
        if self._later is not None:
            self._later.cancel()
            self._later = None
        pending, self._pending = self._pending, {}
        return pending


class Hub:
    """One LISTEN connection of a web process, shared by all its open pages."""

    def __init__(self, url: str, *, streams_at_once: int = 5000, streams_per_address: int = 2500) -> None:
        """``streams_at_once``: open pages at most; ``streams_per_address``: of one sender, who may be a whole party."""
        self._url = plain_url(url)
        self._most, self._most_per_address = streams_at_once, streams_per_address
        self._senders: Counter[str] = Counter()
        self._listeners: dict[str, set[Listener]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self.closing = asyncio.Event()

    async def __aenter__(self) -> "Hub":
        self._task = asyncio.create_task(self._run(), name="live hub")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def close(self) -> None:
        """Let every open stream end, so that a stopping server need not wait for its guests."""
        self.closing.set()
        self._tell_all("closing")

    @asynccontextmanager
    async def listen(self, *topics: str) -> AsyncIterator[Listener]:
        """A listener of these topics for as long as the block runs."""
        listener = Listener()
        for topic in topics:
            self._listeners[topic].add(listener)
        try:
            yield listener
        finally:
            for topic in topics:
                self._listeners[topic].discard(listener)
                if not self._listeners[topic]:
                    del self._listeners[topic]

    def check_room(self, sender: str) -> None:
        """Whether one more page of this sender may be kept open.

        Raises:
            NoRoom: pages then ask now and then instead.
        """
        if self._senders.total() >= self._most or self._senders[sender] >= self._most_per_address:
            raise NoRoom

    @contextmanager
    def seat(self, sender: str) -> Iterator[None]:
        """Count an open page of this sender for as long as the block runs."""
        self._senders[sender] += 1
        try:
            yield
        finally:
            self._senders[sender] -= 1
            if not self._senders[sender]:
                del self._senders[sender]

    def listeners_of(self, topic: str) -> int:
        """How many open pages listen to a topic in this process."""
        return len(self._listeners.get(topic, ()))

    @property
    def open_listeners(self) -> int:
        """How many listeners there are now."""
        return len({listener for group in self._listeners.values() for listener in group})

    async def _run(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, application_name="trouvaille live"
                ) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._tell_all("changed")  # what was told while nobody listened is lost: everybody looks again
                    async for notice in connection.notifies():
                        self._dispatch(notice.payload)
            except psycopg.Error as error:
                log.warning("live hub lost the database", kind=type(error).__name__)
            await asyncio.sleep(1)

    def _dispatch(self, payload: str) -> None:
        message = json.loads(payload)
        listeners = self._listeners.get(message["topic"], ())
        within_s = 0.0
        if message["event"] in (ARRIVED, PLACE) and len(listeners) > PAGES_TOLD_PER_S // 2:
            within_s = min(len(listeners) / PAGES_TOLD_PER_S, LONGEST_S)
        for listener in listeners:
            spread = random.uniform(0.5, 1.5)  # noqa: S311 - not all at the same moment, that is all
            listener.offer(message["event"], message["data"], within_s=within_s * spread)

    def _tell_all(self, event: str) -> None:
        for group in self._listeners.values():
            for listener in group:
                listener.offer(event, {})
