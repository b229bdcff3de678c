"""What the operator sees of the running instance, and jobs that are tried again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act, Actor
from trouvaille.core import metrics
from trouvaille.core.clock import now
from trouvaille.core.errors import N_, NotFound
from trouvaille.core.metrics import Families
from trouvaille.core.snapshots import Mark, MetricMinute, live_rows

MINUTES = 60
FAILED_SHOWN = 30
WIDTH, HEIGHT = 240, 48  # of a sparkline, in units of its own

FAILED = text("""
SELECT job.id, job.task_name, job.queue_name, job.attempts,
       (SELECT max(event.at) FROM procrastinate_events event WHERE event.job_id = job.id) AS at
  FROM procrastinate_jobs job WHERE job.status = 'failed' ORDER BY job.id DESC LIMIT :most
""")
# As the queue's own function does it, which takes only jobs that run.
RETRY = text("""
UPDATE procrastinate_jobs
   SET status = 'todo', attempts = 0, scheduled_at = NULL, worker_id = NULL,
       args = jsonb_set(args, '{_asked}', jsonb_build_object('at', extract(epoch FROM now())))
 WHERE id = :id AND status = 'failed' RETURNING id
""")


class NoSuchJob(NotFound):
    """It is gone, or no longer failed."""

    message = N_("This job is no longer waiting to be tried again.")


@dataclass(frozen=True, slots=True)
class Line:
    """One figure over the last hour: now, the highest, and the points of its line."""

    key: str
    now: float | None
    most: float
    points: str


@dataclass(frozen=True, slots=True)
class JobFigures:
    """One kind of job: how many wait and run, and how long they take."""

    name: str
    ready: int
    running: int
    done: int
    failed: int
    wait_s: float | None
    run_s: float | None


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that the page shows."""

    lines: Sequence[Line]
    jobs: Sequence[JobFigures]
    processes: Sequence[Any]
    failed: Sequence[Any]
    routes: Sequence[tuple[str, int, float | None, int]]
    streams: int
    pool_used: int
    pool_size: int
    memory_bytes: int
    storage_errors: int
    mail_errors: int
    backup_at: datetime | None
    at: datetime


async def status(session: AsyncSession, families: Families) -> Status:
    """The instance as it is now, from everybody's figures and the last hour's minutes."""
    wanted = select(MetricMinute).order_by(MetricMinute.minute.desc()).limit(MINUTES + 1)
    minutes = list(reversed(list(await session.scalars(wanted))))
    return Status(
        lines=_lines(minutes),
        jobs=_jobs(families),
        processes=await live_rows(session),
        failed=(await session.execute(FAILED, {"most": FAILED_SHOWN})).all(),
        routes=_routes(families),
        streams=int(metrics.total(families, "trouvaille_streams")),
        pool_used=int(metrics.total(families, "trouvaille_database_pool_used")),
        pool_size=int(metrics.total(families, "trouvaille_database_pool_size")),
        memory_bytes=int(metrics.total(families, "trouvaille_process_memory_bytes")),
        storage_errors=int(metrics.total(families, "trouvaille_storage_errors_total")),
        mail_errors=int(
            metrics.total(families, "trouvaille_mail_total", outcome="refused")
            + metrics.total(families, "trouvaille_mail_total", outcome="put_off")
        ),
        backup_at=await session.scalar(select(Mark.at).where(Mark.name == "backup")),
        at=now(),
    )


async def retry(session: AsyncSession, job_id: int, *, by: Actor) -> None:
    """Let a job that was given up begin anew.

    Raises:
        NoSuchJob
    """
    if await session.scalar(RETRY, {"id": job_id}) is None:
        raise NoSuchJob
    await audit.note(session, Act.JOB_RETRIED, by=by)


def _values(families: Families, name: str, label: str) -> list[str]:
    family = families.get(name)
    return sorted({dict(labels)[label] for _, labels in family.samples if label in dict(labels)}) if family else []


def _jobs(families: Families) -> list[JobFigures]:
    names = {
        *_values(families, "trouvaille_queue_jobs", "job"),
        *_values(families, "trouvaille_job_run_seconds", "job"),
    }
    return [
        JobFigures(
            name=name,
            ready=int(metrics.total(families, "trouvaille_queue_jobs", job=name, state="ready")),
            running=int(metrics.total(families, "trouvaille_queue_jobs", job=name, state="running")),
            done=int(metrics.total(families, "trouvaille_jobs_total", job=name, outcome="done")),
            failed=int(metrics.total(families, "trouvaille_jobs_total", job=name, outcome="failed")),
            wait_s=_mean(families, "trouvaille_job_wait_seconds", job=name),
            run_s=_mean(families, "trouvaille_job_run_seconds", job=name),
        )
        for name in sorted(names)
    ]


def _mean(families: Families, name: str, **labels: str) -> float | None:
    count = metrics.total(families, f"{name}_count", **labels)
    return metrics.total(families, f"{name}_sum", **labels) / count if count else None


def _routes(families: Families) -> list[tuple[str, int, float | None, int]]:
    """The busiest routes: template, requests, 95th percentile in seconds, errors of ours."""
    found = []
    for route in _values(families, "trouvaille_http_requests", "route"):
        count = int(metrics.total(families, "trouvaille_http_requests_total", route=route))
        late = metrics.quantile(metrics.buckets(families, "trouvaille_http_request_seconds", route=route), 0.95)
        errors = int(metrics.total(families, "trouvaille_http_requests_total", route=route, status="5xx"))
        if count:
            found.append((route, count, late, errors))
    return sorted(found, key=lambda each: -each[1])[:15]


def _lines(minutes: Sequence[MetricMinute]) -> list[Line]:
    rates: dict[str, list[float | None]] = {"requests": [], "errors": [], "p95": [], "photos": [], "failed": []}
    for before, after in pairwise(minutes):
        old, new = before.figures, after.figures
        passed = max(1.0, (after.minute - before.minute).total_seconds() / 60)
        for key in ("requests", "errors", "photos", "failed"):
            # Sums begin anew after a crash of the database.
            rates[key].append(max(0.0, new[key] - old[key]) / passed)
        counts = {bound: count - old["buckets"].get(bound, 0.0) for bound, count in new["buckets"].items()}
        rates["p95"].append(metrics.quantile(counts, 0.95))
    levels = {key: [float(each.figures[key]) for each in minutes] for key in ("waiting", "memory")}
    return [_line(key, values) for key, values in (rates | levels).items()]


def _line(key: str, values: Sequence[float | None]) -> Line:
    known = [each for each in values if each is not None]
    most = max(known, default=0.0)
    step = WIDTH / max(1, MINUTES - 1)
    begin = WIDTH - step * (len(values) - 1)
    points = " ".join(
        f"{begin + step * place:.1f},{HEIGHT - 2 - (HEIGHT - 4) * (value / most if most else 0):.1f}"
        for place, value in enumerate(values)
        if value is not None
    )
    return Line(key, values[-1] if values else None, most, points)
