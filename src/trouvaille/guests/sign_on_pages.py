"""A guest's way in with an account from elsewhere: the last step, where they see what will be kept and say yes."""

import re

from fastapi import APIRouter, Request
from fastapi.responses import Response

from trouvaille.accounts import identities, sign_on
from trouvaille.accounts import service as accounts
from trouvaille.accounts.pages import welcome
from trouvaille.accounts.sign_on import Proved
from trouvaille.core.errors import Refused
from trouvaille.events.models import Event
from trouvaille.guests import invitations
from trouvaille.guests import sign_on as registration
from trouvaille.guests.pages import OpenEvent
from trouvaille.guests.sign_on import Newcomer
from trouvaille.web import i18n
from trouvaille.web.errors import status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False, prefix="/e/{code}/sign-on")


def _page(request: Request, event: Event, proved: Proved, form: Form, *, status: int = 200) -> Response:
    return page(request, "guests/sign_on.html", status=status, event=event, proved=proved, form=form)


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
async def register(request: Request, session: Session, event: OpenEvent) -> Response:
    proved = sign_on.proved_for(request, f"guest:{event.code}")
    if proved is None:
        return go(f"/e/{event.code}/register")
    form = typed(await request.form(), "display_name", "username", "email")
    typed_in = Newcomer(form.value("display_name"), form.value("username"), form.value("email"), i18n.current())
    try:
        guest = await registration.register(session, event, typed_in, verified=proved.identity.email)
    except Refused as error:
        return _page(request, event, proved, form.refused(error), status=status_of(error))
    subject = await accounts.subject_of(session, "guest", guest.id)
    assert subject is not None
    await invitations.join(session, guest, "")
    await identities.link(session, subject, proved.identity, shown=proved.shown)
    first = f"/e/{event.code}/consent" if event.faces_on else f"/e/{event.code}/photos"
    response = await welcome(request, session, "guest", guest.id, first)
    sign_on.forget(request, response)
    return response
