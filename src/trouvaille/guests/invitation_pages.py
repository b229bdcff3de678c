"""Inviting people from a list, and the link that an invited person follows."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from trouvaille.accounts.identity import StaffViewer
from trouvaille.core.errors import Invalid, NotFound
from trouvaille.core.tables import decode
from trouvaille.events import rights
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.guests import invitations, messages
from trouvaille.guests.invitations import Fresh, Problem
from trouvaille.web.forms import Form
from trouvaille.web.i18n import say
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, ThisSite, address_of

router = APIRouter(include_in_schema=False)
PAGE = 100
LONGEST_LIST = 200_000


async def _event(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.MANAGE)


async def _changeable(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.to_change(session, viewer, event_id, Right.MANAGE)


ThisEvent = Annotated[Event, Depends(_event)]
ChangeableEvent = Annotated[Event, Depends(_changeable)]


async def _page(
    request: Request,
    session: Session,
    event: Event,
    form: Form,
    *,
    after: UUID | None = None,
    fresh: Sequence[Fresh] = (),
    problems: Sequence[Problem] = (),
    mailed: bool = False,
    status: int = 200,
) -> Response:
    shown = await invitations.of_event(session, event.id, limit=PAGE, after=after)
    base = f"/studio/{event.id}/invitations"
    return page(
        request,
        "guests/invitations.html",
        status=status,
        here=base,
        event=event,
        form=form,
        done=request.query_params.get("done"),
        invitations=shown.invitations,
        mailed=mailed,
        tally=await invitations.tally(session, event.id),
        next_url=f"{base}?after={shown.next_after}" if shown.next_after else None,
        fresh=[
            {
                "name": each.invitation.name,
                "email": each.invitation.email,
                "link": f"{address_of(request)}/i/{each.token}",
                "undo": each.undo,
            }
            for each in fresh
        ],
        problems=[{"line": each.line, "row": each.row, "reason": say(each.error)} for each in problems],
        unread=(await messages.unread(session, [event.id])).get(event.id, 0),
    )


@router.get("/studio/{event_id}/invitations")
async def listed(request: Request, session: Session, event: ThisEvent, after: UUID | None = None) -> Response:
    return await _page(request, session, event, Form(), after=after)


@router.post("/studio/{event_id}/invitations")
async def invite(request: Request, session: Session, viewer: StaffViewer, event: ChangeableEvent) -> Response:
    async with request.form() as sent:
        form = Form({"people": str(sent.get("people", "")).replace("\0", "")[:LONGEST_LIST]})
        file = sent.get("file")
        data = await file.read() if isinstance(file, UploadFile) and file.filename else None
    try:
        people, unread = invitations.read(form.value("people") if data is None else decode(data))
    except Invalid as error:
        error.field = "people"
        return await _page(request, session, event, form.refused(error), status=422)
    fresh, refused = await invitations.invite(session, event, people, by=viewer)
    problems = sorted([*unread, *refused], key=lambda problem: problem.line)
    # What was taken is done with; what was not stands there to be corrected.
    left = Form({"people": "\n".join(problem.row for problem in problems)})
    status = 200 if fresh else 422
    return await _page(request, session, event, left, fresh=fresh, problems=problems, mailed=True, status=status)


@router.post("/studio/{event_id}/invitations/{invitation_id}/link")
async def renew(
    request: Request, session: Session, viewer: StaffViewer, event: ChangeableEvent, invitation_id: UUID
) -> Response:
    fresh = await invitations.renew(session, event, invitation_id, by=viewer)
    return await _page(request, session, event, Form(), fresh=[fresh])


@router.post("/studio/{event_id}/invitations/{invitation_id}/send")
async def send(
    request: Request,
    session: Session,
    site: ThisSite,
    viewer: StaffViewer,
    event: ChangeableEvent,
    invitation_id: UUID,
) -> Response:
    if not site.sends_mail:
        raise NotFound
    fresh = await invitations.renew(session, event, invitation_id, by=viewer, carried=True)
    return await _page(request, session, event, Form(), fresh=[fresh], mailed=True)


@router.post("/studio/{event_id}/invitations/{invitation_id}/withdraw")
async def withdraw(session: Session, viewer: StaffViewer, event: ChangeableEvent, invitation_id: UUID) -> Response:
    removed = await invitations.withdraw(session, event.id, invitation_id, by=viewer)
    return go(f"/studio/{event.id}/invitations?done=withdrawn&undo={removed}")


@router.get("/i/{token}")
async def follow(session: Session, token: str) -> Response:
    _, event = await invitations.by_token(session, token[:100])
    events.check_open(event)
    return go(f"/e/{event.code}/register?invitation={token}")
