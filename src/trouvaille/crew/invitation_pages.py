"""The page behind an invitation: becoming staff, or accepting as the member of staff that one is already."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from trouvaille.accounts import identities, sign_on
from trouvaille.accounts import service as accounts
from trouvaille.accounts.arrival import welcome
from trouvaille.accounts.identity import MaybeViewer, ThesePasswords
from trouvaille.accounts.models import Staff
from trouvaille.accounts.sign_on import Proved
from trouvaille.core.clock import now
from trouvaille.core.errors import Refused
from trouvaille.crew import invitations
from trouvaille.crew.invitations import Opened
from trouvaille.web import i18n
from trouvaille.web.errors import status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False, prefix="/invitation/{token}")


def _page(
    request: Request, invitation: Opened, token: str, form: Form, staff: Staff | None, *, status: int = 200
) -> Response:
    return page(
        request,
        "crew/invitation.html",
        status=status,
        here=f"/invitation/{token}",
        event_name=invitation.event.name if invitation.event else None,
        invited_by=invitation.invited_by,
        token=token,
        accepting=staff,
        proved=sign_on.proved_for(request, f"invitation:{token}"),
        form=form,
    )


async def _staff(session: Session, viewer: MaybeViewer) -> Staff | None:
    return await session.get(Staff, viewer.id) if viewer and viewer.kind == "staff" else None


@router.get("")
async def invitation_form(request: Request, session: Session, viewer: MaybeViewer, token: str) -> Response:
    # Mail programs look at links by themselves, so looking changes nothing.
    invitation = await invitations.opened(session, token)
    proved = sign_on.proved_for(request, f"invitation:{token}")
    known = proved.identity if proved else None
    email, name = (known.email if known else None), (known.name if known else None)
    form = Form({"email": email or invitation.row.email or "", "display_name": name or ""})
    return _page(request, invitation, token, form, await _staff(session, viewer))


@router.post("")
async def accept(
    request: Request, session: Session, viewer: MaybeViewer, passwords: ThesePasswords, token: str
) -> Response:
    invitation = await invitations.opened(session, token)
    event = invitation.event
    landing = f"/studio/{event.id}" if event else "/studio"
    proved = sign_on.proved_for(request, f"invitation:{token}")
    if (staff := await _staff(session, viewer)) is not None:
        await invitations.accept(session, invitation, staff)
        return go(landing)
    form = typed(await request.form(), "display_name", "email", "password")
    try:
        staff = await accounts.create_staff(
            session,
            passwords,
            email=form.value("email"),
            display_name=form.value("display_name"),
            password=None if proved else form.value("password"),
            role=invitation.row.role,
            locale=i18n.current(),
        )
    except Refused as error:
        return _page(request, invitation, token, form.refused(error), None, status=status_of(error))
    await invitations.accept(session, invitation, staff)
    if proved is not None:
        await _link(session, staff, proved)
    response = go(landing)
    await welcome(request, session, response, "staff", staff.id)
    sign_on.forget(request, response)
    return response


async def _link(session: Session, staff: Staff, proved: Proved) -> None:
    verified = proved.identity.email
    if verified is not None and staff.email.lower() == verified.lower():
        staff.email_confirmed_at = staff.email_confirmed_at or now()
        await session.flush()
    subject = await accounts.subject_of(session, "staff", staff.id)
    assert subject is not None
    await identities.link(session, subject, proved.identity, shown=proved.shown)
