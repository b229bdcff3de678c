"""Photos of an event: counting them, having them looked at, and removing them for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_, update
from sqlalchemy import delete as delete_rows
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live
from trouvaille.core.clock import now
from trouvaille.core.erase import erase
from trouvaille.core.errors import N_, NotFound
from trouvaille.core.jobs import PHOTOS, UPKEEP, defer, defer_again, defer_once
from trouvaille.events.models import Event
from trouvaille.photos.models import PUT_OFF, Photo, PhotoState

BLANKS_JOB = "photos.find_blanks"
BLANKS_AT_ONCE = 500
INDEX_JOB = "matching.index_photo"
LOST = "lost"
"""The reason of a photo of which the store has nothing any more."""
ERASED_AT_ONCE = 500
SETTLE_JOB = "matching.settle"
SETTLE_PRIORITY = 1
"""Above photos, or it would wait until the last of an upload."""


class NoSuchPhoto(NotFound):
    """It is not there, or not for this viewer."""

    message = N_("We could not find this photo.")


@dataclass(frozen=True, slots=True)
class Progress:
    """How many photos an event has, by state, and the faces found in them.

    ``put_off`` photos are among those that are ready: their faces can't be looked at yet.
    """

    total: int = 0
    ready: int = 0
    waiting: int = 0
    failed: int = 0
    faces: int = 0
    put_off: int = 0


async def progress(session: AsyncSession, event_id: UUID, *, by: UUID | None = None) -> Progress:
    """Count the photos of one event; only those that ``by`` has added, where it is given."""
    of_all = [] if by else [event_id]
    return (await progresses(session, of_all, of_own=[event_id] if by else [], by=by)).get(event_id, Progress())


async def progresses(
    session: AsyncSession, of_all: Sequence[UUID], *, of_own: Sequence[UUID] = (), by: UUID | None = None
) -> dict[UUID, Progress]:
    """Count the photos of several events at once; events without photos are left out.

    Args:
        of_all: events whose photos all count.
        of_own: events where only those count that ``by`` has added.
    """

    def of(state: PhotoState) -> ColumnElement[int]:
        return func.count().filter(Photo.state == state)

    rows = await session.execute(
        select(
            Photo.event_id,
            func.count(),
            of(PhotoState.READY),
            of(PhotoState.WAITING),
            of(PhotoState.FAILED),
            func.coalesce(func.sum(Photo.faces), 0),
            func.count().filter(Photo.state == PhotoState.READY, Photo.reason == PUT_OFF),
        )
        .where(
            Photo.deleted_at.is_(None),
            or_(Photo.event_id.in_(of_all), and_(Photo.event_id.in_(of_own), Photo.uploaded_by == by)),
        )
        .group_by(Photo.event_id)
    )
    return {event_id: Progress(*map(int, counts)) for event_id, *counts in rows}


def after_photo(photo_id: UUID) -> ColumnElement[bool]:
    """Photos that come after one, in the galleries' order."""
    there = select(Photo.shown_at, Photo.id).where(Photo.id == photo_id).subquery()
    return tuple_(Photo.shown_at, Photo.id) < select(there.c.shown_at, there.c.id).scalar_subquery()


async def get(session: AsyncSession, event_id: UUID, photo_id: UUID, *, by: UUID | None = None) -> Photo:
    """A photo of this event; where ``by`` is given, one that this member of staff has added.

    Raises:
        NoSuchPhoto
    """
    photo = await session.get(Photo, photo_id)
    if photo is None or photo.event_id != event_id or (by is not None and photo.uploaded_by != by):
        raise NoSuchPhoto
    return photo


async def catch_up(session: AsyncSession, event_id: UUID, ids: Sequence[UUID]) -> None:
    """Do for photos that come back from the bin what was not done while they lay there."""
    if not ids:
        return
    unread = or_(Photo.state == PhotoState.WAITING, Photo.engine.is_(None))
    await ask_for_index(session, select(Photo.id, Photo.event_id).where(Photo.id.in_(ids), unread))
    await ask_to_settle(session, event_id)


async def purge(session: AsyncSession, *, older_than_days: int) -> int:
    """Remove for good what has lain in the bin for so long; returns how many photos that were."""
    first = select(Photo.id).where(Photo.deleted_at <= now() - timedelta(days=older_than_days)).limit(ERASED_AT_ONCE)
    return await erase_photos(session, Photo.id.in_(first))


async def uploads_elsewhere(session: AsyncSession, staff_id: UUID, *, but_not_in: Sequence[UUID]) -> int:
    """How many photos somebody has added to other events than these."""
    here = (*_elsewhere(staff_id, but_not_in), Photo.deleted_at.is_(None))
    return await session.scalar(select(func.count()).where(*here)) or 0


def _elsewhere(staff_id: UUID, but_not_in: Sequence[UUID]) -> tuple[ColumnElement[bool], ...]:
    return (Photo.uploaded_by == staff_id, Photo.event_id.not_in(but_not_in))


