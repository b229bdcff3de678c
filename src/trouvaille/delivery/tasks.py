"""Jobs of the delivery slice."""

import asyncio
from uuid import UUID

import structlog

from trouvaille.core.db import transaction
from trouvaille.core.errors import NotFound
from trouvaille.core.jobs import PHOTOS, Work, job
from trouvaille.delivery import veils
from trouvaille.delivery.models import VeiledPhoto
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
    version = veils.version_of(hidden) if hidden else None
    if version != (before.version if before else None) and hidden:
        try:
            data = await work.storage.get(photo.rendition_key("view"))
        except NotFound:
            log.warning("photo to be veiled has no picture", photo=photo_id)
            return
        made = await work.compute(_veiled, data, [each.box_xyxy for each in hidden])
        await asyncio.gather(
            *(work.storage.put(veils.rendition_key(photo, version or "", each.name), each.jpeg) for each in made)
        )
    async with transaction(work.sessions) as session:
        kept = await session.get(Photo, UUID(photo_id), with_for_update={"key_share": True})
        # Somebody may have asked or decided meanwhile: the job for that comes after this one, by its lock.
        if kept is not None:
            await veils.put_in_force(session, kept, hidden)
    if before is not None and before.version != version:
        await work.storage.delete([veils.rendition_key(photo, before.version, name) for name in ("thumb", "view")])
