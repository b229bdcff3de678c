"""The guest list of an event: who is there, who lacks a selfie or photos, and removing somebody for good."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import Viewer
from trouvaille.core.errors import N_, Invalid, NotFound
from trouvaille.core.paging import Key, Slice, slice_of
from trouvaille.guests import service as guests
from trouvaille.guests.models import Enrolment, EnrolmentState, Guest
from trouvaille.matching.models import Match
from trouvaille.matching.service import is_mine
from trouvaille.photos.models import Photo, shown
from trouvaille.privacy import service as privacy


class NoSuchGuest(NotFound):
    """They are not there, or not in this event."""

    message = N_("We could not find this guest.")


class Only(StrEnum):
    """Which guests are listed."""

    ALL = "all"
    NO_SELFIE = "no_selfie"
    NO_PHOTOS = "no_photos"


@dataclass(frozen=True, slots=True)
class Row:
    """A guest as their organiser sees them; a guest pass has neither username nor address.

    ``selfie``: a word of ``EnrolmentState``, or ``none``.
    """

    id: UUID
    display_name: str
    username: str | None
    email: str | None
    created_at: datetime
    selfie: str
    photos: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some guests from A to Z, and where the next ones begin."""

    rows: list[Row]
    next_after: UUID | None


def _found() -> ColumnElement[bool]:
    """The matches that a guest sees, of photos that are ready."""
    return and_(Match.guest_id == Guest.id, is_mine(), Photo.id == Match.photo_id, shown())


def _is_listed(only: Only) -> ColumnElement[bool] | None:
    if only is Only.NO_SELFIE:
        return ~exists().where(Enrolment.guest_id == Guest.id, Enrolment.state == EnrolmentState.ACCEPTED)
    if only is Only.NO_PHOTOS:
        return ~exists().where(_found())
    return None


def _rows(
    event_id: UUID, search: str, only: Only
) -> Select[UUID, str, str | None, str | None, datetime, EnrolmentState, int]:
    """Every guest of an event that is asked for, from A to Z; the one place where the list is scoped to its event."""
    selfie = (
        select(Enrolment.state)
        .where(Enrolment.guest_id == Guest.id)
        .order_by((Enrolment.state == EnrolmentState.ACCEPTED).desc(), Enrolment.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    photos = select(func.count()).select_from(Match).join(Photo, Photo.id == Match.photo_id).where(_found())
    query = (
        select(
            Guest.id,
            Guest.display_name,
            Guest.username,
            Guest.email,
            Guest.created_at,
            selfie,
            photos.correlate(Guest).scalar_subquery(),
        )
        .where(Guest.event_id == event_id)
        .order_by(func.lower(Guest.display_name), Guest.id)
    )
    if (condition := _is_listed(only)) is not None:
        query = query.where(condition)
    for word in search.lower().split()[:8]:
        query = query.where(
            or_(
                *(
                    func.lower(column).contains(word, autoescape=True)
                    for column in (Guest.display_name, Guest.username, Guest.email)
                )
            )
        )
    return query


def _row(
    guest_id: UUID,
    display_name: str,
    username: str | None,
    email: str | None,
    created_at: datetime,
    selfie: EnrolmentState | None,
    photos: int,
) -> Row:
    return Row(guest_id, display_name, username, email, created_at, selfie.value if selfie else "none", photos)


async def of_event(
    session: AsyncSession,
    event_id: UUID,
    *,
    search: str = "",
    only: Only = Only.ALL,
    limit: int | None = None,
    after: UUID | None = None,
) -> Page:
    """A part of the list in one query.

    Args:
        search: words that all occur in name, username or address.
        limit: None for everybody, as for an export.
        after: begin behind this guest.
    """
    query = _rows(event_id, search, only)
    if after is not None:
        there = select(func.lower(Guest.display_name), Guest.id).where(Guest.event_id == event_id, Guest.id == after)
        query = query.where(tuple_(func.lower(Guest.display_name), Guest.id) > there.scalar_subquery())
    if limit is not None:
        query = query.limit(limit + 1)
    rows = [_row(*row) for row in await session.execute(query)]
    if limit is None or len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], rows[limit - 1].id)


async def slice_of_event(
    session: AsyncSession, event_id: UUID, *, search: str, only: Only, limit: int, cursor: str
) -> Slice[Row]:
    """A part of the list behind a cursor, which goes on where a guest has been removed meanwhile."""
    keys = (Key(func.lower(Guest.display_name), str), Key(Guest.id, UUID))
    query = _rows(event_id, search, only).order_by(None)
    found = await slice_of(session, query, keys, limit=limit, cursor=cursor)
    return Slice([_row(*row) for row in found.items], found.cursor)


async def count(session: AsyncSession, event_id: UUID, *, search: str, only: Only) -> int:
    """How many guests the list has in all."""
    listed = _rows(event_id, search, only).with_only_columns(Guest.id).order_by(None).subquery()
    return await session.scalar(select(func.count()).select_from(listed)) or 0


async def one(session: AsyncSession, event_id: UUID, guest_id: UUID) -> Row:
    """One guest of this event.

    Raises:
        NoSuchGuest
    """
    row = (await session.execute(_rows(event_id, "", Only.ALL).where(Guest.id == guest_id))).first()
    if row is None:
        raise NoSuchGuest
    return _row(*row)


async def remove(session: AsyncSession, event_id: UUID, guest_id: UUID, *, name: str, by: Viewer) -> None:
    """Remove a guest with everything derived from them; also from an archived event, since they may ask for it.

    Args:
        name: what was typed to confirm.
        by: who removes them.

    Raises:
        NoSuchGuest
        Invalid: another name was typed.
    """
    guest = await session.get(Guest, guest_id)
    if guest is None or guest.event_id != event_id:
        raise NoSuchGuest
    if " ".join(name.split()).casefold() != guest.display_name.casefold():
        raise Invalid(N_("Type the guest’s name exactly to confirm."), field="name")
    await privacy.withdraw(session, guest, by=by)
    await guests.remove(session, guest, by=by)
