"""The photographer's desk: one event's photos, their state, and adding more."""

import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode, urlparse
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from trouvaille.accounts.identity import MaybeViewer, StaffViewer, present_viewer
from trouvaille.accounts.service import Viewer, require_staff
from trouvaille.core.db import transaction
from trouvaille.core.errors import N_, Invalid, Refused, Unavailable
from trouvaille.core.images import check_size, shown_name
from trouvaille.events import attestation, handover, reminders, rights
from trouvaille.events.links import link_of
from trouvaille.events.models import Event, EventState
from trouvaille.events.rights import Right
from trouvaille.events.studio_pages import state_view
from trouvaille.guests import messages
from trouvaille.guests import service as guests
from trouvaille.photos import acts, intake, listing, quotas, service
from trouvaille.photos.acts import Act
from trouvaille.photos.intake import Duplicate, Limits, Offer
from trouvaille.photos.listing import Show, Sort, Wanted
from trouvaille.photos.models import Photo
from trouvaille.photos.reasons import reason_for
from trouvaille.photos.renditions import as_data
from trouvaille.web.i18n import gettext, say
from trouvaille.web.render import go, page, wants_json
from trouvaille.web.site import Session, Site, ThisSite, sender_of
from trouvaille.web.streams import stream


def is_local(link: str) -> bool:
    """Whether an address leads nowhere from another machine."""
    host = urlparse(link).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


router = APIRouter(include_in_schema=False, prefix="/studio")
PAGE = 60
BATCH = 2_000
FAILURES = 200
MOST_TARGETS = 200
NAME = 100


@dataclass(frozen=True, slots=True)
class Desk:
    """An event as one member of staff works on it. ``by``: whose photos they work with; None for everybody's."""

    event: Event
    by: UUID | None

    @classmethod
    async def of(cls, session: AsyncSession, viewer: Viewer, event_id: UUID) -> "Desk":
        """The desk of somebody who may add photos.

        Raises:
            NoSuchEvent
        """
        event = await rights.for_staff(session, viewer, event_id, Right.UPLOAD)
        return cls(event, await rights.uploader_shown(session, viewer, event))


async def _desk_of(session: Session, viewer: StaffViewer, event_id: UUID) -> Desk:
    return await Desk.of(session, viewer, event_id)


@dataclass(frozen=True, slots=True)
class Filter:
    """What somebody wants to see of a desk, and in which order. ``camera``: empty for any, ``-`` for none named."""

    show: Show = Show.ALL
    sort: Sort = Sort.NEWEST
    camera: str = ""
    photographer: UUID | None = None
    name: str = ""

    @classmethod
    async def of(
        cls, show: Show = Show.ALL, sort: Sort = Sort.NEWEST, camera: str = "", photographer: str = "", name: str = ""
    ) -> "Filter":
        """Of the address of a page; forms leave empty what is not chosen."""
        try:
            who = UUID(photographer) if photographer else None
        except ValueError as error:
            raise Invalid from error
        return cls(show, sort, camera, who, name.strip()[:NAME])

    def wanted(self, desk: Desk) -> Wanted:
        """The photos meant."""
        camera = None if not self.camera else "" if self.camera == "-" else self.camera
        return Wanted(
            desk.event.id, desk.by, show=self.show, camera=camera, name=self.name, photographer=self.photographer
        )

    def query(self, **more: object) -> str:
        """The address of this part, without the page."""
        asked = {
            key: value for key, value in dataclasses.asdict(self).items() if value and value not in ("all", "newest")
        }
        return urlencode(asked | more)

    @property
    def is_narrow(self) -> bool:
        """Whether more than a part of the desk was asked for."""
        return bool(self.camera or self.photographer or self.name)


async def _changeable_desk(session: Session, viewer: StaffViewer, event_id: UUID) -> Desk:
    await rights.to_change(session, viewer, event_id, Right.UPLOAD)
    return await Desk.of(session, viewer, event_id)


ThisDesk = Annotated[Desk, Depends(_desk_of)]
ChangeableDesk = Annotated[Desk, Depends(_changeable_desk)]
ThisFilter = Annotated[Filter, Depends(Filter.of)]


