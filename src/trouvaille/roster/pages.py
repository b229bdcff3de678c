"""An organiser's guest list: search, filter, export, and one guest's page with the way to remove them."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import StaffViewer
from trouvaille.core.errors import Refused
from trouvaille.events import rights
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.guests import invitations, messages
from trouvaille.guests import service as guests
from trouvaille.roster import exporting, service
from trouvaille.roster.service import Only
from trouvaille.web.errors import status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False, prefix="/studio/{event_id}")
PAGE = 50


async def _event(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.MANAGE)


ThisEvent = Annotated[Event, Depends(_event)]
Search = Annotated[str, Query(max_length=200)]


@router.get("/guests")
async def listed(
    request: Request,
    session: Session,
    event: ThisEvent,
    search: Search = "",
    only: Only = Only.ALL,
    after: UUID | None = None,
) -> Response:
    search = search.replace("\0", "").strip()
    shown = await service.of_event(session, event.id, search=search, only=only, limit=PAGE, after=after)
    wish = {"search": search, "only": only.value}
    base = f"/studio/{event.id}/guests"
    more = f"{base}?{urlencode({**wish, 'after': shown.next_after})}" if shown.next_after else None
    return page(
        request,
        "roster/guests.html",
        event=event,
        rows=shown.rows,
        form=Form(wish),
        listed=await service.count(session, event.id, search=search, only=only),
        turnout=await guests.turnout(session, event.id),
        tally=await invitations.tally(session, event.id),
        first_url=f"{base}?{urlencode(wish)}" if after else None,
        next_url=more,
        export_url=f"{base}.csv?{urlencode(wish)}",
        unread=(await messages.unread(session, [event.id])).get(event.id, 0),
    )


@router.get("/guests.csv")
async def export(session: Session, event: ThisEvent, search: Search = "", only: Only = Only.ALL) -> Response:
    return await exporting.table(session, event, search=search, only=only)


async def _guest_page(
    request: Request, session: Session, event: Event, guest_id: UUID, form: Form, status: int = 200
) -> Response:
    return page(
        request,
        "roster/guest.html",
        status=status,
        here=f"/studio/{event.id}/guests/{guest_id}",
        event=event,
        guest=await service.one(session, event.id, guest_id),
        form=form,
        unread=(await messages.unread(session, [event.id])).get(event.id, 0),
    )


@router.get("/guests/{guest_id}")
async def one(request: Request, session: Session, event: ThisEvent, guest_id: UUID) -> Response:
    return await _guest_page(request, session, event, guest_id, Form())


@router.post("/guests/{guest_id}/remove")
async def remove(request: Request, session: Session, viewer: StaffViewer, event: ThisEvent, guest_id: UUID) -> Response:
    form = typed(await request.form(), "name")
    try:
        await service.remove(session, event.id, guest_id, name=form.value("name"), by=viewer)
    except service.NoSuchGuest:
        raise
    except Refused as error:
        return await _guest_page(request, session, event, guest_id, form.refused(error), status_of(error))
    return go(f"/studio/{event.id}/guests")
