"""A guest's gallery for programs: their photos, and what they say and ask of them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from trouvaille.accounts.identity import AnyViewer
from trouvaille.accounts.service import Viewer
from trouvaille.core.paging import Key, slice_of
from trouvaille.delivery import access, keepsakes, nearby, requests, seeing, veils, views
from trouvaille.delivery.access import Show
from trouvaille.delivery.models import Reason, VeilState
from trouvaille.delivery.pages import ANSWERS
from trouvaille.delivery.seeing import Seen
from trouvaille.events.models import Event
from trouvaille.guests.signed_in import ThisEvent
from trouvaille.matching import service as matching
from trouvaille.matching.models import Tier, Verdict
from trouvaille.photos.models import Photo
from trouvaille.web.api import OF_GUESTS, USUAL, Cursor, Limit, Page, Text, page_of
from trouvaille.web.site import Session, address_of

router = APIRouter(prefix="/api/v1/guest/photos", tags=["Guest"])


class GuestPhotoOut(BaseModel):
    """A photo as one guest sees it; the same session opens its addresses."""

    id: UUID
    file_name: str = Field(examples=["DSC_0042.jpg"])
    width_px: int | None
    height_px: int | None
    taken_at: datetime | None = Field(description="By the clocks at the event’s place.")
    is_mine: bool
    tier: Tier | None = Field(description="How sure it is that they are in it; null where they were not found.")
    verdict: Verdict | None = Field(description="What they said themselves.")
    face_box: list[float] | None = Field(description="Left, top, right, bottom as fractions of the photo.")
    is_favourite: bool
    veil: VeilState | None = Field(description="What became of their wish to be hidden in it.")
    thumb_url: str
    view_url: str
    download_url: str | None = Field(description="Null where the organiser has not opened downloads.")


class VerdictIn(BaseModel):
    """Whether one is in a photo."""

    answer: Literal["yes", "no", "undo"] = Field(examples=["yes"])


class ReportIn(BaseModel):
    """Why the organiser should look at a photo."""

    reason: Reason = Field(examples=["other"])
    text: Text = Field("", max_length=2000, examples=["Please have a look."])


class NearIn(BaseModel):
    """What helps to find somebody."""

    text: Text = Field("", max_length=2000, examples=["In the red dress, by the window."])


async def _viewer(viewer: AnyViewer, event: ThisEvent) -> Viewer:
    return access.check_guest(viewer, event)


GuestViewer = Annotated[Viewer, Depends(_viewer)]


async def _seen(session: Session, event: ThisEvent, guest: GuestViewer, photo_id: UUID) -> Seen[Photo]:
    return await access.one_photo(session, event, guest, photo_id)


ThisPhoto = Annotated[Seen[Photo], Depends(_seen)]


def _shaped(request: Request, event: Event, seen: Seen[Photo]) -> GuestPhotoOut:
    shown, here = views.item(event, seen), address_of(request)
    return GuestPhotoOut(
        id=seen.photo.id,
        file_name=seen.photo.file_name,
        width_px=seen.photo.width_px,
        height_px=seen.photo.height_px,
        taken_at=shown.taken_at,
        is_mine=seen.is_mine,
        tier=seen.tier,
        verdict=seen.verdict,
        face_box=seen.face_box,
        is_favourite=seen.is_favourite,
        veil=seen.veil,
        thumb_url=here + shown.thumb_url,
        view_url=here + shown.view_url,
        download_url=here + shown.download_url if shown.download_url else None,
    )


@router.get("", openapi_extra=OF_GUESTS)
async def list_my_photos(
    request: Request,
    response: Response,
    session: Session,
    event: ThisEvent,
    guest: GuestViewer,
    show: Annotated[Show, Query(description="Which part of the gallery.")] = Show.MINE,
    limit: Limit = USUAL,
    cursor: Cursor = "",
) -> Page[GuestPhotoOut]:
    """A part of your gallery, the newest first."""
    keys = (Key(Photo.shown_at, datetime), Key(Photo.id, UUID))
    query = access.photos_seen(event, guest, show)
    shown = await slice_of(session, query, keys, limit=limit, cursor=cursor, newest_first=True)
    items = [_shaped(request, event, seeing.seen(guest, row)) for row in shown.items]
    return page_of(request, response, items, shown.cursor)


@router.get("/{photo_id}", openapi_extra=OF_GUESTS)
async def get_my_photo(request: Request, response: Response, event: ThisEvent, seen: ThisPhoto) -> GuestPhotoOut:
    """One photo."""
    response.headers["Cache-Control"] = "no-store"
    return _shaped(request, event, seen)


@router.put("/{photo_id}/verdict", status_code=204, openapi_extra=OF_GUESTS)
async def say_whether_me(session: Session, guest: GuestViewer, photo_id: UUID, body: VerdictIn) -> None:
    """Say that you are in a photo that was found for you, or not, or take your answer back."""
    await matching.answer(session, guest.id, photo_id, ANSWERS[body.answer])


@router.put("/{photo_id}/favourite", status_code=204, openapi_extra=OF_GUESTS)
async def keep_favourite(session: Session, guest: GuestViewer, seen: ThisPhoto) -> None:
    """Make a photo one of your favourites."""
    await keepsakes.set_favourite(session, guest.id, seen.photo, on=True)


@router.delete("/{photo_id}/favourite", status_code=204, openapi_extra=OF_GUESTS)
async def drop_favourite(session: Session, guest: GuestViewer, seen: ThisPhoto) -> None:
    """Take a photo out of your favourites."""
    await keepsakes.set_favourite(session, guest.id, seen.photo, on=False)


@router.put("/{photo_id}/veil", status_code=204, openapi_extra=OF_GUESTS)
async def ask_to_be_hidden(session: Session, guest: GuestViewer, seen: ThisPhoto) -> None:
    """Ask that others don’t see your face in a photo of yours; the organiser decides."""
    await veils.ask(session, guest.id, seen.photo, seen.face_box if seen.is_mine else None)


@router.delete("/{photo_id}/veil", status_code=204, openapi_extra=OF_GUESTS)
async def be_shown_again(session: Session, guest: GuestViewer, seen: ThisPhoto) -> None:
    """Let others see your face again."""
    await veils.take_back(session, guest.id, seen.photo)


@router.post("/{photo_id}/report", status_code=204, openapi_extra=OF_GUESTS)
async def report_photo(session: Session, guest: GuestViewer, seen: ThisPhoto, body: ReportIn) -> None:
    """Ask the organiser to look at a photo; asking twice before they have looked changes nothing."""
    await requests.report(session, guest.id, seen.photo, body.reason.value, body.text)


@router.post("/{photo_id}/near", status_code=204, openapi_extra=OF_GUESTS)
async def ask_to_be_looked_for(session: Session, guest: GuestViewer, seen: ThisPhoto, body: NearIn) -> None:
    """Say that you were near when a photo was taken, so that somebody looks for you in the photos around it."""
    if seen.is_mine:
        raise nearby.AlreadyTheirs
    await nearby.ask(session, guest.id, seen.photo, body.text)
