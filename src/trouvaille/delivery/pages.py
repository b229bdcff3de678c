"""A guest's gallery: the grid, one photo, answers, and the stream that keeps the page up to date."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from trouvaille.accounts.identity import MaybeViewer, present_viewer
from trouvaille.accounts.service import Viewer
from trouvaille.core.db import transaction
from trouvaille.core.errors import Invalid, TooMany
from trouvaille.delivery import access, keepsakes, lists, views
from trouvaille.delivery.access import Show
from trouvaille.delivery.keepsakes import ids_in
from trouvaille.delivery.lists import Sort, Wish
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import service as guests
from trouvaille.guests.models import PUT_OFF
from trouvaille.guests.queueing import TOPIC, SelfieQueue
from trouvaille.matching import service as matching
from trouvaille.matching.models import Verdict
from trouvaille.news import service as news
from trouvaille.web.forms import typed
from trouvaille.web.i18n import settle
from trouvaille.web.inside import inside
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


async def _wish(
    session: Session,
    event: ThisEvent,
    guest: Looker,
    show: Show | None = None,
    sort: Sort = Sort.NEWEST,
    by: UUID | None = None,
    at: str | None = None,
) -> Wish:
    """What the address asks for, as far as there is such a thing."""
    if guest is None:
        show = Show.ALL
    elif show is None:
        show = Show.MINE if event.faces_on else Show.ALL
    moment = lists.moment_at(await lists.moments(session, event, guest, show), at) if at else None
    return Wish(show, sort, by, moment)


ThisWish = Annotated[Wish, Depends(_wish)]


@router.get("/photos")
async def gallery(
    request: Request,
    session: Session,
    site: ThisSite,
    event: ThisEvent,
    guest: Looker,
    wish: ThisWish,
    after: UUID | None = None,
    through: UUID | None = None,
) -> Response:
    shown = await lists.gallery(session, event, guest, wish, limit=PAGE, after=after, through=through)
    here = f"/e/{event.code}/photos"
    context: dict[str, Any] = {
        "event": event,
        "show": wish.show.value,
        "photos": [views.item(event, seen, wish) for seen in shown.photos],
        "is_guest": guest is not None,
        "next_url": f"{here}?{views.query_of(wish, after=shown.next_after)}" if shown.next_after else None,
    }
    if request.headers.get("x-fragment") == "1":
        return page(request, "delivery/_tiles.html", **context)
    state, ways, counts = None, None, await access.counts(session, event, guest)
    if guest is not None:
        person = await guests.of_viewer(session, guest, event)
        state = await guests.face_state(session, person)
        await news.seen(session, event.id, guest.id, counts.mine)
        if state.state == "accepted":
            ways = await news.ways_of(session, person, sends_mail=site.sends_mail)
    has_filters = wish.show in views.SHOWS_WITH_FILTERS
    return page(
        request,
        "delivery/photos.html",
        tabs=views.tabs(event, guest, counts),
        here_url=f"{here}?{views.query_of(wish)}",
        all_of_it_url=f"{here}?show={wish.show.value}",
        filters=views.filters(
            wish,
            await lists.photographers(session, event, guest, wish.show) if has_filters else [],
            await lists.moments(session, event, guest, wish.show) if has_filters else [],
        ),
        total=getattr(counts, wish.show.value),
        mark_of_photos=counts.mark,
        enrolment_state=state.state if state else "none",
        put_off=state is not None and state.reason == PUT_OFF,
        can_use_face=event.faces_on,
        processing=counts.processing,
        news=ways,
        news_from="photos",
        inside=inside(request),
        **context,
    )


@router.post("/photos/gone")
async def gone(request: Request, session: Session, event: ThisEvent, guest: Looker, wish: ThisWish) -> Response:
    """Those of the photos on an open page that are to leave it."""
    ids = ids_in((await request.form()).get("ids"))
    return JSONResponse([str(each) for each in await lists.gone(session, event, guest, wish, ids)])


@router.get("/photos/{photo_id}")
async def one_photo(
    request: Request, session: Session, event: ThisEvent, guest: Looker, wish: ThisWish, photo_id: UUID
) -> Response:
    seen = await access.one_photo(session, event, guest, photo_id)
    before, after = await lists.neighbours(session, event, guest, wish, photo_id)
    here, suffix = f"/e/{event.code}/photos", f"?{views.query_of(wish)}"
    return page(
        request,
        "delivery/photo.html",
        event=event,
        item=views.item(event, seen),
        is_guest=guest is not None,
        previous_url=f"{here}/{before}{suffix}" if before else None,
        next_url=f"{here}/{after}{suffix}" if after else None,
        back_url=f"{here}{suffix}",
        can_verdict=seen.tier is not None,
    )


@router.post("/photos/{photo_id}/favourite")
async def favourite(
    request: Request, session: Session, event: ThisEvent, guest: GuestViewer, photo_id: UUID
) -> Response:
    seen = await access.one_photo(session, event, guest, photo_id)
    form = typed(await request.form(), "on")
    await keepsakes.set_favourite(session, guest.id, seen.photo, on=form.value("on") != "no")
    return Response(status_code=204) if wants_json(request) else go(f"/e/{event.code}/photos/{photo_id}")


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
            await news.seen(session, event.id, guest.id, counts.mine)
        told.append(ServerSentEvent(event="photos", data=dataclasses.asdict(counts)))
        return told

    topics = (f"guest:{guest.id}", f"event:{event.id}", *((TOPIC,) if place else ()))
    async for message in stream(site, request, topics, look):
        yield message
