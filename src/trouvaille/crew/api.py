"""The people of an event for scripts: its photographers, their invitations and quotas, and handing the event over."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from trouvaille.accounts.identity import StaffViewer
from trouvaille.accounts.models import Staff
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.core.errors import Refused
from trouvaille.crew import invitations, inviting, offering, quotas
from trouvaille.crew.quotas import MOST_BYTES, MOST_PHOTOS, Quota
from trouvaille.events import handover, rights
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.events.states import check_changeable
from trouvaille.web.once import ThisOnce
from trouvaille.web.site import Session

router = APIRouter(prefix="/api/v1/events/{event_id}", tags=["People"])
READ, WRITE = wants(Scope.EVENTS_READ), wants(Scope.EVENTS_WRITE)
Address = Annotated[str, Field(max_length=300, examples=["kim@example.org"])]


class QuotaOut(BaseModel):
    """How much may be added; null for the server's usual."""

    photos: Annotated[int, Field(ge=0, le=MOST_PHOTOS)] | None = Field(None, examples=[2000])
    bytes: Annotated[int, Field(ge=0, le=MOST_BYTES)] | None = Field(None, examples=[20_000_000_000])


class PhotographerOut(BaseModel):
    """Somebody who may add photos to this event."""

    id: UUID
    display_name: str = Field(examples=["Kim"])
    email: str = Field(examples=["kim@example.org"])
    quota: QuotaOut


class InvitationOut(BaseModel):
    """An invitation that somebody may still accept; ``email`` is where it was sent, null for a link."""

    id: UUID
    email: str | None = Field(examples=["kim@example.org"])
    created_at: datetime
    expires_at: datetime


class PeopleOut(BaseModel):
    """Everybody who works on an event."""

    owner: str = Field(description="Name of whoever runs it.", examples=["Ada"])
    offered_to: str | None = Field(description="Name of the organiser to whom it is offered.")
    quota: QuotaOut = Field(description="Of the event as a whole.")
    photographers: list[PhotographerOut]
    invitations: list[InvitationOut]


class NewInvitation(BaseModel):
    """Whom to invite; without an address, or where this server sends no mail, the answer holds the link."""

    email: Address = ""


class InvitationMade(BaseModel):
    """What became of it: one of the two. The link is shown this once."""

    link: str | None
    email: str | None


class Offer(BaseModel):
    """To whom an event goes: the address of an organiser of this server."""

    to: Address


class OfferMade(BaseModel):
    """Whether it has changed hands, as with an administrator, or waits for their yes."""

    given: bool


class OfferAnswer(BaseModel):
    """Whether to take an event that is offered."""

    take: bool = Field(examples=[True])


async def _event(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.MANAGE)


ThisEvent = Annotated[Event, Depends(_event)]


def _quota(quota: Quota) -> QuotaOut:
    return QuotaOut(photos=quota.photos, bytes=quota.bytes)


@router.get("/people", openapi_extra=READ)
async def get_people(response: Response, session: Session, event: ThisEvent) -> PeopleOut:
    """Who works on an event, and who is invited to."""
    response.headers["Cache-Control"] = "no-store"
    owner = await session.get_one(Staff, event.owner_id)
    offered = await handover.of_event(session, event)
    return PeopleOut(
        owner=owner.display_name,
        offered_to=offered.display_name if offered else None,
        quota=_quota(Quota(event.quota_photos, event.quota_bytes)),
        photographers=[
            PhotographerOut(id=staff.id, display_name=staff.display_name, email=staff.email, quota=_quota(quota))
            for staff, quota in await quotas.of_photographers(session, event)
        ],
        invitations=[
            InvitationOut(id=row.id, email=row.email, created_at=row.created_at, expires_at=row.expires_at)
            for row in await invitations.standing(session, event)
        ],
    )


@router.post("/people/invitations", status_code=201, response_model=InvitationMade, openapi_extra=WRITE)
async def invite_photographer(
    request: Request, session: Session, viewer: StaffViewer, event: ThisEvent, body: NewInvitation, once: ThisOnce
) -> JSONResponse:
    """Invite a photographer."""
    if (known := await once.known(session, viewer.id)) is not None:
        return known
    sent = await inviting.send(request, session, event, email=body.email.replace("\0", ""), by=viewer)
    return await once.keep(session, InvitationMade(link=sent.link, email=sent.email or None))


@router.delete("/people/invitations/{invitation_id}", status_code=204, openapi_extra=WRITE)
async def revoke_invitation(session: Session, viewer: StaffViewer, event: ThisEvent, invitation_id: UUID) -> None:
    """Take an invitation back."""
    await invitations.revoke(session, invitation_id, event, by=viewer)


@router.delete("/people/{staff_id}", status_code=204, openapi_extra=WRITE)
async def remove_photographer(session: Session, viewer: StaffViewer, event: ThisEvent, staff_id: UUID) -> None:
    """Let a photographer add no more; the photos that they added stay."""
    await invitations.remove_photographer(session, event, staff_id, by=viewer)


@router.put("/quota", status_code=204, openapi_extra=WRITE)
async def set_quota(session: Session, viewer: StaffViewer, event: ThisEvent, body: QuotaOut) -> None:
    """Set how much the event as a whole may hold. What is there already stays, also where it is more."""
    await quotas.put(session, check_changeable(event), None, Quota(body.photos, body.bytes), by=viewer)


@router.put("/people/{staff_id}/quota", status_code=204, openapi_extra=WRITE)
async def set_photographers_quota(
    session: Session, viewer: StaffViewer, event: ThisEvent, staff_id: UUID, body: QuotaOut
) -> None:
    """Set how much one photographer may add."""
    await quotas.put(session, check_changeable(event), staff_id, Quota(body.photos, body.bytes), by=viewer)


@router.put("/hand-over", openapi_extra=WRITE)
async def hand_over(
    request: Request, response: Response, session: Session, viewer: StaffViewer, event: ThisEvent, body: Offer
) -> OfferMade:
    """Offer the event to another organiser, in place of any offer that stands; an administrator gives it at once."""
    response.headers["Cache-Control"] = "no-store"
    try:
        return OfferMade(given=await offering.send(request, session, event, to=body.to.replace("\0", ""), by=viewer))
    except Refused as error:
        error.field = "to"
        raise


@router.delete("/hand-over", status_code=204, openapi_extra=WRITE)
async def withdraw_offer(session: Session, viewer: StaffViewer, event: ThisEvent) -> None:
    """Take an offer back; where there is none, nothing happens."""
    await handover.withdraw(session, event, by=viewer)


@router.post("/hand-over/answer", status_code=204, openapi_extra=WRITE)
async def answer_offer(session: Session, viewer: StaffViewer, event_id: UUID, body: OfferAnswer) -> None:
    """Take an event that is offered to you, or decline; 404 where none is."""
    await handover.answer(session, viewer, event_id, take=body.take)
