"""Who of the staff may do what in an event. Every staff route, download and live stream asks here, and nowhere else.

Administrators and the event's owner may do everything. Photographers of the event may add photos, and see, retry, take
home, hide, publish and delete those that they added themselves; nothing else of the event is theirs
(docs/decisions/0010).
"""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import Viewer
from trouvaille.core.errors import N_, NotFound
from trouvaille.events.models import Event, Photographer
from trouvaille.events.states import check_changeable


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


async def of_staff(session: AsyncSession, viewer: Viewer) -> list[tuple[Event, bool]]:
    """All events in which this member of staff has a right, newest first, and whether they manage each of them."""
    query = select(Event).order_by(Event.starts_on.desc().nulls_last(), Event.created_at.desc())
    if not viewer.is_administrator:
        invited = select(Photographer.event_id).where(Photographer.staff_id == viewer.id)
        query = query.where(or_(Event.owner_id == viewer.id, Event.id.in_(invited)))
    return [(event, _manages(viewer, event)) for event in await session.scalars(query)]
