"""The reminder that an event's photos will go, for scripts."""

from datetime import date

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from trouvaille.accounts.tokens import Scope, wants
from trouvaille.events import reminders, service
from trouvaille.events.api import ThisEvent
from trouvaille.web.site import Session

router = APIRouter(prefix="/api/v1/events/{event_id}/reminder", tags=["Events"])
READ, WRITE = wants(Scope.EVENTS_READ), wants(Scope.EVENTS_WRITE)


class ReminderOut(BaseModel):
    """How long an event is still kept, and whether a reminder of that stands in the studio."""

    expires_on: date | None = Field(description="The last day; null where there is none.")
    days_left: int | None = Field(description="Whole days, today not counted; 0 on the last.", examples=[7])
    stands: bool = Field(description="Whether its people were reminded, and nobody has put it away.")


@router.get("", openapi_extra=READ)
async def get_reminder(response: Response, session: Session, event: ThisEvent) -> ReminderOut:
    """Whether an event ends soon."""
    response.headers["Cache-Control"] = "no-store"
    stands = await reminders.standing(session, event) is not None
    return ReminderOut(expires_on=service.last_day(event), days_left=reminders.days_left(event), stands=stands)


@router.post("/dismiss", status_code=204, openapi_extra=WRITE)
async def dismiss_reminder(session: Session, event: ThisEvent) -> None:
    """Put the reminder away until the next one; where none stands, nothing happens."""
    await reminders.dismiss(session, event.id)
