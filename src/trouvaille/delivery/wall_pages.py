"""The live wall's pages: the slideshow itself, and where its organiser sets it up."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from trouvaille.accounts.identity import StaffViewer
from trouvaille.core.db import transaction
from trouvaille.core.errors import Refused
from trouvaille.delivery import walls
from trouvaille.delivery.models import Wall
from trouvaille.delivery.pictures import KEEP, is_known, rendition_for
from trouvaille.delivery.walls import Slide
from trouvaille.events import qr, rights
from trouvaille.events.links import link_of
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.guests import messages
from trouvaille.web.errors import status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.i18n import settle
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, ThisSite, address_of, sender_of
from trouvaille.web.streams import stream

router = APIRouter(include_in_schema=False)
# The link is a secret: it is told to nobody else, and what it shows may go at any moment.
HEADERS = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


async def _wall(request: Request, session: Session, token: str) -> tuple[Event, Wall]:
    event, wall = await walls.find(session, token)
    settle(request, event.locales)
    return event, wall


ThisWall = Annotated[tuple[Event, Wall], Depends(_wall)]


def _slide(token: str, slide: Slide) -> dict[str, Any]:
    version = f"?v={slide.veiled}" if slide.veiled else ""
    return {
        "id": str(slide.photo.id),
        "url": f"/wall/{token}/p/{slide.photo.id}{version}",
        "width_px": slide.photo.width_px or 3,
        "height_px": slide.photo.height_px or 2,
    }


@router.get("/wall/{token}")
async def wall(request: Request, found: ThisWall, token: str) -> Response:
    event, wall = found
    shown = page(request, "delivery/wall.html", event=event, wall=wall, base=f"/wall/{token}")
    shown.headers.update(HEADERS)
    return shown


@router.get("/wall/{token}/photos")
async def slides(session: Session, found: ThisWall, token: str) -> JSONResponse:
    """What is to be shown now, and how."""
    event, wall = found
    content = {
        "seconds": wall.seconds,
        "shows_code": wall.shows_code,
        "photos": [_slide(token, each) for each in await walls.slides(session, event, wall)],
    }
    return JSONResponse(content, headers=HEADERS)


@router.get("/wall/{token}/p/{photo_id}")
async def picture(
    request: Request, session: Session, site: ThisSite, found: ThisWall, token: str, photo_id: UUID
) -> Response:
    event, wall = found
    slide = await walls.slide(session, event, wall, photo_id)
    view = rendition_for(slide.photo, slide.veiled, "view")
    # A screen shows each photo again and again; asking whether it may still is cheap, sending it each time is not.
    headers = {**HEADERS, "Cache-Control": KEEP, "ETag": view.etag(slide.photo.id)}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(await site.storage.get(view.key(slide.photo)), media_type="image/jpeg", headers=headers)


@router.get("/wall/{token}/qr.svg")
async def code(request: Request, found: ThisWall) -> Response:
    drawn = qr.drawn(link_of(request, found[0]), "svg", border=2)
    return Response(drawn, media_type="image/svg+xml", headers=HEADERS)


async def _watched(request: Request, site: ThisSite, token: str) -> Event:
    site.hub.check_room(sender_of(request))
    async with transaction(site.sessions) as session:
        event, _ = await walls.find(session, token)
    return event


@router.get("/wall/{token}/live", response_class=EventSourceResponse)
async def live(
    request: Request, site: ThisSite, event: Annotated[Event, Depends(_watched)], token: str
) -> AsyncIterator[ServerSentEvent]:
    """Says when to look again; ends when the link does."""

    async def look(_: dict[str, dict[str, Any]]) -> list[ServerSentEvent]:
        async with transaction(site.sessions) as session:
            await walls.find(session, token)
        return [ServerSentEvent(event="photos", data={})]

    async for message in stream(site, request, (f"event:{event.id}",), look):
        yield message


async def _managed(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.MANAGE)


async def _changeable(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.to_change(session, viewer, event_id, Right.MANAGE)


Managed = Annotated[Event, Depends(_managed)]
Changeable = Annotated[Event, Depends(_changeable)]


async def _settings(
    request: Request, session: Session, site: ThisSite, event: Event, form: Form | None = None, status: int = 200
) -> Response:
    wall = await walls.of_event(session, event.id)
    if form is None:
        shows = wall.shows.value if wall else "general"
        values = {"shows": shows, "seconds": str(wall.seconds if wall else 7)}
        form = Form(values=values | ({"shows_code": "yes"} if wall is None or wall.shows_code else {}))
    return page(
        request,
        "delivery/wall_settings.html",
        status=status,
        event=event,
        form=form,
        is_on=wall is not None,
        done=request.query_params.get("done"),
        link=f"{address_of(request)}/wall/{walls.token_of(site.vault, wall)}" if wall else None,
        photos=await walls.count(session, event, wall) if wall else None,
        unread=(await messages.unread(session, [event.id])).get(event.id, 0),
    )


@router.get("/studio/{event_id}/wall")
async def settings(request: Request, session: Session, site: ThisSite, event: Managed) -> Response:
    return await _settings(request, session, site, event)


@router.post("/studio/{event_id}/wall")
async def set_up(
    request: Request, session: Session, site: ThisSite, viewer: StaffViewer, event: Changeable
) -> Response:
    form = typed(await request.form(), "shows", "seconds", "shows_code", "do")
    if form.value("do") == "off":
        removed = await walls.take_down(session, event, by=viewer)
        return go(f"/studio/{event.id}/wall" + (f"?done=off&undo={removed}" if removed else ""))
    try:
        removed = await walls.set_up(
            session,
            site.vault,
            event,
            shows=form.value("shows"),
            seconds=form.value("seconds"),
            shows_code=form.value("shows_code") == "yes",
            fresh=form.value("do") == "fresh",
            by=viewer,
        )
    except Refused as error:
        return await _settings(request, session, site, event, form.refused(error), status_of(error))
    return go(f"/studio/{event.id}/wall" + (f"?done=fresh&undo={removed}" if removed else ""))
