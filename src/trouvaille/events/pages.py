"""Pages of events: the way in for guests, and the organiser's form."""

import io
from datetime import date
from typing import Annotated
from uuid import UUID

import segno
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import MaybeViewer, StaffViewer
from trouvaille.core.errors import N_, Invalid, InvalidForm, Refused
from trouvaille.events import attestation, codes, service
from trouvaille.events.models import Event, Gallery
from trouvaille.events.service import EventPlan
from trouvaille.web import i18n
from trouvaille.web.errors import retry_headers, status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, ThisSite, address_of, sender_of

router = APIRouter(include_in_schema=False)
FIELDS = ("name", "starts_on", "code", "expires_on", "locale", "accent", "gallery", "downloads", "guest_pass", "faces")


@router.get("/")
async def landing(request: Request) -> Response:
    return page(request, "events/landing.html", form=Form())


@router.get("/go")
async def find(
    request: Request, session: Session, site: ThisSite, code: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    form = Form({"code": code})
    try:
        await codes.count_check(site.sessions, site.vault, address=sender_of(request))
        event = await service.by_code(session, code)
    except Refused as error:
        error.field = "code"
        shown = page(request, "events/landing.html", status=status_of(error), form=form.refused(error))
        shown.headers.update(retry_headers(error))
        return shown
    return go(f"/e/{event.code}")


@router.get("/e/{code}")
async def arrival(request: Request, session: Session, code: str, viewer: MaybeViewer) -> Response:
    event = await service.by_code(session, code)
    guest = viewer if viewer is not None and viewer.event_id == event.id else None
    return page(request, "events/arrival.html", event=event, guest=guest, last_day=service.last_day(event))


@router.get("/e/{code}/theme.css")
async def theme(session: Session, code: str) -> Response:
    event = await service.by_code(session, code)
    css = f":root{{--accent:{event.accent};--accent-ink:{_ink_on(event.accent)}}}"
    return Response(css, media_type="text/css", headers={"Cache-Control": "private, max-age=60"})


def _ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on a colour (WCAG 2 relative luminance)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#fff"


@router.get("/studio/{event_id}/qr.{kind}")
async def qr_code(
    request: Request, session: Session, viewer: StaffViewer, event_id: UUID, kind: str, download: bool = False
) -> Response:
    event = await service.for_staff(session, viewer, event_id)
    if kind not in ("svg", "png"):
        raise service.NoSuchEvent
    try:
        code = segno.make(link_of(request, event), error="m", micro=False)
    except segno.DataOverflowError as error:
        raise Invalid from error
    made = io.BytesIO()
    if kind == "svg":
        code.save(made, kind="svg", scale=8, border=3, light="#fff", xmldecl=False, svgclass=None, lineclass=None)
    else:
        code.save(made, kind="png", scale=20, border=3)
    media_type = "image/svg+xml" if kind == "svg" else "image/png"
    how = "attachment" if download else "inline"
    headers = {"Content-Disposition": f'{how}; filename="{event.code}.{kind}"', "Cache-Control": "no-store"}
    return Response(made.getvalue(), media_type=media_type, headers=headers)


def link_of(request: Request, event: Event) -> str:
    """The address that guests are given."""
    return f"{address_of(request)}/e/{event.code}"


def _day(form: Form, name: str) -> date | None:
    if not form.value(name).strip():
        return None
    try:
        return date.fromisoformat(form.value(name).strip())
    except ValueError as error:
        raise Invalid(N_("Please enter a date as day, month and year."), field=name) from error


def _plan(form: Form) -> EventPlan:
    try:
        starts_on, expires_on = _day(form, "starts_on"), _day(form, "expires_on")
    except Invalid as error:
        raise InvalidForm(error) from error
    return EventPlan(
        name=form.value("name"),
        code=form.value("code"),
        starts_on=starts_on,
        expires_on=expires_on,
        locale=form.value("locale") or "en",
        accent=form.value("accent") or service.DEFAULT_ACCENT,
        gallery=Gallery.GUESTS if form.value("gallery") == "guests" else Gallery.NOBODY,
        downloads=form.value("downloads") == "yes",
        guest_pass=form.value("guest_pass") == "yes",
    )


def _edit_page(request: Request, form: Form, *, event: Event | None = None, status: int = 200) -> Response:
    texts = [i18n.gettext(paragraph) for paragraph in attestation.PARAGRAPHS]
    return page(
        request,
        "events/edit.html",
        status=status,
        here=f"/studio/{event.id}/edit" if event else "/studio/new",
        form=form,
        event=event,
        is_new=event is None,
        attestation=texts,
    )


@router.get("/studio/new")
async def new_form(request: Request, viewer: StaffViewer) -> Response:
    proposed = {
        "code": service.propose_code(),
        "locale": i18n.current(),
        "accent": service.DEFAULT_ACCENT,
        "gallery": Gallery.GUESTS.value,
        "downloads": "yes",
    }
    return _edit_page(request, Form(proposed))


@router.post("/studio/new")
async def create(request: Request, session: Session, viewer: StaffViewer) -> Response:
    form = typed(await request.form(), *FIELDS)
    try:
        event = await service.create(session, viewer, _plan(form), attest_faces=form.value("faces") == "yes")
    except Refused as error:
        return _edit_page(request, form.refused(error), status=status_of(error))
    return go(f"/studio/{event.id}")


@router.get("/studio/{event_id}/edit")
async def edit_form(request: Request, session: Session, viewer: StaffViewer, event_id: UUID) -> Response:
    event = await service.for_staff(session, viewer, event_id)
    return _edit_page(request, Form(_values(event)), event=event)


def _values(event: Event) -> dict[str, str]:
    last_day = service.last_day(event)
    return {
        "name": event.name,
        "code": event.code,
        "starts_on": event.starts_on.isoformat() if event.starts_on else "",
        "expires_on": last_day.isoformat() if last_day else "",
        "locale": event.locale,
        "accent": event.accent,
        "gallery": event.gallery.value,
        "downloads": "yes" if event.downloads else "",
        "guest_pass": "yes" if event.guest_pass else "",
        "faces": "yes" if event.faces_on else "",
    }


@router.post("/studio/{event_id}/edit")
async def edit(request: Request, session: Session, viewer: StaffViewer, event_id: UUID) -> Response:
    event = await service.for_staff(session, viewer, event_id)
    form = typed(await request.form(), *FIELDS)
    try:
        await service.change(session, event, _plan(form))
    except Refused as error:
        await session.refresh(event)
        return _edit_page(request, form.refused(error), event=event, status=status_of(error))
    if form.value("faces") == "yes":
        await service.attest_faces(session, event, viewer)
    return go(f"/studio/{event.id}")


@router.post("/studio/{event_id}/faces")
async def attest(request: Request, session: Session, viewer: StaffViewer, event_id: UUID) -> Response:
    event = await service.for_staff(session, viewer, event_id)
    if typed(await request.form(), "attest").value("attest") == "yes":
        await service.attest_faces(session, event, viewer)
    return go(f"/studio/{event.id}")


@router.post("/studio/{event_id}/delete")
async def delete(request: Request, session: Session, viewer: StaffViewer, event_id: UUID) -> Response:
    event = await service.for_staff(session, viewer, event_id)
    form = typed(await request.form(), "name")
    if form.value("name").strip().casefold() != event.name.casefold():
        wrong = Invalid(N_("Type the event’s name exactly to confirm."), field="delete_name")
        return _edit_page(request, Form(_values(event)).refused(wrong), event=event, status=422)
    await service.delete(session, event, by=viewer)
    return go("/studio")
