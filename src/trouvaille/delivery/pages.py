"""A guest's gallery: the grid, one photo, answers, and the stream that keeps the page up to date."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from trouvaille.accounts.identity import MaybeViewer, present_viewer
from trouvaille.accounts.service import Viewer
from trouvaille.core.db import transaction
from trouvaille.core.errors import Invalid, TooMany
from trouvaille.delivery import access
from trouvaille.delivery.access import Counts, Seen, Show
from trouvaille.events import service as events
from trouvaille.events.models import Downloads, Event
from trouvaille.guests import service as guests
from trouvaille.guests.models import PUT_OFF
from trouvaille.guests.queueing import TOPIC, SelfieQueue
from trouvaille.matching import service as matching
from trouvaille.matching.models import Verdict
from trouvaille.web.forms import typed
from trouvaille.web.i18n import gettext, settle
from trouvaille.web.render import go, page, wants_json
from trouvaille.web.site import Session, ThisSite, sender_of
from trouvaille.web.streams import stream

router = APIRouter(include_in_schema=False, prefix="/e/{code}")
PAGE = 60
STREAMS_PER_GUEST = 8
ANSWERS: dict[str, Verdict | None] = {"yes": Verdict.YES, "no": Verdict.NO, "undo": None}


async def _event(request: Request, session: Session, code: str) -> Event:
    event = await events.by_code(session, code)
    settle(request, event.locales)
    return event


ThisEvent = Annotated[Event, Depends(_event)]


def _guest(viewer: MaybeViewer, event: ThisEvent) -> Viewer:
    return access.check_guest(viewer, event)


def _looker(viewer: MaybeViewer, event: ThisEvent) -> Viewer | None:
    return access.check_looker(viewer, event)


GuestViewer = Annotated[Viewer, Depends(_guest)]
# A guest, or None for anybody else where everyone with the link may look through all photos.
Looker = Annotated[Viewer | None, Depends(_looker)]


def _item(event: Event, seen: Seen) -> dict[str, Any]:
    """A photo as the templates show it."""
    photo = seen.photo
    address = f"/e/{event.code}/p/{photo.id}"
    return {
        "id": photo.id,
        "thumb_url": f"{address}/thumb",
        "view_url": f"{address}/view",
        "download_url": f"{address}/download" if event.downloads is not Downloads.NONE else None,
        "page_url": f"/e/{event.code}/photos/{photo.id}",
        "width_px": photo.width_px,
        "height_px": photo.height_px,
        "file_name": photo.file_name,
        "taken_at": photo.taken_at,
        "tier": seen.tier.value if seen.tier else None,
        "verdict": seen.verdict.value if seen.verdict else None,
        "face_box": seen.face_box,
    }


def _tabs(event: Event, guest: Viewer | None, counts: Counts) -> list[tuple[str, str, int, str]]:
    """Key, label, number and address of each part of the gallery."""
    here = f"/e/{event.code}/photos?show="
    tabs = []
    if event.faces_on and guest is not None:
        tabs.append(("mine", gettext("My photos"), counts.mine, f"{here}mine"))
        tabs.append(("maybe", gettext("Maybe me"), counts.maybe, f"{here}maybe"))
    if access.has_general(event):
        tabs.append(("all", gettext("All photos"), counts.all, f"{here}all"))
    return tabs


@router.get("/photos")
async def gallery(
    request: Request,
    session: Session,
    event: ThisEvent,
    guest: Looker,
    show: Show | None = None,
    after: UUID | None = None,
) -> Response:
    show = (show or (Show.MINE if event.faces_on else Show.ALL)) if guest is not None else Show.ALL
    shown = await access.gallery(session, event, guest, show, limit=PAGE, after=after)
    context: dict[str, Any] = {
        "event": event,
        "show": show.value,
        "photos": [_item(event, seen) for seen in shown.photos],
        "next_cursor": str(shown.next_after) if shown.next_after else None,
    }
    if request.headers.get("x-fragment") == "1":
        return page(request, "delivery/_tiles.html", **context)
    counts = await access.counts(session, event, guest)
    state = None
    if guest is not None:
        state = await guests.face_state(session, await guests.of_viewer(session, guest, event))
    return page(
        request,
        "delivery/photos.html",
        tabs=_tabs(event, guest, counts),
        is_guest=guest is not None,
        enrolment_state=state.state if state else "none",
        put_off=state is not None and state.reason == PUT_OFF,
        can_use_face=event.faces_on,
        processing=counts.processing,
        **context,
    )


@router.get("/photos/{photo_id}")
async def one_photo(
    request: Request, session: Session, event: ThisEvent, guest: Looker, photo_id: UUID, show: Show = Show.MINE
) -> Response:
    show = show if guest is not None else Show.ALL
    seen = await access.one_photo(session, event, guest, photo_id)
    newer, older = await access.neighbours(session, event, guest, show, photo_id)
    here, suffix = f"/e/{event.code}/photos", f"?show={show.value}"
    return page(
        request,
        "delivery/photo.html",
        event=event,
        item=_item(event, seen),
        previous_url=f"{here}/{newer}{suffix}" if newer else None,
        next_url=f"{here}/{older}{suffix}" if older else None,
        back_url=f"{here}{suffix}",
        can_verdict=seen.tier is not None,
    )


@router.post("/photos/{photo_id}/verdict")
async def answer(request: Request, session: Session, event: ThisEvent, guest: GuestViewer, photo_id: UUID) -> Response:
    form = typed(await request.form(), "answer", "from")
    if form.value("answer") not in ANSWERS:
        raise Invalid
    await matching.answer(session, guest.id, photo_id, ANSWERS[form.value("answer")])
    if wants_json(request):
        return Response(status_code=204)
    here = f"/e/{event.code}/photos"
    if form.value("from") != "photo":
        return go(f"{here}?show=maybe")
    # Where guests see only their own photos, one that is not theirs is no longer there to go back to.
    gone = form.value("answer") == "no" and not access.has_general(event)
    return go(here if gone else f"{here}/{photo_id}")


async def _watched(request: Request, site: ThisSite, viewer: MaybeViewer, code: str) -> tuple[Event, Viewer]:
    """Event and guest of a stream, checked in a transaction that is over before the stream begins."""
    site.hub.check_room(sender_of(request))
    async with transaction(site.sessions) as session:
        event = await events.by_code(session, code)
        guest = access.check_guest(viewer, event)
    if site.hub.listeners_of(f"guest:{guest.id}") >= STREAMS_PER_GUEST:
        raise TooMany
    return event, guest


@router.get("/live", response_class=EventSourceResponse)
async def live(
    request: Request,
    site: ThisSite,
    watched: Annotated[tuple[Event, Viewer], Depends(_watched)],
    place: bool = False,
) -> AsyncIterator[ServerSentEvent]:
    """What is new for a guest; with ``place``, also where their selfie stands among those that wait."""
    event, guest = watched
    queue: SelfieQueue = request.app.state.selfie_queue

    async def look(messages: dict[str, dict[str, Any]]) -> list[ServerSentEvent]:
        told = []
        async with transaction(site.sessions) as session:
            present = await events.by_code(session, event.code)
            access.check_guest(await present_viewer(request, session), present)
            if enrolment := messages.get("enrolment"):
                told.append(ServerSentEvent(event="enrolment", data=enrolment))
            if place and (stands := await queue.place_of(session, guest.id)) is not None:
                words = stands.in_words() if stands.number > 1 else None
                told.append(ServerSentEvent(event="place", data={"number": stands.number, "words": words}))
            counts = await access.counts(session, present, guest)
        told.append(ServerSentEvent(event="photos", data=dataclasses.asdict(counts)))
        return told

    topics = (f"guest:{guest.id}", f"event:{event.id}", *((TOPIC,) if place else ()))
    async for message in stream(site, request, topics, look):
        yield message
