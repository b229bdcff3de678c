"""Messages from guests, for scripts: listed, marked as read, answered."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from trouvaille.accounts.identity import StaffViewer
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.events import rights
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.guests import messages
from trouvaille.guests.models import Message
from trouvaille.web.api import USUAL, Cursor, Limit, Page, page_of
from trouvaille.web.site import Session

router = APIRouter(prefix="/api/v1/events/{event_id}/messages", tags=["Messages"])
READ, WRITE = wants(Scope.GUESTS_READ), wants(Scope.GUESTS_WRITE)


class MessageOut(BaseModel):
    """What a guest wrote, and what they were answered."""

    id: UUID
    guest_id: UUID
    guest: str = Field(description="The guest's name.", examples=["Rose"])
    text: str = Field(examples=["Is there a photo of the whole table?"])
    created_at: datetime
    read_at: datetime | None
    answer: str | None
    answered_at: datetime | None


class Answer(BaseModel):
    """What the guest reads where they wrote."""

    text: str = Field(max_length=10_000, examples=["It comes tomorrow."])


class Reading(BaseModel):
    """Whether a message was read."""

    read: bool = Field(examples=[True])


async def _event(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.MANAGE)


ThisEvent = Annotated[Event, Depends(_event)]


def _shaped(message: Message, guest: str) -> MessageOut:
    return MessageOut(
        id=message.id,
        guest_id=message.guest_id,
        guest=guest,
        text=message.text,
        created_at=message.created_at,
        read_at=message.read_at,
        answer=message.answer,
        answered_at=message.answered_at,
    )


@router.get("", openapi_extra=READ)
async def list_messages(
    request: Request,
    response: Response,
    session: Session,
    event: ThisEvent,
    unread: Annotated[bool, Query(description="Only those that nobody has read.")] = False,
    limit: Limit = USUAL,
    cursor: Cursor = "",
) -> Page[MessageOut]:
    """What guests wrote, the newest first."""
    shown = await messages.slice_of_event(session, event.id, unread=unread, limit=limit, cursor=cursor)
    return page_of(request, response, [_shaped(message, name) for message, name in shown.items], shown.cursor)


@router.put("/read", status_code=204, openapi_extra=WRITE)
async def mark_all_read(session: Session, event: ThisEvent) -> None:
    """Say that all of them were read."""
    await messages.mark_all(session, event.id)


@router.put("/{message_id}/read", status_code=204, openapi_extra=WRITE)
async def mark_read(session: Session, event: ThisEvent, message_id: UUID, body: Reading) -> None:
    """Say that a message was read, or take that back."""
    await messages.mark(session, event.id, message_id, read=body.read)


@router.put("/{message_id}/answer", status_code=204, openapi_extra=WRITE)
async def answer_message(
    session: Session, viewer: StaffViewer, event: ThisEvent, message_id: UUID, body: Answer
) -> None:
    """Answer a guest. A message has one answer, which stays: a second one is refused (409)."""
    await messages.answer(session, event.id, message_id, body.text.replace("\0", ""), by=viewer.id)
