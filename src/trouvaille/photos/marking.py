"""The worker's part of marks: what is drawn for an event, and the renditions that carry it."""

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import structlog

from trouvaille.core.db import transaction
from trouvaille.core.errors import NotFound
from trouvaille.core.jobs import Work
from trouvaille.events import pictures, watermarks
from trouvaille.events.models import Event
from trouvaille.photos.models import Photo
from trouvaille.photos.renditions import stored
from trouvaille.vision import marks as drawing
from trouvaille.vision.decode import PIXELS_LIMIT
from trouvaille.vision.marks import Stamp
from trouvaille.vision.types import PhotoAnalysis, Rendition, Unreadable
from trouvaille.web.render import AssetsMissing, asset

log = structlog.get_logger()
FAMILY = "Hanken Grotesk"
_FILES = "../node_modules/@fontsource-variable/hanken-grotesk/files/hanken-grotesk"
# Pango reads no WOFF2, and takes the weight that a file has.
_FONTS = tuple(f"{_FILES}-{part}-wght-normal.woff2" for part in ("latin", "latin-ext", "vietnamese", "cyrillic-ext"))
_WEIGHT = 650


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Of this process alone, and gone with it: so it is not made before the process is forked."""
    return tempfile.TemporaryDirectory(prefix="trouvaille-fonts-")


@cache
def fonts() -> tuple[str, ...]:
    """The pages' own font as files that letters can be drawn from, whatever the system has; made once a process."""
    # Nine megabytes of every worker otherwise, for what few events ask for.
    from fontTools.ttLib import TTFont  # noqa: PLC0415
    from fontTools.varLib import instancer  # noqa: PLC0415

    made = []
    for number, source in enumerate(_FONTS):
        try:
            font = instancer.instantiateVariableFont(TTFont(asset(source)), {"wght": _WEIGHT})
        except AssetsMissing:  # a worker without the built pages writes with the system's fonts
            continue
        font.flavor = None
        target = Path(_folder().name) / f"{number}.ttf"
        font.save(target)
        made.append(str(target))
    return tuple(made)


async def stamp_of(work: Work, event: Event) -> Stamp | None:
    """What is drawn on this event's photos; None for nothing."""
    mark = watermarks.of_event(event)
    if mark is None:
        return None
    picture = None
    if mark.picture is not None:
        try:
            async with transaction(work.sessions) as session:
                found = await pictures.get(session, event.id, mark.picture)
            picture = await work.storage.get(found.shown_key)
        except NotFound:
            log.warning("watermark without its picture", event_id=str(event.id))
    return Stamp(
        position=mark.position.value,
        size=mark.size / 100,
        opacity=mark.opacity / 100,
        text=mark.text,
        picture=picture,
        family=FAMILY,
        fonts=await work.compute(fonts) if picture is None else (),
    )


async def renditions(work: Work, event: Event, data: bytes, *, pixels: int) -> list[Rendition]:
    """What guests of this event get of an original.

    Args:
        pixels: how many the file is known to have; it was accepted with them.

    Raises:
        Unreadable
    """
    stamp, full = await stamp_of(work, event), watermarks.has_full(event.mark)
    limit = max(PIXELS_LIMIT, pixels)
    return await work.compute(drawing.renditions, data, stamp, full=full, pixels_limit=limit)


async def without_original(work: Work, event: Event, photo: Photo) -> list[Rendition]:
    """What can be made of a photo whose original can't be read: nothing of a rendition that is marked already."""
    if photo.mark is not None or event.mark is None:
        return []
    try:
        view = await work.storage.get(stored(photo, "view").key(photo))
        return await work.compute(drawing.on_view, view, await stamp_of(work, event))
    except (NotFound, Unreadable):
        return []


async def of_new(work: Work, event: Event, data: bytes, looked: PhotoAnalysis) -> Sequence[Rendition]:
    """The set of a photo that was just looked at: that of the engine, with the mark where the event has one."""
    if event.mark is None:
        return looked.renditions
    marked = await renditions(work, event, data, pixels=looked.width_px * looked.height_px)
    return [*(each for each in looked.renditions if each.name == "thumb"), *marked]
