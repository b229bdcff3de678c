"""Lists of photos as one looks through them: a part of the gallery, its order, and what it is narrowed to."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Uuid,
    and_,
    case,
    func,
    not_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.models import Staff
from trouvaille.accounts.service import Viewer
from trouvaille.core.reading import Prepared, all_in, place
from trouvaille.delivery.access import AnyEvent, AnyGuest, Show, photos_listed, visible
from trouvaille.delivery.seeing import Listed, Pictured, Seen, listed
from trouvaille.events.models import Event, Gallery
from trouvaille.photos.models import Photo

GAP = timedelta(minutes=45)
"""A longer pause between two photos separates two moments of an event."""
MOST_AT_ONCE = 5_000


class Sort(StrEnum):
    """The order of a list."""

    NEWEST = "newest"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of an event without a long pause, by the clocks at its place."""

    first: datetime
    last: datetime
    photos: int

    @property
    def key(self) -> str:
        """How an address names it. Any time within it leads there, so it survives photos that come later."""
        return self.first.strftime("%Y-%m-%dT%H:%M:%S")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody looks at."""

    show: Show
    sort: Sort = Sort.NEWEST
    by: UUID | None = None
    at: Moment | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some photos of a list, and the last one when there may be more."""

    photos: list[Seen[Listed]]
    next_after: UUID | None


PhotoId = UUID | BindParameter[UUID]


def _place(photo_id: PhotoId) -> ColumnElement[Any]:
    there = select(Photo.shown_at, Photo.id).where(Photo.id == photo_id).subquery()
    return select(there.c.shown_at, there.c.id).scalar_subquery()


def _beyond(photo_id: PhotoId, sort: Sort) -> ColumnElement[bool]:
    """Photos that come after one in this order."""
    here = tuple_(Photo.shown_at, Photo.id)
    return here > _place(photo_id) if sort is Sort.TIME else here < _place(photo_id)


def _narrowed(event: Event, wish: Wish) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = []
    if wish.by is not None:
        parts.append(Photo.uploaded_by == wish.by)
    if wish.at is not None:
        parts.append(_taken_within(*_span(event, wish.at)))
    return and_(True, *parts)


def _span(event: Event, moment: Moment) -> tuple[datetime, datetime]:
    zone = ZoneInfo(event.time_zone)
    # An hour that comes twice when summer ends belongs to it as a whole.
    return moment.first.replace(tzinfo=zone), moment.last.replace(tzinfo=zone, fold=1)


def _taken_within(first: Any, last: Any) -> ColumnElement[bool]:
    return and_(Photo.shown_at.between(first, last), Photo.taken_at.is_not(None))


def _ordered(query: Select[*tuple[Any, ...]], sort: Sort) -> Select[*tuple[Any, ...]]:
    if sort is Sort.TIME:
        return query.order_by(Photo.shown_at, Photo.id)
    return query.order_by(Photo.shown_at.desc(), Photo.id.desc())


async def gallery(
    session: AsyncSession,
    event: Event,
    guest: Viewer | None,
    wish: Wish,
    *,
    limit: int,
    after: UUID | None = None,
    through: UUID | None = None,
) -> Page:
    """A piece of a list, in one query.

    Args:
        after: the last photo of the piece before.
        through: instead of ``limit``, go as far as this photo: somebody comes back to it.
    """
    if through is not None:
        limit = MOST_AT_ONCE
    given: dict[str, Any] = {"event": event.id, "limit": limit + 1, "after": after, "through": through, "by": wish.by}
    if guest is not None:
        given["guest"] = guest.id
    if wish.at is not None:
        given["first"], given["last"] = _span(event, wish.at)
    query = _query(
        event.gallery,
        wish.show,
        wish.sort,
        frozenset(name for name, value in given.items() if value is not None),
    )
    photos = [listed(guest, row) for row in await all_in(session, query, **given)]
    more = len(photos) > limit or (through is not None and bool(photos))
    return Page(photos[:limit], photos[:limit][-1].photo.id if more else None)


@lru_cache(256)
def _query(all_see: Gallery, show: Show, sort: Sort, given: frozenset[str]) -> Prepared:
    """The statement of a list, whose places are named as in ``given``: making it takes longer than asking it."""
    guest = AnyGuest(place("guest", Uuid())) if "guest" in given else None
    query = _ordered(photos_listed(AnyEvent(place("event", Uuid()), all_see), guest, show), sort)
    if "by" in given:
        query = query.where(Photo.uploaded_by == place("by", Uuid()))
    if "first" in given:
        moments = DateTime(timezone=True)
        query = query.where(_taken_within(place("first", moments), place("last", moments)))
    if "after" in given:
        query = query.where(_beyond(place("after", Uuid()), sort))
    if "through" in given:
        query = query.where(not_(_beyond(place("through", Uuid()), sort)))
    return Prepared(query.limit(place("limit", Integer())))


