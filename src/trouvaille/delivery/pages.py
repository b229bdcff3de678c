"""A guest's gallery: the grid, one photo, answers, and the stream that keeps the page up to date."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.identity import MaybeViewer, viewer_now
from trouvaille.accounts.service import Viewer
from trouvaille.core import live
from trouvaille.core.db import transaction
from trouvaille.core.errors import Invalid, TooMany
from trouvaille.delivery import access, keepsakes, lists, views
from trouvaille.delivery.access import Counts, Show, Totals
from trouvaille.delivery.keepsakes import ids_in
from trouvaille.delivery.lists import Sort, Wish
from trouvaille.delivery.overview import Filters, Overviews
from trouvaille.delivery.seeing import Listed
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
from trouvaille.web.site import Session, Site, ThisSite, sender_of
from trouvaille.web.streams import stream

router = APIRouter(include_in_schema=False, prefix="/e/{code}")
FIRST, NEXT = 48, 60
"""Photos a piece. The first one ends so far below a phone's screen that the next is not asked for until one scrolls
(`frontend/parts/tiles.ts`); most who open a page look at no more of it."""
FIRST_SCREEN = 12
STREAMS_PER_GUEST = 8
MISSED_AT_MOST = 3
ANSWERS: dict[str, Verdict | None] = {"yes": Verdict.YES, "no": Verdict.NO, "undo": None}


def overviews_of(request: Request) -> Overviews:
    """What this process has counted of events."""
    overviews: Overviews = request.app.state.overviews
    return overviews


async def _event(request: Request, session: Session, code: str) -> Event:
    event = await events.by_code(session, code)
    settle(request, event.locales)
    return event


ThisEvent = Annotated[Event, Depends(_event)]


async def _guest(viewer: MaybeViewer, event: ThisEvent) -> Viewer:
    return access.check_guest(viewer, event)


async def _looker(viewer: MaybeViewer, event: ThisEvent) -> Viewer | None:
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
    shown = await lists.gallery(
        session, event, guest, wish, limit=NEXT if after else FIRST, after=after, through=through
    )
    here = f"/e/{event.code}/photos"
    if wish.show is Show.MAYBE:
        photos: list[Any] = [views.item(event, seen, wish) for seen in shown.photos]
    else:
        photos = [*views.tiles(event, shown.photos, wish, first=0 if after else FIRST_SCREEN)]
    context: dict[str, Any] = {
        "event": event,
        "show": wish.show.value,
        "photos": photos,
        "is_guest": guest is not None,
        "next_url": f"{here}?{views.query_of(wish, after=shown.next_after)}" if shown.next_after else None,
    }
    if request.headers.get("x-fragment") == "1":
        return page(request, "delivery/_tiles.html", **context)
    is_whole = after is None and shown.next_after is None and wish.by is None and wish.at is None
    all_of_it = [seen.photo for seen in shown.photos] if is_whole else None
    totals, narrowed = await _overview(request, session, event, guest, wish.show, all_of_it)
    state, ways, counts = None, None, await access.counts(session, event, guest, totals)
    if guest is not None:
        person = await guests.of_viewer(session, guest, event)
        state = await guests.face_state(session, person)
        await news.seen(session, event.id, guest.id, counts.mine)
        if state.state == "accepted":
            ways = await news.ways_of(
                session, person, sends_mail=site.sends_mail, push=site.push, session_id=guest.session_id
            )
    return page(
        request,
        "delivery/photos.html",
        tabs=views.tabs(event, guest, counts),
        here_url=f"{here}?{views.query_of(wish)}",
        all_of_it_url=f"{here}?show={wish.show.value}",
        filters=views.filters(wish, narrowed.photographers, narrowed.moments),
        first=FIRST,
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


async def _overview(
    request: Request,
    session: AsyncSession,
    event: Event,
    guest: Viewer | None,
    show: Show,
    all_of_it: list[Listed] | None,
) -> tuple[Totals, Filters]:
    """How many photos there are, and by whom and when those of a part of the gallery are.

    Args:
        all_of_it: the photos of that part, where all of them are at hand: most guests' own are.
    """
    if show is Show.ALL:
        return await overviews_of(request).all_of_it(session, event)
    totals = await overviews_of(request).totals(session, event)
    if show not in views.SHOWS_WITH_FILTERS:
        return totals, Filters([], [])
    if all_of_it is not None:
        return totals, Filters(await lists.photographers_in(session, all_of_it), lists.moments_in(event, all_of_it))
    return totals, Filters(
        await lists.photographers(session, event, guest, show),
        await lists.moments(session, event, guest, show),
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
async def watch(
    request: Request,
    site: ThisSite,
    watched: Annotated[tuple[Event, Viewer], Depends(_watched)],
    place: bool = False,
) -> AsyncIterator[ServerSentEvent]:
    """What is new for a guest; with ``place``, also where their selfie stands among those that wait."""
    event, guest = watched
    told = _Told(request, site, event, guest, place=place)
    topics = (f"guest:{guest.id}", f"event:{event.id}", *((TOPIC,) if place else ()))
    async for message in stream(site, request, topics, told.look):
        yield message


class _Told:
    """What one open page of a guest is told.

    Hundreds are open while photos come in and selfies wait, so each message costs what it is about: a guest's own
    photos are counted when something of theirs may have changed, and one who does not wait is no longer told of places.
    """

    def __init__(self, request: Request, site: Site, event: Event, guest: Viewer, *, place: bool) -> None:
        self._request, self._site, self._event, self._guest = request, site, event, guest
        # The queue is looked at once a second: a selfie that was sent a moment ago may not be among those seen.
        self._waits, self._missed = place, 0
        self._own: Counts | None = None
        self._queue: SelfieQueue = request.app.state.selfie_queue

    async def look(self, messages: dict[str, dict[str, Any]]) -> list[ServerSentEvent]:
        """What to say after these messages; none when the page was opened, or has heard nothing for a while.

        Raises:
            Refused: the guest may not look any more.
        """
        if messages.keys() == {live.PLACE} and not self._waits:
            return []
        told = []
        viewer = await viewer_now(self._request)
        async with transaction(self._site.sessions) as session:
            event = await events.by_code(session, self._event.code)
            access.check_guest(viewer, event)
            if enrolment := messages.get("enrolment"):
                told.append(ServerSentEvent(event="enrolment", data=enrolment))
            if self._waits:
                told += await self._place(session)
            if self._own is None or messages.keys() - {live.PLACE}:
                told.append(await self._photos(session, event, own=messages.keys() != {live.ARRIVED}))
        return told

    async def _place(self, session: AsyncSession) -> list[ServerSentEvent]:
        stands = await self._queue.place_of(session, self._guest.id)
        if stands is None:
            self._missed += 1
            self._waits = self._missed < MISSED_AT_MOST
            return []
        words = stands.in_words() if stands.number > 1 else None
        return [ServerSentEvent(event=live.PLACE, data={"number": stands.number, "words": words})]

    async def _photos(self, session: AsyncSession, event: Event, *, own: bool) -> ServerSentEvent:
        totals = await overviews_of(self._request).totals(session, event)
        if self._own is None or own:
            self._own = await access.counts(session, event, self._guest, totals)
            await news.seen(session, event.id, self._guest.id, self._own.mine)
        else:
            self._own = self._own.beside(totals)
        return ServerSentEvent(event="photos", data=dataclasses.asdict(self._own))
