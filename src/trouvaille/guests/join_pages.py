"""Joining another event while signed in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import MaybeViewer, ThesePasswords
from trouvaille.accounts.service import Viewer, subject_of_viewer
from trouvaille.core.db import transaction
from trouvaille.core.errors import Refused, SignInNeeded
from trouvaille.events.models import Event
from trouvaille.guests import entering, joining, registration, selfies
from trouvaille.guests.entering import Door
from trouvaille.guests.joining import AlreadyGuest, Joining, OnlyPass
from trouvaille.guests.registration_pages import form_page, open_event
from trouvaille.web import i18n
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go
from trouvaille.web.site import Site, ThisSite

router = APIRouter(include_in_schema=False, prefix="/e/{code}")
FIELDS = ("username", "password", "agree", "reuse")


async def _somebody(viewer: MaybeViewer) -> Viewer:
    if viewer is None or viewer.kind != "guest":
        raise SignInNeeded
    return viewer


SomeGuest = Annotated[Viewer, Depends(_somebody)]


async def _way_back(site: Site, viewer: Viewer, event: Event) -> Response | None:
    """Where somebody goes who is a guest of this event already, or has no account to join with."""
    try:
        async with transaction(site.sessions) as session:
            await joining.check_may_join(session, viewer, event)
    except OnlyPass:
        return go(f"/e/{viewer.event_code}/upgrade")
    except AlreadyGuest:
        return go(f"/e/{event.code}/photos" if viewer.event_id == event.id else "/account")
    return None


async def _join_page(
    request: Request, site: Site, viewer: Viewer, event: Event, form: Form | None = None, error: Refused | None = None
) -> Response:
    async with transaction(site.sessions) as session:
        subject = await subject_of_viewer(session, viewer)
        taken = await registration.unavailable(session, event.id, username=subject.names[0])
        has_selfie = await selfies.accepted_enrolment(session, viewer.id) is not None
    shown = form or Form({"username": "" if taken else subject.names[0]})
    renamed = bool(taken) or shown.value("username").strip().lower() != subject.names[0].lower()
    more = {"who": subject, "renamed": renamed, "has_selfie": has_selfie}
    return form_page(request, "guests/join.html", event, shown, error, **more)


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
    response = go(entering.next_step(event, agrees=wanted.agrees))
    try:
        await entering.join(Door(request, response, passwords, event), viewer, wanted)
    except Refused as error:
        return await _join_page(request, site, viewer, event, form, error)
    return response
