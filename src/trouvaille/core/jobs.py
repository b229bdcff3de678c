"""The queue of background jobs: Procrastinate on the product's own database.

A slice's ``tasks`` module declares jobs with ``@job``; any slice asks for one by name with ``defer``, on the connection
of its own transaction, so that a row and its job are committed together or not at all.

A job whose worker was killed is run again by ``revive``. A job that was running in two workers that died is given
up: its ``abandon`` verb tells the people concerned why.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from time import perf_counter, time
from typing import Any, Concatenate, TypeVar
from uuid import UUID

import procrastinate
import psycopg
import structlog
from procrastinate import JobContext, PsycopgConnector, RetryDecision, RetryStrategy
from sqlalchemy import BigInteger, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core import metrics, traces
from trouvaille.core.clock import now
from trouvaille.core.db import Base, Sessions, lock_exclusive, lock_shared, raw_connection, transaction
from trouvaille.core.errors import Unavailable
from trouvaille.core.push_services import PushServices
from trouvaille.core.relay import Relay
from trouvaille.core.rush import Rush
from trouvaille.core.secrets import Vault
from trouvaille.core.storage import Storage

log = structlog.get_logger()
Result = TypeVar("Result")

SELFIES, PHOTOS, UPKEEP, MAIL = "selfies", "photos", "upkeep", "mail"
AWAY = "away"
# Goes with every job's arguments, and is taken out again before its body sees them.
ASKED = "_asked"
DEATHS_ALLOWED = 1
TRIES = 6
TRANSIENT = (Unavailable, DBAPIError, PoolTimeout, psycopg.OperationalError)

# Never opened: it holds the declared jobs; a worker opens a copy with a connector of its own.
app = procrastinate.App(connector=PsycopgConnector())

Abandon = Callable[[AsyncSession, dict[str, Any], str], Awaitable[None]]
_abandon: dict[str, Abandon] = {}


class JobDeath(Base):
    """How often a job was running in a worker that died. No foreign key: the queue's tables are not ours to model."""

    __tablename__ = "job_deaths"

    job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    deaths: Mapped[int] = mapped_column(default=1)


@dataclass(frozen=True)
class Work:
    """What a worker hands to every job.

    ``engine`` is the face engine that the settings choose, as ``matching.engine`` describes it; ``rekognition`` is the
    AWS account, None where nothing of ours can lie there. Only job modules know their types.
    ``relay`` is a ``Relay``, None where no mail server is set; ``public_url`` is the address that links in mails begin
    with; in the ``quiet_hours``, from and until, nobody is told of new photos. ``push`` are connections to push
    services, None where nobody is told that way. What works in bulk lets guests by when there is a ``rush``.
    """

    sessions: Sessions
    storage: Storage
    vault: Vault
    engine: Any
    threads: ThreadPoolExecutor
    rekognition: Any = None
    relay: Relay | None = None
    public_url: str | None = None
    # What imports may do, as ``imports.rules`` describes it.
    imports: Any = None
    quiet_hours: tuple[int, int] = (22, 8)
    push: PushServices | None = None
    rush: Rush = field(default_factory=Rush)

    async def compute(self, act: Callable[..., Result], *given: Any, **named: Any) -> Result:
        """Run something heavy beside the event loop, so that the heartbeat goes on.

        The engine keeps working memory for each thread that ever called it, so these are few and stay the same.
        """
        timed = metrics.timed(metrics.ENGINE_S.labels(getattr(act, "__name__", "other")))
        with timed, traces.span(getattr(act, "__name__", "other")):
            return await asyncio.get_running_loop().run_in_executor(self.threads, partial(act, *given, **named))


class _Patient(RetryStrategy):
    """Waits longer each time, or for as long as the error says that it should be waited (``wait_s``)."""

    def get_retry_decision(self, *, exception: BaseException, job: procrastinate.jobs.Job) -> RetryDecision | None:
        decision = super().get_retry_decision(exception=exception, job=job)
        until = now() + timedelta(seconds=getattr(exception, "wait_s", 0.0))
        if decision is not None and decision.retry_at is not None and decision.retry_at < until:
            return RetryDecision(retry_at=until)
        return decision


JobBody = Callable[Concatenate[Work, ...], Awaitable[None]]


