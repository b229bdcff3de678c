"""Moving photos to another event: a photo of that event begins there, and the one that was here goes into the bin.

Nothing that this event's guests made of a photo goes along: not its faces, matches, answers, favourites, wishes to be
hidden or reports. It is looked at in the other event as if it had just been sent there. What was kept from guests here
is kept from guests there: see ``_standing``. Bytes are not sent anywhere: a folder gives the file a second name, an
object store copies it by itself.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import exists, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import Viewer
from trouvaille.core import live
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import N_, Invalid
from trouvaille.core.storage import Storage
from trouvaille.delivery.models import Veil, VeiledPhoto, VeilState
from trouvaille.events import rights
from trouvaille.events.models import Event, Photographer
from trouvaille.events.rights import Right
from trouvaille.photos import acts, quotas, service
from trouvaille.photos.acts import Act
from trouvaille.photos.listing import Wanted
from trouvaille.photos.models import Photo, PhotoState, Standing

MOST = 500
_COPIES_AT_ONCE = 8
# What is known of a file and of the moment it was taken, whatever event it is in.
_KEPT = (
    *("file_name", "sha256", "size_bytes", "media_type", "source", "camera", "placeholder", "width_px", "height_px"),
    *("taken_at", "modified_at", "shown_at"),
)


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of the photos.

    Attributes:
        gone: the photos that left, by their ids in the event that they left.
        fresh: those that are in the other event because of it, by their ids there.
        already: how many the other event had.
    """

    gone: list[UUID] = field(default_factory=list)
    fresh: list[UUID] = field(default_factory=list)
    already: int = 0


async def move(
    sessions: Sessions, storage: Storage, viewer: Viewer, wanted: Wanted, to: UUID, *, bin_days: int
) -> Moved:
    """Move photos that the viewer works with to another event to which they may add photos.

    Bytes are given their second name before anything is written down, in no transaction.

    Raises:
        NoSuchEvent, Archived: of either event.
        Invalid: it is the same event, or these are more than ``MOST``.
        QuotaReached: the other event has no room for all of them; none was moved.
    """
    if to == wanted.event_id:
        raise Invalid(N_("These photos are in this event already."))
    async with transaction(sessions) as session:
        await rights.to_change(session, viewer, to, Right.UPLOAD)
        by = await _adds_as(session, viewer, to)
        there = wanted.conditions()
        photos = list(await session.scalars(select(Photo).where(*there, Photo.deleted_at.is_(None)).limit(MOST + 1)))
        if len(photos) > MOST:
            raise Invalid(N_("Please move at most %(most)s photos at once."), most=MOST)
        known = await _known(session, to, photos)
        new = [photo for photo in photos if photo.sha256 not in known]
        await quotas.check(
            session, event_id=to, uploaded_by=by, files=len(new), size_bytes=sum(each.size_bytes for each in new)
        )
    copies = {photo.id: Photo(id=uuid4(), event_id=to) for photo in new}
    try:
        await _copy(storage, [(photo.original_key, copies[photo.id].original_key) for photo in new])
        async with transaction(sessions) as session:
            moved = await _record(session, viewer, wanted, to, copies, bin_days=bin_days)
    except BaseException:
        await storage.delete([copy.original_key for copy in copies.values()])
        raise
    taken = set(moved.fresh)
    await storage.delete([copy.original_key for copy in copies.values() if copy.id not in taken])
    return moved


async def _copy(storage: Storage, keys: Sequence[tuple[str, str]]) -> None:
    turns = asyncio.Semaphore(_COPIES_AT_ONCE)

    async def one(source: str, target: str) -> None:
        async with turns:
            await storage.copy(source, target)

    async with asyncio.TaskGroup() as group:
        for source, target in keys:
            group.create_task(one(source, target))


async def _adds_as(session: AsyncSession, viewer: Viewer, event_id: UUID) -> UUID | None:
    event = await rights.for_staff(session, viewer, event_id, Right.UPLOAD)
    return await rights.uploader_shown(session, viewer, event)


async def _known(session: AsyncSession, event_id: UUID, photos: Sequence[Photo]) -> set[bytes]:
    sums = [photo.sha256 for photo in photos]
    return set(await session.scalars(select(Photo.sha256).where(Photo.event_id == event_id, Photo.sha256.in_(sums))))


