"""Undoing what one removed from an event, for scripts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from trouvaille.accounts import undo
from trouvaille.accounts.identity import StaffViewer
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.events import rights
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.web.site import Session

router = APIRouter(prefix="/api/v1/events/{event_id}/removed", tags=["Events"])
READ, WRITE = wants(Scope.EVENTS_READ), wants(Scope.EVENTS_WRITE)


class RemovedOut(BaseModel):
    """Something that you removed and may put back as it was."""

    id: UUID
    what: str = Field(
        description="`photographer`, `invitation`, `guest_invitation`, `picture`, `camera` or `wall`.",
        examples=["photographer"],
    )
    removed_at: datetime
    until: datetime


class RemovedList(BaseModel):
    """All of it, the newest first."""

    items: list[RemovedOut]


async def _event(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.UPLOAD)


ThisEvent = Annotated[Event, Depends(_event)]


@router.get("", openapi_extra=READ)
async def list_removed(response: Response, session: Session, viewer: StaffViewer, event: ThisEvent) -> RemovedList:
    """What you removed from this event within the last hour, apart from photos, which have a bin of their own."""
    response.headers["Cache-Control"] = "no-store"
    items = [
        RemovedOut(id=one.id, what=undo.name_of(one), removed_at=one.at, until=one.at + undo.KEPT)
        for one in await undo.standing(session, viewer, event.id)
    ]
    return RemovedList(items=items)


@router.post("/{removed_id}/put-back", status_code=204, openapi_extra=WRITE)
async def put_back(session: Session, viewer: StaffViewer, event: ThisEvent, removed_id: UUID) -> None:
    """Undo a removal."""
    await undo.put_back(session, viewer, removed_id, event_id=event.id)
