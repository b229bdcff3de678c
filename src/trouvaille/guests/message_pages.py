"""Writing to the photographer, and reading what guests wrote."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import MaybeViewer, StaffViewer
from trouvaille.core.errors import Conflict, Invalid, Refused
from trouvaille.events import rights
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.guests import messages, service
from trouvaille.guests.models import Guest
from trouvaille.web import i18n
from trouvaille.web.errors import status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False)
PAGE = 50


async def _event(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.MANAGE)


async def _guests_event(request: Request, session: Session, code: str) -> Event:
    event = await events.shown_by_code(session, code)
    i18n.settle(request, event.locales)
    return event


StaffEvent = Annotated[Event, Depends(_event)]
GuestsEvent = Annotated[Event, Depends(_guests_event)]


async def _guest(session: Session, event: GuestsEvent, viewer: MaybeViewer) -> Guest:
    return await service.of_viewer(session, viewer, event)


ThisGuest = Annotated[Guest, Depends(_guest)]


async def _contact(
    request: Request, session: Session, event: Event, guest: Guest, form: Form, status: int = 200
) -> Response:
    return page(
        request,
        "guests/contact.html",
        status=status,
        event=event,
        form=form,
        sent=await messages.of_guest(session, guest),
        done="sent" in request.query_params,
        longest=messages.LONGEST,
    )


@router.get("/e/{code}/contact")
async def contact_form(request: Request, session: Session, event: GuestsEvent, guest: ThisGuest) -> Response:
    return await _contact(request, session, event, guest, Form())


@router.post("/e/{code}/contact")
async def contact(request: Request, session: Session, event: GuestsEvent, guest: ThisGuest) -> Response:
    form = typed(await request.form(), "text")
    try:
        await messages.send(session, guest, form.value("text"))
    except Refused as error:
        return await _contact(request, session, event, guest, form.refused(error), status_of(error))
    return go(f"/e/{event.code}/contact?sent=1")


async def _inbox(
    request: Request,
    session: Session,
    event: Event,
    form: Form,
    *,
    after: UUID | None = None,
    answering: UUID | None = None,
    status: int = 200,
) -> Response:
    """``answering``: the message whose answer is in the form."""
    shown = await messages.of_event(session, event.id, limit=PAGE, after=after)
    base = f"/studio/{event.id}/messages"
    return page(
        request,
        "guests/messages.html",
        status=status,
        here=base,
        event=event,
        form=form,
        answering=answering,
        longest=messages.LONGEST,
        messages=shown.messages,
        next_url=f"{base}?after={shown.next_after}" if shown.next_after else None,
        unread=(await messages.unread(session, [event.id])).get(event.id, 0),
    )


@router.get("/studio/{event_id}/messages")
async def inbox(request: Request, session: Session, event: StaffEvent, after: UUID | None = None) -> Response:
    return await _inbox(request, session, event, Form(), after=after)


@router.post("/studio/{event_id}/messages/{message_id}/answer")
async def answer(
    request: Request, session: Session, viewer: StaffViewer, event: StaffEvent, message_id: UUID
) -> Response:
    form = typed(await request.form(), "text")
    try:
        await messages.answer(session, event.id, message_id, form.value("text"), by=viewer.id)
    except (Invalid, Conflict) as error:
        shown = form.refused(error)
        return await _inbox(request, session, event, shown, answering=message_id, status=status_of(error))
    return go(f"/studio/{event.id}/messages#m-{message_id}")


@router.post("/studio/{event_id}/messages/{message_id}/read")
async def mark(request: Request, session: Session, event: StaffEvent, message_id: UUID) -> Response:
    form = typed(await request.form(), "read")
    await messages.mark(session, event.id, message_id, read=form.value("read") != "no")
    return go(f"/studio/{event.id}/messages")


@router.post("/studio/{event_id}/messages/read")
async def mark_all(session: Session, event: StaffEvent) -> Response:
    await messages.mark_all(session, event.id)
    return go(f"/studio/{event.id}/messages")
