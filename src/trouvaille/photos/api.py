"""Photos for scripts: listed by part, looked at, and all that the desk does with them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from trouvaille.accounts.identity import StaffViewer
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.core.paging import Key, slice_of
from trouvaille.events.models import Event
from trouvaille.photos import acts, service
from trouvaille.photos.acts import Act
from trouvaille.photos.listing import Show, Wanted
from trouvaille.photos.models import Photo, PhotoState, Standing
from trouvaille.photos.pages import ChangeableDesk, ThisDesk
from trouvaille.photos.reasons import reason_for
from trouvaille.web.api import USUAL, Cursor, Limit, Page, page_of
from trouvaille.web.i18n import gettext
from trouvaille.web.site import Session, ThisSite, address_of

router = APIRouter(prefix="/api/v1/events/{event_id}/photos", tags=["Photos"])
MOST_AT_ONCE = 1_000
READ, WRITE = wants(Scope.PHOTOS_READ), wants(Scope.PHOTOS_WRITE)


class PhotoOut(BaseModel):
    """A photo as its photographer knows it."""

    id: UUID
    file_name: str = Field(examples=["DSC_0042.jpg"])
    state: PhotoState
    standing: Standing = Field(description="Whether guests see it: shown, held for review, or hidden.")
    in_general: bool = Field(description="Whether it is in the gallery of all photos.")
    deleted_at: datetime | None = Field(description="Since when it is in the bin.")
    faces: int = Field(description="How many faces were found.")
    problem: str | None = Field(description="Why it could not be read, for people.")
    size_bytes: int
    media_type: str = Field(examples=["image/jpeg"])
    width_px: int | None
    height_px: int | None
    taken_at: datetime | None = Field(description="By the camera’s clock, which knows no time zone.")
    created_at: datetime
    thumb_url: str | None = Field(description="Null until there is one; the same token opens it.")
    view_url: str | None
    original_url: str


def _shaped(request: Request, event: Event, photo: Photo) -> PhotoOut:
    base = f"{address_of(request)}/e/{event.code}/p/{photo.id}"
    ready, failed = photo.state is PhotoState.READY, photo.state is PhotoState.FAILED
    return PhotoOut(
        id=photo.id,
        file_name=photo.file_name,
        state=photo.state,
        standing=photo.standing,
        in_general=photo.in_general,
        deleted_at=photo.deleted_at,
        faces=photo.faces or 0,
        problem=gettext(reason_for(photo.reason)) if failed else None,
        size_bytes=photo.size_bytes,
        media_type=photo.media_type,
        width_px=photo.width_px,
        height_px=photo.height_px,
        taken_at=photo.taken_at,
        created_at=photo.created_at,
        thumb_url=f"{base}/thumb" if ready else None,
        view_url=f"{base}/view" if ready else None,
        original_url=f"{base}/original",
    )


async def _photo(session: Session, desk: ThisDesk, photo_id: UUID) -> Photo:
    return await service.get(session, desk.event.id, photo_id, by=desk.by)


async def _changeable_photo(session: Session, desk: ChangeableDesk, photo_id: UUID) -> Photo:
    return await service.get(session, desk.event.id, photo_id, by=desk.by)


ThisPhoto = Annotated[Photo, Depends(_photo)]
ChangeablePhoto = Annotated[Photo, Depends(_changeable_photo)]


@router.get("", openapi_extra=READ)
async def list_photos(
    request: Request,
    response: Response,
    session: Session,
    viewer: StaffViewer,
    desk: ThisDesk,
    show: Show = Show.ALL,
    limit: Limit = USUAL,
    cursor: Cursor = "",
) -> Page[PhotoOut]:
    """The photos of an event, the newest first; a photographer’s own."""
    keys = (Key(Photo.shown_at, datetime), Key(Photo.id, UUID))
    query = select(Photo).where(*Wanted(desk.event.id, desk.by, show=show).conditions())
    shown = await slice_of(session, query, keys, limit=limit, cursor=cursor, newest_first=True)
    return page_of(request, response, [_shaped(request, desk.event, photo) for (photo,) in shown.items], shown.cursor)


@router.get("/{photo_id}", openapi_extra=READ)
async def get_photo(request: Request, desk: ThisDesk, photo: ThisPhoto) -> PhotoOut:
    """One photo."""
    return _shaped(request, desk.event, photo)


class ActIn(BaseModel):
    """One thing to do with many photos."""

    act: Act = Field(examples=["hide"])
    photos: list[UUID] = Field(min_length=1, max_length=MOST_AT_ONCE)


class ActOut(BaseModel):
    """What was changed, and the acts that take it back."""

    changed: int
    undo: dict[Act, list[UUID]] = Field(description="Photos by the act that takes this one back.")


@router.post("/acts", openapi_extra=WRITE)
async def act_on_photos(session: Session, site: ThisSite, desk: ChangeableDesk, wish: ActIn) -> ActOut:
    """Show, hide, publish or delete many photos; those that are gone, or another photographer’s, are left out."""
    wanted = Wanted(desk.event.id, desk.by).only(*wish.photos)
    done = await acts.act(session, wish.act, wanted, bin_days=site.limits.bin_days)
    return ActOut(changed=done.changed, undo=done.undo)


@router.post("/{photo_id}/retry", openapi_extra=WRITE)
async def retry_photo(
    request: Request, session: Session, site: ThisSite, desk: ChangeableDesk, photo: ChangeablePhoto
) -> PhotoOut:
    """Look again at a photo that could not be read; any other is left alone."""
    await acts.act(session, Act.RETRY, Wanted(desk.event.id, desk.by).only(photo.id), bin_days=site.limits.bin_days)
    await session.refresh(photo)
    return _shaped(request, desk.event, photo)


@router.delete("/{photo_id}", status_code=204, openapi_extra=WRITE)
async def delete_photo(session: Session, site: ThisSite, desk: ChangeableDesk, photo: ChangeablePhoto) -> None:
    """Delete a photo: it is gone for guests at once, and may be brought back from the bin for some days."""
    await acts.act(session, Act.DELETE, Wanted(desk.event.id, desk.by).only(photo.id), bin_days=site.limits.bin_days)
