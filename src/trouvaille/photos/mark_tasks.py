"""Jobs that bring an event's photos to the mark that it asks for."""

from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.db import transaction
from trouvaille.core.erase import erase
from trouvaille.core.errors import NotFound
from trouvaille.core.jobs import AWAY, PHOTOS, UPKEEP, Work, job
from trouvaille.core.rush import PHOTO_WAITS_S
from trouvaille.events import watermarks
from trouvaille.events.models import Event
from trouvaille.photos import marking, marks, renditions
from trouvaille.photos.models import Photo, PhotoState
from trouvaille.vision.types import Unreadable

log = structlog.get_logger()


@job(watermarks.REMAKE_ALL_JOB, queue=UPKEEP)
async def remake_all(work: Work, *, event_id: str) -> None:
    """Ask for all photos that have another mark than their event, some in each transaction."""
    async with transaction(work.sessions) as session:
        await marks.show_unmarked(session, UUID(event_id))
    after: UUID | None = None
    while True:
        async with transaction(work.sessions) as session:
            after = await marks.ask(session, UUID(event_id), after=after)
        if after is None:
            return


async def _give_up(session: AsyncSession, args: dict[str, Any], reason: str) -> None:
    """What can't be made is not tried for ever: an older marked set stays, and one without a mark is shown no more."""
    if reason == AWAY:
        return  # it is asked for again
    # The event before the photo, as everywhere.
    event = await session.get(Event, UUID(args["event_id"]), with_for_update={"read": True})
    photo = await session.get(Photo, UUID(args["photo_id"]), with_for_update=True)
    if event is None or photo is None:
        return
    log.error("photo can't be made anew", photo=args["photo_id"], reason=reason)
    if not await marks.set_aside(session, event, photo):
        photo.mark = event.mark


@job(marks.REMAKE_JOB, queue=PHOTOS, abandon=_give_up)
async def remake(work: Work, *, photo_id: str, event_id: str) -> None:
    """Make what guests get of a photo anew, and then show it; what they have until then stays for a while."""
    await work.rush.let_by(PHOTO_WAITS_S)
    async with transaction(work.sessions) as session:
        photo = await session.get(Photo, UUID(photo_id))
        event = await session.get(Event, UUID(event_id))
    if photo is None or event is None or photo.state is not PhotoState.READY or photo.mark == event.mark:
        return
    try:
        data = await work.storage.get(photo.original_key)
        pixels = (photo.width_px or 0) * (photo.height_px or 0)
        made = await marking.renditions(work, event, data, pixels=pixels)
    except (Unreadable, NotFound):
        log.warning("photo can't be drawn on anew", photo=photo_id)
        made = await marking.without_original(work, event, photo)
    fresh = await renditions.put(work.storage, photo, made)
    async with transaction(work.sessions) as session:
        # The event before the photo, as everywhere.
        present = await session.get(Event, event.id, with_for_update={"read": True})
        kept = await session.get(Photo, photo.id, with_for_update=True)
        if present is None or kept is None:  # deleted meanwhile
            await erase(session, prefix=photo.folder)
            return
        if not made and await marks.set_aside(session, present, kept):
            return
        await renditions.switch(session, work.storage, kept, fresh, without=marks.without(event.mark))
        kept.mark = event.mark
        await session.flush()
        if present.mark != event.mark:
            await marks.ask_once_more(session, kept)
