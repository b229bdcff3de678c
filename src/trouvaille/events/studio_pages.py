"""An organiser's pages about one event: settings, state, code, last day, copies, and its end."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from trouvaille.accounts.identity import Organiser, StaffViewer
from trouvaille.core.errors import N_, Invalid, InvalidForm, Refused
from trouvaille.events import attestation, pictures, plans, reminders, rights, service, states, zones
from trouvaille.events.codes import propose_code
from trouvaille.events.models import Downloads, Event, EventState, Gallery
from trouvaille.events.picture_pages import as_edited
from trouvaille.events.plans import EventPlan
from trouvaille.events.rights import Right
from trouvaille.web import i18n
from trouvaille.web.errors import status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False, prefix="/studio")
FIELDS = (
    *("name", "place", "starts_on", "ends_on", "time_zone", "locale", "accent", "code"),
    *("expires_on", "gallery", "downloads", "camera_data", "guest_pass", "review", "chosen", "faces", "begin"),
)
Word = TypeVar("Word", bound=StrEnum)


async def _event(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.MANAGE)


async def _changeable(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.to_change(session, viewer, event_id, Right.MANAGE)


ThisEvent = Annotated[Event, Depends(_event)]
ChangeableEvent = Annotated[Event, Depends(_changeable)]


def _typed(form: FormData) -> Form:
    """What was typed; the languages are boxes of one name, and the one for everybody else goes first."""
    made = typed(form, *FIELDS)
    wanted = [str(each) for each in form.getlist("locales")]
    chosen = sorted((each for each in plans.LOCALES if each in wanted), key=lambda each: each != made.value("locale"))
    made.values["locales"] = " ".join(chosen)
    return made


def _day(form: Form, name: str) -> date | None:
    if not form.value(name).strip():
        return None
    try:
        return date.fromisoformat(form.value(name).strip())
    except ValueError as error:
        raise Invalid(N_("Please enter a date as day, month and year."), field=name) from error


def _word(form: Form, name: str, kind: type[Word], otherwise: Word) -> Word:
    try:
        return kind(form.value(name)) if form.value(name) else otherwise
    except ValueError as error:
        raise Invalid(field=name) from error


def _plan(form: Form) -> EventPlan:
    try:
        return EventPlan(
            name=form.value("name"),
            code=form.value("code"),
            starts_on=_day(form, "starts_on"),
            ends_on=_day(form, "ends_on"),
            expires_on=_day(form, "expires_on"),
            time_zone=form.value("time_zone") or "UTC",
            place=form.value("place"),
            locales=tuple(form.value("locales").split()),
            accent=form.value("accent") or plans.DEFAULT_ACCENT,
            gallery=_word(form, "gallery", Gallery, Gallery.NOBODY),
            downloads=_word(form, "downloads", Downloads, Downloads.NONE),
            camera_data=form.value("camera_data") == "yes",
            guest_pass=form.value("guest_pass") == "yes",
            review=form.value("review") == "yes",
            general=form.value("chosen") != "yes",
        )
    except Invalid as error:
        raise InvalidForm(error) from error


async def _edit_page(
    request: Request,
    session: Session,
    viewer: StaffViewer,
    form: Form,
    *,
    event: Event | None = None,
    status: int = 200,
) -> Response:
    return page(
        request,
        "events/edit.html",
        status=status,
        here=f"/studio/{event.id}/edit" if event else "/studio/new",
        form=form,
        event=event,
        is_new=event is None,
        attestation=[i18n.gettext(paragraph) for paragraph in attestation.PARAGRAPHS],
        attested_by=await service.attested_by(session, event) if event else None,
        time_zones=zones.choices(i18n.current()),
        pictures=as_edited(event, *await pictures.edited(session, viewer, event.id)) if event else [],
    )


@router.get("/new")
async def new_form(request: Request, session: Session, viewer: Organiser) -> Response:
    mine = await rights.newest_of_staff(session, viewer, limit=20)
    newest = next((event for event, manages in mine if manages), None)
    proposed = {
        "code": propose_code(),
        "locales": " ".join(plans.LOCALES),
        "locale": i18n.current(),
        "time_zone": newest.time_zone if newest else "",
        "accent": plans.DEFAULT_ACCENT,
        "gallery": Gallery.GUESTS.value,
        "downloads": Downloads.ORIGINAL.value,
    }
    return await _edit_page(request, session, viewer, Form(proposed))


@router.post("/new")
async def create(request: Request, session: Session, viewer: Organiser) -> Response:
    form = _typed(await request.form())
    try:
        event = await service.create(
            session,
            viewer,
            _plan(form),
            attest_faces=form.value("faces") == "yes",
            locale=i18n.current(),
            draft=form.value("begin") == "draft",
        )
    except Refused as error:
        return await _edit_page(request, session, viewer, form.refused(error), status=status_of(error))
    return go(f"/studio/{event.id}")


@router.get("/{event_id}/edit")
async def edit_form(request: Request, session: Session, viewer: StaffViewer, event: ThisEvent) -> Response:
    return await _edit_page(request, session, viewer, Form(_values(event)), event=event)


def _values(event: Event) -> dict[str, str]:
    last_day = service.last_day(event)
    return {
        "name": event.name,
        "place": event.place,
        "code": event.code,
        "starts_on": event.starts_on.isoformat() if event.starts_on else "",
        "ends_on": event.ends_on.isoformat() if event.ends_on else "",
        "expires_on": last_day.isoformat() if last_day else "",
        "time_zone": event.time_zone,
        "locales": " ".join(event.locales),
        "locale": event.locale,
        "accent": event.accent,
        "gallery": event.gallery.value,
        "downloads": event.downloads.value,
        "camera_data": "yes" if event.camera_data else "",
        "guest_pass": "yes" if event.guest_pass else "",
        "review": "yes" if event.review else "",
        "chosen": "" if event.general else "yes",
        "faces": "yes" if event.faces_on else "",
    }


@router.post("/{event_id}/edit")
async def edit(request: Request, session: Session, viewer: StaffViewer, event: ChangeableEvent) -> Response:
    form = _typed(await request.form())
    try:
        await service.change(session, event, _plan(form), by=viewer)
    except Refused as error:
        await session.refresh(event)
        return await _edit_page(request, session, viewer, form.refused(error), event=event, status=status_of(error))
    if form.value("faces") == "yes":
        await service.attest_faces(session, event, viewer, locale=i18n.current())
    return go(f"/studio/{event.id}")


@router.post("/{event_id}/faces")
async def attest(request: Request, session: Session, viewer: StaffViewer, event: ChangeableEvent) -> Response:
    if typed(await request.form(), "attest").value("attest") == "yes":
        await service.attest_faces(session, event, viewer, locale=i18n.current())
    return go(f"/studio/{event.id}")


@router.post("/{event_id}/state")
async def move(request: Request, session: Session, viewer: StaffViewer, event: ThisEvent) -> Response:
    form = typed(await request.form(), "to")
    try:
        to = EventState(form.value("to"))
    except ValueError as error:
        raise Invalid from error
    await states.move(session, event, to, by=viewer)
    return go(f"/studio/{event.id}")


@router.post("/{event_id}/code")
async def new_code(request: Request, session: Session, viewer: StaffViewer, event: ChangeableEvent) -> Response:
    form = typed(await request.form(), "sure")
    if form.value("sure") != "yes":
        wrong = Invalid(N_("Tick the box first: what is printed already stops working."), field="sure")
        return await _edit_page(request, session, viewer, Form(_values(event)).refused(wrong), event=event, status=422)
    await service.change_code(session, event, by=viewer)
    return go(f"/studio/{event.id}")


@router.post("/{event_id}/extend")
async def extend(request: Request, session: Session, event: ChangeableEvent) -> Response:
    form = typed(await request.form(), "days")
    wish = form.value("days")
    days = int(wish) if wish.isascii() and wish.isdecimal() and len(wish) < 5 else 0
    if not 1 <= days <= reminders.LONGEST_EXTENSION_DAYS:
        raise Invalid
    await reminders.extend(session, event, days)
    return go(f"/studio/{event.id}")


@router.post("/{event_id}/reminder/dismiss")
async def dismiss(session: Session, event: ThisEvent) -> Response:
    await reminders.dismiss(session, event.id)
    return go(f"/studio/{event.id}")


@router.post("/{event_id}/duplicate")
async def duplicate(session: Session, viewer: StaffViewer, event: ThisEvent) -> Response:
    name = i18n.gettext(N_("Copy of %(name)s")) % {"name": event.name}
    made = await service.duplicate(session, viewer, event, name=name)
    return go(f"/studio/{made.id}/edit")


@router.post("/{event_id}/delete")
async def delete(request: Request, session: Session, viewer: StaffViewer, event: ThisEvent) -> Response:
    form = typed(await request.form(), "name")
    if form.value("name").strip().casefold() != event.name.casefold():
        wrong = Invalid(N_("Type the event’s name exactly to confirm."), field="delete_name")
        return await _edit_page(request, session, viewer, Form(_values(event)).refused(wrong), event=event, status=422)
    await service.delete(session, event, by=viewer)
    return go("/studio")


def state_view(event: Event) -> dict[str, Any]:
    """The state of an event and where it can go from here, as the desk shows it."""
    return {"name": event.state.value, "moves": [to.value for to in states.MOVES[event.state]]}
