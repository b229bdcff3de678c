"""Bringing photos in from elsewhere: the page where it is started, watched, held and ended."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.identity import MaybeViewer, StaffViewer, present_viewer
from trouvaille.accounts.service import require_staff
from trouvaille.core.db import transaction
from trouvaille.core.errors import N_, Refused
from trouvaille.events import rights
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.guests import messages
from trouvaille.imports import places, service
from trouvaille.imports.models import UNFINISHED, Import, ImportFile, ImportState, Kind
from trouvaille.imports.service import Progress
from trouvaille.photos.pages import Desk
from trouvaille.web import errors
from trouvaille.web.forms import Form, typed
from trouvaille.web.i18n import gettext
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, ThisSite, sender_of
from trouvaille.web.streams import stream

router = APIRouter(include_in_schema=False, prefix="/studio/{event_id}/import")
SHOWN = 100
REPORTED = 100_000
STATES = {
    ImportState.WAITING: N_("Waiting"),
    ImportState.RUNNING: N_("Running"),
    ImportState.PAUSED: N_("Paused"),
    ImportState.DONE: N_("Finished"),
    ImportState.CANCELLED: N_("Cancelled"),
    ImportState.FAILED: N_("Failed"),
}


class Act(StrEnum):
    """What one may do with an import."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


async def _desk(session: Session, viewer: StaffViewer, event_id: UUID) -> Desk:
    return await Desk.of(session, viewer, event_id)


async def _changeable(session: Session, viewer: StaffViewer, event_id: UUID) -> Desk:
    await rights.to_change(session, viewer, event_id, Right.UPLOAD)
    return await Desk.of(session, viewer, event_id)


async def _managed(session: Session, viewer: StaffViewer, event_id: UUID) -> Desk:
    await rights.to_change(session, viewer, event_id, Right.MANAGE)
    return await Desk.of(session, viewer, event_id)


async def _watched(request: Request, viewer: MaybeViewer, site: ThisSite, event_id: UUID) -> UUID:
    """The event of a long request, asked for in a transaction that is over before the long part begins."""
    site.hub.check_room(sender_of(request))
    async with transaction(site.sessions) as session:
        return (await rights.for_staff(session, require_staff(viewer), event_id, Right.UPLOAD)).id


ThisDesk = Annotated[Desk, Depends(_desk)]
ChangeableDesk = Annotated[Desk, Depends(_changeable)]
ManagedDesk = Annotated[Desk, Depends(_managed)]


def reason_of(file: ImportFile) -> str:
    """Why a file was refused, in the viewer's language."""
    words = gettext(file.reason) if file.reason else ""
    return words % file.params if file.params else words


async def _card(session: AsyncSession, one: Import, progress: Progress) -> dict[str, Any]:
    return {
        "one": one,
        "state": gettext(STATES[one.state]),
        "reason": gettext(one.reason) if one.reason else "",
        "progress": progress,
        "going": one.state in UNFINISHED,
        "refused": [
            {"name": file.name, "reason": reason_of(file)}
            for file in await service.refused(session, one.id, limit=SHOWN)
        ]
        if progress.refused
        else [],
    }


async def _page(
    request: Request,
    session: Session,
    site: ThisSite,
    desk: Desk,
    *,
    form: Form | None = None,
    wrong: str = "",
    status: int = 200,
) -> Response:
    event, by = desk.event, desk.by
    imports = await service.of_event(session, event.id, by=by)
    progresses = await service.progresses(session, [one.id for one in imports])
    fragment = request.headers.get("x-fragment") == "1"
    return page(
        request,
        "imports/_imports.html" if fragment else "imports/import.html",
        status=status,
        here=f"/studio/{event.id}/import",
        event=event,
        manages=by is None,
        unread=(await messages.unread(session, [event.id])).get(event.id, 0) if by is None else 0,
        cards=[await _card(session, one, progresses.get(one.id, Progress())) for one in imports],
        roots=[str(root) for root in site.import_rules.roots] if by is None else [],
        archive_bytes=site.import_rules.archive_bytes,
        services=places.SERVICES,
        form=form or Form({"service": "s3"}),
        wrong=wrong,
    )


