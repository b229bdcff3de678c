"""What the desk does with photos that reaches beyond them: another event, or the event's cover."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy import exists, select

from trouvaille.accounts.identity import StaffViewer
from trouvaille.core.db import transaction
from trouvaille.core.errors import N_, Conflict, Invalid
from trouvaille.delivery import moving
from trouvaille.delivery.models import Veil, VeiledPhoto, VeilState
from trouvaille.events import pictures, rights
from trouvaille.events.models import PictureKind
from trouvaille.events.rights import Right
from trouvaille.photos import service as photos
from trouvaille.photos.acts import Act
from trouvaille.photos.listing import Wanted
from trouvaille.photos.models import PhotoState, Standing
from trouvaille.photos.renditions import stored
from trouvaille.web.render import go, wants_json
from trouvaille.web.site import ThisSite

router = APIRouter(include_in_schema=False, prefix="/studio/{event_id}")


class NotForAll(Conflict):
    """A cover is seen by everybody who has the link."""

    message = N_("A cover is seen by everybody. Publish this photo first.")


class SomebodyHides(Conflict):
    """Somebody asked that others do not see their face in this photo."""

    message = N_("Somebody in this photo asked not to be shown. Please choose another one.")


async def _source(site: ThisSite, viewer: StaffViewer, event_id: UUID) -> Wanted:
    """Whose photos the viewer moves out of this event, asked for in a transaction that is over before bytes move."""
    async with transaction(site.sessions) as session:
        event = await rights.to_change(session, viewer, event_id, Right.UPLOAD)
        return Wanted(event.id, await rights.uploader_shown(session, viewer, event))


@router.post("/photos/move")
async def move(
    request: Request, site: ThisSite, viewer: StaffViewer, wanted: Annotated[Wanted, Depends(_source)]
) -> Response:
    """Move the photos named in ``photos`` to the event named in ``to``."""
    form = await request.form()
    try:
        to = UUID(str(form.get("to")))
        ids = [UUID(each) for field in form.getlist("photos") for each in str(field).split()]
    except ValueError as error:
        raise Invalid from error
    days = site.limits.bin_days
    moved = await moving.move(site.sessions, site.storage, viewer, wanted.only(*ids), to, bin_days=days)
    if not wants_json(request):
        return go(f"/studio/{wanted.event_id}")
    undo = [
        {"event_id": str(wanted.event_id), "act": Act.UNDELETE, "photos": [str(each) for each in moved.gone]},
        {"event_id": str(to), "act": Act.DELETE, "photos": [str(each) for each in moved.fresh]},
    ]
    # Without a bin, what left is gone; only moving it once more brings it back.
    return JSONResponse({"changed": len(moved.gone), "already": moved.already, "undo": undo if days else []})


@router.post("/cover/photo")
async def cover(request: Request, site: ThisSite, viewer: StaffViewer, event_id: UUID) -> Response:
    """Make the photo named in ``photo`` the event's cover."""
    async with transaction(site.sessions) as session:
        event = await rights.to_change(session, viewer, event_id, Right.MANAGE)
        form = await request.form()
        try:
            photo = await photos.get(session, event.id, UUID(str(form.get("photo"))))
        except ValueError as error:
            raise Invalid from error
        if photo.state is not PhotoState.READY or photo.deleted_at or photo.standing is not Standing.SHOWN:
            raise NotForAll
        asked = exists().where(Veil.photo_id == photo.id, Veil.state != VeilState.DECLINED)
        veiled = exists().where(VeiledPhoto.photo_id == photo.id)
        if await session.scalar(select(asked | veiled)):
            raise SomebodyHides
    data = await site.storage.get(stored(photo, "view").key(photo))
    async with transaction(site.sessions) as session:
        name = f"{photo.file_name.rpartition('.')[0] or photo.file_name}.jpg"
        await pictures.take_in(session, site.storage, event, PictureKind.COVER, file_name=name, data=data)
    return Response(status_code=204) if wants_json(request) else go(f"/studio/{event.id}/edit#cover")
