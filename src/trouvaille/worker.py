"""The worker process: runs jobs of some queues, keeps its heartbeat, and revives what dead workers left."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import structlog
from procrastinate import App, PsycopgConnector
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from trouvaille import engines
from trouvaille.accounts import audit, links, throttle, undo
from trouvaille.accounts import service as accounts
from trouvaille.accounts import sessions as signed_in
from trouvaille.accounts import tasks as accounts_tasks
from trouvaille.core import erase, mail, memory, metrics, traces
from trouvaille.core.db import Sessions, connect, plain_url, sessions_of, transaction
from trouvaille.core.jobs import MAIL, PHOTOS, SELFIES, UPKEEP, Work, app, hasten, revive
from trouvaille.core.moving import following
from trouvaille.core.push_services import PushServices
from trouvaille.core.rush import Rush
from trouvaille.core.secrets import Vault, load_key
from trouvaille.core.snapshots import Reporter
from trouvaille.core.storage import Storage
from trouvaille.crew import invitations
from trouvaille.delivery import keepsakes
from trouvaille.delivery import tasks as delivery_tasks
from trouvaille.events import handover, reminders
from trouvaille.events import service as events
from trouvaille.events import tasks as events_tasks
from trouvaille.faces import tasks as faces_tasks
from trouvaille.guests import consent, passes, selfies
from trouvaille.imports import service as imports
from trouvaille.imports import tasks as imports_tasks
from trouvaille.matching import reindex
from trouvaille.matching import tasks as matching_tasks
from trouvaille.matching.engine import FaceEngine
from trouvaille.news import carriers, notices
from trouvaille.news import tasks as news_tasks
from trouvaille.photos import mark_tasks, marks
from trouvaille.photos import service as photos
from trouvaille.photos import tasks as photos_tasks
from trouvaille.rekognition import tasks as rekognition_tasks
from trouvaille.rekognition import upkeep
from trouvaille.rekognition.service import Rekognition
from trouvaille.settings import Settings
from trouvaille.vision.engine import LocalEngine
from trouvaille.web import once

log = structlog.get_logger()
QUEUES = (SELFIES, PHOTOS, UPKEEP, MAIL)
# Importing a tasks module declares its jobs.
DECLARED = (
    erase,
    mail,
    accounts_tasks,
    events_tasks,
    faces_tasks,
    matching_tasks,
    photos_tasks,
    mark_tasks,
    rekognition_tasks,
    delivery_tasks,
    imports_tasks,
    news_tasks,
    notices,
)
WAITING_JOBS = 2
NICE = 10
HOUSEKEEPING_EVERY_S = 30.0


async def run(
    settings: Settings,
    queues: Sequence[str],
    *,
    concurrency: int,
    forever: bool = True,
    engine: LocalEngine | None = None,
) -> None:
    """Run jobs until SIGTERM or SIGINT; jobs that are running then are finished first.

    Args:
        queues: of ``QUEUES``.
        concurrency: jobs that compute at the same time, each in a thread.
        forever: False keeps house once, does not wait for anything's time to come, and ends the worker once its queues
            are empty.
        engine: a local one that is loaded already, to be used instead of a new one.
    """
    if settings.database_url is None:
        raise ValueError("a worker needs DATABASE_URL; `trouvaille serve` sets it")
    engines.tail(settings)  # raises before anything is opened
    if forever:
        _be_nice(queues)
    kind = f"worker {queues[0]}"
    async with AsyncExitStack() as opened:
        database = connect(
            settings.database_url, pool_size=concurrency + WAITING_JOBS + 2, application="trouvaille worker"
        )
        opened.push_async_callback(database.dispose)
        work = await _ready_to_work(settings, sessions_of(database), opened, threads=concurrency, engine=engine)
        reporter = Reporter(
            settings.database_url, kind, queues=queues, slots=concurrency, measure=_gauges(database, kind)
        )
        traces.configure(kind)
        if forever:
            opened.push_async_callback(_ended, _regular(work, settings))
        else:
            await _revive(work.sessions, settings)
            await _keep_house(work, settings)
        connector = PsycopgConnector(conninfo=plain_url(settings.database_url), min_size=1, max_size=4)
        async with reporter, _opened(connector) as jobs, following(work.sessions, work.storage):
            log.info("worker ready", queues=list(queues))
            while True:
                await _take_jobs(jobs, work, settings, queues, concurrency=concurrency, forever=forever)
                if forever or not await hasten(work.sessions, queues):
                    break


async def _ready_to_work(
    settings: Settings, sessions: Sessions, opened: AsyncExitStack, *, threads: int, engine: LocalEngine | None
) -> Work:
    """What every job is handed; the engine's models are compiled, and known to the database.

    Args:
        opened: closes what is opened here.
        engine: a local one that is loaded already.
    """
    consent.set_region(sessions, settings.legal().region)
    account = await engines.account(settings, sessions)
    if account is not None:
        opened.callback(account.close)
    faces = engines.chosen(settings, engine or engines.local(settings, threads=threads), account)
    memory.give_back()  # compiling the models took much more than what stays
    work = _work(settings, sessions, faces, account, threads=threads)
    opened.callback(work.threads.shutdown, wait=False, cancel_futures=True)
    if work.push is not None:
        opened.push_async_callback(work.push.close)
    public_url = (settings.public_url or "").rstrip("/")
    carriers.install(carriers.Carriers(work.vault, public_url) if work.relay is not None else None)
    async with transaction(sessions) as session:
        await reindex.register(session, faces.identity, faces.tail)
    return work


async def _take_jobs(
    jobs: App, work: Work, settings: Settings, queues: Sequence[str], *, concurrency: int, forever: bool
) -> None:
    await jobs.run_worker_async(
        queues=list(queues),
        # While some jobs compute, others read their photo or wait for the disk.
        concurrency=concurrency + WAITING_JOBS,
        fetch_job_polling_interval=0.5,
        update_heartbeat_interval=settings.stalled_after_s / 4,
        stalled_worker_timeout=settings.stalled_after_s,
        delete_jobs="successful",
        additional_context={"work": work},
        install_signal_handlers=forever,
        wait=forever,
    )


def _regular(work: Work, settings: Settings) -> list[asyncio.Task[None]]:
    return [
        asyncio.create_task(_every(settings.stalled_after_s / 3, lambda: _revive(work.sessions, settings))),
        asyncio.create_task(_every(HOUSEKEEPING_EVERY_S, lambda: _keep_house(work, settings))),
    ]


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _work(
    settings: Settings, sessions: Sessions, engine: FaceEngine, account: Rekognition | None, *, threads: int
) -> Work:
    vault = Vault(load_key(settings.data_dir / "secret.key"))
    sender = settings.push_sender(vault)
    return Work(
        sessions=sessions,
        storage=Storage(settings.photos_url),
        vault=vault,
        threads=ThreadPoolExecutor(threads, thread_name_prefix="engine"),
        engine=engine,
        rekognition=account,
        relay=settings.relay(),
        public_url=settings.public_url,
        imports=settings.imports(),
        quiet_hours=settings.quiet(),
        push=PushServices(sender) if sender is not None else None,
        rush=Rush(settings.data_dir),
    )


@asynccontextmanager
async def _opened(connector: PsycopgConnector) -> AsyncIterator[App]:
    """The declared jobs with a connection. Periodic ones are asked for by the app itself, so a copy would not do."""
    with app.replace_connector(connector) as jobs:
        async with jobs.open_async():
            yield jobs


def _gauges(database: AsyncEngine, kind: str) -> Callable[[], None]:
    def measure() -> None:
        if isinstance(database.pool, QueuePool):
            metrics.POOL_SIZE.labels(kind).set(database.pool.size())
            metrics.POOL_USED.labels(kind).set(database.pool.checkedout())

    return measure


def _be_nice(queues: Sequence[str]) -> None:
    """Bulk work steps back for the guests' pages and selfies on the same machine."""
    if SELFIES in queues or not hasattr(os, "nice"):
        return
    os.nice(NICE)
    # Linux shares the time between sessions first (sched(7), autogroup), and each of our processes is one of its own:
    # niceness alone would count among the threads of this one.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICE))


