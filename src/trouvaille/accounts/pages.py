"""Signing in and out, and the first start of a server."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from trouvaille.accounts import service
from trouvaille.accounts.identity import COOKIE, MaybeViewer, ThesePasswords, sign_in
from trouvaille.accounts.models import Role
from trouvaille.accounts.service import Kind, Subject
from trouvaille.core.db import lock_exclusive
from trouvaille.core.errors import N_, Invalid, NotFound, Refused
from trouvaille.web.errors import status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.i18n import gettext
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, ThisSite

router = APIRouter(include_in_schema=False)
CHOICE_S = 300


def home_of(kind: Kind, event_code: str | None) -> str:
    """Where somebody lands who signed in."""
    return f"/e/{event_code}/photos" if kind == "guest" else "/studio"


def _landing(subject: Subject, wish: str) -> str:
    """The page that was asked for before signing in, if it is one of theirs; never another site's."""
    allowed = f"/e/{subject.event_code}/" if subject.kind == "guest" else "/studio"
    return wish if wish.startswith(allowed) and "//" not in wish else home_of(subject.kind, subject.event_code)


async def _sign_in_page(request: Request, session: Session, form: Form, status: int = 200) -> Response:
    name = await service.event_name(session, form.value("event"))
    return page(request, "accounts/sign_in.html", status=status, form=form, event_name=name)


@router.get("/sign-in")
async def sign_in_form(
    request: Request, session: Session, event: str = "", wish: Annotated[str, Query(alias="next")] = ""
) -> Response:
    return await _sign_in_page(request, session, Form({"event": event[:40], "next": wish[:500]}))


@router.post("/sign-in")
async def sign_in_now(request: Request, session: Session, site: ThisSite, passwords: ThesePasswords) -> Response:
    form = typed(await request.form(), "identifier", "password", "event", "next")
    try:
        fits = await service.who_fits(session, passwords, form.value("identifier"), form.value("password"))
    except Refused as error:
        return await _sign_in_page(request, session, form.refused(error), status_of(error))
    here = [who for who in fits if who.event_code and who.event_code == form.value("event").upper()]
    fits = here or fits
    if len(fits) > 1:
        ticket = site.vault.ticket(
            "sign-in", {"fits": [[who.kind, str(who.id)] for who in fits], "next": form.value("next")}
        )
        choices = [(f"{who.kind}:{who.id}", _label(who), who.display_name) for who in fits]
        return page(request, "accounts/choose.html", here="/sign-in", choices=choices, ticket=ticket)
    return await _enter(request, session, fits[0], form.value("next"))


def _label(who: Subject) -> str:
    return who.detail if who.kind == "guest" else gettext(N_("Studio"))


@router.post("/sign-in/choose")
async def choose(request: Request, session: Session, site: ThisSite) -> Response:
    form = typed(await request.form(), "choice", "ticket")
    try:
        content = site.vault.open_ticket("sign-in", form.value("ticket"), max_age_s=CHOICE_S)
    except Invalid:
        return go("/sign-in")
    for kind, subject_id in content["fits"]:
        if form.value("choice") == f"{kind}:{subject_id}":
            subject = await service.SUBJECTS[kind].by_id(session, subject_id)
            if subject is not None:
                return await _enter(request, session, subject, content["next"])
    return go("/sign-in")


async def _enter(request: Request, session: Session, subject: Subject, wish: str) -> Response:
    await service.end_session(session, request.cookies.get(COOKIE))
    response = go(_landing(subject, wish))
    await sign_in(request, session, response, subject.kind, subject.id)
    return response


@router.post("/sign-out")
async def sign_out(request: Request, session: Session, viewer: MaybeViewer) -> Response:
    await service.end_session(session, request.cookies.get(COOKIE))
    response = go(f"/e/{viewer.event_code}" if viewer and viewer.event_code else "/")
    response.delete_cookie(COOKIE)
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
        )
    except Refused as error:
        shown = form.refused(error)
        shown.values["token"] = form.value("token")
        return page(request, "accounts/setup.html", status=status_of(error), form=shown)
    response = go("/studio")
    await sign_in(request, session, response, "staff", staff.id)
    return response
