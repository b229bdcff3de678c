"""What a guest writes to the photographer, for programs."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from trouvaille.guests import messages
from trouvaille.guests.models import Message
from trouvaille.guests.signed_in import ThisGuest
from trouvaille.web.api import OF_GUESTS, Text
from trouvaille.web.once import ThisOnce
from trouvaille.web.site import Session

router = APIRouter(prefix="/api/v1/guest/messages", tags=["Guest"])


class OwnMessage(BaseModel):
    """What you wrote, and what you were answered."""

    id: UUID
    text: str = Field(examples=["Is there a photo of the whole table?"])
    created_at: datetime
    answer: str | None
    answered_at: datetime | None


class OwnMessages(BaseModel):
    """The newest twenty."""

    items: list[OwnMessage]


class NewMessage(BaseModel):
    """What the people who run the event read; your address is not shown to them."""

    text: Text = Field(max_length=10_000, examples=["Is there a photo of the whole table?"])


def _shaped(message: Message) -> OwnMessage:
    return OwnMessage.model_validate(message, from_attributes=True)


@router.get("", openapi_extra=OF_GUESTS)
async def list_own_messages(response: Response, session: Session, guest: ThisGuest) -> OwnMessages:
    """What you wrote, and the answers."""
    response.headers["Cache-Control"] = "no-store"
    return OwnMessages(items=[_shaped(each) for each in await messages.of_guest(session, guest)])


@router.post("", status_code=201, openapi_extra=OF_GUESTS, response_model=OwnMessage)
async def write_message(session: Session, guest: ThisGuest, once: ThisOnce, body: NewMessage) -> Response:
    """Write to the photographer."""
    if (known := await once.known(session, guest.id)) is not None:
        return known
    return await once.keep(session, _shaped(await messages.send(session, guest, body.text)))