async def _every(period_s: float, act: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await act()
        except Exception as error:  # the next round tries again; a worker must not end for its housekeeping
            log.warning("housekeeping failed", kind=type(error).__name__)
        await asyncio.sleep(period_s)


async def _revive(sessions: Sessions, settings: Settings) -> None:
    await revive(sessions, stalled_after_s=settings.stalled_after_s)


async def _keep_house(work: Work, settings: Settings) -> None:
    memory.give_back()
    async with transaction(work.sessions) as session:
        await photos.requeue_forgotten(session)
        await imports.requeue_forgotten(session)
        await photos.ask_for_blanks(session)
        await marks.ask_for_forgotten(session)
        await photos.purge(session, older_than_days=settings.bin_days)
        await selfies.forget_undecided(session)
        await passes.forget_lost(session)
        await keepsakes.forget_selections(session)
        await reindex.ask(session, work.engine)
        await reminders.remind(session)
        await events.erase_expired(session)
        await signed_in.forget_expired(session)
        await links.forget_expired(session)
        await invitations.forget_expired(session)
        await handover.forget_expired(session)
        await undo.forget(session)
        await throttle.forget(session)
        await once.forget(session)
        await accounts.forget_old_recipes(session)
        await audit.forget(session, older_than_days=settings.audit_days)
        if work.rekognition is not None:
            await upkeep.ask_if_needed(session, work.rekognition.instance)