async def delete_uploads(session: AsyncSession, staff_id: UUID, *, but_not_in: Sequence[UUID]) -> int:
    """Remove every photo that somebody has added to other events than these; returns how many there were."""
    return await erase_photos(session, *_elsewhere(staff_id, but_not_in))


async def erase_photos(session: AsyncSession, *conditions: ColumnElement[bool]) -> int:
    """Remove photos for good, with faces and matches; their bytes follow in a job. Returns how many there were."""
    gone = await session.execute(
        delete_rows(Photo)
        .where(*conditions)
        .returning(Photo.id, Photo.event_id, Photo.engine.is_not(None))
        .execution_options(synchronize_session=False)
    )
    rows = gone.all()
    folders = [Photo(id=photo_id, event_id=event_id).folder for photo_id, event_id, _ in rows]
    for start in range(0, len(folders), ERASED_AT_ONCE):
        await erase(session, prefixes=folders[start : start + ERASED_AT_ONCE])
    for event_id in {event_id for _, event_id, _ in rows}:
        await live.publish(session, f"event:{event_id}")
    for event_id in {event_id for _, event_id, was_read in rows if was_read}:
        await ask_to_settle(session, event_id)
    return len(rows)


async def ask_to_settle(session: AsyncSession, event_id: UUID) -> None:
    """Have the matches of an event follow from the faces that it has now."""
    await defer_once(
        session, SETTLE_JOB, key="event_id", queue=UPKEEP, priority=SETTLE_PRIORITY, after_s=2, event_id=event_id
    )


async def make_anew(session: AsyncSession, photo_id: UUID) -> int:
    """Have everything made again that follows from the original; returns how many jobs were asked for."""
    await session.execute(update(Photo).where(Photo.id == photo_id).values(state=PhotoState.WAITING, reason=None))
    return await ask_for_index(session, select(Photo.id, Photo.event_id).where(Photo.id == photo_id))


async def set_failed(session: AsyncSession, photo_id: UUID, reason: str) -> None:
    """Set a photo aside with a reason that its photographer sees; a photo deleted meanwhile is no error."""
    event_id = await session.scalar(
        update(Photo)
        .where(Photo.id == photo_id)
        .values(state=PhotoState.FAILED, reason=reason)
        .returning(Photo.event_id)
    )
    if event_id is not None:
        await live.publish(session, f"event:{event_id}")


async def ask_again(session: AsyncSession, photo: Photo) -> None:
    """Have a photo looked at."""
    await defer(session, INDEX_JOB, queue=PHOTOS, photo_id=photo.id, event_id=photo.event_id)


async def ask_for_index(session: AsyncSession, wanted: Select[UUID, UUID]) -> int:
    """Have photos looked at, unless somebody is already at it.

    Args:
        wanted: selects photo and event ids.
    """
    rows = [{"photo_id": photo_id, "event_id": event_id} for photo_id, event_id in await session.execute(wanted)]
    return await defer_again(session, INDEX_JOB, key="photo_id", jobs=rows, queue=PHOTOS)


async def look_for_faces(session: AsyncSession, event: Event) -> int:
    """Have the photos looked at again that were read while face finding was off."""
    query = select(Photo.id, Photo.event_id).where(
        Photo.event_id == event.id, Photo.engine.is_(None), Photo.state == PhotoState.READY, Photo.deleted_at.is_(None)
    )
    return await ask_for_index(session, query)


async def resume_put_off(session: AsyncSession, *, most: int) -> int:
    """Ask again for photos whose faces could not be looked at when their turn came, the oldest first."""
    query = select(Photo.id, Photo.event_id).where(
        Photo.state == PhotoState.READY, Photo.reason == PUT_OFF, Photo.deleted_at.is_(None)
    )
    return await ask_for_index(session, query.order_by(Photo.created_at).limit(most))


async def requeue_forgotten(session: AsyncSession, *, older_than_s: float = 60) -> int:
    """Ask again for photos that wait although no job is about them, as after a worker that was stopped hard."""
    query = (
        select(Photo.id, Photo.event_id)
        .where(
            Photo.state == PhotoState.WAITING,
            Photo.deleted_at.is_(None),
            Photo.created_at < now() - timedelta(seconds=older_than_s),
        )
        .limit(1000)
    )
    return await ask_for_index(session, query)


async def ask_for_blanks(session: AsyncSession) -> int:
    """Have originals looked at of which it is not known what guests don't get; until then these get a rendition."""
    query = select(Photo.id, Photo.event_id).where(Photo.blanks.is_(None), Photo.state == PhotoState.READY)
    found = await session.execute(query.order_by(Photo.created_at).limit(BLANKS_AT_ONCE))
    rows = [{"photo_id": photo_id, "event_id": event_id} for photo_id, event_id in found]
    return await defer_again(session, BLANKS_JOB, key="photo_id", jobs=rows, queue=UPKEEP, priority=-1)
