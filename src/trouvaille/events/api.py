"""Events for scripts: the same verbs as the studio's pages."""

import hashlib
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.identity import Organiser, StaffViewer
from trouvaille.accounts.service import Viewer
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.core.errors import N_, Changed, Invalid
from trouvaille.core.paging import Key, slice_of
from trouvaille.events import pictures, plans, posters, reminders, rights, service, states, watermarks
from trouvaille.events.codes import propose_code
from trouvaille.events.links import link_of
from trouvaille.events.models import Downloads, Event, EventState, Gallery, Photographer, PictureKind
from trouvaille.events.plans import EventPlan
from trouvaille.events.rights import Right
from trouvaille.events.watermarks import OPACITIES, SIZES, Position
from trouvaille.web import i18n
from trouvaille.web.api import USUAL, Cursor, Limit, Page, page_of
from trouvaille.web.once import ThisOnce
from trouvaille.web.site import Session, address_of

router = APIRouter(prefix="/api/v1/events", tags=["Events"])
READ, WRITE = wants(Scope.EVENTS_READ), wants(Scope.EVENTS_WRITE)
Text = Annotated[str, Field(max_length=1000)]


class Links(BaseModel):
    """Where guests come in, and what an organiser prints; the same token opens them."""

    guests: str
    qr_svg: str
    qr_png: str
    posters: dict[str, str]


class WatermarkOut(BaseModel):
    """What is drawn on the photos that guests get."""

    kind: Literal["text", "picture"]
    text: str = Field(examples=["Lea & Tom"])
    position: Position
    size: int = Field(description="The mark’s width, percent of the photo’s.", examples=[25])
    opacity: int = Field(description="Percent.", examples=[60])


class WatermarkChange(BaseModel):
    """What to draw; what is left out stays, and is the usual at first. A picture is sent in the studio."""

    kind: Literal["text", "picture"] | None = Field(None, examples=["text"])
    text: Text | None = Field(None, examples=["© Studio Rivage"])
    position: Position | None = Field(None, examples=["bottom_right"])
    size: int | None = Field(None, examples=[25], ge=SIZES[0], le=SIZES[-1])
    opacity: int | None = Field(None, examples=[60], ge=OPACITIES[0], le=OPACITIES[-1])


class EventOut(BaseModel):
    """An event. What is only for those who manage it is null for its photographers."""

    id: UUID
    name: str = Field(examples=["Lea & Tom"])
    code: str = Field(examples=["LEA-TOM-27"])
    state: EventState
    manages: bool = Field(description="Whether everything in it is yours to decide.")
    place: str
    starts_on: date | None
    ends_on: date | None
    expires_on: date | None = Field(description="The last day on which guests come in, at its place.")
    time_zone: str = Field(examples=["Europe/Paris"])
    locales: list[str]
    accent: str = Field(examples=["#b4532a"])
    gallery: Gallery
    downloads: Downloads
    camera_data: bool = Field(description="Whether originals keep position and serial numbers for guests.")
    watermark: WatermarkOut | None = Field(description="Drawn on what guests get; null where nothing is.")
    guest_pass: bool
    faces: bool = Field(description="Whether somebody attested that guests are told.")
    created_at: datetime
    links: Links | None


class EventChange(BaseModel):
    """What to change; what is left out stays."""

    name: Text | None = Field(None, examples=["Lea & Tom"])
    code: Text | None = Field(None, examples=["LEA-TOM-27"])
    place: Text | None = Field(None, examples=["Paris"])
    starts_on: date | None = Field(None, examples=["2027-06-19"])
    ends_on: date | None = Field(None, examples=["2027-06-20"])
    expires_on: date | None = Field(None, examples=["2027-12-31"])
    time_zone: Text | None = Field(None, examples=["Europe/Paris"])
    locales: Annotated[list[Literal["en", "fr"]], Field(max_length=2)] | None = Field(None, examples=[["fr", "en"]])
    accent: Text | None = Field(None, examples=["#b4532a"])
    gallery: Gallery | None = Field(None, examples=["guests"])
    downloads: Downloads | None = Field(None, examples=["original"])
    camera_data: bool | None = Field(None, examples=[False])
    guest_pass: bool | None = Field(None, examples=[False])
    watermark: WatermarkChange | None = Field(
        None, description="What to draw on the photos that guests get; null draws nothing.", examples=[{"text": "Lea"}]
    )


class NewEvent(EventChange):
    """An event to be made. Without a code it gets one that nobody guesses."""

    name: Text = Field(examples=["Lea & Tom"])
    draft: bool = Field(False, description="Whether only staff see it at first.", examples=[True])


class Move(BaseModel):
    """Where an event goes."""

    to: EventState = Field(examples=["closed"])


class Extension(BaseModel):
    """How much longer, from the last day, or from today where that is past."""

    days: int = Field(ge=1, le=reminders.LONGEST_EXTENSION_DAYS, examples=[30])


class Attestation(BaseModel):
    """That guests are told; the text is on the event's page in the studio."""

    attest: Literal[True]


