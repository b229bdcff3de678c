"""Telling browsers by web push: what pages, the service worker and a notification's button ask for."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from trouvaille.accounts import throttle
from trouvaille.accounts.devices import device_of
from trouvaille.accounts.identity import AnyViewer
from trouvaille.core.errors import NotFound
from trouvaille.core.webpush import Sender
from trouvaille.guests.models import Guest
from trouvaille.news import devices, service
from trouvaille.news.devices import Address
from trouvaille.news.pages import ThisEvent, guest_of
from trouvaille.web.forms import typed
from trouvaille.web.render import go, wants_json
from trouvaille.web.site import Session, Site, ThisSite

router = APIRouter(include_in_schema=False)
# A browser subscribes once; who does so without end would have us look up names without end.
SUBSCRIBING = throttle.Pace(free=30, first_s=5, longest_s=15 * 60, forgets_one_in_s=60)

ThisGuest = Annotated[Guest, Depends(guest_of)]


def _sender(site: Site) -> Sender:
    """
    Raises:
        NotFound: no browser is told on this server.
    """
    if site.push is None:
        raise NotFound
    return site.push


async def _address(request: Request, site: Site) -> Address:
    form = typed(await request.form(), "endpoint", "p256dh", "auth")
    return await Address.read(
        form.value("endpoint"),
        form.value("p256dh"),
        form.value("auth"),
        private_networks=_sender(site).private_networks,
    )


def _ended(is_last: bool) -> Response:
    """Whether the browser needs its subscription no more, as it does while it is told of another event."""
    return JSONResponse({"last": is_last})


@router.post("/e/{code}/push")
async def subscribe(
    request: Request, session: Session, site: ThisSite, event: ThisEvent, guest: ThisGuest, viewer: AnyViewer
) -> Response:
    """Tell the browser that asks; the answer names its row."""
    await throttle.charge(site.sessions, {site.vault.fingerprint("attempts", f"push:{guest.id}"): SUBSCRIBING})
    device = device_of(request.headers.get("user-agent", ""))
    address = await _address(request, site)
    row = await devices.subscribe(session, site.vault, guest, address, session_id=viewer.session_id, device=device)
    await service.begin(session, guest)
    return JSONResponse({"id": str(row.id)}, status_code=201)


@router.post("/e/{code}/push/{subscription_id}/remove")
async def remove(
    request: Request, session: Session, event: ThisEvent, guest: ThisGuest, subscription_id: UUID
) -> Response:
    """Tell one of the guest's browsers no more, this one or another."""
    is_last = await devices.remove(session, guest, subscription_id)
    return _ended(is_last) if wants_json(request) else go(f"/e/{event.code}/me#news")


@router.post("/push/renew")
async def renew(request: Request, session: Session, site: ThisSite) -> Response:
    """A browser has another endpoint: its service worker says so, perhaps long after its page was open."""
    old = typed(await request.form(), "old").value("old")
    rows = await devices.at(session, old)
    await devices.renew(session, site.vault, rows, await _address(request, site))
    return Response(status_code=204)


@router.post("/push/{token}")
async def stop(session: Session, site: ThisSite, token: str) -> Response:
    """*No more of these*, tapped on a notification: it needs no cookie, since the session may have gone to sleep."""
    return _ended(await devices.forget(session, devices.by_stop_token(site.vault, token)))
