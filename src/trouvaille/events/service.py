"""Events: making, changing and finding them."""

from datetime import date, timedelta

import structlog
from sqlalchemy import Text, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act, Actor
from trouvaille.accounts.models import Staff
from trouvaille.accounts.service import EVENT_NAMES, Viewer
from trouvaille.core.clock import now
from trouvaille.core.erase import erase
from trouvaille.core.errors import N_, Conflict, Gone, Invalid, InvalidForm
from trouvaille.core.jobs import UPKEEP, defer
from trouvaille.core.reading import place
from trouvaille.events import attestation, rights, watermarks, zones
from trouvaille.events.codes import bare, clean_code, has_bare_code, propose_code
from trouvaille.events.models import Event, EventState
from trouvaille.events.plans import LONGEST_NAME, EventPlan
from trouvaille.events.rights import NoSuchEvent, Right

log = structlog.get_logger()
KEPT_AFTER_END = timedelta(days=7)


class EventOver(Gone):
    """The event has expired."""

    message = N_("This event is over and its photos are no longer available here.")


class EventClosed(Conflict):
    """Nobody new comes in; those who are guests go on."""

    message = N_("This event takes no new guests. If you have been here before, sign in.")


class CodeTaken(Conflict):
    """Another event has this code."""

    message = N_("Another event already has this code. Please choose a different one.")


def last_day(event: Event) -> date | None:
    """The last day on which guests may come in, at the event's place."""
    return zones.day_before(event.expires_at, event.time_zone)


def _check_last_day(plan: EventPlan, *, present: date | None) -> None:
    """A last day that is over already would have everything erased in a week: only one that stood before may stay.

    Raises:
        InvalidForm
    """
    if (
        plan.expires_on is not None
        and plan.expires_on != present
        and plan.expires_on < zones.today(plan.time_zone, now())
    ):
        text = N_("This day is over. To remove the event, delete it.")
        raise InvalidForm(Invalid(text, field="expires_on"))


async def create(
    session: AsyncSession,
    viewer: Viewer,
    plan: EventPlan,
    *,
    attest_faces: bool,
    locale: str = "en",
    draft: bool = False,
) -> Event:
    """Make an event that belongs to the viewer: open, or a draft that only staff see.

    Raises:
        InvalidForm: a field is wrong.
        CodeTaken: the code is not free.
    """
    if problems := plan.problems():
        raise InvalidForm(*problems)
    _check_last_day(plan, present=None)
    event = Event(owner_id=viewer.id, state=EventState.DRAFT if draft else EventState.OPEN)
    plan.put_on(event)
    if attest_faces:
        _attest(event, viewer, locale)
    try:
        async with session.begin_nested():
            session.add(event)
    except IntegrityError as error:
        raise CodeTaken(field="code") from error
    await audit.note(session, Act.EVENT_CREATED, by=viewer, event_id=event.id)
    if event.faces_on:
        await audit.note(session, Act.FACES_ATTESTED, by=viewer, event_id=event.id)
    return event


async def change(session: AsyncSession, event: Event, plan: EventPlan, *, by: Actor) -> None:
    """Change an event; the same refusals as ``create``."""
    if problems := plan.problems():
        raise InvalidForm(*problems)
    _check_last_day(plan, present=last_day(event))
    zone, code = event.time_zone, event.code
    try:
        async with session.begin_nested():
            plan.put_on(event)
    except IntegrityError as error:
        raise CodeTaken(field="code") from error
    if event.code != code:
        await audit.note(session, Act.CODE_CHANGED, by=by, event_id=event.id)
    await watermarks.follow(session, event)
    if event.time_zone != zone:
        await defer(session, "photos.set_clocks_right", queue=UPKEEP, event_id=event.id)


def _attest(event: Event, viewer: Viewer, locale: str) -> None:
    event.faces_attested_at = now()
    event.faces_attested_by = viewer.id
    event.faces_attestation_version = attestation.VERSION
    event.faces_attestation_locale = locale