async def gone(session: AsyncSession, event: Event, guest: Viewer | None, wish: Wish, ids: list[UUID]) -> list[UUID]:
    """Those of some photos that are no longer in a list."""
    there = select(Photo.id).where(visible(event, guest, wish.show), _narrowed(event, wish), Photo.id.in_(ids))
    left = set(await session.scalars(there))
    return [photo_id for photo_id in ids if photo_id not in left]


async def neighbours(
    session: AsyncSession, event: Event, guest: Viewer | None, wish: Wish, photo_id: UUID
) -> tuple[UUID | None, UUID | None]:
    """The photos before and after one in a list."""
    ids = select(Photo.id).where(visible(event, guest, wish.show), _narrowed(event, wish))
    after = await session.scalar(_ordered(ids.where(_beyond(photo_id, wish.sort)), wish.sort).limit(1))
    back = Sort.NEWEST if wish.sort is Sort.TIME else Sort.TIME
    before = await session.scalar(_ordered(ids.where(_beyond(photo_id, back)), back).limit(1))
    return before, after


async def photographers(
    session: AsyncSession, event: Event, guest: Viewer | None, show: Show
) -> list[tuple[UUID, str, int]]:
    """Who took the photos of a part of the gallery: id, name as guests read it, how many; by name."""
    rows = await session.execute(
        select(Staff.id, Staff.display_name, func.count())
        .join(Photo, Photo.uploaded_by == Staff.id)
        .where(visible(event, guest, show))
        .group_by(Staff.id)
        .order_by(func.lower(Staff.display_name), Staff.id)
    )
    return [(staff_id, name, count) for staff_id, name, count in rows]


async def moments(session: AsyncSession, event: Event, guest: Viewer | None, show: Show) -> list[Moment]:
    """The moments of a part of the gallery, in time order."""
    taken = func.timezone(event.time_zone, Photo.shown_at)
    pause = taken - func.lag(taken).over(order_by=taken)
    marked = (
        select(taken.label("taken"), case((pause > GAP, 1), else_=0).label("begins"))
        .where(visible(event, guest, show), Photo.taken_at.is_not(None))
        .subquery()
    )
    numbered = select(
        marked.c.taken, func.sum(marked.c.begins).over(order_by=marked.c.taken).label("number")
    ).subquery()
    rows = await session.execute(
        select(func.min(numbered.c.taken), func.max(numbered.c.taken), func.count())
        .group_by(numbered.c.number)
        .order_by(func.min(numbered.c.taken))
    )
    return [Moment(first, last, count) for first, last, count in rows]


async def photographers_in(session: AsyncSession, photos: Sequence[Pictured]) -> list[tuple[UUID, str, int]]:
    """``photographers`` of photos that are at hand; none where one person took them all, who need not be asked for."""
    counted = Counter(photo.uploaded_by for photo in photos if photo.uploaded_by is not None)
    if len(counted) < 2:
        return []
    named = select(Staff.id, Staff.display_name).where(Staff.id.in_(counted))
    rows = await session.execute(named.order_by(func.lower(Staff.display_name), Staff.id))
    return [(staff_id, name, counted[staff_id]) for staff_id, name in rows]


def moments_in(event: Event, photos: Sequence[Pictured]) -> list[Moment]:
    """``moments`` of photos that are at hand."""
    zone, made = ZoneInfo(event.time_zone), list[Moment]()
    for taken in sorted(
        photo.shown_at.astimezone(zone).replace(tzinfo=None) for photo in photos if photo.taken_at is not None
    ):
        if made and taken - made[-1].last <= GAP:
            made[-1] = Moment(made[-1].first, taken, made[-1].photos + 1)
        else:
            made.append(Moment(taken, taken, 1))
    return made


def moment_at(found: list[Moment], key: str) -> Moment | None:
    """The moment that an address names; None where there is none (any more)."""
    try:
        instant = datetime.fromisoformat(key).replace(tzinfo=None)
    except ValueError:
        return None
    inside = (each for each in found if each.first.replace(microsecond=0) <= instant <= each.last)
    return next(inside, None)
