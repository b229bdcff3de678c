"""Which photos of an event don't have the mark that it asks for yet, and having those made anew.

``events.mark`` and ``photos.mark`` name sets of renditions (``events.watermarks``); where they differ, a job is due.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live
from trouvaille.core.jobs import PHOTOS, defer, defer_again
from trouvaille.events import watermarks
from trouvaille.events.models import Event
from trouvaille.photos.models import PUT_OFF, Photo, PhotoState
from trouvaille.photos.renditions import FULL
from trouvaille.photos.service import set_failed

REMAKE_JOB = "photos.remake"
LAST = -2
"""Below everything else: guests have the older renditions meanwhile."""
AT_ONCE = 200
UNMARKED = "unmarked"
"""The reason of a photo that guests don't see since its mark can't be drawn."""


@dataclass(frozen=True, slots=True)
class Remaking:
    """How far an event's photos are. ``left`` of ``total`` still have another mark, or none."""

    total: int
    left: int

    @property
    def done(self) -> int:
        """How many are as they are to be."""
        return self.total - self.left


def _due() -> ColumnElement[bool]:
    return and_(Photo.state == PhotoState.READY, Photo.mark.is_distinct_from(Event.mark))


async def remaking(session: AsyncSession, event_id: UUID) -> Remaking:
    """Count what is done and what is left; photos in the bin are made anew, too, and not counted."""
    query = (
        select(func.count(), func.count().filter(_due()))
        .select_from(Photo)
        .join(Event, Event.id == Photo.event_id)
        .where(Photo.event_id == event_id, Photo.state == PhotoState.READY, Photo.deleted_at.is_(None))
    )
    total, left = (await session.execute(query)).one()
    return Remaking(total, left)


async def ask(session: AsyncSession, event_id: UUID, *, after: UUID | None = None) -> UUID | None:
    """Have the next photos made anew that have another mark; returns the last of them, None where none is left."""
    query = (
        select(Photo.id)
        .join(Event, Event.id == Photo.event_id)
        .where(Photo.event_id == event_id, _due())
        .order_by(Photo.id)
        .limit(AT_ONCE)
    )
    ids = list(await session.scalars(query.where(Photo.id > after) if after else query))
    await ask_for(session, event_id, *ids)
    return ids[-1] if ids else None


async def ask_for(session: AsyncSession, event_id: UUID, *photo_ids: UUID) -> None:
    """Have these photos made anew, unless somebody is already at it."""
    rows = [{"photo_id": photo_id, "event_id": event_id} for photo_id in photo_ids]
    await defer_again(session, REMAKE_JOB, key="photo_id", jobs=rows, queue=PHOTOS, priority=LAST)


async def ask_once_more(session: AsyncSession, photo: Photo) -> None:
    """Have a photo made anew whose event got another mark while the job that asks was at it."""
    await defer(session, REMAKE_JOB, queue=PHOTOS, priority=LAST, photo_id=photo.id, event_id=photo.event_id)


def without(mark: str | None) -> Collection[str]:
    """The renditions that a set of this mark does not have."""
    return () if watermarks.has_full(mark) else (FULL,)


async def set_aside(session: AsyncSession, event: Event, photo: Photo) -> bool:
    """Show guests a photo no more that has no mark and can get none, where its event asks for one; whether that is so.

    Its photographer reads why and may try again; `show_unmarked` brings it back once the event has no mark.
    """
    if event.mark is None or photo.mark is not None:
        return False
    await set_failed(session, photo.id, UNMARKED)
    return True


async def show_unmarked(session: AsyncSession, event_id: UUID) -> None:
    """Show the photos again that wanted a mark, of an event that has none any more."""
    event = await session.get(Event, event_id, with_for_update={"read": True}, populate_existing=True)
    if event is None or event.mark is not None:
        return
    here = (Photo.event_id == event_id, Photo.state == PhotoState.FAILED, Photo.reason == UNMARKED)
    # Their faces may never have been looked at: put off before, or not wanted then.
    reason = case((Photo.engine.is_(None), PUT_OFF), else_=None) if event.faces_on else None
    back = update(Photo).where(*here).values(state=PhotoState.READY, reason=reason).returning(Photo.id)
    ids = list(await session.scalars(back.execution_options(synchronize_session=False)))
    if ids:
        await live.publish(session, f"event:{event_id}")


async def ask_for_forgotten(session: AsyncSession) -> None:
    """Ask for photos that no job is about, as after a worker that was stopped hard; note the events that are done."""
    events = await session.execute(
        select(Event.id, Event.mark).where(Event.mark.is_distinct_from(Event.mark_made)).limit(20)
    )
    for event_id, mark in events.all():
        if await ask(session, event_id) is None:
            await watermarks.note_made(session, event_id, mark)
