"""The page about sending photos straight from a camera."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import StaffViewer
from trouvaille.accounts.models import Staff
from trouvaille.cameras import service
from trouvaille.cameras.service import Access
from trouvaille.core.errors import NotFound
from trouvaille.crew import invitations
from trouvaille.events import rights
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.guests import messages
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, ThisSite

router = APIRouter(include_in_schema=False, prefix="/studio/{event_id}")


async def _event(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.for_staff(session, viewer, event_id, Right.UPLOAD)


async def _changeable(session: Session, viewer: StaffViewer, event_id: UUID) -> Event:
    return await rights.to_change(session, viewer, event_id, Right.UPLOAD)


async def _camera(
    request: Request,
    session: Session,
    site: ThisSite,
    viewer: StaffViewer,
    event: Event,
    *,
    access: Access | None = None,
    whose: str = "",
) -> Response:
    shown = await rights.uploader_shown(session, viewer, event)
    people = [(str(viewer.id), viewer.display_name)]
    if shown is None:
        people += [(str(each.id), each.display_name) for each in await invitations.photographers(session, event)]
    return page(
        request,
        "cameras/camera.html",
        here=f"/studio/{event.id}/camera",
        event=event,
        manages=shown is None,
        unread=(await messages.unread(session, [event.id])).get(event.id, 0) if shown is None else 0,
        credentials=await service.of_event(session, event, by=shown),
        people=people,
        access=access,
        whose=whose,
        host=site.ftp_host or request.url.hostname,
        port=site.ftp_port,
        plain=site.ftp_plain,
        form=Form({"staff_id": str(viewer.id)}),
        done=request.query_params.get("done"),
    )


@router.get("/camera")
async def camera(
    request: Request,
    session: Session,
    site: ThisSite,
    viewer: StaffViewer,
    event: Annotated[Event, Depends(_event)],
) -> Response:
    return await _camera(request, session, site, viewer, event)


@router.post("/camera")
async def make(
    request: Request,
    session: Session,
    site: ThisSite,
    viewer: StaffViewer,
    event: Annotated[Event, Depends(_changeable)],
) -> Response:
    staff_id = viewer.id
    if await rights.uploader_shown(session, viewer, event) is None:
        wanted = typed(await request.form(), "staff_id").value("staff_id")
        try:
            staff_id = UUID(wanted) if wanted else viewer.id
        except ValueError as error:
            raise NotFound from error
    access = await service.make(session, site.vault, event, staff_id, by=viewer)
    whose = (await session.get_one(Staff, staff_id)).display_name
    return await _camera(request, session, site, viewer, event, access=access, whose=whose)


@router.post("/camera/{credential_id}/revoke")
async def revoke(
    session: Session, viewer: StaffViewer, event: Annotated[Event, Depends(_event)], credential_id: UUID
) -> Response:
    shown = await rights.uploader_shown(session, viewer, event)
    removed = await service.revoke(session, event, credential_id, viewer=viewer, shown=shown)
    return go(f"/studio/{event.id}/camera?done=revoked&undo={removed}")
