"""Taking photos in: the one way by which a file becomes a photo, whatever brought it."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, cast
from uuid import UUID, uuid4

from sqlalchemy import LargeBinary, Table, Uuid, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import N_, Conflict, NotFound
from trouvaille.core.images import check_image, check_image_file, safe_file_name
from trouvaille.core.reading import Prepared, first_in, place
from trouvaille.core.storage import Storage
from trouvaille.events.models import Event
from trouvaille.events.rights import NoSuchEvent
from trouvaille.photos import quotas
from trouvaille.photos.models import Photo, PhotoState, Source, Standing
from trouvaille.photos.service import ask_again, catch_up, make_anew

# Statements of each file that comes in; making them would take as long as asking them.
_THERE = Prepared(
    select(Photo.id).where(Photo.event_id == place("event", Uuid()), Photo.sha256 == place("sha256", LargeBinary()))
)
_PHOTOS = cast("Table", Photo.__table__)
_NEW = insert(_PHOTOS).on_conflict_do_nothing().returning(_PHOTOS.c.id)


class Duplicate(Conflict):
    """The event has exactly this file already. ``photo_id`` is the photo that it is."""

    message = N_("This photo is already here.")

    def __init__(self, photo_id: UUID) -> None:
        super().__init__()
        self.photo_id = photo_id


@dataclass(frozen=True, slots=True)
class Limits:
    """What one photo may be."""

    bytes: int
    pixels: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that somebody would like to add to an event."""

    event_id: UUID
    uploaded_by: UUID | None
    file_name: str | None
    source: Source = Source.BROWSER
    photo_id: UUID | None = None
    """The id that the photo is to have: who offers a file once more after a failure gives the same."""
    modified_at: datetime | None = None
    """As the file system had it that the file came from."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A photo that is on the disk, in the database and in the queue."""

    id: UUID
    file_name: str


class Within(Protocol):
    """What a caller does in the transactions of a file that becomes a photo."""

    @property
    def was_asked(self) -> bool:
        """Whether rights were asked for a moment ago, so that ``first`` need not be called; `_insert` asks for room."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """When a transaction may begin; none waits for anything else but the database."""

    async def first(self, session: AsyncSession) -> None:
        """Before anything is kept; may raise what it likes."""

    async def made(self, session: AsyncSession) -> None:
        """In the transaction that makes the row and its job; not where the event has the file already."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """What is known of a file once it was read from end to end."""

    media_type: str
    sha256: bytes
    size_bytes: int


async def take_in(sessions: Sessions, storage: Storage, limits: Limits, offer: Offer, data: bytes) -> Accepted:
    """Keep one photo; when this returns, its bytes are durable and its row and its job are committed.

    It has transactions of its own, since a batch must not fail with one of its files.

    Raises:
        FileTooLarge, NotAnImage, Truncated, TooManyPixels: nothing was kept.
        Duplicate: the event has it already.
        QuotaReached: there is no room for it.
        Unavailable: the store is full or away.
    """

    def check() -> _Checked:
        kind = check_image(data, limit_bytes=limits.bytes, limit_pixels=limits.pixels)
        return _Checked(kind, hashlib.sha256(data).digest(), len(data))

    checked = await asyncio.to_thread(check)
    return await _keep(sessions, storage, offer, checked, lambda key: storage.put(key, data))


async def take_in_file(
    sessions: Sessions,
    storage: Storage,
    limits: Limits,
    offer: Offer,
    path: Path,
    *,
    sha256: bytes | None = None,
    within: Within | None = None,
) -> Accepted:
    """``take_in`` of a file on this machine, in flat memory. The file is the caller's to remove.

    Args:
        path: nobody writes to it any more; its bytes are on the disk.
        sha256: of the file, where the caller knows it.
        within: what the caller does in the same transactions.
    """

    def check() -> _Checked:
        kind = check_image_file(path, limit_bytes=limits.bytes, limit_pixels=limits.pixels)
        return _Checked(kind, sha256 or sha256_of(path), path.stat().st_size)

    checked = await asyncio.to_thread(check)
    return await _keep(sessions, storage, offer, checked, lambda key: storage.put_file(key, path), within)


def sha256_of(path: Path) -> bytes:
    """Of a whole file; blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


