"""An invitation's other end, for programs: what it is for, and accepting it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from trouvaille.accounts import service as accounts
from trouvaille.accounts.arrival import welcome
from trouvaille.accounts.identity import MaybeViewer, ThesePasswords
from trouvaille.accounts.models import Role, Staff
from trouvaille.crew import invitations
from trouvaille.web import i18n
from trouvaille.web.api import OF_BROWSERS, Text
from trouvaille.web.site import Session

router = APIRouter(prefix="/api/v1/invitations/{token}", tags=["Coming in"])
Token = Annotated[str, Path(max_length=100, description="What the invitation’s link ends with.")]


class InvitationSeen(BaseModel):
    """What somebody is invited to."""

    role: Role = Field(examples=["photographer"])
    event_name: str | None = Field(description="Null for an invitation to run events.", examples=["Lea & Tom"])
    invited_by: str = Field(examples=["Ada"])
    email: str | None = Field(description="Where it was sent.", examples=["kim@example.org"])


class Accepting(BaseModel):
    """The account to make; nothing of it is needed from a browser that is signed in as staff."""

    display_name: Text = Field("", max_length=1000, examples=["Kim"])
    email: Text = Field("", max_length=300, examples=["kim@example.org"])
    password: Text = Field("", max_length=1000, examples=["correct horse battery"])


class Accepted(BaseModel):
    """Who accepted, and the event that they may add photos to now."""

    staff_id: UUID
    event_id: UUID | None


@router.get("")
async def look_at_invitation(response: Response, session: Session, token: Token) -> InvitationSeen:
    """What an invitation is for; 410 once it is used, taken back or too old."""
    response.headers["Cache-Control"] = "no-store"
    invitation = await invitations.opened(session, token)
    return InvitationSeen(
        role=invitation.row.role,
        event_name=invitation.event.name if invitation.event else None,
        invited_by=invitation.invited_by,
        email=invitation.row.email,
    )


@router.post("/accept", openapi_extra=OF_BROWSERS)
async def accept_invitation(
    request: Request,
    response: Response,
    session: Session,
    viewer: MaybeViewer,
    passwords: ThesePasswords,
    token: Token,
    body: Accepting,
) -> Accepted:
    """Accept as the member of staff that this browser is signed in as, or with a new account, and be signed in."""
    response.headers["Cache-Control"] = "no-store"
    invitation = await invitations.opened(session, token)
    staff = await session.get(Staff, viewer.id) if viewer and viewer.kind == "staff" else None
    if staff is not None:
        await invitations.accept(session, invitation, staff)
    else:
        staff = await accounts.create_staff(
            session,
            passwords,
            email=body.email,
            display_name=body.display_name,
            password=body.password,
            role=invitation.row.role,
            locale=i18n.current(),
        )
        await invitations.accept(session, invitation, staff)
        await welcome(request, session, response, "staff", staff.id)
    return Accepted(staff_id=staff.id, event_id=invitation.event.id if invitation.event else None)
