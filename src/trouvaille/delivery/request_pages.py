"""Asking the organiser about a photo, and the organiser's page with what was asked."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from trouvaille.accounts.identity import StaffViewer
from trouvaille.core.errors import N_, Invalid, Refused
from trouvaille.delivery import access, nearby, requests, veils, views
from trouvaille.delivery.models import Near, Reason, Report, Veil
from trouvaille.delivery.pages import GuestViewer, ThisEvent
from trouvaille.events import rights
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.guests import messages
from trouvaille.web.errors import status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.i18n import gettext
from trouvaille.web.render import go, page, wants_json
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False)
REASONS = {
    Reason.HIDE: N_("Please hide this photo: I am in it"),
    Reason.UNKIND: N_("It is unkind or embarrassing"),
    Reason.WRONG: N_("It does not belong to this event"),
    Reason.OTHER: N_("Something else"),
}
HIDE_FACE = N_("Please hide my face here")
NEAR = N_("I’m near here: please look for me around this photo")


def _words(what: Report | Veil | Near) -> str:
    return gettext(HIDE_FACE if isinstance(what, Veil) else NEAR if isinstance(what, Near) else REASONS[what.reason])


def _reasons() -> list[tuple[str, str, str]]:
    return [(reason.value, gettext(text), "") for reason, text in REASONS.items()]


async def ask_page(
    request: Request, session: Session, event: Event, guest: GuestViewer, photo_id: UUID, form: Form, status: int = 200
) -> Response:
    """The page about one photo, with all that a guest may ask about it."""
    seen = await access.one_photo(session, event, guest, photo_id)
    near = await nearby.of_guest(session, guest.id, photo_id)
    return page(
        request,
        "delivery/ask.html",
        status=status,
        event=event,
        item=views.item(event, seen),
        reasons=_reasons(),
        form=form,
        longest=requests.LONGEST,
        near=near.state.value if near is not None else None,
        near_longest=nearby.LONGEST,
        done=request.query_params.get("done", ""),
    )


@router.get("/e/{code}/photos/{photo_id}/ask")
async def ask_form(
    request: Request, session: Session, event: ThisEvent, guest: GuestViewer, photo_id: UUID
) -> Response:
    return await ask_page(request, session, event, guest, photo_id, Form(values={"reason": Reason.HIDE.value}))


@router.post("/e/{code}/photos/{photo_id}/report")
async def report(request: Request, session: Session, event: ThisEvent, guest: GuestViewer, photo_id: UUID) -> Response:
    form = typed(await request.form(), "reason", "text")
    seen = await access.one_photo(session, event, guest, photo_id)
    try:
        await requests.report(session, guest.id, seen.photo, form.value("reason"), form.value("text"))
    except Refused as error:
        if wants_json(request):
            raise
        return await ask_page(request, session, event, guest, photo_id, form.refused(error), status_of(error))
    if wants_json(request):
        return Response(status_code=204)
    return go(f"/e/{event.code}/photos/{photo_id}/ask?done=report")


@router.post("/e/{code}/photos/{photo_id}/veil")
async def veil(request: Request, session: Session, event: ThisEvent, guest: GuestViewer, photo_id: UUID) -> Response:
    """Ask that others don't see one's face in a photo, or take that back."""
    form = typed(await request.form(), "hide")
    seen = await access.one_photo(session, event, guest, photo_id)
    if form.value("hide") == "no":
        await veils.take_back(session, guest.id, seen.photo)
    else:
        await veils.ask(session, guest.id, seen.photo, seen.face_box if seen.is_mine else None)
    if wants_json(request):
        return JSONResponse({"veil": None if form.value("hide") == "no" else (seen.veil or "asked")})
    return go(f"/e/{event.code}/photos/{photo_id}/ask?done={'back' if form.value('hide') == 'no' else 'veil'}")


async def _managed(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.MANAGE)


Managed = Annotated[Event, Depends(_managed)]


@router.get("/studio/{event_id}/requests")
async def asked(request: Request, session: Session, event: Managed) -> Response:
    found = await requests.of_event(session, event.id)
    rows = [
        {
            "id": each.what.id,
            "is_veil": isinstance(each.what, Veil),
            "is_near": isinstance(each.what, Near),
            "reason": _words(each.what),
            "text": "" if isinstance(each.what, Veil) else each.what.text,
            "state": each.what.state.value,
            "is_open": each.is_open,
            "in_force": each.in_force,
            "created_at": each.what.created_at,
            "name": each.name,
            "guest_id": each.what.guest_id,
            "file_name": each.photo.file_name,
            "view_url": f"/e/{event.code}/p/{each.photo.id}/view",
            "width_px": each.photo.width_px or 3,
            "height_px": each.photo.height_px or 2,
            "face_box": each.what.box_xyxy if isinstance(each.what, Veil) else None,
        }
        for each in found
    ]
    return page(
        request,
        "delivery/requests.html",
        event=event,
        asked=rows,
        open=sum(each.is_open for each in found),
        unread=(await messages.unread(session, [event.id])).get(event.id, 0),
    )


@router.post("/studio/{event_id}/requests/reports/{report_id}")
async def decide_report(request: Request, session: Session, event: Managed, report_id: UUID) -> Response:
    form = typed(await request.form(), "do")
    if form.value("do") not in ("hide", "dismiss"):
        raise Invalid
    await requests.decide(session, event.id, report_id, hide=form.value("do") == "hide")
    return go(f"/studio/{event.id}/requests")


@router.post("/studio/{event_id}/requests/veils/{veil_id}")
async def decide_veil(request: Request, session: Session, event: Managed, veil_id: UUID) -> Response:
    form = typed(await request.form(), "do")
    if form.value("do") not in ("agree", "decline"):
        raise Invalid
    await veils.decide(session, event.id, veil_id, agree=form.value("do") == "agree")
    return go(f"/studio/{event.id}/requests")
