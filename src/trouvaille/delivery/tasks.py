"""Jobs of the delivery slice."""

from uuid import UUID

import structlog

from trouvaille.core.db import transaction
from trouvaille.core.erase import erase
from trouvaille.core.errors import NotFound
from trouvaille.core.jobs import PHOTOS, Work, job
from trouvaille.delivery import veils
from trouvaille.delivery.models import VeiledPhoto
from trouvaille.photos import renditions
from trouvaille.photos.models import Photo
from trouvaille.vision.decode import decode
from trouvaille.vision.renditions import rendition
from trouvaille.vision.types import Rendition
from trouvaille.vision.veil import veil

log = structlog.get_logger()


def _veiled(view_jpeg: bytes, boxes_xyxy: list[list[float]]) -> list[Rendition]:
    image_rgb = decode(view_jpeg).image_rgb
    image_rgb = veil(image_rgb, boxes_xyxy)
    return [rendition("view", image_rgb), rendition("thumb", image_rgb)]


@job(veils.VEIL_JOB, queue=PHOTOS)
async def veil_photo(work: Work, *, photo_id: str, event_id: str) -> None:
    """Make the renditions in which faces are hidden, then show them; older ones go only after that."""
    async with transaction(work.sessions) as session:
        photo = await session.get(Photo, UUID(photo_id))
        hidden = await veils.agreed(session, UUID(photo_id))
        before = await session.get(VeiledPhoto, UUID(photo_id))
    if photo is None:
        return
    version, fresh = None, None
    if hidden:
        try:
            data = await work.storage.get(renditions.stored(photo, "view").key(photo))
        except NotFound:
            log.warning("photo to be veiled has no picture", photo=photo_id)
            return
        version = veils.version_of(hidden, photo)
        if version == (before.version if before else None):
            return
        made = await work.compute(_veiled, data, [each.box_xyxy for each in hidden])
        fresh = await renditions.put(work.storage, photo, made, prefix=renditions.VEILED)
    async with transaction(work.sessions) as session:
        kept = await session.get(Photo, UUID(photo_id), with_for_update=True)
        if kept is None:
            await erase(session, prefix=photo.folder)
            return
        # Somebody may have asked or decided meanwhile: the job for that comes after this one, by its lock.
        await veils.put_in_force(session, kept, hidden, version)
        if fresh is None:
            await renditions.unveil(session, kept)
        else:
            await renditions.switch(session, work.storage, kept, fresh)
