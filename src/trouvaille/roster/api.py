"""Guests of an event for scripts: listed, looked at, removed."""

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
from trouvaille.roster import exporting, service
from trouvaille.roster.service import Only, Row
from trouvaille.web.api import USUAL, Cursor, Limit, Page, page_of
from trouvaille.web.site import Session

router = APIRouter(prefix="/api/v1/events/{event_id}/guests", tags=["Guests"])
READ, WRITE = wants(Scope.GUESTS_READ), wants(Scope.GUESTS_WRITE)
TABLE = {"type": "string", "examples": ["Name,Username,E-mail,Registered,Selfie,Photos\n"]}


class GuestOut(BaseModel):
    """A guest as their organiser sees them; a guest pass has neither username nor address."""

    id: UUID
    display_name: str = Field(examples=["Rose"])
    username: str | None = Field(examples=["rose"])
    email: str | None = Field(examples=["rose@example.org"])
    created_at: datetime
    selfie: str = Field(description="`none`, `waiting`, `choosing`, `refused` or `accepted`.", examples=["accepted"])
    photos: int = Field(description="How many photos they see as theirs.", examples=[12])


async def _event(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.MANAGE)


ThisEvent = Annotated[Event, Depends(_event)]


def _shaped(row: Row) -> GuestOut:
    return GuestOut(
        id=row.id,
        display_name=row.display_name,
        username=row.username,
        email=row.email,
        created_at=row.created_at,
        selfie=row.selfie,
        photos=row.photos,
    )


@router.get("", openapi_extra=READ)
async def list_guests(
    request: Request,
    response: Response,
    session: Session,
    event: ThisEvent,
    search: Annotated[str, Query(max_length=200, description="Words in name, username or address.")] = "",
    only: Only = Only.ALL,
    limit: Limit = USUAL,
    cursor: Cursor = "",
) -> Page[GuestOut]:
    """The guests of an event, from A to Z."""
    search = search.replace("\0", "").strip()
    shown = await service.slice_of_event(session, event.id, search=search, only=only, limit=limit, cursor=cursor)
    return page_of(request, response, [_shaped(row) for row in shown.items], shown.cursor)


@router.get(
    ".csv", openapi_extra=READ, response_class=Response, responses={200: {"content": {"text/csv": {"schema": TABLE}}}}
)
async def export_guests(
    session: Session,
    event: ThisEvent,
    search: Annotated[str, Query(max_length=200, description="Words in name, username or address.")] = "",
    only: Only = Only.ALL,
) -> Response:
    """The guests of an event as a CSV file for spreadsheets, its head in the language of Accept-Language."""
    return await exporting.table(session, event, search=search, only=only)


@router.get("/{guest_id}", openapi_extra=READ)
async def get_guest(response: Response, session: Session, event: ThisEvent, guest_id: UUID) -> GuestOut:
    """One guest."""
    response.headers["Cache-Control"] = "no-store"
    return _shaped(await service.one(session, event.id, guest_id))


@router.delete("/{guest_id}", status_code=204, openapi_extra=WRITE)
async def remove_guest(
    session: Session,
    viewer: StaffViewer,
    event: ThisEvent,
    guest_id: UUID,
    name: Annotated[str, Query(max_length=500, description="Their name, to confirm.")],
) -> None:
    """Remove a guest and erase everything derived from them, for good."""
    await service.remove(session, event.id, guest_id, name=name, by=viewer)
