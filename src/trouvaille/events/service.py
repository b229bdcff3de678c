"""Events: making, changing and finding them, and who of the staff may work on which."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act
from trouvaille.accounts.service import EVENT_NAMES, Viewer, clean_name, problems_of
from trouvaille.core.clock import now
from trouvaille.core.erase import erase
from trouvaille.core.errors import N_, Conflict, Gone, Invalid, InvalidForm, NotFound
from trouvaille.core.jobs import UPKEEP, defer
from trouvaille.core.secrets import new_code
from trouvaille.events import attestation
from trouvaille.events.models import Event, Gallery

log = structlog.get_logger()
CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{2,30}[A-Z0-9]")
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
OLDEST_YEAR, LAST_YEAR = 1990, 2200
KEPT_AFTER_END = timedelta(days=7)
DEFAULT_ACCENT = "#ffb224"
LOCALES = ("en", "fr")


class NoSuchEvent(NotFound):
    """The code is unknown, or the viewer has no business with the event."""

    message = N_("There is no event with this code. Please check it and try again.")


class EventOver(Gone):
    """The event has expired."""

    message = N_("This event is over and its photos are no longer available here.")


class CodeTaken(Conflict):
    """Another event has this code."""

    message = N_("Another event already has this code. Please choose a different one.")


@dataclass(frozen=True, slots=True)
class EventPlan:
    """What an organiser says of an event."""

    name: str
    code: str
    starts_on: date | None = None
    expires_on: date | None = None
    locale: str = "en"
    accent: str = DEFAULT_ACCENT
    gallery: Gallery = Gallery.GUESTS
    downloads: bool = True
    guest_pass: bool = False

    def problems(self) -> list[Invalid]:
        """What is wrong with it, by field; empty when all is well."""
        return problems_of(
            lambda: clean_name(self.name, field="name", longest=120),
            lambda: clean_code(self.code),
            self._check_dates,
            self._check_look,
        )

    def _check_dates(self) -> None:
        for name in ("starts_on", "expires_on"):
            day = getattr(self, name)
            if day is not None and not OLDEST_YEAR <= day.year <= LAST_YEAR:
                raise Invalid(N_("Please check the year."), field=name)
        if self.expires_on is not None and self.starts_on is not None and self.expires_on < self.starts_on:
            raise Invalid(N_("The photos can't go before the event has begun."), field="expires_on")

    def _check_look(self) -> None:
        if self.locale not in LOCALES:
            raise Invalid(field="locale")
        if not COLOUR.fullmatch(self.accent):
            raise Invalid(N_("Please choose a colour."), field="accent")


def clean_code(code: str) -> str:
    """An event code as it is kept: capitals, without the spaces that people type between groups.

    Raises:
        Invalid: it can't be a code.
    """
    code = re.sub(r"\s+", "", code).upper()
    if not CODE.fullmatch(code):
        raise Invalid(N_("A code has 4 to 32 letters, digits or hyphens."), field="code")
    return code


def end_of(day: date | None) -> datetime | None:
    """The first moment after a day, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), UTC) if day else None


def last_day(event: Event) -> date | None:
    """The last day on which guests may come in."""
    return (event.expires_at - timedelta(seconds=1)).date() if event.expires_at else None


def _apply(event: Event, plan: EventPlan) -> None:
    event.name = clean_name(plan.name, field="name", longest=120)
    event.code = clean_code(plan.code)
    event.starts_on = plan.starts_on
    event.expires_at = end_of(plan.expires_on)
    event.locale = plan.locale
    event.accent = plan.accent
    event.gallery = plan.gallery
    event.downloads = plan.downloads
    event.guest_pass = plan.guest_pass


def _check_last_day(plan: EventPlan, *, present: date | None) -> None:
    """A last day that is over already would have everything erased in a week: only one that stood before may stay.

    Raises:
        InvalidForm
    """
    if plan.expires_on is not None and plan.expires_on != present and plan.expires_on < now().date():
        text = N_("This day is over. To remove the event, delete it.")
        raise InvalidForm(Invalid(text, field="expires_on"))


