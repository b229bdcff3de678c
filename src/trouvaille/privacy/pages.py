"""What is kept about me, and making it go: a guest's own page."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import MaybeViewer, sign_out
from trouvaille.accounts.service import clean_email
from trouvaille.core.errors import N_, Invalid, NotFound, Refused
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import passes, selfies
from trouvaille.guests import service as guests
from trouvaille.guests.kept import Part
from trouvaille.guests.models import Guest
from trouvaille.news import service as news
from trouvaille.privacy import keeping, service
from trouvaille.web.errors import retry_headers, status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.i18n import settle
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, Site, ThisSite, address_of, sender_of, site_of

router = APIRouter(include_in_schema=False)


async def _event(request: Request, session: Session, code: str) -> Event:
    event = await events.by_code(session, code)
    settle(request, event.locales)
    return event


ThisEvent = Annotated[Event, Depends(_event)]


async def _guest(session: Session, event: ThisEvent, viewer: MaybeViewer) -> Guest:
    # Also once the event is over: one can withdraw as long as anything is kept.
    return await guests.of_viewer(session, viewer, event, over_too=True)


ThisGuest = Annotated[Guest, Depends(_guest)]


async def _parts(request: Request) -> Sequence[Part]:
    parts: Sequence[Part] = request.app.state.kept
    return parts


# What the slices keep about a guest; the application puts them together.
Parts = Annotated[Sequence[Part], Depends(_parts)]
SHOWN_FOR_S = 3600


def _told(site: Site, what: str, gone: keeping.Counts) -> str:
    """A note of what was erased, for the page that the browser asks for next."""
    return site.vault.ticket("erased", {"what": what, "gone": gone})


def _heard(site: Site, parts: Sequence[Part], ticket: str | None, what: str) -> list[str] | None:
    """What such a note says; None when there is none, or it is old."""
    try:
        told = site.vault.open_ticket("erased", ticket or "", max_age_s=SHOWN_FOR_S)
    except Invalid:
        return None
    return keeping.in_words(parts, told["gone"]) if told["what"] == what else None


async def _me(
    request: Request, session: Session, event: Event, guest: Guest, form: Form, *, status: int = 200
) -> Response:
    state, accepted = await guests.face_state(session, guest), await selfies.accepted_enrolment(session, guest.id)
    site, session_id = site_of(request), request.state.viewer.session_id
    return page(
        request,
        "privacy/me.html",
        status=status,
        here=f"/e/{event.code}/me",
        event=event,
        guest=guest,
        consent_given_at=state.consent_given_at,
        agrees=state.agrees,
        selfie_url=f"/e/{event.code}/me/selfie" if accepted is not None else None,
        news=await news.ways_of(session, guest, sends_mail=site.sends_mail, push=site.push, session_id=session_id),
        news_from="me",
        form=form,
        done=request.query_params.get("done"),
        erased=_heard(site, await _parts(request), request.query_params.get("erased"), "face"),
    )


@router.get("/e/{code}/me")
async def me(request: Request, session: Session, event: ThisEvent, guest: ThisGuest) -> Response:
    return await _me(request, session, event, guest, Form())


@router.get("/e/{code}/me/selfie")
async def my_selfie(session: Session, site: ThisSite, guest: ThisGuest) -> Response:
    data = await selfies.selfie_of(session, site.storage, site.vault, guest)
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, no-store"})


@router.post("/e/{code}/me/return-link")
async def send_way_back(
    request: Request, session: Session, site: ThisSite, event: ThisEvent, guest: ThisGuest
) -> Response:
    if not guest.is_pass or not site.sends_mail:
        raise NotFound
    form = typed(await request.form(), "email")
    try:
        email = clean_email(form.value("email"))
        await passes.count_letter(site.sessions, site.vault, guest, email=email, address=sender_of(request))
    except Refused as error:
        shown = await _me(request, session, event, guest, form.refused(error), status=status_of(error))
        shown.headers.update(retry_headers(error))
        return shown
    await passes.send_way_back(session, site.vault, guest, event, email=email, public_url=address_of(request))
    return go(f"/e/{event.code}/me?done=sent")


@router.post("/e/{code}/me/withdraw")
async def withdraw(
    request: Request, session: Session, site: ThisSite, event: ThisEvent, guest: ThisGuest, parts: Parts
) -> Response:
    form = typed(await request.form(), "confirm")
    if form.value("confirm") != "yes":
        wrong = Invalid(N_("Tick the box to confirm."), field="confirm")
        return await _me(request, session, event, guest, form.refused(wrong), status=422)
    before = await keeping.counts(session, parts, guest)
    await service.withdraw(session, guest)
    gone = keeping.erased(before, await keeping.counts(session, parts, guest))
    return go(f"/e/{event.code}/me?erased={_told(site, 'face', gone)}")


@router.post("/e/{code}/me/delete")
async def delete(
    request: Request, session: Session, site: ThisSite, event: ThisEvent, guest: ThisGuest, parts: Parts
) -> Response:
    form = typed(await request.form(), "username")
    before = await keeping.counts(session, parts, guest)
    try:
        await guests.delete_account(session, guest, username=form.value("username"))
    except Refused as error:
        return await _me(request, session, event, guest, form.refused(error), status=status_of(error))
    gone = keeping.erased(before, await keeping.counts(session, parts, guest))
    response = go(f"/e/{event.code}/gone?erased={_told(site, 'account', gone)}")
    await sign_out(request, session, response, None)
    return response


@router.get("/e/{code}/gone")
async def gone(
    request: Request, session: Session, site: ThisSite, event: ThisEvent, parts: Parts, erased: str = ""
) -> Response:
    """The end of an account, for whoever has just deleted it."""
    lines = _heard(site, parts, erased, "account")
    if lines is None:
        return go(f"/e/{event.code}")
    return page(request, "privacy/gone.html", event=event, erased=lines)


@router.get("/e/{code}/me/data.zip")
async def download(session: Session, site: ThisSite, event: ThisEvent, guest: ThisGuest, parts: Parts) -> Response:
    kept = await keeping.everything(session, site.vault, parts, event, guest, region=site.legal.region)
    images = await keeping.pictures(session, site.storage, site.vault, guest)
    name = f"{event.code}-{guest.username or 'guest'}".encode("ascii", "replace").decode().replace("?", "_")
    return Response(
        await asyncio.to_thread(keeping.zipped, kept, images),
        media_type="application/zip",
        headers={
            "Cache-Control": "private, no-store",
            "Content-Disposition": f'attachment; filename="{name}.zip"',
        },
    )
