"""Signing in and out, and the first start of a server."""

import hmac
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from trouvaille.accounts import entry, identity, service
from trouvaille.accounts.arrival import welcome
from trouvaille.accounts.entry import Attempt
from trouvaille.accounts.identity import MaybeViewer, ThesePasswords
from trouvaille.accounts.models import Role
from trouvaille.accounts.service import Kind, Subject
from trouvaille.core.db import lock_exclusive
from trouvaille.core.errors import N_, Invalid, NotFound, Refused
from trouvaille.core.secrets import token_hash
from trouvaille.web import i18n
from trouvaille.web.errors import retry_headers, status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.i18n import gettext
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, ThisSite, site_of

router = APIRouter(include_in_schema=False)
CHOICE_S = 300


def home_of(kind: Kind, event_code: str | None) -> str:
    """Where somebody lands who signed in."""
    return f"/e/{event_code}/photos" if kind == "guest" else "/studio"


# Pages that belong to nobody's event, and to everybody who is signed in.
OWN_PAGES = ("/account", "/account/devices", "/account/tokens", "/account/sign-on")
STAFF_PAGES = ("/studio", "/server/", "/invitation/")


def landing_of(subject: Subject, wish: str = "") -> str:
    """The page that was asked for before signing in, if it is one of theirs; never another site's."""
    allowed = (f"/e/{subject.event_code}/",) if subject.kind == "guest" else STAFF_PAGES
    if wish in OWN_PAGES or (wish.startswith(allowed) and "//" not in wish):
        return wish
    return home_of(subject.kind, subject.event_code)


def label_of(who: Subject) -> str:
    """How an account is called where its owner chooses among several."""
    return who.detail if who.kind == "guest" else gettext(N_("Studio"))


async def _sign_in_page(request: Request, session: Session, form: Form, error: Refused | None = None) -> Response:
    name = await service.event_name(session, form.value("event"))
    status = status_of(error) if error else 200
    shown = page(
        request,
        "accounts/sign_in.html",
        status=status,
        here="/sign-in",
        form=form,
        event_name=name,
        waits=status == 429,
    )
    shown.headers.update(retry_headers(error) if error else {})
    return shown


@router.get("/sign-in")
async def sign_in_form(
    request: Request, session: Session, event: str = "", wish: Annotated[str, Query(alias="next")] = ""
) -> Response:
    return await _sign_in_page(request, session, Form({"event": event[:40], "next": wish[:500]}))


@router.post("/sign-in")
async def sign_in_now(request: Request, session: Session, site: ThisSite, passwords: ThesePasswords) -> Response:
    form = typed(await request.form(), "identifier", "password", "event", "next")
    attempt = Attempt(
        name=form.value("identifier"),
        password=form.value("password"),
        address=request.client.host if request.client else "",
        browser=identity.known_browser(request),
    )
    try:
        fits = await entry.who_fits(site.sessions, site.vault, passwords, attempt)
    except Refused as error:
        return await _sign_in_page(request, session, form.refused(error), error)
    here = [who for who in fits if who.event_code and who.event_code == form.value("event").upper()]
    if len(fits) > 1 and len(here) != 1:
        return choose_among(request, fits, form.value("next"))
    return await enter(request, session, (here or fits)[0], form.value("next"), fits)


def choose_among(request: Request, fits: Sequence[Subject], wish: str) -> Response:
    """Ask somebody which of their accounts they want; what opened them is not asked for again."""
    accounts = [[who.kind, str(who.id), _stamp(who)] for who in fits]
    ticket = site_of(request).vault.ticket("sign-in", {"fits": accounts, "next": wish})
    choices = [(f"{who.kind}:{who.id}", label_of(who), who.display_name) for who in fits]
    return page(request, "accounts/choose.html", here="/sign-in", choices=choices, ticket=ticket)


def _stamp(who: Subject) -> str:
    """Changes with the password, so that a ticket is void once there is another."""
    return token_hash(who.password_hash).hex()


@router.post("/sign-in/choose")
async def choose(request: Request, session: Session, site: ThisSite) -> Response:
    form = typed(await request.form(), "choice", "ticket")
    try:
        content = site.vault.open_ticket("sign-in", form.value("ticket"), max_age_s=CHOICE_S)
    except Invalid:
        return go("/sign-in")
    found = [(await service.subject_of(session, kind, UUID(who)), stamp) for kind, who, stamp in content["fits"]]
    fits = [who for who, stamp in found if who is not None and _stamp(who) == stamp]
    chosen = next((who for who in fits if form.value("choice") == f"{who.kind}:{who.id}"), None)
    return go("/sign-in") if chosen is None else await enter(request, session, chosen, content["next"], fits)


async def enter(
    request: Request, session: Session, subject: Subject, wish: str = "", proved: list[Subject] | None = None
) -> Response:
    """Sign somebody in and show them the page that they asked for."""
    response = go(landing_of(subject, wish))
    await identity.sign_in(request, session, response, subject, proved=proved or ())
    return response


@router.post("/sign-out")
async def sign_out(request: Request, session: Session, viewer: MaybeViewer) -> Response:
    response = go(f"/e/{viewer.event_code}" if viewer and viewer.event_code else "/")
    await identity.sign_out(request, session, response, viewer)
    return response


@router.get("/setup")
async def setup_form(request: Request, session: Session, token: Annotated[str, Query(max_length=100)] = "") -> Response:
    if await service.has_staff(session):
        raise NotFound
    return page(request, "accounts/setup.html", form=Form({"token": token}))


@router.post("/setup")
async def setup(request: Request, session: Session, site: ThisSite, passwords: ThesePasswords) -> Response:
    form = typed(await request.form(), "token", "display_name", "email", "password")
    await lock_exclusive(session, "setup")
    if await service.has_staff(session):
        raise NotFound
    try:
        if not hmac.compare_digest(form.value("token").strip().encode(), site.vault.setup_token().encode()):
            raise Invalid(N_("This is not the setup code that the server printed at its start."), field="token")
        staff = await service.create_staff(
            session,
            passwords,
            email=form.value("email"),
            display_name=form.value("display_name"),
            password=form.value("password"),
            role=Role.ADMINISTRATOR,
            locale=i18n.current(),
        )
    except Refused as error:
        shown = form.refused(error)
        shown.values["token"] = form.value("token")
        return page(request, "accounts/setup.html", status=status_of(error), form=shown)
    response = go("/studio")
    await welcome(request, session, response, "staff", staff.id)
    return response