async def _keep(
    sessions: Sessions,
    storage: Storage,
    offer: Offer,
    checked: _Checked,
    put: Callable[[str], Awaitable[None]],
    within: Within | None = None,
) -> Accepted:
    known = await _ask(sessions, offer, checked, within)
    if known is not None:
        back = await _give_back(sessions, storage, known, put)
        async with transaction(sessions) as session:
            if back and known.deleted_at is None:
                return Accepted(known.id, known.file_name)
            return await _meet(session, known, offer)
    photo = Photo(id=offer.photo_id or uuid4(), event_id=offer.event_id)
    await put(photo.original_key)
    name = safe_file_name(offer.file_name, checked.media_type)
    try:
        async with _turn(within), transaction(sessions) as session:
            fresh = await _insert(session, photo.id, offer, name, checked)
            if fresh:
                await ask_again(session, photo)
                await live.publish(session, f"event:{offer.event_id}", live.ARRIVED)
                if within is not None:
                    await within.made(session)
    except (IntegrityError, NoSuchEvent) as error:  # the event was deleted meanwhile
        await storage.delete([photo.original_key])
        raise NoSuchEvent from error
    except quotas.QuotaReached:  # others were faster
        await storage.delete([photo.original_key])
        raise
    if fresh:
        return Accepted(photo.id, name)
    # The same file came twice at the same moment.
    async with transaction(sessions) as session:
        known = await _known(session, offer.event_id, checked.sha256)
    if known is None or known.id != photo.id:
        await storage.delete([photo.original_key])
    if known is None:
        raise NoSuchEvent
    async with transaction(sessions) as session:
        return await _meet(session, known, offer)


def _turn(within: Within | None) -> AbstractAsyncContextManager[None]:
    return nullcontext() if within is None else within.turn()


async def _ask(sessions: Sessions, offer: Offer, checked: _Checked, within: Within | None) -> Photo | None:
    """The photo that this file is already; before bytes are kept, whether they may be. `_insert` has the last word."""
    if within is not None and within.was_asked:
        async with transaction(sessions) as session:
            return await _known(session, offer.event_id, checked.sha256)
    async with transaction(sessions) as session:
        if within is not None:
            await within.first(session)
        known = await _known(session, offer.event_id, checked.sha256)
        if known is None:
            event_id, size_bytes = offer.event_id, checked.size_bytes
            await quotas.check(
                session, event_id=event_id, uploaded_by=offer.uploaded_by, files=1, size_bytes=size_bytes
            )
        return known


async def _give_back(sessions: Sessions, storage: Storage, known: Photo, put: Callable[[str], Awaitable[None]]) -> bool:
    """Give a photo its original again, where the store has lost it; whether that was so."""
    try:
        await storage.size(known.original_key)
    except NotFound:
        await put(known.original_key)
    else:
        return False
    if known.state is PhotoState.FAILED:
        async with transaction(sessions) as session:
            await make_anew(session, known.id)
    return True


async def _known(session: AsyncSession, event_id: UUID, sha256: bytes) -> Photo | None:
    found = await first_in(session, _THERE, event=event_id, sha256=sha256)
    return None if found is None else await session.get(Photo, found[0])


async def _meet(session: AsyncSession, known: Photo, offer: Offer) -> Accepted:
    """The event has the file: a photo that was deleted a while ago comes back, any other is a duplicate."""
    if known.deleted_at is not None:
        await quotas.hold(session, event_id=offer.event_id, uploaded_by=offer.uploaded_by, size_bytes=known.size_bytes)
    back = await session.scalar(
        update(Photo)
        .where(Photo.id == known.id, Photo.deleted_at.is_not(None))
        .values(deleted_at=None, uploaded_by=offer.uploaded_by)
        .returning(Photo.id)
    )
    if back is None:
        raise Duplicate(known.id)
    await catch_up(session, offer.event_id, [known.id])
    await live.publish(session, f"event:{offer.event_id}")
    return Accepted(known.id, known.file_name)


async def _insert(session: AsyncSession, photo_id: UUID, offer: Offer, name: str, checked: _Checked) -> bool:
    event = await session.get(Event, offer.event_id)
    if event is None:
        raise NoSuchEvent
    await quotas.hold(session, event_id=offer.event_id, uploaded_by=offer.uploaded_by, size_bytes=checked.size_bytes)
    row = {
        "id": photo_id,
        "event_id": offer.event_id,
        "uploaded_by": offer.uploaded_by,
        "file_name": name,
        "sha256": checked.sha256,
        "size_bytes": checked.size_bytes,
        "media_type": checked.media_type,
        "source": offer.source,
        "modified_at": offer.modified_at,
        "standing": Standing.HELD if event.review else Standing.SHOWN,
        "in_general": event.general,
    }
    return await session.scalar(_NEW, row) is not None
