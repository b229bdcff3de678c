"""An event's cover, logo and watermark picture, for scripts."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from trouvaille.accounts.identity import StaffViewer
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.core.db import transaction
from trouvaille.core.errors import Invalid
from trouvaille.events import pictures, rights, watermarks
from trouvaille.events.models import Event, EventPicture, PictureKind, PictureState
from trouvaille.events.picture_pages import ChangeableEvent
from trouvaille.events.reasons import reason_for
from trouvaille.events.rights import Right
from trouvaille.web.i18n import gettext
from trouvaille.web.site import Session, ThisSite, address_of

router = APIRouter(prefix="/api/v1/events/{event_id}/pictures", tags=["Events"])
READ, WRITE = wants(Scope.EVENTS_READ), wants(Scope.EVENTS_WRITE)
# Read by the route itself, after a look at who sends it; so it has to be described by hand.
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The picture’s bytes; what kind it is, they say themselves.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class PictureOut(BaseModel):
    """The picture of a kind that was sent last."""

    kind: PictureKind
    state: PictureState = Field(
        description="`pending` until a worker has looked at it; the older one is shown until then."
    )
    problem: str | None = Field(description="Why it could not be read, for people.")
    file_name: str = Field(examples=["cover.jpg"])
    width_px: int | None
    height_px: int | None
    url: str | None = Field(description="Null until it is ready; the same token opens it.")


class Pictures(BaseModel):
    """At most one of each kind."""

    items: list[PictureOut]


def _shaped(request: Request, event: Event, picture: EventPicture) -> PictureOut:
    ready, failed = picture.state is PictureState.READY, picture.state is PictureState.FAILED
    return PictureOut(
        kind=picture.kind,
        state=picture.state,
        problem=gettext(reason_for(picture.reason)) if failed else None,
        file_name=picture.file_name,
        width_px=picture.width_px,
        height_px=picture.height_px,
        url=f"{address_of(request)}/e/{event.code}/picture/{picture.id}" if ready else None,
    )


@router.get("", openapi_extra=READ)
async def list_pictures(
    request: Request, response: Response, session: Session, viewer: StaffViewer, event_id: UUID
) -> Pictures:
    """The pictures of an event."""
    response.headers["Cache-Control"] = "no-store"
    event = await rights.for_staff(session, viewer, event_id, Right.MANAGE)
    newest = await pictures.newest(session, event.id)
    return Pictures(items=[_shaped(request, event, newest[kind]) for kind in sorted(newest)])


@router.put("/{kind}", openapi_extra=WRITE | BODY)
async def put_picture(
    request: Request,
    response: Response,
    site: ThisSite,
    event: ChangeableEvent,
    kind: PictureKind,
    file_name: str = "",
) -> PictureOut:
    """Send a cover, a logo or a watermark in place of the present one."""
    response.headers["Cache-Control"] = "no-store"
    data = await request.body()
    if not data:
        raise Invalid
    async with transaction(site.sessions) as session:
        taken = await pictures.take_in(session, site.storage, event, kind, file_name=file_name or None, data=data)
        return _shaped(request, event, taken)


@router.delete("/{kind}", status_code=204, openapi_extra=WRITE)
async def remove_picture(session: Session, viewer: StaffViewer, event: ChangeableEvent, kind: PictureKind) -> None:
    """Go without a cover, a logo or a watermark’s picture; where there is none, nothing happens."""
    if kind is PictureKind.WATERMARK:
        # The event was read in a transaction that is over.
        await watermarks.remove_picture(session, await session.get_one(Event, event.id), by=viewer)
    else:
        await pictures.remove(session, event.id, kind, by=viewer)
