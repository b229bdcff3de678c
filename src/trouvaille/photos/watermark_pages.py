"""Where an organiser says what is drawn on an event's photos, sees how it looks, and how far the photos are."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.identity import StaffViewer
from trouvaille.core.errors import Invalid, Refused
from trouvaille.events import pictures, rights, watermarks
from trouvaille.events.models import Event, EventState, PictureKind
from trouvaille.events.picture_pages import as_edited
from trouvaille.events.rights import Right
from trouvaille.events.watermarks import OPACITIES, SIZES, NoPictureYet, Position, Watermark
from trouvaille.photos import marks
from trouvaille.photos.models import Photo, shown
from trouvaille.web.errors import status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False, prefix="/studio/{event_id}/watermark")
MARGIN, TEXT_HEIGHT, PICTURE_HEIGHT, TILE_ACROSS, TILE_DOWN = 0.03, 0.14, 0.5, 1.4, 3.0
"""The geometry of ``vision.marks``, for the preview; a test holds the two together."""
_ACROSS = 1000
_LETTER = 0.55  # How wide a letter is to its height, on average: where no script measures it.


async def _managed(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.MANAGE)


async def _changeable(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.to_change(session, viewer, event_id, Right.MANAGE)


Managed = Annotated[Event, Depends(_managed)]
Changeable = Annotated[Event, Depends(_changeable)]


@dataclass(frozen=True, slots=True)
class Scene:
    """What the preview draws on: a photo's thumbnail, which is never marked, or nothing; lengths are its own."""

    url: str | None
    height: int
    width: int = _ACROSS


async def _scene(session: AsyncSession, event: Event) -> Scene:
    query = select(Photo).where(Photo.event_id == event.id, shown()).order_by(Photo.shown_at.desc(), Photo.id.desc())
    photo = await session.scalar(query.limit(1))
    if photo is None or not photo.width_px or not photo.height_px:
        return Scene(None, 667)
    return Scene(f"/e/{event.code}/p/{photo.id}/thumb", max(1, round(_ACROSS * photo.height_px / photo.width_px)))


def _values(mark: Watermark) -> dict[str, str]:
    return {
        "kind": "picture" if mark.picture else "text",
        "text": mark.text,
        "position": mark.position.value,
        "size": str(mark.size),
        "opacity": str(mark.opacity),
    }


async def _settings(
    request: Request,
    session: AsyncSession,
    viewer: StaffViewer,
    event: Event,
    form: Form | None = None,
    status: int = 200,
) -> Response:
    mark = watermarks.of_event(event)
    form = form or Form(_values(mark or watermarks.proposed(event)))
    scene = await _scene(session, event)
    (picture,) = as_edited(event, *await pictures.edited(session, viewer, event.id), (PictureKind.WATERMARK,))
    return page(
        request,
        "photos/watermark.html",
        status=status,
        event=event,
        form=form,
        is_on=mark is not None,
        frozen=event.state is EventState.ARCHIVED,
        remaking=await marks.remaking(session, event.id),
        picture=picture,
        scene=scene,
        drawn=_drawn(form, scene),
        geometry={
            "margin": MARGIN,
            "text-height": TEXT_HEIGHT,
            "picture-height": PICTURE_HEIGHT,
            "across": TILE_ACROSS,
            "down": TILE_DOWN,
        },
        sizes=SIZES,
        opacities=OPACITIES,
    )


def _drawn(form: Form, scene: Scene) -> dict[str, Any]:
    """About where the text stands; a script that can measure letters knows better."""
    mark = Watermark(form.value("text"), size=_number(form, "size"), opacity=_number(form, "opacity"))
    margin = min(scene.width, scene.height) * MARGIN
    width = min(scene.width * mark.size / 100, scene.width - 2 * margin)
    font = min(width / max(1, len(mark.text)) / _LETTER, scene.height * TEXT_HEIGHT)
    where = form.value("position")
    middle = where in ("centre", "tiled")
    anchor = "middle" if middle else "start" if where.endswith("left") else "end"
    x = {"middle": scene.width / 2, "start": margin, "end": scene.width - margin}[anchor]
    y = scene.height / 2 if middle else margin + font * 0.8 if where.startswith("top") else scene.height - margin
    return {"x": round(x), "y": round(y), "font": round(font), "anchor": anchor, "opacity": mark.opacity / 100}


def _number(form: Form, name: str) -> int:
    """A number as typed; what is none is out of every range."""
    wish = form.value(name).strip()
    return int(wish) if wish.isascii() and wish.isdecimal() and len(wish) < 4 else 0


@router.get("")
async def settings(request: Request, session: Session, viewer: StaffViewer, event: Managed) -> Response:
    return await _settings(request, session, viewer, event)


@router.post("")
async def change(request: Request, session: Session, viewer: StaffViewer, event: Changeable) -> Response:
    form = typed(await request.form(), "kind", "text", "position", "size", "opacity", "do")
    await session.refresh(event, with_for_update=True)
    try:
        wish = None if form.value("do") == "off" else await _wish(session, event, form)
        await watermarks.change(session, event, wish)
    except Refused as error:
        return await _settings(request, session, viewer, event, form.refused(error), status_of(error))
    return go(f"/studio/{event.id}/watermark")


async def _wish(session: AsyncSession, event: Event, form: Form) -> Watermark:
    try:
        position = Position(form.value("position"))
    except ValueError as error:
        raise Invalid(field="position") from error
    picture = None
    if form.value("kind") == "picture":
        ready = (await pictures.shown(session, event.id)).get(PictureKind.WATERMARK.value)
        if ready is None:
            raise NoPictureYet(field="kind")
        picture = ready.id
    # A text stands by for a picture that is removed.
    text = form.value("text") if picture is None or form.value("text").strip() else event.name
    return Watermark(text[:500], position, _number(form, "size"), _number(form, "opacity"), picture)
