"""Cover, logo and watermark: taken in by a web process, which decodes nothing, and made fit for pages by a worker."""

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Select, Uuid, any_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import undo
from trouvaille.accounts.models import Removed
from trouvaille.accounts.service import Viewer
from trouvaille.core import live
from trouvaille.core.erase import erase
from trouvaille.core.errors import N_, Invalid, NotFound
from trouvaille.core.images import check_image, safe_file_name
from trouvaille.core.jobs import PHOTOS, defer
from trouvaille.core.reading import place
from trouvaille.core.storage import Storage
from trouvaille.events import rights
from trouvaille.events.models import Event, EventPicture, PictureKind, PictureState
from trouvaille.events.rights import Right

LIMIT_BYTES = 20 * 1024**2
LIMIT_PIXELS = 64_000_000
CUT_OUTS = {"image/png", "image/webp"}
DRAW_JOB = "events.draw_picture"
DRAW_PRIORITY = 1
"""Above photos: an organiser who has just chosen a cover looks at the page."""


class NoCutOut(Invalid):
    """A picture of a kind that knows no transparency."""

    message = N_("Please send a PNG or WebP picture with a clear ground.")


async def take_in(
    session: AsyncSession, storage: Storage, event: Event, kind: PictureKind, *, file_name: str | None, data: bytes
) -> EventPicture:
    """Keep a picture and have a worker make what pages show; until then the older one stays.

    Raises:
        FileTooLarge, NotAnImage, Truncated, TooManyPixels, NoCutOut: nothing was kept.
        Unavailable: the store is full or away.
    """
    media_type = await asyncio.to_thread(check_image, data, limit_bytes=LIMIT_BYTES, limit_pixels=LIMIT_PIXELS)
    if kind is PictureKind.WATERMARK and media_type not in CUT_OUTS:
        raise NoCutOut
    picture = EventPicture(
        id=uuid4(),
        event_id=event.id,
        kind=kind,
        file_name=safe_file_name(file_name, media_type),
        media_type=media_type,
        size_bytes=len(data),
    )
    await storage.put(picture.original_key, data)
    session.add(picture)
    await session.flush()
    await _draw(session, picture.id, picture.event_id)
    return picture


async def shown(session: AsyncSession, event_id: UUID) -> dict[str, EventPicture]:
    """The pictures that pages show, by kind."""
    return (await shown_of(session, [event_id])).get(event_id, {})


# Every first page of an event asks this; making the statement would take as long as asking it.
_READY = (
    select(EventPicture)
    .where(EventPicture.event_id == any_(place("events", ARRAY(Uuid()))), EventPicture.state == PictureState.READY)
    .order_by(EventPicture.created_at)
)


async def shown_of(session: AsyncSession, event_ids: Iterable[UUID]) -> dict[UUID, dict[str, EventPicture]]:
    """The pictures that pages show of several events at once."""
    rows = await session.scalars(_READY, {"events": list(event_ids)})
    found: dict[UUID, dict[str, EventPicture]] = {}
    for picture in rows:
        found.setdefault(picture.event_id, {})[picture.kind.value] = picture
    return found


async def newest(session: AsyncSession, event_id: UUID) -> dict[str, EventPicture]:
    """The pictures that were sent last, whatever their state, by kind."""
    rows = await session.scalars(
        select(EventPicture).where(EventPicture.event_id == event_id).order_by(EventPicture.created_at)
    )
    return {picture.kind.value: picture for picture in rows}


def as_shown(event: Event, picture: EventPicture | None) -> dict[str, Any] | None:
    """Address and size for a template; None without a picture."""
    if picture is None:
        return None
    address = f"/e/{event.code}/picture/{picture.id}"
    return {"url": address, "width_px": picture.width_px, "height_px": picture.height_px}


async def get(session: AsyncSession, event_id: UUID, picture_id: UUID) -> EventPicture:
    """A picture of this event that is ready.

    Raises:
        NotFound
    """
    picture = await session.get(EventPicture, picture_id)
    if picture is None or picture.event_id != event_id or picture.state is not PictureState.READY:
        raise NotFound
    return picture


