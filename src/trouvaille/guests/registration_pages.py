"""Becoming a guest of an event, in one form."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from trouvaille.accounts import entry
from trouvaille.accounts.entry import Attempt
from trouvaille.accounts.identity import MaybeViewer, ThesePasswords, known_browser
from trouvaille.accounts.pages import enter, welcome
from trouvaille.accounts.passwords import Passwords
from trouvaille.core.db import transaction
from trouvaille.core.errors import Refused
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import consent, door, invitations, registration
from trouvaille.guests.pages import OpenEvent
from trouvaille.guests.registration import EmailTaken, Registration, UsernameTaken
from trouvaille.web import i18n
from trouvaille.web.errors import retry_headers, status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, Site, ThisSite, sender_of, site_of

router = APIRouter(include_in_schema=False, prefix="/e/{code}")
FIELDS = ("display_name", "username", "email", "password", "agree", "invitation")


def next_step(event: Event, *, agrees: bool) -> str:
    """Where a new guest goes: to the selfie if they agreed to it, to the photos otherwise."""
    return f"/e/{event.code}/selfie" if agrees and event.faces_on else f"/e/{event.code}/photos"


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
    sender = sender_of(request)
    try:
        await door.count_coming(site.sessions, site.vault, address=sender, event_id=event.id)
        return await _take_in(request, site, passwords, event, wanted, form.value("invitation"))
    except (UsernameTaken, EmailTaken) as taken:
        known = await _who_sent_it_twice(request, site, passwords, event, wanted)
        return known or form_page(request, "guests/register.html", event, form, taken)
    except Refused as error:
        return form_page(request, "guests/register.html", event, form, error)


async def _take_in(
    request: Request, site: Site, passwords: Passwords, event: Event, wanted: Registration, invitation: str
) -> Response:
    """Account, consent and session, in one transaction: a browser that closes leaves all of them behind, or nothing."""
    password_hash = await registration.hash_of(site.sessions, passwords, event, wanted)
    async with transaction(site.sessions) as session:
        event = await events.open_by_code(session, event.code)
        guest = await registration.register(session, event, wanted, password_hash)
        await invitations.join(session, guest, invitation)
        return await welcome(request, session, "guest", guest.id, next_step(event, agrees=wanted.agrees))


async def _who_sent_it_twice(
    request: Request, site: Site, passwords: Passwords, event: Event, wanted: Registration
) -> Response | None:
    """Let somebody in whose form came through and whose answer did not: all they typed fits the account.

    It is a sign-in, and counted as one.
    """
    async with transaction(site.sessions) as session:
        held = await registration.holder(session, event, wanted)
    if held is None:
        return None
    attempt = Attempt(wanted.username, wanted.password, sender_of(request), known_browser(request))
    try:
        fits = await entry.who_fits(site.sessions, site.vault, passwords, attempt)
    except Refused:
        return None
    who = next((each for each in fits if each.id == held.id), None)
    if who is None:
        return None
    async with transaction(site.sessions) as session:
        await registration.agree(session, event, held, agrees=wanted.agrees, locale=wanted.locale)
        return await enter(request, session, who, next_step(event, agrees=wanted.agrees), fits)
