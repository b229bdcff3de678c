"""Sending, seeing and removing an event's cover, logo and watermark."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from trouvaille.accounts.identity import MaybeViewer, StaffViewer
from trouvaille.accounts.service import require_staff
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.core.db import transaction
from trouvaille.core.errors import N_, Invalid, NotFound, Refused, Unavailable
from trouvaille.core.images import check_size
from trouvaille.events import pictures, rights, service, watermarks
from trouvaille.events.models import Event, EventPicture, PictureKind
from trouvaille.events.reasons import reason_for
from trouvaille.events.rights import Right
from trouvaille.web.i18n import gettext, say
from trouvaille.web.render import go, page, wants_json
from trouvaille.web.site import Session, ThisSite

router = APIRouter(include_in_schema=False)
KEEP = "private, max-age=86400"


async def _changeable(site: ThisSite, viewer: MaybeViewer, event_id: UUID) -> Event:
    """The event, asked for in a transaction that is over before the picture is read."""
    async with transaction(site.sessions) as session:
        return await rights.to_change(session, require_staff(viewer), event_id, Right.MANAGE)


ChangeableEvent = Annotated[Event, Depends(_changeable)]


@router.post("/studio/{event_id}/{kind}/picture")
async def send(request: Request, site: ThisSite, event: ChangeableEvent, kind: PictureKind) -> Response:
    try:
        async with request.form(max_files=1) as form:
            file = form.get("picture")
            if not isinstance(file, UploadFile) or not file.filename:
                raise Invalid(N_("Please choose a picture first."))
            check_size(file.size or 0, limit_bytes=pictures.LIMIT_BYTES)
            data, name = await file.read(), file.filename
        async with transaction(site.sessions) as session:
            await pictures.take_in(session, site.storage, event, kind, file_name=name, data=data)
    except Unavailable:
        raise
    except Refused as error:
        if wants_json(request):
            raise
        return page(
            request,
            "events/picture_refused.html",
            status=422,
            here=f"/studio/{event.id}/edit",
            event=event,
            kind=kind.value,
            problem=say(error),
        )
    return _done(request, event, kind)


@router.post("/studio/{event_id}/{kind}/remove")
async def remove(
    request: Request, session: Session, viewer: StaffViewer, event: ChangeableEvent, kind: PictureKind
) -> Response:
    if kind is PictureKind.WATERMARK:
        # The event was read in a transaction that is over.
        await watermarks.remove_picture(session, await session.get_one(Event, event.id), by=viewer)
    else:
        await pictures.remove(session, event.id, kind, by=viewer)
    return _done(request, event, kind)


def _done(request: Request, event: Event, kind: PictureKind) -> Response:
    page = "watermark" if kind is PictureKind.WATERMARK else "edit"
    return Response(status_code=204) if wants_json(request) else go(f"/studio/{event.id}/{page}#{kind.value}")


@router.get("/e/{code}/picture/{picture_id}", openapi_extra=wants(Scope.EVENTS_READ))
async def shown(session: Session, site: ThisSite, code: str, picture_id: UUID, viewer: MaybeViewer) -> Response:
    event = await service.by_code(session, code, viewer)
    picture = await pictures.get(session, event.id, picture_id)
    if picture.kind is PictureKind.WATERMARK and Right.MANAGE not in await rights.of(session, viewer, event):
        raise NotFound
    data = await site.storage.get(picture.shown_key)
    return Response(data, media_type=picture.shown_type, headers={"Cache-Control": KEEP})


def as_edited(
    event: Event,
    newest: dict[str, EventPicture],
    removed: dict[str, UUID],
    kinds: tuple[PictureKind, ...] = (PictureKind.COVER, PictureKind.LOGO),
) -> list[dict[str, Any]]:
    """Pictures as the settings show them, whether there or not.

    Args:
        removed: what may be put back.
    """
    rows = []
    for kind in kinds:
        picture = newest.get(kind.value)
        ready = picture is not None and picture.shown_type is not None
        rows.append(
            {
                "kind": kind.value,
                "state": picture.state.value if picture else "none",
                "file_name": picture.file_name if picture else "",
                "problem": gettext(reason_for(picture.reason)) if picture and picture.reason else None,
                "shown": pictures.as_shown(event, picture) if ready else None,
                "undo": None if picture else removed.get(kind.value),
            }
        )
    return rows
