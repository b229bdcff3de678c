"""The people of an event: inviting and removing photographers, and handing the event over."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import StaffViewer
from trouvaille.accounts.models import Staff
from trouvaille.core.errors import Refused
from trouvaille.crew import invitations, inviting, offering, quotas
from trouvaille.crew.inviting import Sent
from trouvaille.events import handover, rights
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.events.states import check_changeable
from trouvaille.guests import messages
from trouvaille.web.errors import retry_headers, status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False, prefix="/studio/{event_id}")


async def _event(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.MANAGE)


ManagedEvent = Annotated[Event, Depends(_event)]


async def _people(
    request: Request,
    session: Session,
    event: Event,
    form: Form,
    *,
    error: Refused | None = None,
    sent: Sent | None = None,
    quota_form: Form | None = None,
) -> Response:
    shown = page(
        request,
        "crew/people.html",
        status=status_of(error) if error else 200,
        here=f"/studio/{event.id}/people",
        event=event,
        owner=await session.get_one(Staff, event.owner_id),
        photographers=await invitations.photographers(session, event),
        invitations=await invitations.standing(session, event),
        offered_to=await handover.of_event(session, event),
        unread=(await messages.unread(session, [event.id])).get(event.id, 0),
        quotas=await quotas.lines(session, event),
        quota_form=quota_form or Form(await quotas.values(session, event)),
        form=form,
        sent=sent,
        done=request.query_params.get("done"),
    )
    shown.headers.update(retry_headers(error) if error else {})
    return shown


@router.get("/people")
async def people(request: Request, session: Session, event: ManagedEvent) -> Response:
    return await _people(request, session, event, Form())


@router.post("/people/invite")
async def invite(request: Request, session: Session, event: ManagedEvent, viewer: StaffViewer) -> Response:
    form = typed(await request.form(), "email")
    try:
        sent = await inviting.send(request, session, event, email=form.value("email"), by=viewer)
    except Refused as error:
        return await _people(request, session, event, form.refused(error), error=error)
    return await _people(request, session, event, Form(), sent=sent)


@router.post("/people/invitations/{invitation_id}/revoke")
async def revoke(session: Session, event: ManagedEvent, viewer: StaffViewer, invitation_id: UUID) -> Response:
    removed = await invitations.revoke(session, invitation_id, event, by=viewer)
    return go(f"/studio/{event.id}/people?done=revoked&undo={removed}")


@router.post("/people/quotas")
async def set_quotas(request: Request, session: Session, event: ManagedEvent, viewer: StaffViewer) -> Response:
    check_changeable(event)
    posted = await request.form()
    form = typed(posted, *posted)
    try:
        await quotas.change(session, event, form.values, by=viewer)
    except Refused as error:
        return await _people(request, session, event, Form(), error=error, quota_form=form.refused(error))
    return go(f"/studio/{event.id}/people?done=quotas")


@router.post("/people/{staff_id}/remove")
async def remove(session: Session, event: ManagedEvent, viewer: StaffViewer, staff_id: UUID) -> Response:
    removed = await invitations.remove_photographer(session, event, staff_id, by=viewer)
    return go(f"/studio/{event.id}/people?done=removed&undo={removed}")


@router.post("/hand-over")
async def hand_over(request: Request, session: Session, event: ManagedEvent, viewer: StaffViewer) -> Response:
    posted = typed(await request.form(), "to")
    try:
        given = await offering.send(request, session, event, to=posted.value("to"), by=viewer)
    except Refused as error:
        error.field = "to"
        return await _people(request, session, event, posted.refused(error), error=error)
    return go(f"/studio/{event.id}/people?done={'handed-over' if given else 'offered'}")


@router.post("/hand-over/withdraw")
async def withdraw(session: Session, event: ManagedEvent, viewer: StaffViewer) -> Response:
    await handover.withdraw(session, event, by=viewer)
    return go(f"/studio/{event.id}/people?done=withdrawn")


@router.post("/hand-over/answer")
async def answer(request: Request, session: Session, viewer: StaffViewer, event_id: UUID) -> Response:
    take = typed(await request.form(), "answer").value("answer") == "take"
    event = await handover.answer(session, viewer, event_id, take=take)
    return go(f"/studio/{event.id}" if take else "/studio")
