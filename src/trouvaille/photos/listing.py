"""What a photographer looks at: some of an event's photos, filtered and in an order, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.models import Staff
from trouvaille.photos.models import Photo, PhotoState, Standing


class Show(StrEnum):
    """A part of the desk. All but the bin leave out what was deleted."""

    ALL = "all"
    WAITING = "waiting"
    FAILED = "failed"
    HELD = "held"
    HIDDEN = "hidden"
    GENERAL = "general"
    NOT_GENERAL = "not_general"
    NO_FACES = "no_faces"
    BIN = "bin"


class Sort(StrEnum):
    """An order; each is an index read from one end."""

    NEWEST = "newest"
    OLDEST = "oldest"
    ADDED = "added"
    NAME = "name"
    FACES = "faces"


# The columns that photos are ordered by, and whether from the highest down. An id makes every place unlike any other.
_ORDERS: dict[Sort, tuple[Any, bool]] = {
    Sort.NEWEST: (Photo.shown_at, True),
    Sort.OLDEST: (Photo.shown_at, False),
    Sort.ADDED: (Photo.created_at, True),
    Sort.NAME: (Photo.file_name, False),
    Sort.FACES: (Photo.faces, True),
}

_OF: dict[Show, tuple[ColumnElement[bool], ...]] = {
    Show.ALL: (),
    Show.WAITING: (Photo.state == PhotoState.WAITING,),
    Show.FAILED: (Photo.state == PhotoState.FAILED,),
    Show.HELD: (Photo.standing == Standing.HELD,),
    Show.HIDDEN: (Photo.standing == Standing.HIDDEN,),
    Show.GENERAL: (Photo.in_general.is_(True),),
    Show.NOT_GENERAL: (Photo.in_general.is_(False),),
    Show.NO_FACES: (Photo.state == PhotoState.READY, Photo.faces == 0),
}


def _is_of(show: Show) -> ColumnElement[bool]:
    """The condition that a filter sets, the bin's included."""
    if show is Show.BIN:
        return Photo.deleted_at.is_not(None)
    return and_(Photo.deleted_at.is_(None), *_OF[show])


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which photos of one event are meant, by a list of ids or by what they are like.

    Attributes:
        by: only those that this member of staff has added: what a photographer may work with.
        ids: only these, whatever the filters; None for all that fit.
        show: a part of the desk; None for all that there is, the bin's too.
        camera: make and model; empty for photos that name none.
        name: part of the file's name.
    """

    event_id: UUID
    by: UUID | None = None
    ids: Sequence[UUID] | None = None
    show: Show | None = Show.ALL
    camera: str | None = None
    name: str = ""
    photographer: UUID | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """What a query must ask to mean exactly these."""
        asked = [Photo.event_id == self.event_id]
        if self.by is not None:
            asked.append(Photo.uploaded_by == self.by)
        if self.ids is not None:
            return [*asked, Photo.id.in_(self.ids)]
        if self.show is not None:
            asked.append(_is_of(self.show))
        if self.camera is not None:
            asked.append(Photo.camera == self.camera if self.camera else Photo.camera.is_(None))
        if self.photographer is not None:
            asked.append(Photo.uploaded_by == self.photographer)
        if self.name:
            asked.append(Photo.file_name.icontains(self.name, autoescape=True))
        return asked

    def anything(self) -> "Wanted":
        """Whatever this person works with in the event."""
        return Wanted(self.event_id, self.by, show=None)

    def only(self, *ids: UUID) -> "Wanted":
        """These photos of the same event and the same person."""
        return replace(self, ids=ids)


@dataclass(frozen=True, slots=True)
class Page:
    """Some photos, and the one after which the next begin."""

    photos: list[Photo]
    next_after: UUID | None


def page_query(wanted: Wanted, sort: Sort, *, after: UUID | None, limit: int) -> Select[Photo]:
    """One page, as one statement: where the last photo stands is looked up, so a cursor is an id alone."""
    column, down = _ORDERS[sort]
    place = (column, Photo.id)
    query = select(Photo).where(*wanted.conditions())
    if after is not None:
        there = select(column.label("value"), Photo.id.label("id")).where(
            Photo.event_id == wanted.event_id, Photo.id == after
        )
        last = there.subquery()
        row = select(last.c.value, last.c.id).scalar_subquery()
        query = query.where(tuple_(*place) < row if down else tuple_(*place) > row)
    return query.order_by(*(each.desc() if down else each.asc() for each in place)).limit(limit)


async def page_of(
    session: AsyncSession, wanted: Wanted, sort: Sort = Sort.NEWEST, *, limit: int, after: UUID | None = None
) -> Page:
    """A page of the desk, in one query."""
    photos = list(await session.scalars(page_query(wanted, sort, after=after, limit=limit + 1)))
    return Page(photos[:limit], photos[limit - 1].id if len(photos) > limit else None)


FITTING = "fitting"


async def tally(session: AsyncSession, wanted: Wanted) -> dict[str, int]:
    """How many photos each part of the desk has, and under ``fitting`` how many are wanted, in one query."""
    counts = [func.count().filter(_is_of(show)) for show in Show]
    counts.append(func.count().filter(*wanted.conditions()))
    row = (await session.execute(select(*counts).where(*wanted.anything().conditions()))).one()
    return {name: int(n) for name, n in zip((*Show, FITTING), row, strict=True)}


async def cameras(session: AsyncSession, wanted: Wanted) -> list[str | None]:
    """The cameras of the photos that somebody works with, by name; None last, where some photos name none."""
    query = select(Photo.camera).where(*wanted.anything().conditions()).distinct().order_by(Photo.camera.nulls_last())
    return list(await session.scalars(query))


async def photographers(session: AsyncSession, event_id: UUID) -> list[tuple[UUID, str]]:
    """Who has added photos to an event, by name."""
    rows = await session.execute(
        select(Staff.id, Staff.display_name)
        .where(Staff.id.in_(select(Photo.uploaded_by).where(Photo.event_id == event_id)))
        .order_by(func.lower(Staff.display_name))
    )
    return [(staff_id, name) for staff_id, name in rows]