async def _event(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.MANAGE)


async def _changeable(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.to_change(session, viewer, event_id, Right.MANAGE)


async def _seen(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.UPLOAD)


ThisEvent = Annotated[Event, Depends(_event)]
ChangeableEvent = Annotated[Event, Depends(_changeable)]
SeenEvent = Annotated[Event, Depends(_seen)]


def _links(request: Request, event: Event) -> Links:
    studio = f"{address_of(request)}/studio/{event.id}"
    return Links(
        guests=link_of(request, event),
        qr_svg=f"{studio}/qr.svg",
        qr_png=f"{studio}/qr.png",
        posters={paper: f"{studio}/print/{paper}.pdf" for paper in posters.PAPERS},
    )


def shaped(request: Request, event: Event, *, manages: bool) -> EventOut:
    """An event as whoever asks may know it."""
    return EventOut(
        id=event.id,
        name=event.name,
        code=event.code,
        state=event.state,
        manages=manages,
        place=event.place,
        starts_on=event.starts_on,
        ends_on=event.ends_on,
        expires_on=service.last_day(event),
        time_zone=event.time_zone,
        locales=list(event.locales),
        accent=event.accent,
        gallery=event.gallery,
        downloads=event.downloads,
        camera_data=event.camera_data,
        watermark=_watermark(event),
        guest_pass=event.guest_pass,
        faces=event.faces_on,
        created_at=event.created_at,
        links=_links(request, event) if manages else None,
    )


def _watermark(event: Event) -> WatermarkOut | None:
    mark = watermarks.of_event(event)
    if mark is None:
        return None
    kind: Literal["text", "picture"] = "picture" if mark.picture else "text"
    return WatermarkOut(kind=kind, text=mark.text, position=mark.position, size=mark.size, opacity=mark.opacity)


async def _draw(session: AsyncSession, event: Event, body: EventChange) -> None:
    """Draw on photos what the body says, if it says anything of it."""
    if "watermark" not in body.model_fields_set:
        return
    if body.watermark is None:
        await watermarks.change(session, event, None)
        return
    said = {name: value for name, value in body.watermark.model_dump().items() if value is not None}
    kind = said.pop("kind", None)
    if "text" in said:
        said["text"] = _plain("text", said["text"])
    wish = replace(watermarks.of_event(event) or watermarks.proposed(event), **said)
    if kind is not None:
        picture = (await pictures.shown(session, event.id)).get(PictureKind.WATERMARK.value)
        if kind == "picture" and picture is None:
            raise watermarks.NoPictureYet(field="kind")
        wish = replace(wish, picture=picture.id if kind == "picture" and picture else None)
    await watermarks.change(session, event, wish)


def _plain(name: str, value: str) -> str:
    """A text that the database can keep.

    Raises:
        Invalid: half of a sign.
    """
    if any(ord(sign) in range(0xD800, 0xE000) for sign in value):
        raise Invalid(field=name)
    return value.replace("\0", "")


def _tag(event: Event) -> str:
    """Changes with everything that can be set about an event."""
    said = [
        event.state,
        *(getattr(event, name) for name in FIELDS),
        event.expires_at,
        event.faces_attested_at,
        event.mark,
    ]
    return f'"{hashlib.sha256(repr(list(map(str, said))).encode()).hexdigest()[:20]}"'


def _answer(request: Request, response: Response, event: Event) -> EventOut:
    response.headers["ETag"], response.headers["Cache-Control"] = _tag(event), "no-store"
    return shaped(request, event, manages=True)


OTHERS = {"draft", "watermark"}
FIELDS = (
    *("name", "code", "place", "starts_on", "ends_on", "time_zone", "locales", "accent"),
    *("gallery", "downloads", "camera_data", "guest_pass", "review", "general"),
)


def _plan(present: dict[str, Any], body: EventChange) -> EventPlan:
    wanted = present | {
        name: value for name, value in body.model_dump(exclude_unset=True).items() if name not in OTHERS
    }
    days = ("starts_on", "ends_on", "expires_on")
    for name, value in wanted.items():
        if value is None and name not in days:
            raise Invalid(N_("Please fill this in."), field=name)
        if isinstance(value, str):
            wanted[name] = _plain(name, value)
    locales = wanted.pop("locales")
    return EventPlan(**wanted, locales=tuple(dict.fromkeys(locales)))


@router.get("", openapi_extra=READ)
async def list_events(
    request: Request,
    response: Response,
    session: Session,
    viewer: StaffViewer,
    limit: Limit = USUAL,
    cursor: Cursor = "",
) -> Page[EventOut]:
    """The events that you work on, the newest first."""
    query = select(Event)
    if not viewer.is_administrator:
        invited = select(Photographer.event_id).where(Photographer.staff_id == viewer.id)
        query = query.where(or_(Event.owner_id == viewer.id, Event.id.in_(invited)))
    keys = (Key(Event.created_at, datetime), Key(Event.id, UUID))
    shown = await slice_of(session, query, keys, limit=limit, cursor=cursor, newest_first=True)
    items = [shaped(request, event, manages=_manages(viewer, event)) for (event,) in shown.items]
    return page_of(request, response, items, shown.cursor)


def _manages(viewer: Viewer, event: Event) -> bool:
    return viewer.is_administrator or (event.owner_id == viewer.id and viewer.may_organise)


@router.post("", status_code=201, response_model=EventOut, openapi_extra=WRITE)
async def create_event(
    request: Request, session: Session, viewer: Organiser, body: NewEvent, once: ThisOnce
) -> JSONResponse:
    """Make an event of your own. Face finding is off until somebody attests that guests are told."""
    if (known := await once.known(session, viewer.id)) is not None:
        return known
    usual = {"code": propose_code(), "locales": list(plans.LOCALES), "time_zone": "UTC"}
    asked = {name for name in body.model_fields_set if getattr(body, name) is not None}
    plan = _plan(usual, NewEvent.model_validate(body.model_dump(include=asked)))
    event = await service.create(session, viewer, plan, attest_faces=False, locale=i18n.current(), draft=body.draft)
    await _draw(session, event, body)
    return await once.keep(session, shaped(request, event, manages=True), location=f"/api/v1/events/{event.id}")


@router.get("/{event_id}", openapi_extra=READ)
async def get_event(
    request: Request, response: Response, session: Session, viewer: StaffViewer, event: SeenEvent
) -> EventOut:
    """One event; its `ETag` can be sent as `If-Match` with a change."""
    response.headers["ETag"], response.headers["Cache-Control"] = _tag(event), "no-store"
    return shaped(request, event, manages=_manages(viewer, event))


@router.patch("/{event_id}", openapi_extra=WRITE)
async def change_event(
    request: Request,
    response: Response,
    session: Session,
    viewer: StaffViewer,
    event: ChangeableEvent,
    body: EventChange,
    if_match: Annotated[str | None, Header()] = None,
) -> EventOut:
    """Change settings; what is left out stays."""
    await session.refresh(event, with_for_update=True)
    if if_match is not None and if_match.strip() not in ("*", _tag(event)):
        raise Changed
    present = {name: getattr(event, name) for name in FIELDS}
    plan = _plan({**present, "expires_on": service.last_day(event)}, body)
    await service.change(session, event, plan, by=viewer)
    await _draw(session, event, body)
    await session.refresh(event)
    return _answer(request, response, event)


@router.delete("/{event_id}", status_code=204, openapi_extra=WRITE)
async def delete_event(
    session: Session,
    viewer: StaffViewer,
    event: ThisEvent,
    name: Annotated[str, Query(max_length=500, description="The event’s name, to confirm.")],
) -> None:
    """Delete an event with all its photos, guests and faces, for good."""
    if name.strip().casefold() != event.name.casefold():
        raise Invalid(N_("Type the event’s name exactly to confirm."), field="name")
    await service.delete(session, event, by=viewer)


@router.post("/{event_id}/state", openapi_extra=WRITE)
async def move_event(
    request: Request, response: Response, session: Session, viewer: StaffViewer, event: ThisEvent, body: Move
) -> EventOut:
    """Open, close or archive an event; being there already is no error."""
    await states.move(session, event, body.to, by=viewer)
    return _answer(request, response, event)


@router.post("/{event_id}/code", openapi_extra=WRITE)
async def change_code(
    request: Request, response: Response, session: Session, viewer: StaffViewer, event: ChangeableEvent
) -> EventOut:
    """Give an event a new code. What is printed with the old one leads nowhere from now on."""
    await service.change_code(session, event, by=viewer)
    return _answer(request, response, event)


@router.post("/{event_id}/extend", openapi_extra=WRITE)
async def extend_event(
    request: Request, response: Response, session: Session, event: ChangeableEvent, body: Extension
) -> EventOut:
    """Keep an event for longer."""
    await reminders.extend(session, event, body.days)
    return _answer(request, response, event)


@router.post("/{event_id}/faces", openapi_extra=WRITE)
async def attest_faces(
    request: Request,
    response: Response,
    session: Session,
    viewer: StaffViewer,
    event: ChangeableEvent,
    body: Attestation,
) -> EventOut:
    """Attest in your name that guests are told, and switch face finding on."""
    await service.attest_faces(session, event, viewer, locale=i18n.current())
    return _answer(request, response, event)


@router.post("/{event_id}/duplicate", status_code=201, response_model=EventOut, openapi_extra=WRITE)
async def duplicate_event(
    request: Request, session: Session, viewer: StaffViewer, event: ThisEvent, once: ThisOnce
) -> JSONResponse:
    """Make a draft with the same settings, a new code and no dates."""
    if (known := await once.known(session, viewer.id)) is not None:
        return known
    name = i18n.gettext(N_("Copy of %(name)s")) % {"name": event.name}
    made = await service.duplicate(session, viewer, event, name=name)
    return await once.keep(session, shaped(request, made, manages=True), location=f"/api/v1/events/{made.id}")
