"""Who of the staff may do what in an event. Every staff route, download and live stream asks here, and nowhere else.

Administrators and the event's owner may do everything. Photographers of the event may add photos, and see, retry, take
home, hide, publish and delete those that they added themselves; nothing else of the event is theirs
(docs/decisions/0010).
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Select, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import Viewer
from trouvaille.core.errors import N_, NotFound
from trouvaille.core.paging import Key, Slice, slice_of
from trouvaille.events.models import Event, Photographer
from trouvaille.events.states import check_changeable

EVENTS_A_PAGE: Final = 60


class NoSuchEvent(NotFound):
    """The code is unknown, or the viewer has no business with the event."""

    message = N_("There is no event with this code. Please check it and try again.")


class Right(StrEnum):
    """What somebody may do in an event."""

    UPLOAD = "upload"
    """Add photos, and work with those that one has added."""
    MANAGE = "manage"
    """Everything: all photos, settings, guests, people, and the end of the event."""


def _manages(viewer: Viewer, event: Event) -> bool:
    return viewer.is_administrator or (event.owner_id == viewer.id and viewer.may_organise)


async def of(session: AsyncSession, viewer: Viewer | None, event: Event) -> frozenset[Right]:
    """All that the viewer may do in an event, as of now; nothing for guests and strangers."""
    if viewer is None or viewer.kind != "staff":
        return frozenset()
    if _manages(viewer, event):
        return frozenset(Right)
    if await session.get(Photographer, (event.id, viewer.id)) is not None:
        return frozenset({Right.UPLOAD})
    return frozenset()


async def for_staff(session: AsyncSession, viewer: Viewer, event_id: UUID, right: Right) -> Event:
    """An event in which this member of staff has a right.

    Raises:
        NoSuchEvent: also for events of others, and for photographers who ask for more than is theirs, so that neither
            ids nor pages can be probed.
    """
    event = await session.get(Event, event_id)
    if event is None or right not in await of(session, viewer, event):
        raise NoSuchEvent
    return event


async def to_change(session: AsyncSession, viewer: Viewer, event_id: UUID, right: Right) -> Event:
    """``for_staff``, for whoever wants to change something: an archived event is only looked at.

    Raises:
        NoSuchEvent, Archived
    """
    return check_changeable(await for_staff(session, viewer, event_id, right))


async def uploader_shown(session: AsyncSession, viewer: Viewer, event: Event) -> UUID | None:
    """Whose photos of an event this member of staff works with: None for everybody's, else an id of staff."""
    return None if Right.MANAGE in await of(session, viewer, event) else viewer.id


def _of_staff(viewer: Viewer) -> Select[Event]:
    query = select(Event)
    if viewer.is_administrator:
        return query
    owned = select(Event.id).where(Event.owner_id == viewer.id)
    invited = select(Photographer.event_id).where(Photographer.staff_id == viewer.id)
    return query.where(Event.id.in_(owned.union_all(invited)))


async def newest_of_staff(session: AsyncSession, viewer: Viewer, *, limit: int) -> list[tuple[Event, bool]]:
    """The events made last in which this member of staff has a right, and whether they manage each of them."""
    query = _of_staff(viewer).order_by(Event.created_at.desc(), Event.id.desc()).limit(limit)
    return [(event, _manages(viewer, event)) for event in await session.scalars(query)]


async def slice_of_staff(
    session: AsyncSession, viewer: Viewer, *, search: str = "", limit: int = EVENTS_A_PAGE, cursor: str = ""
) -> Slice[tuple[Event, bool]]:
    """Some of the events in which this member of staff has a right, the latest day first, and which they manage.

    Args:
        search: a part of the name or of the code; hyphens in a code are for the eye.

    Raises:
        NoCursor
    """
    query = _of_staff(viewer)
    if search := search.strip():
        code = func.replace(Event.code, "-", "").icontains(search.replace("-", ""), autoescape=True)
        query = query.where(or_(Event.name.icontains(search, autoescape=True), code))
    day = func.coalesce(Event.starts_on, text("'0001-01-01'::date"))
    keys = (Key(day, date), Key(Event.created_at, datetime), Key(Event.id, UUID))
    shown = await slice_of(session, query, keys, limit=limit, cursor=cursor, newest_first=True)
    return Slice([(event, _manages(viewer, event)) for (event,) in shown.items], shown.cursor)