def job(name: str, *, queue: str, abandon: Abandon | None = None, tries: int = TRIES) -> Callable[[JobBody], JobBody]:
    """Declare a job.

    Args:
        name: ``slice.verb``.
        queue: one of ``SELFIES``, ``PHOTOS``, ``UPKEEP``, ``MAIL``.
        abandon: called in a transaction with the job's arguments and a reason code (``worker_died``, ``away`` or
            ``internal``) when the job is given up for good.
        tries: how often a job with a transient error is begun at most.

    Transient errors (database or store away) are tried again after 2, 4, 8 … seconds, or after the error's own
    ``wait_s`` where that is longer; others are not.
    """

    def declare(body: JobBody) -> JobBody:
        if abandon is not None:
            _abandon[name] = abandon

        @app.task(
            name=name,
            queue=queue,
            pass_context=True,
            retry=_Patient(max_attempts=tries - 1, exponential_wait=2, retry_exceptions=set(TRANSIENT)),
        )
        async def run(context: JobContext, /, **args: Any) -> None:
            work: Work = context.additional_context["work"]
            asked: dict[str, Any] = args.pop(ASKED, None) or {}
            known = {"job": context.job.id, "task": name, "request": asked.get("request")}
            with (
                structlog.contextvars.bound_contextvars(**{key: each for key, each in known.items() if each}),
                traces.span(name, kind="CONSUMER", parent=asked.get("trace"), job=context.job.id or 0),
                _counted(context.job, asked) as outcome,
            ):
                try:
                    await body(work, **args)
                except Exception as error:
                    last = not isinstance(error, TRANSIENT) or context.job.attempts >= tries - 1
                    outcome.word = "failed" if last else "retried"
                    log.warning("job failed", kind=type(error).__name__, last=last, exc_info=last)
                    if last and abandon is not None:
                        async with transaction(work.sessions) as session:
                            await abandon(session, args, AWAY if isinstance(error, Unavailable) else "internal")
                    raise

        return body

    return declare


@dataclass
class _Outcome:
    word: str = "done"


@contextmanager
def _counted(job: procrastinate.jobs.Job, asked: dict[str, Any]) -> Iterator[_Outcome]:
    """Count a job, how long it waited since it could begin, and how long it runs."""
    since = max(asked.get("at", 0.0), job.scheduled_at.timestamp() if job.scheduled_at else 0.0)
    # A second attempt waited for what had failed, not for a worker.
    if since and not job.attempts:
        metrics.JOB_WAIT_S.labels(job.task_name).observe(max(0.0, time() - since))
    outcome, began = _Outcome(), perf_counter()
    try:
        yield outcome
    finally:
        metrics.JOB_RUN_S.labels(job.task_name).observe(perf_counter() - began)
        metrics.JOBS.labels(job.task_name, outcome.word).inc()
        if outcome.word == "done":
            log.info("job done", ms=round((perf_counter() - began) * 1000, 1))


def _asked_now() -> dict[str, Any]:
    """When and in which request a job is asked for: ids, by which a worker's lines and spans are put with it."""
    found = {
        "at": round(time(), 3),
        "request": structlog.contextvars.get_contextvars().get("request"),
        "trace": traces.present(),
    }
    return {key: each for key, each in found.items() if each is not None}


async def defer(
    session: AsyncSession,
    name: str,
    *,
    queue: str,
    lock: str | None = None,
    priority: int = 0,
    after_s: float = 0,
    **args: Any,
) -> None:
    """Ask for a job in this session's transaction; it starts some milliseconds after the commit.

    Args:
        name: the job's name; its code need not be loaded in this process.
        lock: jobs with the same lock run one after another.
        priority: higher first, whatever the queue.
        after_s: not earlier than so many seconds from now.
        args: ids; UUIDs are sent as text.
    """
    plain = {key: str(value) if isinstance(value, UUID) else value for key, value in args.items()}
    deferrer = app.configure_task(
        name,
        queue=queue,
        lock=lock,
        priority=priority,
        schedule_at=now() + timedelta(seconds=after_s) if after_s else None,
        connection=await raw_connection(session),
    )
    await deferrer.defer_async(**plain, **{ASKED: _asked_now()})


async def defer_once(
    session: AsyncSession, name: str, *, key: str, queue: str, priority: int = 0, after_s: float = 0, **args: Any
) -> None:
    """Ask for a job that many ask for and one can do: an equal one that has not begun is enough.

    Such a job calls ``hold_askers`` before it looks at anything: then it sees what everybody did who relied on it.

    Args:
        key: the argument that tells whether two jobs are equal; jobs of one key run one after another.
        after_s: a job that waits for longer than this is brought forward.
    """
    value = str(args[key])
    await lock_shared(session, f"{name}:{value}")
    known = {"name": name, "key": key, "value": value}
    waiting = text(
        "SELECT id, scheduled_at FROM procrastinate_jobs"
        " WHERE task_name = :name AND status = 'todo' AND args->>:key = :value ORDER BY scheduled_at LIMIT 1"
    )
    found = (await session.execute(waiting, known)).first()
    if found is None:
        await defer(session, name, queue=queue, lock=f"{name}:{value}", priority=priority, after_s=after_s, **args)
        return
    at = now() + timedelta(seconds=after_s)
    if found.scheduled_at is not None and found.scheduled_at > at:
        sooner = text("UPDATE procrastinate_jobs SET scheduled_at = :at WHERE id = :id AND status = 'todo'")
        await session.execute(sooner, {"at": at, "id": found.id})


