"""Staff as administrators see them: who there is, what they are, and what becomes of their work when they leave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act
from trouvaille.accounts.models import Role, Staff
from trouvaille.accounts.service import ORGANISERS, Viewer
from trouvaille.accounts.sessions import end_all
from trouvaille.core.db import lock_exclusive
from trouvaille.core.errors import N_, Conflict, Invalid, NotFound
from trouvaille.core.paging import Key, Slice, slice_of
from trouvaille.events import handover
from trouvaille.events import service as events
from trouvaille.events.models import Event, Photographer
from trouvaille.guests import service as guests
from trouvaille.photos import service as photos

ROLES: dict[Role, str] = {
    Role.ADMINISTRATOR: N_("Administrator"),
    Role.ORGANISER: N_("Organiser"),
    Role.PHOTOGRAPHER: N_("Photographer"),
}


class LastAdministrator(Conflict):
    """Somebody has to run the server."""

    message = N_("This is the last administrator. Make somebody else administrator first.")


class HasEvents(Conflict):
    """A photographer has no events of their own."""

    message = N_("They still have events. Hand these over first.")


class Changed(Conflict):
    """What was decided no longer fits what is there."""

    message = N_("Something has changed since you looked. Please look again.")


@dataclass(frozen=True, slots=True)
class Member:
    """One line of the list of staff. ``events``: their own; ``invited``: those that they may add photos to."""

    staff: Staff
    events: int
    invited: int


def _members() -> Select[Staff, int, int]:
    own = select(func.count()).where(Event.owner_id == Staff.id).scalar_subquery()
    invited = select(func.count()).where(Photographer.staff_id == Staff.id).scalar_subquery()
    return select(Staff, own, invited)


async def members(session: AsyncSession) -> list[Member]:
    """All staff of this server, by name."""
    rows = await session.execute(_members().order_by(func.lower(Staff.display_name), Staff.id))
    return [Member(*row) for row in rows]


async def slice_of_members(session: AsyncSession, *, search: str = "", limit: int, cursor: str = "") -> Slice[Member]:
    """Some of the staff, by name.

    Args:
        search: a part of the name or of the address.

    Raises:
        NoCursor
    """
    query = _members()
    if search := search.strip():
        found = (each.icontains(search, autoescape=True) for each in (Staff.display_name, Staff.email))
        query = query.where(or_(*found))
    keys = (Key(func.lower(Staff.display_name), str), Key(Staff.id, UUID))
    shown = await slice_of(session, query, keys, limit=limit, cursor=cursor)
    return Slice([Member(*row) for row in shown.items], shown.cursor)


async def one_member(session: AsyncSession, staff_id: UUID) -> Member:
    """One line of the list of staff.

    Raises:
        NotFound
    """
    row = (await session.execute(_members().where(Staff.id == staff_id))).first()
    if row is None:
        raise NotFound
    return Member(*row)


async def member(session: AsyncSession, staff_id: UUID) -> Staff:
    """A member of staff.

    Raises:
        NotFound
    """
    staff = await session.get(Staff, staff_id)
    if staff is None:
        raise NotFound
    return staff


async def change_role(session: AsyncSession, staff_id: UUID, role: Role, *, by: Viewer) -> None:
    """Make somebody something else, from their next request on.

    Raises:
        NotFound, LastAdministrator, HasEvents
    """
    await lock_exclusive(session, "staff")
    staff = await member(session, staff_id)
    if staff.role is role:
        return
    if role is not Role.ADMINISTRATOR:
        await _keep_one_administrator(session, staff)
    if role not in ORGANISERS and await _own_events(session, staff.id):
        raise HasEvents
    staff.role = role
    await session.flush()
    await audit.note(session, Act.ROLE_CHANGED, by=by, about_id=staff.id)


async def _keep_one_administrator(session: AsyncSession, staff: Staff) -> None:
    others = select(Staff.id).where(Staff.role == Role.ADMINISTRATOR, Staff.id != staff.id).limit(1)
    if staff.role is Role.ADMINISTRATOR and await session.scalar(others) is None:
        raise LastAdministrator


async def _own_events(session: AsyncSession, staff_id: UUID) -> list[Event]:
    rows = await session.scalars(
        select(Event).where(Event.owner_id == staff_id).order_by(Event.name, Event.id).with_for_update(key_share=True)
    )
    return list(rows)


@dataclass(frozen=True, slots=True)
class Estate:
    """What somebody would leave behind.

    Attributes:
        events: their own, each with its numbers of photos and of guests.
        uploads: photos that they added to others' events.
        heirs: who could have the events.
    """

    staff: Staff
    events: Sequence[tuple[Event, int, int]]
    uploads: int
    heirs: Sequence[Staff]


async def estate_of(session: AsyncSession, staff_id: UUID) -> Estate:
    """Look at what somebody would leave behind.

    Raises:
        NotFound, LastAdministrator
    """
    staff = await member(session, staff_id)
    await _keep_one_administrator(session, staff)
    own = await _own_events(session, staff_id)
    ids = [event.id for event in own]
    pictures, turnouts = await photos.progresses(session, ids), await guests.turnouts(session, ids)
    heirs = await session.scalars(
        select(Staff).where(Staff.role.in_(ORGANISERS), Staff.id != staff_id).order_by(func.lower(Staff.display_name))
    )
    return Estate(
        staff,
        [
            (
                event,
                pictures.get(event.id, photos.Progress()).total,
                turnouts.get(event.id, guests.Turnout(0, 0)).guests,
            )
            for event in own
        ],
        await photos.uploads_elsewhere(session, staff_id, but_not_in=ids),
        heirs.all(),
    )


@dataclass(frozen=True, slots=True)
class Will:
    """What is to become of what somebody leaves.

    Attributes:
        events: to whom each event goes; None for one that is deleted.
        delete_uploads: whether photos that they added to others' events are deleted too; otherwise they stay, without
            their name.
    """

    events: Mapping[UUID, UUID | None]
    delete_uploads: bool


async def remove(session: AsyncSession, staff_id: UUID, will: Will, *, by: Viewer) -> None:
    """Delete a member of staff, and do with their events and photos what was said; all of it or nothing.

    Raises:
        NotFound, LastAdministrator
        Changed: they have other events by now, or an heir can't have any.
    """
    await lock_exclusive(session, "staff")
    # What they are sending at this moment waits: it is counted below, or refused once they are gone.
    await session.execute(select(Staff.id).where(Staff.id == staff_id).with_for_update())
    estate = await estate_of(session, staff_id)
    own = [event for event, _, _ in estate.events]
    ids = [event.id for event in own]
    heirs = {heir.id for heir in estate.heirs}
    if set(will.events) != set(ids) or not {to for to in will.events.values() if to} <= heirs:
        raise Changed
    for event in own:
        if (to := will.events[event.id]) is not None:
            await handover.give(session, event, to, by=by)
        else:
            await events.delete(session, event, by=by)
    if will.delete_uploads and await photos.delete_uploads(session, staff_id, but_not_in=ids):
        await audit.note(session, Act.PHOTOS_DELETED, by=by, about_id=staff_id)
    await end_all(session, staff_id)
    await session.delete(estate.staff)
    await session.flush()
    await audit.note(session, Act.STAFF_DELETED, by=by, about_id=staff_id)


def check_name(event: Event, typed: str, *, field: str) -> None:
    """Whether somebody typed the name of an event that they want deleted.

    Raises:
        Invalid
    """
    if typed.strip().casefold() != event.name.casefold():
        raise Invalid(N_("Type the event’s name exactly to confirm."), field=field)
