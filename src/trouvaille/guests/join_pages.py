"""Joining another event while signed in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import identity, letters, sessions
from trouvaille.accounts.identity import MaybeViewer, ThesePasswords
from trouvaille.accounts.service import Subject, Viewer, subject_of
from trouvaille.core.db import transaction
from trouvaille.core.errors import NotFound, Refused, SignInNeeded
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import door, joining, registration, selfies
from trouvaille.guests.joining import Joining
from trouvaille.guests.models import Guest
from trouvaille.guests.registration_pages import form_page, next_step, open_event
from trouvaille.web import i18n
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go
from trouvaille.web.site import Site, ThisSite, address_of, sender_of

router = APIRouter(include_in_schema=False, prefix="/e/{code}")
FIELDS = ("username", "password", "agree", "reuse")


def _somebody(viewer: MaybeViewer) -> Viewer:
    if viewer is None or viewer.kind != "guest":
        raise SignInNeeded
    return viewer


SomeGuest = Annotated[Viewer, Depends(_somebody)]


async def _way_back(site: Site, viewer: Viewer, event: Event) -> Response | None:
    """Where somebody goes who is a guest of this event already, or has no account to join with."""
    if viewer.event_id == event.id:
        return go(f"/e/{event.code}/photos")
    async with transaction(site.sessions) as session:
        others = await sessions.others_of(session, viewer)
        guest = await session.get(Guest, viewer.id)
    if guest is not None and guest.is_pass:
        return go(f"/e/{viewer.event_code}/upgrade")
    return go("/account") if any(who.event_id == event.id for who in others) else None


async def _join_page(
    request: Request, site: Site, viewer: Viewer, event: Event, form: Form | None = None, error: Refused | None = None
) -> Response:
    async with transaction(site.sessions) as session:
        subject = await _subject(session, viewer)
        taken = await registration.unavailable(session, event.id, username=subject.names[0])
        has_selfie = await selfies.accepted_enrolment(session, viewer.id) is not None
    shown = form or Form({"username": "" if taken else subject.names[0]})
    renamed = bool(taken) or shown.value("username").strip().lower() != subject.names[0].lower()
    more = {"who": subject, "renamed": renamed, "has_selfie": has_selfie}
    return form_page(request, "guests/join.html", event, shown, error, **more)


async def _subject(session: AsyncSession, viewer: Viewer) -> Subject:
    subject = await subject_of(session, viewer.kind, viewer.id)
    if subject is None:
        raise SignInNeeded
    return subject


@router.get("/join")
async def join_form(request: Request, site: ThisSite, viewer: SomeGuest, code: str) -> Response:
    event = await open_event(request, site, code)
    return await _way_back(site, viewer, event) or await _join_page(request, site, viewer, event)


@router.post("/join")
async def join(request: Request, site: ThisSite, viewer: SomeGuest, passwords: ThesePasswords, code: str) -> Response:
    event = await open_event(request, site, code)
    if (elsewhere := await _way_back(site, viewer, event)) is not None:
        return elsewhere
    form = typed(await request.form(), *FIELDS)
    wanted = Joining(
        username=form.value("username"),
        password=form.value("password"),
        locale=i18n.current(),
        agrees=form.value("agree") == "yes",
        reuses_selfie=form.value("reuse") == "yes",
    )
    try:
        wanted.check(event)
        await door.count_coming(site.sessions, site.vault, address=sender_of(request), event_id=event.id)
        async with transaction(site.sessions) as session:
            subject = await _subject(session, viewer)
        password_hash = await joining.hash_for(site.sessions, site.vault, passwords, subject, wanted)
        return await _take_in(request, site, viewer, event, wanted, password_hash)
    except Refused as error:
        return await _join_page(request, site, viewer, event, form, error)


async def _take_in(
    request: Request, site: Site, viewer: Viewer, event: Event, wanted: Joining, password_hash: str
) -> Response:
    """Account, consent, selfie and the way between both events, in one transaction."""
    async with transaction(site.sessions) as session:
        event = await events.open_by_code(session, event.code)
        guest = await session.get(Guest, viewer.id)
        if guest is None:
            raise SignInNeeded
        joined = await joining.join(session, site.storage, event, guest, wanted, password_hash)
        subject = await subject_of(session, "guest", joined.id)
        if subject is None:
            raise NotFound
        response = go(next_step(event, agrees=wanted.agrees))
        await sessions.prove(session, viewer, subject)
        await identity.switch(request, session, response, viewer, subject)
        if site.sends_mail and not subject.email_confirmed:
            await letters.send_confirmation(session, site.vault, subject, public_url=address_of(request))
        return response
