"""Staff accounts, for administrators' scripts: the same verbs as the page of the staff."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from trouvaille.accounts import links
from trouvaille.accounts import service as accounts
from trouvaille.accounts.identity import Administrator, ThesePasswords
from trouvaille.accounts.models import Role
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.core.errors import N_, Invalid, InvalidForm
from trouvaille.crew import invitations, inviting, service
from trouvaille.crew.api import InvitationMade, InvitationOut, NewInvitation
from trouvaille.crew.service import Estate, Member, Will
from trouvaille.web.api import USUAL, Cursor, Limit, Page, Text, page_of
from trouvaille.web.once import ThisOnce
from trouvaille.web.site import Session, address_of

router = APIRouter(prefix="/api/v1/staff", tags=["Server"])
READ, WRITE = wants(Scope.SERVER_READ), wants(Scope.SERVER_WRITE)
Name = Annotated[Text, Field(max_length=1000)]
MOST_EVENTS = 10_000


class StaffOut(BaseModel):
    """A member of staff."""

    id: UUID
    display_name: str = Field(examples=["Kim"])
    email: str = Field(examples=["kim@example.org"])
    email_confirmed: bool
    role: Role
    locale: str = Field(examples=["en"])
    events: int = Field(description="How many events are theirs.")
    invited: int = Field(description="To how many events of others they may add photos.")
    created_at: datetime


class NewStaff(BaseModel):
    """An account to be made. Whoever it is for chooses its password, by the link in the answer."""

    email: Annotated[Text, Field(max_length=300, examples=["kim@example.org"])]
    display_name: Name = Field(examples=["Kim"])
    role: Role = Field(Role.PHOTOGRAPHER, examples=["photographer"])
    locale: Literal["en", "fr"] = Field("en", examples=["en"])


class StaffMade(StaffOut):
    """A new account, and where its password is set: a link to hand over, good for an hour and shown this once."""

    password_link: str


class NewRole(BaseModel):
    """What somebody is from their next request on."""

    role: Role = Field(examples=["organiser"])


class Invitations(BaseModel):
    """Those that somebody may still accept."""

    items: list[InvitationOut]


class LeftEvent(BaseModel):
    """An event of somebody who leaves."""

    id: UUID
    name: str = Field(examples=["Lea & Tom"])
    photos: int
    guests: int


class Heir(BaseModel):
    """Somebody who could have the events."""

    id: UUID
    display_name: str


class EstateOut(BaseModel):
    """What somebody would leave behind, to be decided of before they are deleted."""

    events: list[LeftEvent] = Field(description="Their own.")
    uploads: int = Field(description="How many photos they added to others’ events.")
    heirs: list[Heir]


class EventWill(BaseModel):
    """What becomes of one event: it goes to somebody, or it is deleted with everything in it."""

    event_id: UUID
    to: UUID | None = Field(None, description="One of the heirs; null deletes the event.")
    name: Text = Field("", max_length=500, description="The event’s name, to confirm that it is deleted.")


class Leaving(BaseModel):
    """What is to become of somebody’s work, each of their events named once; all of it happens, or nothing."""

    email: Annotated[
        Text, Field(max_length=300, description="Their address, to confirm.", examples=["kim@example.org"])
    ]
    events: list[EventWill] = Field([], max_length=MOST_EVENTS)
    uploads: Literal["keep", "delete"] = Field(
        "keep", description="Photos in others’ events; kept, without their name."
    )


def _shaped(member: Member) -> StaffOut:
    staff = member.staff
    return StaffOut(
        id=staff.id,
        display_name=staff.display_name,
        email=staff.email,
        email_confirmed=staff.email_confirmed_at is not None,
        role=staff.role,
        locale=staff.locale,
        events=member.events,
        invited=member.invited,
        created_at=staff.created_at,
    )


@router.get("", openapi_extra=READ)
async def list_staff(
    request: Request,
    response: Response,
    session: Session,
    viewer: Administrator,
    search: Annotated[Text, Query(max_length=200, description="A part of the name or of the address.")] = "",
    limit: Limit = USUAL,
    cursor: Cursor = "",
) -> Page[StaffOut]:
    """All staff of this server, from A to Z."""
    shown = await service.slice_of_members(session, search=search, limit=limit, cursor=cursor)
    return page_of(request, response, [_shaped(member) for member in shown.items], shown.cursor)


@router.post("", status_code=201, response_model=StaffMade, openapi_extra=WRITE)
async def create_staff(
    request: Request,
    session: Session,
    viewer: Administrator,
    passwords: ThesePasswords,
    body: NewStaff,
    once: ThisOnce,
) -> JSONResponse:
    """Make an account for somebody, without waiting for them to accept an invitation."""
    if (known := await once.known(session, viewer.id)) is not None:
        return known
    staff = await accounts.create_staff(
        session,
        passwords,
        email=body.email,
        display_name=body.display_name,
        password=None,
        role=body.role,
        locale=body.locale,
        by=viewer,
    )
    token, _ = await links.make_reset(session, staff.email, by=viewer)
    made = _shaped(Member(staff, 0, 0)).model_dump()
    answer = StaffMade(**made, password_link=f"{address_of(request)}/reset/{token}")
    return await once.keep(session, answer, location=f"/api/v1/staff/{staff.id}")


@router.get("/invitations", openapi_extra=READ)
async def list_invitations(response: Response, session: Session, viewer: Administrator) -> Invitations:
    """Invitations to run events here that somebody may still accept."""
    response.headers["Cache-Control"] = "no-store"
    rows = await invitations.standing(session, None)
    return Invitations(items=[InvitationOut.model_validate(row, from_attributes=True) for row in rows])


@router.post("/invitations", status_code=201, response_model=InvitationMade, openapi_extra=WRITE)
async def invite_organiser(
    request: Request, session: Session, viewer: Administrator, body: NewInvitation, once: ThisOnce
) -> JSONResponse:
    """Invite somebody to run events of their own here."""
    if (known := await once.known(session, viewer.id)) is not None:
        return known
    sent = await inviting.send(request, session, None, email=body.email.replace("\0", ""), by=viewer)
    return await once.keep(session, InvitationMade(link=sent.link, email=sent.email or None))


@router.delete("/invitations/{invitation_id}", status_code=204, openapi_extra=WRITE)
async def revoke_server_invitation(session: Session, viewer: Administrator, invitation_id: UUID) -> None:
    """Take an invitation to run events here back."""
    await invitations.revoke(session, invitation_id, None, by=viewer)


@router.get("/{staff_id}", openapi_extra=READ)
async def get_staff(response: Response, session: Session, viewer: Administrator, staff_id: UUID) -> StaffOut:
    """One member of staff."""
    response.headers["Cache-Control"] = "no-store"
    return _shaped(await service.one_member(session, staff_id))


@router.put("/{staff_id}/role", openapi_extra=WRITE)
async def change_role(
    response: Response, session: Session, viewer: Administrator, staff_id: UUID, body: NewRole
) -> StaffOut:
    """Make somebody administrator, organiser or photographer. Whoever has events stays organiser until they are given
    away, and one administrator stays."""
    response.headers["Cache-Control"] = "no-store"
    await service.change_role(session, staff_id, body.role, by=viewer)
    return _shaped(await service.one_member(session, staff_id))


@router.get("/{staff_id}/estate", openapi_extra=READ)
async def look_at_estate(response: Response, session: Session, viewer: Administrator, staff_id: UUID) -> EstateOut:
    """What somebody would leave behind: look here before deleting them."""
    response.headers["Cache-Control"] = "no-store"
    estate = await service.estate_of(session, staff_id)
    return EstateOut(
        events=[
            LeftEvent(id=event.id, name=event.name, photos=photos, guests=guests)
            for event, photos, guests in estate.events
        ],
        uploads=estate.uploads,
        heirs=[Heir(id=heir.id, display_name=heir.display_name) for heir in estate.heirs],
    )


@router.post("/{staff_id}/delete", status_code=204, openapi_extra=WRITE)
async def delete_staff(session: Session, viewer: Administrator, staff_id: UUID, body: Leaving) -> None:
    """Delete somebody for good, and do with their events and photos what is said here; 409 where that no longer fits
    what they have."""
    estate = await service.estate_of(session, staff_id)
    await service.remove(session, staff_id, _will(estate, body), by=viewer)


def _will(estate: Estate, body: Leaving) -> Will:
    """What was decided.

    Raises:
        InvalidForm: an event is named twice, or a name to confirm by is another.
    """
    problems, own = [], {event.id: event for event, _, _ in estate.events}
    if body.email.strip().lower() != estate.staff.email.lower():
        problems.append(Invalid(N_("Type their e-mail address exactly to confirm."), field="email"))
    for n, wish in enumerate(body.events):
        try:
            if any(wish.event_id == other.event_id for other in body.events[:n]):
                raise Invalid(N_("This event is named twice."), field=f"events.{n}.event_id")
            if wish.to is None and wish.event_id in own:
                service.check_name(own[wish.event_id], wish.name, field=f"events.{n}.name")
        except Invalid as problem:
            problems.append(problem)
    if problems:
        raise InvalidForm(*problems)
    return Will({wish.event_id: wish.to for wish in body.events}, body.uploads == "delete")