@router.get("")
async def studio(
    request: Request,
    session: Session,
    site: ThisSite,
    viewer: StaffViewer,
    search: Annotated[str, Query(max_length=120)] = "",
    after: Annotated[str, Query(max_length=300)] = "",
) -> Response:
    shown = await rights.slice_of_staff(session, viewer, search=search, cursor=after)
    mine = shown.items
    managed = {event.id for event, manages in mine if manages}
    invited = [event.id for event, manages in mine if not manages]
    photos = await service.progresses(session, list(managed), of_own=invited, by=viewer.id)
    turnouts = await guests.turnouts(session, list(managed))
    unread = await messages.unread(session, list(managed))
    rows = []
    for event, manages in mine:
        progress = photos.get(event.id, service.Progress())
        turnout, left = turnouts.get(event.id, guests.Turnout(0, 0)), reminders.days_left(event)
        rows.append(
            {
                "id": event.id,
                "name": event.name,
                "code": event.code,
                "starts_on": event.starts_on,
                "ends_on": event.ends_on,
                "photos": progress.total,
                "ready": progress.ready,
                "failed": progress.failed,
                "guests": turnout.guests if manages else None,
                "unread": unread.get(event.id, 0),
                "days_left": left if manages and left is not None and left <= max(reminders.DAYS_BEFORE) else None,
                "manages": manages,
                "state": "expired" if event.has_expired else event.state.value,
            }
        )
    return page(
        request,
        "photos/studio.html",
        events=rows,
        search=search.strip(),
        searchable=bool(search.strip() or after or shown.cursor),
        after=after,
        next_cursor=shown.cursor,
        offers=await handover.offered_to(session, viewer),
        show_costs=site.has_costs and viewer.is_administrator,
    )


async def _watched(request: Request, viewer: MaybeViewer, site: ThisSite, event_id: UUID) -> UUID:
    """The event of a long request, asked for in a transaction that is over before the long part begins."""
    site.hub.check_room(sender_of(request))
    async with transaction(site.sessions) as session:
        return (await rights.for_staff(session, require_staff(viewer), event_id, Right.UPLOAD)).id


async def _filled(viewer: MaybeViewer, site: ThisSite, event_id: UUID) -> UUID:
    """The event that photos are sent to."""
    async with transaction(site.sessions) as session:
        return (await rights.to_change(session, require_staff(viewer), event_id, Right.UPLOAD)).id


async def _progress(session: AsyncSession, desk: Desk, quota: quotas.Left) -> dict[str, int]:
    """The numbers at the top of the desk; those of guests are for whoever manages the event."""
    photos = dataclasses.asdict(await service.progress(session, desk.event.id, by=desk.by))
    photos |= quota.figures()
    if desk.by is not None:
        return photos
    turnout = await guests.turnout(session, desk.event.id)
    return {**photos, "guests": turnout.guests, "enrolled": turnout.enrolled}


def _tile(event: Event, photo: Photo) -> dict[str, Any]:
    ready = photo.state == "ready"
    address = f"/e/{event.code}/p/{photo.id}"
    return {
        "id": photo.id,
        "thumb_url": f"{address}/thumb" if ready else None,
        "view_url": f"{address}/view" if ready else None,
        "placeholder": as_data(photo.placeholder) if ready else None,
        "download_url": f"{address}/original",
        "file_name": photo.file_name,
        "state": photo.state.value,
        "faces": photo.faces,
        "width_px": photo.width_px or 3,
        "height_px": photo.height_px or 2,
    }


def _failure(photo: Photo) -> dict[str, Any]:
    return {"id": photo.id, "file_name": photo.file_name, "reason": gettext(reason_for(photo.reason))}


async def _others(session: AsyncSession, viewer: Viewer, event: Event) -> list[Event]:
    """Where photos of this event may be moved."""
    mine = await rights.newest_of_staff(session, viewer, limit=MOST_TARGETS)
    return [other for other, _ in mine if other.id != event.id and other.state is not EventState.ARCHIVED]


async def _desk(
    request: Request,
    session: Session,
    viewer: Viewer,
    desk: Desk,
    *,
    wish: Filter = Filter(),
    after: UUID | None = None,
    results: "Results | None" = None,
    status: int = 200,
) -> Response:
    event, by = desk.event, desk.by
    wanted = wish.wanted(desk)
    shown = await listing.page_of(session, wanted, wish.sort, limit=PAGE, after=after)
    failed = await listing.page_of(session, Wanted(event.id, by, show=Show.FAILED), Sort.ADDED, limit=FAILURES)
    quota = await quotas.left(session, event.id, by)
    return page(
        request,
        "photos/desk.html",
        status=status,
        here=f"/studio/{event.id}" if results else None,
        event=event,
        manages=by is None,
        link=link_of(request, event),
        link_is_local=is_local(link_of(request, event)),
        qr_svg_url=f"/studio/{event.id}/qr.svg",
        qr_png_url=f"/studio/{event.id}/qr.png?download=1",
        progress=await _progress(session, desk, quota),
        quota=quota,
        failures=[_failure(photo) for photo in failed.photos] if wish.show is not Show.BIN else [],
        photos=[_tile(event, photo) for photo in shown.photos],
        next_url=f"/studio/{event.id}?{wish.query(after=shown.next_after)}" if shown.next_after else None,
        tally=await listing.tally(session, wanted),
        show=wish.show.value,
        sort=wish.sort.value,
        wish=wish,
        cameras=await listing.cameras(session, wanted),
        photographers=await listing.photographers(session, event.id) if by is None else [],
        other_events=await _others(session, viewer, event),
        faces_on=event.faces_on,
        state=state_view(event),
        days_left=reminders.days_left(event),
        reminder=await reminders.standing(session, event),
        unread=(await messages.unread(session, [event.id])).get(event.id, 0),
        attestation=[gettext(paragraph) for paragraph in attestation.PARAGRAPHS],
        results=results.as_dict() if results else None,
    )


