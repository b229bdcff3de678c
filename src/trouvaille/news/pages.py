"""How a guest is told that there is more: the switch on their pages, and the link in every letter."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import MaybeViewer
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import service as guests
from trouvaille.guests.models import Guest
from trouvaille.news import service
from trouvaille.web.forms import typed
from trouvaille.web.i18n import settle
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, ThisSite

router = APIRouter(include_in_schema=False)
# Where the switch stands, and the address that leads back there.
BACK = {"me": "/e/{code}/me#news", "photos": "/e/{code}/photos?show=mine#news"}


async def _event(request: Request, session: Session, code: str) -> Event:
    event = await events.by_code(session, code)
    settle(request, event.locales)
    return event


ThisEvent = Annotated[Event, Depends(_event)]


async def guest_of(session: Session, event: ThisEvent, viewer: MaybeViewer) -> Guest:
    """The viewer as a guest of this event."""
    # Also once the event is over: one can say no as long as there is anybody to say it to.
    return await guests.of_viewer(session, viewer, event, over_too=True)


@router.post("/e/{code}/news")
async def choose(
    request: Request, session: Session, event: ThisEvent, guest: Annotated[Guest, Depends(guest_of)]
) -> Response:
    form = typed(await request.form(), "mail", "from")
    await service.choose_mail(session, guest, on=form.value("mail") == "on")
    return go(BACK.get(form.value("from"), BACK["me"]).format(code=event.code))


async def _by_token(session: Session, site: ThisSite, token: str) -> Guest:
    return await service.by_token(session, site.vault, token)


Linked = Annotated[Guest, Depends(_by_token)]


@router.get("/news/{token}")
async def ask_to_stop(request: Request, session: Session, guest: Linked, token: str) -> Response:
    """What a letter's link opens. Looking changes nothing, since mail programs look at links by themselves: the page's
    script sends its form at once, and without one there is a button."""
    settle(request, [guest.locale])
    ways = await service.ways_of(session, guest, sends_mail=True)
    event = await session.get_one(Event, guest.event_id)
    return page(
        request,
        "news/stop.html",
        event=event,
        on=ways.mail,
        resumed="kept" in request.query_params,
        token=token,
    )


@router.post("/news/{token}")
async def stop(request: Request, session: Session, guest: Linked, token: str) -> Response:
    """Stop the letters, or let them go on: also for a mail program's own button (RFC 8058), which sends no cookie."""
    form = typed(await request.form(), "mail")
    on = form.value("mail") == "on"
    await service.choose_mail(session, guest, on=on)
    if "List-Unsubscribe" in await request.form():
        return Response(status_code=200)  # the RFC forbids to lead a mail program on
    return go(f"/news/{token}{'?kept=1' if on else ''}")
