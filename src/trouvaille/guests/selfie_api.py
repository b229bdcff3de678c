"""A guest's selfie, for programs: sent, looked after, and which face it is."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from trouvaille.core.errors import N_, Invalid
from trouvaille.events.models import Event
from trouvaille.guests import selfies, sending, service
from trouvaille.guests.reasons import reason_for
from trouvaille.guests.signed_in import AnyGuest, GuestViewer, ThisGuest
from trouvaille.web.api import OF_GUESTS
from trouvaille.web.i18n import gettext
from trouvaille.web.site import Session, ThisSite, sender_of

router = APIRouter(prefix="/api/v1/guest/selfie", tags=["Guest"])
# Read by the route itself, after a look at who sends it; so it has to be described by hand.
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The picture’s bytes; what kind it is, they say themselves.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class SelfieOut(BaseModel):
    """Where a guest's selfie stands."""

    state: str = Field(description="`none`, `waiting`, `choosing`, `refused` or `accepted`.", examples=["waiting"])
    reason: str | None = Field(description="Why it was refused, for people.")
    advice: str | None = Field(description="What to change, for people.")
    faces: list[list[float]] = Field(
        description="While `choosing`: left, top, right and bottom of each face, in parts of the picture.",
    )


class Choice(BaseModel):
    """Which of the `faces` is theirs."""

    face: int = Field(ge=0, le=1000, examples=[0])


async def _sender(request: Request, site: ThisSite, viewer: GuestViewer) -> Event:
    return await sending.check_sender(site, viewer, viewer.event_code or "", address=sender_of(request))


@router.get("", openapi_extra=OF_GUESTS)
async def get_selfie(response: Response, session: Session, guest: AnyGuest) -> SelfieOut:
    """Whether it is looked at, accepted or refused, and why."""
    response.headers["Cache-Control"] = "no-store"
    found = await service.face_state(session, guest)
    said = reason_for(found.reason)
    return SelfieOut(
        state=found.state,
        reason=gettext(said.wrong) if said else None,
        advice=gettext(said.advice) if said else None,
        faces=(found.candidates or {}).get("boxes_xyxy", []) if found.state == "choosing" else [],
    )


@router.put("", status_code=202, openapi_extra=OF_GUESTS | BODY)
async def put_selfie(
    request: Request,
    response: Response,
    site: ThisSite,
    viewer: GuestViewer,
    event: Annotated[Event, Depends(_sender)],
) -> SelfieOut:
    """Send a selfie, once a consent stands; an accepted one stays until this one is accepted."""
    response.headers["Cache-Control"] = "no-store"
    data = await request.body()
    if not data:
        raise Invalid(N_("Please take a picture or choose one."), field="selfie")
    await sending.take_in(site, viewer, event, [data])
    return SelfieOut(state="waiting", reason=None, advice=None, faces=[])


@router.put("/choice", status_code=202, openapi_extra=OF_GUESTS)
async def choose_face(response: Response, session: Session, guest: ThisGuest, body: Choice) -> SelfieOut:
    """Say which of several faces is yours."""
    response.headers["Cache-Control"] = "no-store"
    await selfies.choose(session, guest, body.face)
    return SelfieOut(state="waiting", reason=None, advice=None, faces=[])
