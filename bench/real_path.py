"""A whole instance for a bench: embedded database, real worker processes, real files, and the product's own verbs."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from trouvaille import instance, serving
from trouvaille.accounts import service as accounts
from trouvaille.accounts.models import Role
from trouvaille.accounts.passwords import Passwords
from trouvaille.accounts.service import Viewer
from trouvaille.core.db import Sessions, connect, sessions_of, transaction
from trouvaille.core.secrets import Vault, load_key
from trouvaille.core.storage import Storage
from trouvaille.demo.run import scratch_settings
from trouvaille.events import service as events
from trouvaille.events.codes import propose_code
from trouvaille.events.models import Event
from trouvaille.events.plans import EventPlan
from trouvaille.guests import consent, selfies
from trouvaille.guests.models import Enrolment, EnrolmentState, Guest
from trouvaille.guests.registration import Registration
from trouvaille.matching.models import Match
from trouvaille.matching.service import is_asked, is_mine
from trouvaille.photos import intake, listing
from trouvaille.photos import service as photos
from trouvaille.photos.intake import Limits, Offer
from trouvaille.photos.listing import Show, Wanted
from trouvaille.photos.models import Photo, PhotoState
from trouvaille.settings import Settings
from trouvaille.supervisor import supervise


@dataclass
class Found:
    """What one guest is shown, by file name. ``refused``: why the selfie was not taken, or None."""

    sure: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    refused: str | None = None


@dataclass
class Bench:
    """One event in a running instance."""

    sessions: Sessions
    storage: Storage
    vault: Vault
    limits: Limits
    event: Event
    passwords: Passwords
    start_workers: Callable[[], Awaitable[None]]

    async def add_photos(self, files: Mapping[str, Path]) -> None:
        """Upload files under names of their own, four at a time, while the workers are at it."""
        gate = asyncio.Semaphore(4)

        async def add(name: str, path: Path) -> None:
            async with gate:
                await intake.take_in(
                    self.sessions,
                    self.storage,
                    self.limits,
                    Offer(self.event.id, None, name),
                    await asyncio.to_thread(path.read_bytes),
                )

        await asyncio.gather(*(add(name, path) for name, path in files.items()))

    async def add_guests(self, portraits: Mapping[str, Path]) -> None:
        """Register a guest for each selfie, agree for them and send it."""
        for number, (name, path) in enumerate(portraits.items()):
            form = Registration(name[:80], f"guest{number}", f"guest{number}@example.org", "", "en")
            async with transaction(self.sessions) as session:
                # Hashing a password a guest would measure Argon2.
                guest = Guest(
                    event_id=self.event.id,
                    username=form.username,
                    email=form.email,
                    display_name=name,
                    password_hash=secrets.token_hex(8),
                )
                session.add(guest)
                await session.flush()
                await consent.give_consent(session, guest, locale="en")
                data = await asyncio.to_thread(path.read_bytes)
                await selfies.submit_selfie(session, self.storage, self.event, guest, [self.vault.seal(data)])

    async def say_which_face(self) -> int:
        """Answer for guests who are asked which face is theirs: who is made up stands in the middle of their selfie."""
        async with transaction(self.sessions) as session:
            undecided = await session.execute(
                select(Guest, Enrolment.candidates)
                .join(Enrolment, Enrolment.guest_id == Guest.id)
                .where(Enrolment.state == EnrolmentState.CHOOSING)
            )
            rows = [(guest, np.array(asked["boxes_xyxy"])) for guest, asked in undecided if asked]
            for guest, boxes in rows:
                off_middle = np.abs((boxes[:, :2] + boxes[:, 2:]) / 2 - 0.5).sum(axis=1)
                await selfies.choose(session, guest, int(off_middle.argmin()))
        return len(rows)

    async def wait(self, *, settled: bool = True) -> None:
        """Until no photo and no selfie waits, and the event has been settled unless that does not matter."""
        waiting: Any = (
            select(func.count()).select_from(Photo).where(Photo.state == PhotoState.WAITING).scalar_subquery()
            + select(func.count())
            .select_from(Enrolment)
            .where(Enrolment.state == EnrolmentState.WAITING)
            .scalar_subquery()
        )
        if settled:
            waiting += text(
                "(SELECT count(*) FROM procrastinate_jobs"
                " WHERE task_name = 'matching.settle' AND status IN ('todo', 'doing'))"
            )
        while True:
            async with transaction(self.sessions) as session:
                if not await session.scalar(select(waiting)):
                    return
            await asyncio.sleep(0.05)

    async def found(self) -> dict[str, Found]:
        """What every guest is shown."""
        async with transaction(self.sessions) as session:
            rows = await session.execute(
                select(Guest.display_name, Enrolment.state, Enrolment.reason).join(
                    Enrolment, Enrolment.guest_id == Guest.id
                )
            )
            result = {
                name: Found(refused=None if state is EnrolmentState.ACCEPTED else reason or state.value)
                for name, state, reason in rows
            }
            matches = await session.execute(
                select(Guest.display_name, Photo.file_name, is_mine(), is_asked())
                .join(Match, Match.guest_id == Guest.id)
                .join(Photo, Photo.id == Match.photo_id)
            )
            for name, file_name, mine, asked in matches:
                if mine:
                    result[name].sure.add(file_name)
                elif asked:
                    result[name].maybe.add(file_name)
        return result

    async def faces(self) -> int:
        """How many faces were found."""
        async with transaction(self.sessions) as session:
            return (await photos.progress(session, self.event.id)).faces

    async def failed(self) -> list[str]:
        """Photos that could not be read."""
        async with transaction(self.sessions) as session:
            wanted = Wanted(self.event.id, show=Show.FAILED)
            return [photo.file_name for photo in (await listing.page_of(session, wanted, limit=1000)).photos]


async def _make_staff(sessions: Sessions, passwords: Passwords) -> UUID:
    async with transaction(sessions) as session:
        staff = await accounts.create_staff(
            session,
            passwords,
            email="bench@example.org",
            display_name="Bench",
            password=secrets.token_urlsafe(12),
            role=Role.ADMINISTRATOR,
        )
        return staff.id


async def make_event(sessions: Sessions, staff_id: UUID) -> Event:
    """An open event with face finding."""
    viewer = Viewer(session_id=UUID(int=0), kind="staff", id=staff_id, display_name="Bench")
    plan = EventPlan("Bench", propose_code(), datetime.now(UTC).date())
    async with transaction(sessions) as session:
        return await events.create(session, viewer, plan, attest_faces=True)


async def staff_member(sessions: Sessions) -> UUID:
    """The id of a new member of staff."""
    passwords = Passwords(1)
    try:
        return await _make_staff(sessions, passwords)
    finally:
        passwords.close()


@asynccontextmanager
async def only_database() -> AsyncIterator[tuple[AsyncEngine, UUID]]:
    """A migrated database without workers, and the id of its only member of staff; removed afterwards."""
    with scratch_settings() as settings, instance.database(settings) as (ready, _):
        engine = connect(ready.database_url or "", pool_size=4, application="trouvaille bench")
        passwords = Passwords(1)
        try:
            yield engine, await _make_staff(sessions_of(engine), passwords)
        finally:
            passwords.close()
            await engine.dispose()


@asynccontextmanager
async def running_event(*, with_workers: bool = True, settings: Settings | None = None) -> AsyncIterator[Bench]:
    """An instance and one open event.

    Args:
        with_workers: False leaves starting the workers to the bench.
        settings: of an instance that stays; without, all is made in a folder of its own and removed afterwards.
    """
    with ExitStack() as stack:
        settings = settings or stack.enter_context(scratch_settings())
        made_by = stack.enter_context(serving.nurseries())
        ready, postgres = stack.enter_context(instance.database(settings))
        stop = asyncio.Event()
        engine = connect(ready.database_url or "", pool_size=6, application="trouvaille bench")
        sessions = sessions_of(engine)
        passwords = Passwords(1)
        minding: list[asyncio.Task[Any]] = []

        async def start() -> None:
            workers = serving.workers(ready, made_by)
            minding.append(asyncio.create_task(supervise(workers, postgres=postgres, stop=stop)))
            await _await_workers(sessions)

        try:
            event = await make_event(sessions, await _make_staff(sessions, passwords))
            storage, vault = Storage(ready.photos_url), Vault(load_key(ready.data_dir / "secret.key"))
            limits = Limits(ready.photo_limit_bytes, ready.photo_limit_pixels)
            if with_workers:
                await start()
            yield Bench(sessions, storage, vault, limits, event, passwords, start)
        finally:
            stop.set()
            for task in minding:
                await task
            passwords.close()
            await engine.dispose()


async def _await_workers(sessions: Sessions, *, least: int = 2, patience_s: float = 60) -> None:
    """Until the workers have loaded their models: starting up is not what is measured."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        async with transaction(sessions) as session:
            if (await session.scalar(text("SELECT count(*) FROM procrastinate_workers")) or 0) >= least:
                return
        await asyncio.sleep(0.1)
    raise TimeoutError("the workers did not start")
