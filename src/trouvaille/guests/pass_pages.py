"""A guest pass: coming in by name, coming back by mail, and making an account of it."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from trouvaille.accounts import identity, links
from trouvaille.accounts.identity import MaybeViewer, ThesePasswords
from trouvaille.accounts.models import Purpose
from trouvaille.accounts.pages import landing_of
from trouvaille.core.db import transaction
from trouvaille.core.errors import Refused
from trouvaille.events import service as events
from trouvaille.guests import entering, passes, service
from trouvaille.guests.entering import Door
from trouvaille.guests.pages import OpenEvent, ThisEvent, ThisGuest
from trouvaille.guests.registration import Registration
from trouvaille.guests.registration_pages import form_page, open_event
from trouvaille.web import i18n
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, ThisSite

router = APIRouter(include_in_schema=False)


@router.get("/e/{code}/pass")
async def pass_form(request: Request, event: OpenEvent, viewer: MaybeViewer) -> Response:
    if viewer is not None and viewer.event_id == event.id:
        return go(f"/e/{event.code}/photos")
    if not event.guest_pass:
        raise passes.NoPasses
    return form_page(request, "guests/pass.html", event, Form(), None)


@router.post("/e/{code}/pass")
async def make_pass(
    request: Request, site: ThisSite, viewer: MaybeViewer, passwords: ThesePasswords, code: str
) -> Response:
    event = await open_event(request, site, code)
    if viewer is not None and viewer.event_id == event.id:
        return go(f"/e/{event.code}/photos")
    if not event.guest_pass:
        raise passes.NoPasses
    form = typed(await request.form(), "display_name", "agree")
    name, agrees = form.value("display_name"), form.value("agree") == "yes"
    response = go(entering.next_step(event, agrees=agrees))
    try:
        await entering.take_pass(Door(request, response, passwords, event), display_name=name, agrees=agrees)
    except Refused as error:
        return form_page(request, "guests/pass.html", event, form, error)
    return response


@router.get("/e/{code}/upgrade")
async def upgrade_form(request: Request, event: ThisEvent, guest: ThisGuest) -> Response:
    if not guest.is_pass:
        return go(f"/e/{event.code}/me")
    return form_page(request, "guests/upgrade.html", event, Form(), None)


@router.post("/e/{code}/upgrade")
async def upgrade(
    request: Request, site: ThisSite, viewer: MaybeViewer, passwords: ThesePasswords, code: str
) -> Response:
    async with transaction(site.sessions) as session:
        event = await events.shown_by_code(session, code)
        guest = await service.of_viewer(session, viewer, event)
    i18n.settle(request, event.locales)
    if not guest.is_pass:
        return go(f"/e/{event.code}/me")
    form = typed(await request.form(), "username", "email", "password")
    wanted = Registration(guest.display_name, form.value("username"), form.value("email"), form.value("password"))
    response = go(f"/e/{event.code}/photos")
    try:
        await entering.upgrade(Door(request, response, passwords, event), guest, wanted)
    except Refused as error:
        return form_page(request, "guests/upgrade.html", event, form, error)
    return response


@router.get("/return/{token}")
async def return_form(request: Request, session: Session, token: str) -> Response:
    # Mail programs look at links by themselves, so looking changes nothing.
    _, (subject, *_) = await links.opened(session, Purpose.RETURN, token)
    return page(request, "guests/return.html", who=subject)


@router.post("/return/{token}")
async def come_back(request: Request, session: Session, token: str) -> Response:
    subject = await passes.come_back(session, token)
    response = go(landing_of(subject))
    await identity.sign_in(request, session, response, subject)
    return response