async def _record(
    session: AsyncSession, viewer: Viewer, wanted: Wanted, to: UUID, copies: dict[UUID, Photo], *, bin_days: int
) -> Moved:
    """Write down what moved; rights, room and the photos themselves may have changed since the bytes were copied."""
    source = await rights.to_change(session, viewer, wanted.event_id, Right.UPLOAD)
    target = await rights.to_change(session, viewer, to, Right.UPLOAD)
    by = await _adds_as(session, viewer, to)
    hidden = exists().where(Veil.photo_id == Photo.id, Veil.state != VeilState.DECLINED)
    veiled = or_(hidden, exists().where(VeiledPhoto.photo_id == Photo.id))
    found = (
        await session.execute(
            select(Photo, veiled).where(*wanted.conditions(), Photo.deleted_at.is_(None)).with_for_update(of=Photo)
        )
    ).all()
    known = await _known(session, to, [photo for photo, _ in found])
    new = [(photo, is_veiled) for photo, is_veiled in found if photo.id in copies and photo.sha256 not in known]
    staying = [photo for photo, _ in found if photo.id not in copies and photo.sha256 not in known]
    size_bytes = sum(photo.size_bytes for photo, _ in new)
    await quotas.hold(session, event_id=to, uploaded_by=by, size_bytes=size_bytes, files=len(new))
    people = await _people(session, target)
    owners = {
        photo.id: photo.uploaded_by if by is None and photo.uploaded_by in people else viewer.id for photo, _ in new
    }
    standings = {photo.sha256: _standing(target, photo, is_veiled=is_veiled) for photo, is_veiled in found}
    rows = [
        {
            **{name: getattr(photo, name) for name in _KEPT},
            "id": copies[photo.id].id,
            "event_id": to,
            "uploaded_by": owners[photo.id],
            "state": PhotoState.WAITING,
            "standing": standings[photo.sha256],
            "in_general": target.general and (photo.in_general or not source.general),
        }
        for photo, _ in new
    ]
    fresh = await _insert(session, rows)
    back = await _bring_back(session, to, standings, viewer)
    gone = [photo.id for photo, _ in found if photo not in staying]
    await live.publish(session, f"event:{to}")
    await acts.act(session, Act.DELETE, wanted.only(*gone), bin_days=bin_days)
    return Moved(gone, [*fresh, *back], len(gone) - len(fresh) - len(back))


async def _insert(session: AsyncSession, rows: list[dict[str, Any]]) -> list[UUID]:
    if not rows:
        return []
    adding = insert(Photo).values(rows).on_conflict_do_nothing().returning(Photo.id)
    fresh = list(await session.scalars(adding))
    await service.ask_for_index(session, select(Photo.id, Photo.event_id).where(Photo.id.in_(fresh)))
    return fresh


def _standing(target: Event, photo: Photo, *, is_veiled: bool) -> Standing:
    """Hidden stays hidden, and so does a photo in which somebody asked not to be shown: nobody there knows of it."""
    if photo.standing is Standing.HIDDEN or is_veiled:
        return Standing.HIDDEN
    return Standing.HELD if photo.standing is Standing.HELD or target.review else Standing.SHOWN


async def _people(session: AsyncSession, event: Event) -> set[UUID | None]:
    """Who may be named as having added a photo to an event: a right in one event gives none in another."""
    invited = select(Photographer.staff_id).where(Photographer.event_id == event.id)
    return {event.owner_id, *await session.scalars(invited)}


async def _bring_back(
    session: AsyncSession, event_id: UUID, standings: dict[bytes, Standing], viewer: Viewer
) -> list[UUID]:
    """Photos that lie in the other event's bin come back, as they do when the same file is sent once more."""
    query = select(Photo).where(
        Photo.event_id == event_id, Photo.sha256.in_(list(standings)), Photo.deleted_at.is_not(None)
    )
    photos = list(await session.scalars(query.with_for_update()))
    if not photos:
        return []
    by = await _adds_as(session, viewer, event_id)
    size_bytes = sum(photo.size_bytes for photo in photos)
    await quotas.hold(session, event_id=event_id, uploaded_by=by, size_bytes=size_bytes, files=len(photos))
    for photo in photos:
        photo.deleted_at, photo.uploaded_by = None, viewer.id
        if photo.standing is Standing.SHOWN:
            photo.standing = standings[photo.sha256]
    await session.flush()
    ids = [photo.id for photo in photos]
    await service.catch_up(session, event_id, ids)
    return ids