@router.get("")
async def imports(request: Request, session: Session, site: ThisSite, desk: ThisDesk) -> Response:
    return await _page(request, session, site, desk)


@router.post("/folder")
async def from_folder(
    request: Request, session: Session, site: ThisSite, viewer: StaffViewer, desk: ManagedDesk
) -> Response:
    form = typed(await request.form(), "path")
    try:
        path = places.checked_path(site.import_rules.roots, form.value("path"))
        await _start(session, site, viewer, desk.event, Kind.FOLDER, path, {"path": path})
    except Refused as error:
        return await _page(
            request, session, site, desk, form=form.refused(error), wrong="folder", status=errors.status_of(error)
        )
    return go(f"/studio/{desk.event.id}/import")


@router.post("/remote")
async def from_remote(
    request: Request, session: Session, site: ThisSite, viewer: StaffViewer, desk: ManagedDesk
) -> Response:
    form = typed(await request.form(), *places.FIELDS)
    # The password is in none of what is sent back.
    shown = Form({name: value for name, value in form.values.items() if name != "secret"})
    try:
        place = places.from_form(form.values, private_networks=site.import_rules.private_networks)
        title = places.title_of(place)
        await _start(session, site, viewer, desk.event, Kind.REMOTE, title, {"place": asdict(place)})
    except Refused as error:
        return await _page(
            request, session, site, desk, form=shown.refused(error), wrong="remote", status=errors.status_of(error)
        )
    return go(f"/studio/{desk.event.id}/import")


async def _start(
    session: AsyncSession,
    site: ThisSite,
    viewer: StaffViewer,
    event: Event,
    kind: Kind,
    title: str,
    where: dict[str, Any],
) -> None:
    await service.start(
        session, site.vault, event_id=event.id, started_by=viewer.id, kind=kind, title=title, where=where
    )


@router.post("/{import_id}/{what}")
async def act(session: Session, desk: ChangeableDesk, import_id: UUID, what: Act) -> Response:
    one = await service.get(session, desk.event.id, import_id, by=desk.by)
    if what is Act.PAUSE:
        await service.pause(session, one)
    elif what is Act.RESUME:
        await service.resume(session, one)
    else:
        await service.end(session, one, ImportState.CANCELLED)
    return go(f"/studio/{desk.event.id}/import")


@router.get("/{import_id}/refused.csv")
async def report(session: Session, desk: ThisDesk, import_id: UUID) -> Response:
    one = await service.get(session, desk.event.id, import_id, by=desk.by)
    made = io.StringIO()
    writer = csv.writer(made)
    writer.writerow([gettext("File"), gettext("Reason")])
    for file in await service.refused(session, one.id, limit=REPORTED):
        # A spreadsheet takes what begins with these for a formula.
        name = f"'{file.name}" if file.name.startswith(("=", "+", "-", "@")) else file.name
        writer.writerow([name, reason_of(file)])
    headers = {"Content-Disposition": 'attachment; filename="refused.csv"', "Cache-Control": "no-store"}
    return Response("\ufeff" + made.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/live", response_class=EventSourceResponse)
async def live(
    request: Request, site: ThisSite, event_id: Annotated[UUID, Depends(_watched)]
) -> AsyncIterator[ServerSentEvent]:
    async def look(_: dict[str, dict[str, Any]]) -> list[ServerSentEvent]:
        async with transaction(site.sessions) as session:
            viewer = require_staff(await present_viewer(request, session))
            desk = await Desk.of(session, viewer, event_id)
            found = await service.of_event(session, event_id, by=desk.by)
            progresses = await service.progresses(session, [one.id for one in found])
        figures = {
            str(one.id): progresses.get(one.id, Progress()).figures() | {"state": one.state.value} for one in found
        }
        return [ServerSentEvent(event="imports", data=figures)]

    async for event in stream(site, request, (f"event:{event_id}",), look):
        yield event
