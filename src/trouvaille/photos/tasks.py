"""Jobs of the photos slice."""

from uuid import UUID

from sqlalchemy import update

from trouvaille.core import live
from trouvaille.core.db import transaction
from trouvaille.core.errors import NotFound
from trouvaille.core.jobs import UPKEEP, Work, job
from trouvaille.events.models import Event
from trouvaille.photos import clocks, renditions, service
from trouvaille.photos.blanks import kept
from trouvaille.photos.finding import blanks_of
from trouvaille.photos.models import Photo


@job("photos.look_again", queue=UPKEEP)
async def look_again(work: Work, *, event_id: str) -> None:
    """Have all photos looked at that were read before face finding was switched on."""
    async with transaction(work.sessions) as session:
        event = await session.get(Event, UUID(event_id))
        if event is not None and event.faces_on:
            await service.look_for_faces(session, event)


@job("photos.set_clocks_right", queue=UPKEEP)
async def set_clocks_right(work: Work, *, event_id: str) -> None:
    """Give all photos their place in time anew, after the event's time zone was changed."""
    async with transaction(work.sessions) as session:
        await clocks.set_right(session, UUID(event_id))
        await live.publish(session, f"event:{event_id}")


@job(renditions.DROP_JOB, queue=UPKEEP)
async def drop_renditions(work: Work, *, photo_id: str, event_id: str, files: list[str]) -> None:
    """Remove renditions that others took the place of a while ago."""
    async with transaction(work.sessions) as session:
        await renditions.drop(session, work.storage, photo_id=UUID(photo_id), event_id=UUID(event_id), files=files)


@job(service.BLANKS_JOB, queue=UPKEEP)
async def find_blanks(work: Work, *, photo_id: str, event_id: str) -> None:
    """Find what guests don't get of an original that was read before this was asked for."""
    async with transaction(work.sessions) as session:
        photo = await session.get(Photo, UUID(photo_id))
    if photo is None or photo.blanks is not None:
        return
    try:
        blanks = await work.compute(blanks_of, await work.storage.get(photo.original_key), photo.media_type)
    except NotFound:
        blanks = kept(None)
    async with transaction(work.sessions) as session:
        await session.execute(update(Photo).where(Photo.id == photo.id).values(blanks=blanks))
