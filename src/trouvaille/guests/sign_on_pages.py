"""A guest's way in with an account from elsewhere: the last step, where they see what will be kept and say yes."""

import re

from fastapi import APIRouter, Request
from fastapi.responses import Response

from trouvaille.accounts import identities, sign_on
from trouvaille.accounts import service as accounts
from trouvaille.accounts.arrival import welcome
from trouvaille.accounts.sign_on import Proved
from trouvaille.core.db import transaction
from trouvaille.core.errors import Refused
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import door, entering
from trouvaille.guests import sign_on as registration
from trouvaille.guests.pages import OpenEvent
from trouvaille.guests.registration_pages import form_page, open_event
from trouvaille.guests.sign_on import Newcomer
from trouvaille.web import i18n
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go
from trouvaille.web.site import ThisSite, sender_of

router = APIRouter(include_in_schema=False, prefix="/e/{code}/sign-on")


def _page(request: Request, event: Event, proved: Proved, form: Form, error: Refused | None = None) -> Response:
    return form_page(request, "guests/sign_on.html", event, form, error, proved=proved)


def _proposed(proved: Proved) -> dict[str, str]:
    identity = proved.identity
    local = (identity.email or "").partition("@")[0] or (identity.name or "")
    username = re.sub(r"[^\w.\-]+", ".", local.strip().lower()).strip(".-")[:40]
    return {"display_name": identity.name or "", "username": username, "email": identity.email or ""}


@router.get("")
async def sign_on_form(request: Request, event: OpenEvent) -> Response:
    proved = sign_on.proved_for(request, f"guest:{event.code}")
    if proved is None:
        return go(f"/e/{event.code}/register")
    return _page(request, event, proved, Form(_proposed(proved)))


@router.post("")
async def register(request: Request, site: ThisSite, code: str) -> Response:
    event = await open_event(request, site, code)
    proved = sign_on.proved_for(request, f"guest:{event.code}")
    if proved is None:
        return go(f"/e/{event.code}/register")
    form = typed(await request.form(), "display_name", "username", "email", "agree")
    typed_in = Newcomer(
        display_name=form.value("display_name"),
        username=form.value("username"),
        email=form.value("email"),
        locale=i18n.current(),
        agrees=form.value("agree") == "yes",
    )
    try:
        await door.count_coming(site.sessions, site.vault, address=sender_of(request), event_id=event.id)
        async with transaction(site.sessions) as session:
            present = await events.open_by_code(session, event.code)
            guest = await registration.register(session, present, typed_in, verified=proved.identity.email)
            subject = await accounts.subject_of(session, "guest", guest.id)
            assert subject is not None
            await identities.link(session, subject, proved.identity, shown=proved.shown)
            response = go(entering.next_step(event, agrees=typed_in.agrees))
            await welcome(request, session, response, "guest", guest.id)
    except Refused as error:
        return _page(request, event, proved, form, error)
    sign_on.forget(request, response)
    return response