async def attest_faces(session: AsyncSession, event: Event, viewer: Viewer, *, locale: str = "en") -> None:
    """Switch face finding on in the viewer's name; photos that wait without it are looked at again.

    Args:
        locale: the language that the text was read in.
    """
    if not event.faces_on:
        _attest(event, viewer, locale)
        await session.flush()
        await audit.note(session, Act.FACES_ATTESTED, by=viewer, event_id=event.id)
        await defer(session, "photos.look_again", queue=UPKEEP, event_id=event.id)


async def attested_by(session: AsyncSession, event: Event) -> str | None:
    """The name of whoever attested that guests are told."""
    if event.faces_attested_by is None:
        return None
    return await session.scalar(select(Staff.display_name).where(Staff.id == event.faces_attested_by))


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


# Every page of an event asks this; making the statement would take as long as asking it.
_BY_CODE = select(Event).where(has_bare_code(place("code", Text())))


async def by_code(session: AsyncSession, code: str, viewer: Viewer | None = None) -> Event:
    """The event with this code. A draft is there for those alone who work on it.

    Raises:
        NoSuchEvent
    """
    try:
        known = bare(clean_code(code))
    except Invalid as error:
        raise NoSuchEvent from error
    event = await session.scalar(_BY_CODE, {"code": known})
    if event is None:
        raise NoSuchEvent
    if event.state is EventState.DRAFT and Right.UPLOAD not in await rights.of(session, viewer, event):
        raise NoSuchEvent
    return event


async def open_by_code(session: AsyncSession, code: str) -> Event:
    """The event with this code, which new guests may enter.

    Raises:
        NoSuchEvent, EventOver, EventClosed
    """
    event = await by_code(session, code)
    check_open(event)
    return event


async def shown_by_code(session: AsyncSession, code: str) -> Event:
    """The event with this code, which those who are its guests may look at.

    Raises:
        NoSuchEvent, EventOver
    """
    event = await by_code(session, code)
    if not event.is_shown:
        raise EventOver
    return event


def check_open(event: Event) -> None:
    """Whether new guests may enter.

    Raises:
        NoSuchEvent, EventOver, EventClosed
    """
    if event.state is EventState.DRAFT:
        raise NoSuchEvent
    if event.is_over:
        raise EventOver
    if not event.is_open:
        raise EventClosed


async def _name_of(session: AsyncSession, code: str) -> str | None:
    try:
        return (await by_code(session, code)).name
    except NoSuchEvent:
        return None


EVENT_NAMES.append(_name_of)


async def change_code(session: AsyncSession, event: Event, *, by: Actor) -> None:
    """Give an event a new code; the old one, and every poster that carries it, leads nowhere from now on."""
    event.code = propose_code()
    await session.flush()
    await audit.note(session, Act.CODE_CHANGED, by=by, event_id=event.id)


async def duplicate(session: AsyncSession, viewer: Viewer, event: Event, *, name: str) -> Event:
    """A draft with the same settings, a new code and no dates; photos, guests, pictures and attestation stay behind.

    Where a picture is drawn on photos, the copy has the text drawn until it is sent one.

    Args:
        name: shortened where it is too long.
    """
    made = Event(
        owner_id=viewer.id,
        code=propose_code(),
        name=name[:LONGEST_NAME],
        state=EventState.DRAFT,
        time_zone=event.time_zone,
        place=event.place,
        locales=list(event.locales),
        accent=event.accent,
        gallery=event.gallery,
        downloads=event.downloads,
        watermark=watermarks.copied(event),
        camera_data=event.camera_data,
        guest_pass=event.guest_pass,
        review=event.review,
        general=event.general,
    )
    session.add(made)
    await session.flush()
    await watermarks.follow(session, made)
    await audit.note(session, Act.EVENT_CREATED, by=viewer, event_id=made.id)
    return made