async def keep_drawn(
    session: AsyncSession, seen: EventPicture, *, media_type: str, width_px: int, height_px: int
) -> None:
    """Show a picture whose bytes lie in the store, and remove those that it takes the place of."""
    picture = await session.get(EventPicture, seen.id, with_for_update=True)
    if picture is None:  # removed while it was drawn
        if seen.id not in await undo.laid_aside(session, EventPicture):
            await erase(session, prefix=seen.folder)
        return
    picture.state, picture.shown_type = PictureState.READY, media_type
    picture.width_px, picture.height_px = width_px, height_px
    await session.flush()
    await _remove(
        session,
        select(EventPicture).where(
            EventPicture.event_id == picture.event_id,
            EventPicture.kind == picture.kind,
            EventPicture.created_at < picture.created_at,
        ),
    )
    await live.publish(session, f"event:{picture.event_id}")


async def set_failed(session: AsyncSession, picture_id: UUID, reason: str) -> None:
    """Say that a picture can't be read; the older one stays."""
    await session.execute(
        update(EventPicture).where(EventPicture.id == picture_id).values(state=PictureState.FAILED, reason=reason)
    )


async def remove(session: AsyncSession, event_id: UUID, kind: PictureKind, *, by: Viewer, drawn: bool = False) -> None:
    """Go without a cover, a logo or a watermark. Its bytes stay for as long as that can be undone.

    Args:
        drawn: whether it was the watermark that is drawn.
    """
    rows = await session.scalars(_of_kind(event_id, kind).order_by(EventPicture.created_at))
    if there := list(rows):
        note = {"kind": kind.value, "drawn": drawn}
        await undo.remove(session, there, by=by.id, event_id=event_id, note=note)
        await live.publish(session, f"event:{event_id}")


def _of_kind(event_id: UUID, kind: PictureKind) -> Select[EventPicture]:
    return select(EventPicture).where(EventPicture.event_id == event_id, EventPicture.kind == kind)


async def edited(
    session: AsyncSession, viewer: Viewer, event_id: UUID
) -> tuple[dict[str, EventPicture], dict[str, UUID]]:
    """What the settings show: the newest pictures, and what this person may put back, both by kind of picture."""
    removed = await undo.standing(session, viewer, event_id, EventPicture)
    return await newest(session, event_id), {one.note["kind"]: one.id for one in reversed(removed)}


async def may_put_back(session: AsyncSession, viewer: Viewer, removed: Removed) -> None:
    """Whether pictures may come back: somebody who runs the event asks, and no other has taken their place.

    Raises:
        NoSuchEvent, Archived, TakenMeanwhile
    """
    event = await rights.to_change(session, viewer, _event_of(removed), Right.MANAGE)
    if await session.scalar(_of_kind(event.id, PictureKind(removed.note["kind"])).limit(1)) is not None:
        raise undo.TakenMeanwhile


async def draw_again(session: AsyncSession, removed: Removed) -> None:
    """Go on with what waited for a worker when it was removed."""
    waiting = [row for row in removed.rows if row["state"] == PictureState.WAITING]
    for row in waiting:
        await _draw(session, UUID(row["id"]), _event_of(removed))
    await live.publish(session, f"event:{removed.event_id}")


async def erase_removed(session: AsyncSession, removed: Removed) -> None:
    """Erase the bytes of pictures that can't be put back any more."""
    gone = [EventPicture(id=UUID(row["id"]), event_id=_event_of(removed)).folder for row in removed.rows]
    await erase(session, prefixes=gone)


def _event_of(removed: Removed) -> UUID:
    assert removed.event_id is not None
    return removed.event_id


async def _draw(session: AsyncSession, picture_id: UUID, event_id: UUID) -> None:
    await defer(session, DRAW_JOB, queue=PHOTOS, priority=DRAW_PRIORITY, picture_id=picture_id, event_id=event_id)


async def _remove(session: AsyncSession, wanted: Any) -> None:
    for picture in list(await session.scalars(wanted)):
        folder = picture.folder
        await session.execute(delete(EventPicture).where(EventPicture.id == picture.id))
        await erase(session, prefix=folder)
