"""The figures of all processes, whichever machine they run on, gathered in the database.

Every process writes what it has counted into a row of its own every few seconds; any web process adds them up. So a
worker is seen without a port of its own, and nothing has to be set. What a process had counted when it ended is added
to one row that stays, or else sums would fall when a process goes, which Prometheus would take for new events.

The tables are not logged: a crash of the database empties them, and every process then begins anew from nothing.
"""

import asyncio
import json
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

import psutil
import psycopg
import structlog
from psycopg.rows import dict_row
from sqlalchemy import DateTime, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core import metrics
from trouvaille.core.db import Base, plain_url
from trouvaille.core.metrics import Families

log = structlog.get_logger()
EVERY_S = 5.0
GONE_AFTER_S = 30
DEPARTED = UUID(int=0)
MINUTES_KEPT = 180


class ProcessMetrics(Base):
    """What one process has counted; one more row holds what those that ended had."""

    __tablename__ = "process_metrics"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    queues: Mapped[str] = mapped_column(String(100))
    slots: Mapped[int]
    started_at: Mapped[datetime]
    at: Mapped[datetime]
    samples: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class MetricMinute(Base):
    """Sums as they were at the begin of a minute, for the operator's page."""

    __tablename__ = "metric_minutes"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    minute: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    figures: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Mark(Base):
    """When something last happened to the instance as a whole, such as a backup."""

    __tablename__ = "marks"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime]


INSERT = """
INSERT INTO process_metrics (id, kind, host, pid, queues, slots, started_at, at, samples)
VALUES (%(id)s, %(kind)s, %(host)s, %(pid)s, %(queues)s, %(slots)s, now(), now(), %(samples)s)
"""
UPDATE = "UPDATE process_metrics SET at = now(), samples = %(samples)s WHERE id = %(id)s"
TAKE_GONE = "DELETE FROM process_metrics WHERE id = ANY(%(ids)s) RETURNING samples"
FIND_GONE = "SELECT id FROM process_metrics WHERE id <> %(departed)s AND at < now() - make_interval(secs => %(after)s)"
KEEP_DEPARTED = """
INSERT INTO process_metrics (id, kind, host, pid, queues, slots, started_at, at, samples)
VALUES (%(id)s, 'departed', '', 0, '', 0, now(), now(), %(samples)s)
ON CONFLICT (id) DO UPDATE SET samples = excluded.samples, at = now()
"""
QUEUES = """
SELECT queue_name AS queue, task_name AS job,
       count(*) FILTER (WHERE status = 'todo' AND coalesce(scheduled_at, now()) <= now()) AS ready,
       count(*) FILTER (WHERE status = 'todo' AND scheduled_at > now()) AS later,
       count(*) FILTER (WHERE status = 'doing') AS running,
       coalesce(extract(epoch FROM now() - min(greatest(
           scheduled_at, to_timestamp((args->'_asked'->>'at')::float8)
       )) FILTER (WHERE status = 'todo' AND coalesce(scheduled_at, now()) <= now())), 0)::float8 AS age_s
  FROM procrastinate_jobs WHERE status IN ('todo', 'doing')
 GROUP BY queue_name, task_name
"""
FAILED = (
    "SELECT task_name AS job, count(*) AS failed FROM procrastinate_jobs WHERE status = 'failed' GROUP BY task_name"
)
Index("ix_process_metrics_at", ProcessMetrics.at)