async def create(session: AsyncSession, viewer: Viewer, plan: EventPlan, *, attest_faces: bool) -> Event:
    """Make an event that belongs to the viewer.

    Raises:
        InvalidForm: a field is wrong.
        CodeTaken: the code is not free.
    """
    if problems := plan.problems():
        raise InvalidForm(*problems)
    _check_last_day(plan, present=None)
    event = Event(owner_id=viewer.id)
    _apply(event, plan)
    if attest_faces:
        _attest(event, viewer)
    try:
        async with session.begin_nested():
            session.add(event)
    except IntegrityError as error:
        raise CodeTaken(field="code") from error
    await audit.note(session, Act.EVENT_CREATED, by=viewer, event_id=event.id)
    if event.faces_on:
        await audit.note(session, Act.FACES_ATTESTED, by=viewer, event_id=event.id)
    return event


async def change(session: AsyncSession, event: Event, plan: EventPlan) -> None:
    """Change an event; the same refusals as ``create``."""
    if problems := plan.problems():
        raise InvalidForm(*problems)
    _check_last_day(plan, present=last_day(event))
    try:
        async with session.begin_nested():
            _apply(event, plan)
    except IntegrityError as error:
        raise CodeTaken(field="code") from error


def _attest(event: Event, viewer: Viewer) -> None:
    event.faces_attested_at = now()
    event.faces_attested_by = viewer.id
    event.faces_attestation_version = attestation.VERSION


async def attest_faces(session: AsyncSession, event: Event, viewer: Viewer) -> None:
    """Switch face finding on in the viewer's name; photos that wait without it are looked at again."""
    if not event.faces_on:
        _attest(event, viewer)
        await session.flush()
        await audit.note(session, Act.FACES_ATTESTED, by=viewer, event_id=event.id)
        await defer(session, "photos.look_again", queue=UPKEEP, event_id=event.id)


async def delete(session: AsyncSession, event: Event, *, by: Viewer | None = None) -> None:
    """Remove an event with all its photos, guests, faces and matches; the bytes follow in a job."""
    event_id = event.id
    await session.delete(event)
    await session.flush()
    await erase(session, prefix=f"events/{event_id}")
    await defer(session, "faces.drop_partition", queue=UPKEEP, event_id=event_id)
    await audit.note(session, Act.EVENT_DELETED, by=by, event_id=event_id)


async def erase_expired(session: AsyncSession) -> int:
    """Remove the events whose last day was ``KEPT_AFTER_END`` ago or more; returns how many.

    Until then an organiser who mistyped a date, or wants to give more time, can still change it.
    """
    over = await session.scalars(
        select(Event).where(Event.expires_at < now() - KEPT_AFTER_END).limit(20).with_for_update(skip_locked=True)
    )
    events = list(over)
    for event in events:
        log.info("event expired and erased", event_id=str(event.id))
        await delete(session, event)
    return len(events)


async def by_code(session: AsyncSession, code: str) -> Event:
    """The event with this code.

    Raises:
        NoSuchEvent
    """
    try:
        code = clean_code(code)
    except Invalid as error:
        raise NoSuchEvent from error
    event = await session.scalar(select(Event).where(func.lower(Event.code) == code.lower()))
    if event is None:
        raise NoSuchEvent
    return event


async def open_by_code(session: AsyncSession, code: str) -> Event:
    """The event with this code, which guests may still enter.

    Raises:
        NoSuchEvent, EventOver
    """
    event = await by_code(session, code)
    if not event.is_open:
        raise EventOver
    return event


async def for_staff(session: AsyncSession, viewer: Viewer, event_id: UUID) -> Event:
    """An event that this member of staff may work on: their own, or any for an administrator.

    Raises:
        NoSuchEvent: also for events of others, so that ids can't be probed.
    """
    event = await session.get(Event, event_id)
    if event is None or not may_work_on(viewer, event):
        raise NoSuchEvent
    return event


def may_work_on(viewer: Viewer | None, event: Event) -> bool:
    """Whether the viewer runs this event."""
    return viewer is not None and viewer.kind == "staff" and (viewer.is_administrator or event.owner_id == viewer.id)


async def of_staff(session: AsyncSession, viewer: Viewer) -> list[Event]:
    """All events that this member of staff may work on, newest first."""
    query = select(Event).order_by(Event.starts_on.desc().nulls_last(), Event.created_at.desc())
    if not viewer.is_administrator:
        query = query.where(Event.owner_id == viewer.id)
    return list(await session.scalars(query))


async def _name_of(session: AsyncSession, code: str) -> str | None:
    try:
        return (await by_code(session, code)).name
    except NoSuchEvent:
        return None


EVENT_NAMES.append(_name_of)


def propose_code() -> str:
    """A code that is almost certainly free; the database has the last word."""
    return new_code()