@router.get("/{event_id}")
async def desk(
    request: Request,
    session: Session,
    viewer: StaffViewer,
    desk: ThisDesk,
    wish: ThisFilter,
    after: UUID | None = None,
) -> Response:
    return await _desk(request, session, viewer, desk, wish=wish, after=after)


@dataclass(slots=True)
class Results:
    """What became of the files of one batch, each by its name."""

    accepted: list[dict[str, str]] = dataclasses.field(default_factory=list)
    duplicates: list[dict[str, str]] = dataclasses.field(default_factory=list)
    refused: list[dict[str, str]] = dataclasses.field(default_factory=list)

    def as_dict(self) -> dict[str, list[dict[str, str]]]:
        """The three lists by name."""
        return dataclasses.asdict(self)


@router.post("/{event_id}/photos")
async def upload(
    request: Request, site: ThisSite, viewer: StaffViewer, event_id: Annotated[UUID, Depends(_filled)]
) -> Response:
    results = Results()
    async with request.form(max_files=BATCH) as form:
        files = [item for item in form.getlist("photos") if isinstance(item, UploadFile) and item.filename]
        if not files:
            raise Invalid(N_("Please choose some photos first."), field="photos")
        # Receiving them may have taken an hour, and an invitation may have been taken back meanwhile.
        await _filled(viewer, site, event_id)
        for file in files:
            await _take(site, viewer, event_id, file, results)
    if wants_json(request):
        return JSONResponse(results.as_dict())
    async with transaction(site.sessions) as session:
        desk = await Desk.of(session, viewer, event_id)
        return await _desk(request, session, viewer, desk, results=results)


async def _take(site: Site, viewer: Viewer, event_id: UUID, file: UploadFile, results: Results) -> None:
    name = shown_name(file.filename)
    try:
        check_size(file.size or 0, limit_bytes=site.limits.photo_bytes)  # before it is read into memory
        data = await file.read()
        taken = await intake.take_in(
            site.sessions,
            site.storage,
            Limits(site.limits.photo_bytes, site.limits.photo_pixels),
            Offer(event_id, viewer.id, name),
            data,
        )
    except Duplicate as error:
        results.duplicates.append({"file_name": name, "id": str(error.photo_id)})
    except Unavailable:
        raise
    except Refused as error:
        results.refused.append({"file_name": name, "reason": say(error)})
    else:
        results.accepted.append({"file_name": taken.file_name, "id": str(taken.id)})


@router.post("/{event_id}/photos/acts")
async def act(request: Request, session: Session, site: ThisSite, desk: ChangeableDesk) -> Response:
    """Do one thing with many photos: those named in ``photos``, or with ``all`` every one that fits the filter."""
    form = await request.form()
    try:
        what, show = Act(str(form.get("act"))), Show(str(form.get("show", "all")))
        ids = [UUID(each) for field in form.getlist("photos") for each in str(field).split()]
    except ValueError as error:
        raise Invalid from error
    wanted = Wanted(desk.event.id, desk.by, show=show)
    done = await acts.act(
        session, what, wanted if form.get("all") == "yes" else wanted.only(*ids), bin_days=site.limits.bin_days
    )
    if wants_json(request):
        return JSONResponse(
            {"changed": done.changed, "undo": {to: [str(i) for i in ids] for to, ids in done.undo.items()}}
        )
    return go(f"/studio/{desk.event.id}?show={show.value}")


@router.post("/{event_id}/photos/{photo_id}/{what}")
async def act_on_one(
    request: Request, session: Session, site: ThisSite, desk: ChangeableDesk, photo_id: UUID, what: Act
) -> Response:
    photo = await service.get(session, desk.event.id, photo_id, by=desk.by)
    wanted = Wanted(desk.event.id, desk.by).only(photo.id)
    await acts.act(session, what, wanted, bin_days=site.limits.bin_days)
    return Response(status_code=204) if wants_json(request) else go(f"/studio/{desk.event.id}")


@router.get("/{event_id}/live", response_class=EventSourceResponse)
async def live(
    request: Request, site: ThisSite, event_id: Annotated[UUID, Depends(_watched)]
) -> AsyncIterator[ServerSentEvent]:
    async def look(_: dict[str, dict[str, Any]]) -> list[ServerSentEvent]:
        async with transaction(site.sessions) as session:
            viewer = require_staff(await present_viewer(request, session))
            desk = await Desk.of(session, viewer, event_id)
            return [
                ServerSentEvent(
                    event="progress",
                    data=await _progress(session, desk, await quotas.left(session, desk.event.id, desk.by)),
                )
            ]

    async for event in stream(site, request, (f"event:{event_id}",), look):
        yield event