class Reporter:
    """Writes this process's figures, and reads everybody's, over one connection beside the pool.

    The pool may be exhausted just when somebody wants to know why. Where a web application and a worker share one
    operating system's process, as in tests, they share its counts too: then the first one tells them.
    """

    _leaders: ClassVar["WeakValueDictionary[str, Reporter]"] = WeakValueDictionary()

    def __init__(
        self,
        url: str,
        kind: str,
        *,
        queues: Sequence[str] = (),
        slots: int = 0,
        measure: Callable[[], None] = lambda: None,
    ) -> None:
        """``kind``: what figures call it, as in ``web``; ``slots``: jobs at a time; ``measure`` sets gauges."""
        self._url, self._url_given = plain_url(url), url
        self.kind, self._queues, self._slots, self._measure = kind, ",".join(queues), slots, measure
        self._id = uuid4()
        self._counted: Families | None = None  # as last written
        # What stands in the row of those that ended, should we have been taken for one; and, since a registry belongs
        # to the operating system's process, what another application in it had counted before.
        self._before = metrics.collected()
        self._connection: psycopg.AsyncConnection[dict[str, Any]] | None = None
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._leads = self._leaders.setdefault(url, self) is self
        metrics.STARTS.labels(kind).inc()

    async def __aenter__(self) -> "Reporter":
        self._task = asyncio.create_task(self._run(), name="metrics")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        with suppress(psycopg.Error, OSError, TimeoutError):
            async with asyncio.timeout(2), self._lock:
                if self._connection is not None and not self._connection.closed and self._counted is not None:
                    await self._write(self._connection)
                    await self._bury(self._connection, [self._id])
        if self._connection is not None:
            await self._connection.close()
        if self._leads:
            self._leaders.pop(self._url_given, None)

    async def _run(self) -> None:
        while True:
            try:
                await self.publish()
            except (psycopg.Error, OSError) as error:
                log.warning("figures not written", kind=type(error).__name__)
            await asyncio.sleep(EVERY_S)

    async def _open(self) -> psycopg.AsyncConnection[dict[str, Any]]:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._url,
                autocommit=True,
                row_factory=dict_row,
                application_name="trouvaille metrics",
                connect_timeout=5,
                options="-c statement_timeout=5000 -c synchronous_commit=off",
            )
        return self._connection

    async def publish(self) -> None:
        """Write this process's row now, take in those of the dead, and note the minute.

        Raises:
            psycopg.Error: the database is away.
        """
        async with self._lock:
            connection = await self._open()
            await self._write(connection)
            found = await connection.execute(FIND_GONE, {"departed": DEPARTED, "after": GONE_AFTER_S})
            await self._bury(connection, [row["id"] for row in await found.fetchall()])
            await self._note_minute(connection)

    def own(self) -> Families:
        """What this process has counted, without what stands elsewhere already."""
        if not self._leads:
            return {}
        metrics.MEMORY.labels(self.kind).set(psutil.Process().memory_info().rss)
        self._measure()
        return metrics.without(metrics.collected(), self._before)

    async def _write(self, connection: psycopg.AsyncConnection[dict[str, Any]]) -> None:
        if self._counted is not None:
            counted = self.own()
            done = await connection.execute(UPDATE, {"id": self._id, "samples": json.dumps(metrics.packed(counted))})
            if done.rowcount:
                self._counted = counted
                return
            # Our row was taken for a dead process's, or the database has crashed: either way, what was written is past.
            self._before = metrics.summed([self._before, self._counted], lasting=True)
        self._counted = self.own()
        row = {
            "id": self._id,
            "kind": self.kind,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "queues": self._queues,
            "slots": self._slots,
            "samples": json.dumps(metrics.packed(self._counted)),
        }
        await connection.execute(INSERT, row)

    async def _bury(self, connection: psycopg.AsyncConnection[dict[str, Any]], ids: list[UUID]) -> None:
        if not ids:
            return
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('process_metrics', 0))")
            gone = await (await connection.execute(TAKE_GONE, {"ids": ids})).fetchall()
            kept = await (await connection.execute(TAKE_GONE, {"ids": [DEPARTED]})).fetchall()
            together = metrics.summed((metrics.unpacked(row["samples"]) for row in gone + kept), lasting=True)
            samples = json.dumps(metrics.packed(together))
            await connection.execute(KEEP_DEPARTED, {"id": DEPARTED, "samples": samples})

    async def _note_minute(self, connection: psycopg.AsyncConnection[dict[str, Any]]) -> None:
        known = await connection.execute("SELECT 1 FROM metric_minutes WHERE minute = date_trunc('minute', now())")
        if await known.fetchone() is not None:
            return
        everybody = await self._everybody(connection)
        noted = {
            "requests": metrics.total(everybody, "trouvaille_http_requests_total"),
            "errors": metrics.total(everybody, "trouvaille_http_requests_total", status="5xx"),
            "photos": metrics.total(everybody, "trouvaille_photos_total", outcome="ready"),
            "failed": metrics.total(everybody, "trouvaille_jobs_total", outcome="failed"),
            "waiting": metrics.total(everybody, "trouvaille_queue_jobs", state="ready"),
            "memory": metrics.total(everybody, "trouvaille_process_memory_bytes"),
            "buckets": metrics.buckets(everybody, "trouvaille_http_request_seconds"),
        }
        await connection.execute(
            "INSERT INTO metric_minutes VALUES (date_trunc('minute', now()), %s) ON CONFLICT DO NOTHING",
            (json.dumps(noted),),
        )
        await connection.execute(
            "DELETE FROM metric_minutes WHERE minute < now() - make_interval(mins => %s)", (MINUTES_KEPT,)
        )

    async def everybody(self) -> Families:
        """The figures of all processes together, and those that only the database knows.

        Raises:
            psycopg.Error: the database is away.
        """
        async with self._lock:
            return await self._everybody(await self._open())

    async def _everybody(self, connection: psycopg.AsyncConnection[dict[str, Any]]) -> Families:
        rows = await (await connection.execute(PROCESSES, {"departed": DEPARTED, "after": GONE_AFTER_S})).fetchall()
        others = [metrics.unpacked(row["samples"]) for row in rows if row["id"] != self._id]
        together = metrics.summed([self.own(), *others])
        processes = metrics.Family("trouvaille_processes", "gauge", "Processes that are alive.")
        for row in rows:
            if row["id"] != DEPARTED:
                processes.add("trouvaille_processes", {"kind": row["kind"]}, 1)
        together[processes.name] = processes
        return together | await _of_queues(connection) | await _of_marks(connection)