async def hold_askers(session: AsyncSession, name: str, value: str) -> None:
    """Wait until those who found this job waiting, and so did not ask for another, have committed."""
    await lock_exclusive(session, f"{name}:{value}")


async def hasten(sessions: Sessions, queues: Sequence[str]) -> int:
    """Let all jobs that wait start now, except those that failed; returns how many there are."""
    early = text(
        "UPDATE procrastinate_jobs SET scheduled_at = now()"
        " WHERE status = 'todo' AND attempts = 0 AND queue_name = ANY(:queues) RETURNING id"
    )
    async with transaction(sessions) as session:
        return len((await session.execute(early, {"queues": list(queues)})).all())


async def defer_again(
    session: AsyncSession, name: str, *, key: str, jobs: list[dict[str, UUID]], queue: str, priority: int = 0
) -> int:
    """Ask for jobs, but not for those that still wait or run; returns how many were asked for.

    Args:
        key: the argument that tells whether two jobs are about the same thing.
        jobs: the arguments of each.
    """
    busy = await unfinished(session, name, key=key, values=[arguments[key] for arguments in jobs])
    missing: list[dict[str, Any]] = [dict(arguments) for arguments in jobs if arguments[key] not in busy]
    for arguments in missing:
        await defer(session, name, queue=queue, priority=priority, **arguments)
    return len(missing)


async def unfinished(session: AsyncSession, name: str, *, key: str, values: Sequence[UUID]) -> set[UUID]:
    """Those of ``values`` about which a job of this name still waits or runs."""
    known = await session.scalars(
        text(
            "SELECT args->>:key FROM procrastinate_jobs"
            " WHERE task_name = :name AND status IN ('todo', 'doing') AND args->>:key = ANY(:values)"
        ),
        {"key": key, "name": name, "values": [str(value) for value in values]},
    )
    return {UUID(value) for value in known}


STALLED = """
SELECT job.id, job.task_name, job.args
  FROM procrastinate_jobs job
  LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
 WHERE job.status = 'doing'
   AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => :after))
 ORDER BY job.id
   FOR UPDATE OF job SKIP LOCKED
"""
COUNT_DEATH = """
INSERT INTO job_deaths (job_id, deaths) VALUES (:id, 1)
ON CONFLICT (job_id) DO UPDATE SET deaths = job_deaths.deaths + 1
RETURNING deaths
"""

FORGET_DEATHS = """
DELETE FROM job_deaths
 WHERE NOT EXISTS (SELECT 1 FROM procrastinate_jobs job WHERE job.id = job_id AND job.status IN ('todo', 'doing'))
"""


async def revive(sessions: Sessions, *, stalled_after_s: float) -> int:
    """Run jobs of dead workers again, and give up those that were there at two deaths.

    Several jobs run in one worker, so the innocent die with the guilty. The jobs of one death start again two seconds
    apart, so that they don't meet the same end together a second time.

    Args:
        stalled_after_s: a worker without a heartbeat for so long is dead.

    Returns:
        How many jobs were dealt with.
    """
    async with transaction(sessions) as session:
        rows = (await session.execute(text(STALLED), {"after": stalled_after_s})).all()
        for place, (job_id, task_name, args) in enumerate(rows):
            deaths = await session.scalar(text(COUNT_DEATH), {"id": job_id}) or 1
            if deaths > DEATHS_ALLOWED:
                if task_name in _abandon:
                    await _abandon[task_name](session, args, "worker_died")
                await session.execute(text("SELECT procrastinate_finish_job_v1(:id, 'failed', false)"), {"id": job_id})
            else:
                await session.execute(
                    text("SELECT procrastinate_retry_job_v2(:id, :at, NULL, NULL, NULL)"),
                    {"id": job_id, "at": now() + timedelta(seconds=2 * place)},
                )
            log.warning("job of a dead worker", job=job_id, task=task_name, deaths=deaths)
        if rows:
            await session.execute(text(FORGET_DEATHS))
        return len(rows)
