"""Becoming a guest of an event, in one form."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import MaybeViewer, ThesePasswords
from trouvaille.core.db import transaction
from trouvaille.core.errors import Refused
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import consent, entering, invitations
from trouvaille.guests.entering import Door
from trouvaille.guests.pages import OpenEvent
from trouvaille.guests.registration import Registration
from trouvaille.web import i18n
from trouvaille.web.errors import retry_headers, status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, Site, ThisSite, site_of

router = APIRouter(include_in_schema=False, prefix="/e/{code}")
FIELDS = ("display_name", "username", "email", "password", "agree", "invitation")


def form_page(
    request: Request, template: str, event: Event, form: Form, error: Refused | None, **more: Any
) -> Response:
    """A page on which somebody becomes a guest, with the text that they are asked to agree to."""
    shown = page(
        request,
        template,
        status=status_of(error) if error else 200,
        event=event,
        form=form.refused(error) if error else form,
        consent=consent.shown(site_of(request).legal.region),
        **more,
    )
    shown.headers.update(retry_headers(error) if error else {})
    return shown


async def open_event(request: Request, site: Site, code: str) -> Event:
    """The event, asked for in a transaction that is over before a password is computed."""
    async with transaction(site.sessions) as session:
        event = await events.open_by_code(session, code)
    i18n.settle(request, event.locales)
    return event


@router.get("/register")
async def register_form(
    request: Request,
    session: Session,
    event: OpenEvent,
    viewer: MaybeViewer,
    invitation: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    if viewer is not None and viewer.event_id == event.id:
        return go(f"/e/{event.code}/photos")
    form = Form()
    if invitation:
        known, invited_to = await invitations.by_token(session, invitation)
        if invited_to.id == event.id:
            form = Form({"display_name": known.name, "email": known.email, "invitation": invitation})
    return form_page(request, "guests/register.html", event, form, None)


@router.post("/register")
async def register(request: Request, site: ThisSite, passwords: ThesePasswords, code: str) -> Response:
    event = await open_event(request, site, code)
    form = typed(await request.form(), *FIELDS)
    wanted = Registration(
        display_name=form.value("display_name"),
        username=form.value("username"),
        email=form.value("email"),
        password=form.value("password"),
        locale=i18n.current(),
        agrees=form.value("agree") == "yes",
    )
    response = go(entering.next_step(event, agrees=wanted.agrees))
    try:
        await entering.register(Door(request, response, passwords, event), wanted, form.value("invitation"))
    except Refused as error:
        return form_page(request, "guests/register.html", event, form, error)
    return response
