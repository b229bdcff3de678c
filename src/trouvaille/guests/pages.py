"""A guest and their face: agree, take a selfie, say which face it is."""

from typing import Annotated, Any, TypedDict

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from trouvaille.accounts.identity import MaybeViewer
from trouvaille.core.errors import N_, Invalid, TooLarge
from trouvaille.events import service as events
from trouvaille.events.links import link_of
from trouvaille.events.models import Event
from trouvaille.guests import consent, selfies, sending, service
from trouvaille.guests.models import Guest
from trouvaille.guests.queueing import SelfieQueue
from trouvaille.guests.reasons import reason_for
from trouvaille.guests.service import FaceState
from trouvaille.web import i18n
from trouvaille.web.errors import status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.inside import inside, intent_of
from trouvaille.web.render import go, page, wants_json
from trouvaille.web.site import Session, ThisSite, sender_of, site_of


class Words(TypedDict):
    """Why a selfie was refused and what to change, in the viewer's language."""

    reason: str | None
    advice: str | None


router = APIRouter(include_in_schema=False, prefix="/e/{code}")


async def _open_event(request: Request, session: Session, code: str) -> Event:
    event = await events.open_by_code(session, code)
    i18n.settle(request, event.locales)
    return event


async def _event(request: Request, session: Session, code: str) -> Event:
    event = await events.shown_by_code(session, code)
    i18n.settle(request, event.locales)
    return event


# For those who come in, and for those who are guests.
OpenEvent = Annotated[Event, Depends(_open_event)]
ThisEvent = Annotated[Event, Depends(_event)]


async def _guest(session: Session, event: ThisEvent, viewer: MaybeViewer) -> Guest:
    return await service.of_viewer(session, viewer, event)


ThisGuest = Annotated[Guest, Depends(_guest)]


def _consent_page(request: Request, event: Event, form: Form, status: int = 200) -> Response:
    return page(
        request,
        "guests/consent.html",
        status=status,
        event=event,
        consent=consent.shown(site_of(request).legal.region),
        form=form,
    )


@router.get("/consent")
async def consent_form(request: Request, session: Session, event: ThisEvent, guest: ThisGuest) -> Response:
    if not event.faces_on:
        return go(f"/e/{event.code}/photos")
    if await consent.agrees(session, guest.id):
        return go(f"/e/{event.code}/selfie")
    return _consent_page(request, event, Form())


@router.post("/consent")
async def agree(request: Request, session: Session, event: ThisEvent, guest: ThisGuest) -> Response:
    form = typed(await request.form(), "agree")
    if form.value("agree") != "yes":
        wrong = Invalid(N_("Tick the box if you agree, or continue without your face."), field="agree")
        return _consent_page(request, event, form.refused(wrong), status=422)
    await consent.give_consent(session, guest, locale=i18n.current())
    return go(f"/e/{event.code}/selfie")


@router.get("/selfie")
async def selfie_form(
    request: Request, session: Session, event: ThisEvent, guest: ThisGuest, again: bool = False
) -> Response:
    if not event.faces_on:
        raise selfies.FacesOff
    state = await service.face_state(session, guest)
    if not state.agrees:
        return go(f"/e/{event.code}/consent")
    if state.state == "choosing" and state.candidates is not None and not again:
        return page(request, "guests/choose.html", event=event, picture=_candidates(state.candidates))
    shown = "none" if again and state.state in ("accepted", "refused", "choosing") else state.state
    words = await _patience(request, session, guest, state)
    return _selfie_page(request, event, shown, **words)


def _candidates(found: dict[str, Any]) -> dict[str, Any]:
    """The picture's size and, for each face, the square around it, in pixels."""
    width, height = found["size_wh"]
    squares = []
    for left, top, right, bottom in found["boxes_xyxy"]:
        side = 1.6 * max((right - left) * width, (bottom - top) * height)
        squares.append(
            [
                round(value, 1)
                for value in ((left + right) * width / 2 - side / 2, (top + bottom) * height / 2 - side / 2, side)
            ]
        )
    return {"width_px": width, "height_px": height, "squares": squares}


def _selfie_page(
    request: Request, event: Event, state: str, *, reason: str | None, advice: str | None = None, status: int = 200
) -> Response:
    link = link_of(request, event)
    return page(
        request,
        "guests/selfie.html",
        status=status,
        event=event,
        state=state,
        reason=reason,
        advice=advice,
        inside=inside(request),
        link=link,
        intent=intent_of(link),
    )


def _words(code: str | None) -> Words:
    reason = reason_for(code)
    if reason is None:
        return {"reason": None, "advice": None}
    return {"reason": i18n.gettext(reason.wrong), "advice": i18n.gettext(reason.advice)}


async def _patience(request: Request, session: AsyncSession, guest: Guest, state: FaceState) -> Words:
    """Why a selfie was refused, or else its place among those that wait."""
    words = _words(state.reason)
    if state.state == "waiting" and words["advice"] is None:
        queue: SelfieQueue = request.app.state.selfie_queue
        place = await queue.place_of(session, guest.id)
        words["advice"] = place.in_words() if place is not None and place.number > 1 else None
    return words


async def _sender(request: Request, site: ThisSite, viewer: MaybeViewer, code: str) -> Event:
    return await sending.check_sender(site, viewer, code, address=sender_of(request))


@router.post("/selfie")
async def send_selfie(
    request: Request, site: ThisSite, viewer: MaybeViewer, event: Annotated[Event, Depends(_sender)]
) -> Response:
    try:
        async with request.form(max_files=sending.FRAMES) as form:
            uploads = [each for each in form.getlist("selfie") if isinstance(each, UploadFile) and each.size]
            if not uploads:
                raise Invalid(N_("Please take a picture or choose one."), field="selfie")
            frames = [await upload.read() for upload in uploads]
        await sending.take_in(site, viewer, event, frames)
    except (Invalid, TooLarge) as error:
        if wants_json(request):
            raise
        return _selfie_page(request, event, "refused", reason=None, advice=i18n.say(error), status=status_of(error))
    if wants_json(request):
        return JSONResponse({"state": "waiting"}, status_code=202)
    return go(f"/e/{event.code}/selfie")


@router.post("/selfie/choice")
async def choose_face(request: Request, session: Session, event: ThisEvent, guest: ThisGuest) -> Response:
    form = typed(await request.form(), "face")
    face = form.value("face")
    await selfies.choose(session, guest, int(face) if face.isdecimal() else -1)
    return go(f"/e/{event.code}/selfie")


@router.get("/selfie/choice")
async def choice_picture(session: Session, site: ThisSite, event: ThisEvent, guest: ThisGuest) -> Response:
    jpeg = await selfies.choice_picture(session, site.storage, site.vault, guest)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, no-store"})


@router.get("/selfie/status")
async def selfie_status(request: Request, session: Session, event: ThisEvent, guest: ThisGuest) -> JSONResponse:
    state = await service.face_state(session, guest)
    words = await _patience(request, session, guest, state)
    return JSONResponse({"state": state.state, **words}, headers={"Cache-Control": "no-store"})
