"""Jobs of the events slice. Decoding happens here, never in a web process."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pyvips
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import undo
from trouvaille.core.db import transaction
from trouvaille.core.errors import NotFound
from trouvaille.core.jobs import AWAY, PHOTOS, Work, job
from trouvaille.events import pictures, watermarks
from trouvaille.events.models import Event, EventPicture, PictureKind, PictureState
from trouvaille.vision.decode import decode
from trouvaille.vision.renditions import rendition
from trouvaille.vision.types import Unreadable, UnreadableReason

LOGO_SIDE_PX = 640
WATERMARK_SIDE_PX = 2048
LEAST_ALPHA = 24
"""A watermark that is nowhere less transparent than this could not be seen."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as pages show it: no metadata, a size that suits a phone."""

    data: bytes
    media_type: str
    width_px: int
    height_px: int


def draw(data: bytes, kind: PictureKind) -> Drawn:
    """Make what pages show: a JPEG of at most 2,048 pixels a side, or for a logo with a clear ground a PNG of 640.

    A watermark becomes a PNG, whatever its ground.

    Args:
        data: the whole file as uploaded.

    Raises:
        Unreadable: with the reason.
    """
    decoded = decode(data, pixels_limit=pictures.LIMIT_PIXELS)
    if kind is PictureKind.LOGO and (cut_out := _cut_out(data)) is not None:
        return cut_out
    if kind is PictureKind.WATERMARK:
        return _watermark(data)
    made = rendition("view", decoded.image_rgb)
    return Drawn(made.jpeg, "image/jpeg", made.width_px, made.height_px)


def _cut_out(data: bytes) -> Drawn | None:
    """A logo with its transparency; None when it has none. ``decode`` has accepted the file already."""
    try:
        small = pyvips.Image.thumbnail_buffer(data, LOGO_SIDE_PX, height=LOGO_SIDE_PX, size="down")
        if not small.hasalpha():
            return None
        png = small.colourspace("srgb").pngsave_buffer(keep="none")
    except pyvips.Error:  # a kind that only the slower decoder reads
        return None
    return Drawn(png, "image/png", small.width, small.height)


def _watermark(data: bytes) -> Drawn:
    side_px = WATERMARK_SIDE_PX
    try:
        made = pyvips.Image.thumbnail_buffer(data, side_px, height=side_px, size="down")
        small = made.colourspace("srgb").copy_memory()
        if small.hasalpha() and small.extract_band(small.bands - 1).max() < LEAST_ALPHA:
            raise Unreadable(UnreadableReason.transparent)
        png = small.pngsave_buffer(keep="none")
    except pyvips.Error as error:
        raise Unreadable(UnreadableReason.unsupported) from error
    return Drawn(png, "image/png", small.width, small.height)


async def _give_up(session: AsyncSession, args: dict[str, Any], reason: str) -> None:
    await pictures.set_failed(session, UUID(args["picture_id"]), "internal" if reason == AWAY else reason)


@job(pictures.DRAW_JOB, queue=PHOTOS, abandon=_give_up)
async def draw_picture(work: Work, *, picture_id: str, event_id: str) -> None:
    """Make what pages show of a cover or logo, or what is drawn of a watermark."""
    async with transaction(work.sessions) as session:
        picture = await session.get(EventPicture, UUID(picture_id))
        aside = picture is None and UUID(picture_id) in await undo.laid_aside(session, EventPicture)
    if aside:
        return  # It is drawn once it is back.
    if picture is None:
        # Gone, perhaps after a worker that died here had put what it drew.
        await work.storage.delete_under(EventPicture(id=UUID(picture_id), event_id=UUID(event_id)).folder)
        return
    if picture.state is not PictureState.WAITING:
        return
    try:
        drawn = await work.compute(draw, await work.storage.get(picture.original_key), picture.kind)
    except (Unreadable, NotFound) as error:
        reason = error.reason.value if isinstance(error, Unreadable) else "internal"
        async with transaction(work.sessions) as session:
            await pictures.set_failed(session, picture.id, reason)
        return
    await work.storage.put(picture.shown_key, drawn.data)
    async with transaction(work.sessions) as session:
        event = await session.get(Event, picture.event_id, with_for_update=True)
        await pictures.keep_drawn(
            session, picture, media_type=drawn.media_type, width_px=drawn.width_px, height_px=drawn.height_px
        )
        if event is not None and picture.kind is PictureKind.WATERMARK:
            newest = (await pictures.shown(session, event.id)).get(picture.kind.value)
            await watermarks.use_picture(session, event, newest.id if newest else None)