PROCESSES = """
SELECT id, kind, samples FROM process_metrics
 WHERE id = %(departed)s OR at >= now() - make_interval(secs => %(after)s)
"""


async def _of_queues(connection: psycopg.AsyncConnection[dict[str, Any]]) -> Families:
    depth = metrics.Family("trouvaille_queue_jobs", "gauge", "Jobs that wait, will wait, or run.")
    age = metrics.Family("trouvaille_queue_age_seconds", "gauge", "How long the oldest job has been ready to begin.")
    failed = metrics.Family("trouvaille_jobs_given_up", "gauge", "Jobs that failed for good and are kept.")
    oldest: dict[str, float] = {}
    for row in await (await connection.execute(QUEUES)).fetchall():
        for state in ("ready", "later", "running"):
            labels = {"queue": row["queue"], "job": row["job"], "state": state}
            depth.add("trouvaille_queue_jobs", labels, row[state])
        oldest[row["queue"]] = max(oldest.get(row["queue"], 0.0), row["age_s"])
    for queue in ("selfies", "photos", "upkeep", "mail"):
        age.add("trouvaille_queue_age_seconds", {"queue": queue}, oldest.get(queue, 0.0))
    for row in await (await connection.execute(FAILED)).fetchall():
        failed.add("trouvaille_jobs_given_up", {"job": row["job"]}, row["failed"])
    return {each.name: each for each in (depth, age, failed)}


async def _of_marks(connection: psycopg.AsyncConnection[dict[str, Any]]) -> Families:
    ages = metrics.Family("trouvaille_backup_age_seconds", "gauge", "Since the last backup; absent when there is none.")
    found = await connection.execute(
        "SELECT extract(epoch FROM now() - at)::float8 AS age FROM marks WHERE name = 'backup'"
    )
    if (row := await found.fetchone()) is not None:
        ages.add("trouvaille_backup_age_seconds", {}, row["age"])
    return {ages.name: ages}


async def live_rows(session: Any) -> list[Any]:
    """The processes that are alive, as rows of id, kind, host, pid, queues, slots, started_at and at."""
    query = text(
        "SELECT id, kind, host, pid, queues, slots, started_at, at FROM process_metrics"
        " WHERE id <> :departed AND at >= now() - make_interval(secs => :after) ORDER BY kind, started_at"
    )
    return list((await session.execute(query, {"departed": DEPARTED, "after": GONE_AFTER_S})).all())
