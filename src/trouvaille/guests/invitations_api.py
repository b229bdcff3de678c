"""Inviting guests from a list, for scripts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from trouvaille.accounts.identity import StaffViewer
from trouvaille.accounts.service import Viewer
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.core.errors import N_, Conflict, Invalid, InvalidForm
from trouvaille.core.tables import decode
from trouvaille.events import rights
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.guests import invitations
from trouvaille.guests.invitations import Fresh, Person, Problem
from trouvaille.guests.models import GuestInvitation, InvitationState
from trouvaille.web.api import USUAL, Cursor, Limit, Page, Text, page_of
from trouvaille.web.i18n import say
from trouvaille.web.once import ThisOnce
from trouvaille.web.site import Session, ThisSite, address_of

router = APIRouter(prefix="/api/v1/events/{event_id}/invitations", tags=["Guests"])
READ, WRITE = wants(Scope.GUESTS_READ), wants(Scope.GUESTS_WRITE)
CSV = "Name,E-mail\nLily,lily@example.org\n"


class NoMail(Conflict):
    """Nothing can be sent."""

    message = N_("This server sends no mail. Hand the link over yourself.")


class ExpectedOut(BaseModel):
    """Somebody whom an organiser expects."""

    id: UUID
    name: str = Field(examples=["Lily"])
    email: str = Field(examples=["lily@example.org"])
    state: InvitationState
    guest_id: UUID | None = Field(description="The guest that they became.")
    created_at: datetime
    mailed_at: datetime | None = Field(description="When their letter went out.")


class InvitedOut(ExpectedOut):
    """Somebody who has just been invited. The link is shown this once."""

    link: str


class NewPerson(BaseModel):
    """Somebody to invite."""

    name: Annotated[Text, Field(max_length=1000, examples=["Lily"])]
    email: Annotated[Text, Field(max_length=300, examples=["lily@example.org"])]


class People(BaseModel):
    """Whom to invite: one or many."""

    people: list[NewPerson] = Field(min_length=1, max_length=invitations.AT_MOST)


class NotInvited(BaseModel):
    """Somebody who was not, and why: all others of the list were."""

    line: int = Field(description="Which of the list, from 1; in CSV the line that it begins on.")
    row: str
    detail: str


class InvitationsMade(BaseModel):
    """What became of a list; ``mailed`` says whether letters go out, or the links are handed over."""

    invited: list[InvitedOut]
    refused: list[NotInvited]
    mailed: bool


class NewLink(BaseModel):
    """How somebody gets a new link."""

    send: bool = Field(False, description="Whether it goes to them by mail.", examples=[False])


async def _event(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.MANAGE)


async def _changeable(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.to_change(session, viewer, event_id, Right.MANAGE)


ThisEvent = Annotated[Event, Depends(_event)]
ChangeableEvent = Annotated[Event, Depends(_changeable)]


def _expected(invitation: GuestInvitation) -> ExpectedOut:
    return ExpectedOut.model_validate(invitation, from_attributes=True)


def _invited(request: Request, fresh: Fresh) -> InvitedOut:
    link = f"{address_of(request)}/i/{fresh.token}"
    return InvitedOut(**_expected(fresh.invitation).model_dump(), link=link)


@router.get("", openapi_extra=READ)
async def list_guest_invitations(
    request: Request, response: Response, session: Session, event: ThisEvent, limit: Limit = USUAL, cursor: Cursor = ""
) -> Page[ExpectedOut]:
    """Whom an event expects: those who have not come first, each part from A to Z."""
    shown = await invitations.slice_of_event(session, event.id, limit=limit, cursor=cursor)
    return page_of(request, response, [_expected(each) for each in shown.items], shown.cursor)


async def _invite(
    request: Request,
    session: Session,
    viewer: Viewer,
    event: Event,
    people: Sequence[Person],
    unread: Sequence[Problem],
    field: str,
) -> InvitationsMade:
    """Invite those who can be.

    Raises:
        InvalidForm: nobody could be; each problem has the place of its row as its field.
    """
    fresh, refused = await invitations.invite(session, event, people, by=viewer)
    problems = sorted([*unread, *refused], key=lambda problem: problem.line)
    if not fresh:
        for each in problems:
            each.error.field = field.format(each.line, each.line - 1)
        raise InvalidForm(*(each.error for each in problems))
    return InvitationsMade(
        invited=[_invited(request, each) for each in fresh],
        refused=[NotInvited(line=each.line, row=each.row, detail=say(each.error)) for each in problems],
        mailed=request.app.state.site.sends_mail,
    )


@router.post("", status_code=201, response_model=InvitationsMade, openapi_extra=WRITE)
async def invite_guests(
    request: Request, session: Session, viewer: StaffViewer, event: ChangeableEvent, body: People, once: ThisOnce
) -> JSONResponse:
    """Invite one or many. Whoever is invited or here already is told of in `refused`; 422 where that is everybody."""
    if (known := await once.known(session, viewer.id)) is not None:
        return known
    people, unread = invitations.named([(each.name, each.email) for each in body.people])
    return await once.keep(session, await _invite(request, session, viewer, event, people, unread, "people.{1}"))


@router.post("/csv", status_code=201, response_model=InvitationsMade, openapi_extra=WRITE)
async def import_guest_invitations(
    request: Request,
    session: Session,
    viewer: StaffViewer,
    event: ChangeableEvent,
    body: Annotated[bytes, Body(media_type="text/csv", openapi_examples={"list": {"value": CSV}})],
    once: ThisOnce,
) -> JSONResponse:
    """Invite the people of a CSV file as spreadsheets save it: a name and an e-mail address a row, in any order."""
    if (known := await once.known(session, viewer.id)) is not None:
        return known
    try:
        people, unread = invitations.read(decode(body))
    except Invalid as error:
        error.field = ""
        raise
    return await once.keep(session, await _invite(request, session, viewer, event, people, unread, "line.{0}"))


@router.post("/{invitation_id}/link", openapi_extra=WRITE)
async def renew_guest_invitation(
    request: Request,
    response: Response,
    session: Session,
    site: ThisSite,
    viewer: StaffViewer,
    event: ChangeableEvent,
    invitation_id: UUID,
    body: NewLink,
) -> InvitedOut:
    """Give somebody who has not come a new link; the old one leads nowhere from now on."""
    response.headers["Cache-Control"] = "no-store"
    if body.send and not site.sends_mail:
        raise NoMail(field="send")
    return _invited(request, await invitations.renew(session, event, invitation_id, by=viewer, carried=body.send))


@router.delete("/{invitation_id}", status_code=204, openapi_extra=WRITE)
async def withdraw_guest_invitation(
    session: Session, viewer: StaffViewer, event: ChangeableEvent, invitation_id: UUID
) -> None:
    """Take an invitation back; one who has come stays a guest."""
    await invitations.withdraw(session, event.id, invitation_id, by=viewer)
