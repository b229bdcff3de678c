"""The bytes of photos. Renditions are read once and sent whole; originals are streamed."""

from pathlib import PurePath
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.identity import MaybeViewer
from trouvaille.accounts.service import Viewer
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.core.errors import NotFound
from trouvaille.delivery import access, veils
from trouvaille.events import rights
from trouvaille.events import service as events
from trouvaille.events.models import Downloads, Event
from trouvaille.events.rights import Right
from trouvaille.photos.models import Photo
from trouvaille.web.site import Session, Site, ThisSite

router = APIRouter(include_in_schema=False, prefix="/e/{code}/p/{photo_id}")
RENDITIONS = {"thumb", "view"}
# A rendition never changes under its address, but only this viewer's browser may keep it, and not for long: a photo
# that is taken away must go from there too.
KEEP = "private, max-age=3600"


@router.get("/download", openapi_extra=wants(Scope.PHOTOS_READ))
async def download(
    session: Session, site: ThisSite, code: str, photo_id: UUID, viewer: MaybeViewer, size: Downloads | None = None
) -> Response:
    """The photo in the largest size that this viewer may take home, or in the smaller one that pages show."""
    event = await events.by_code(session, code, viewer)
    photo = await access.picture(session, event, viewer, photo_id)
    await access.check_download(session, viewer, event, photo, Downloads.VIEW)
    version = await veiled(session, viewer, event, photo)
    whole = version is None and size is not Downloads.VIEW
    if whole and await access.may_download(session, viewer, event, photo) is Downloads.ORIGINAL:
        return await _original(site, photo)
    headers = _attached(f"{PurePath(photo.file_name).stem}.jpg")
    return Response(await site.storage.get(_key(photo, version, "view")), media_type="image/jpeg", headers=headers)


async def veiled(session: AsyncSession, viewer: Viewer | None, event: Event, photo: Photo) -> str | None:
    """Which renditions the viewer gets where a face is hidden from others; None for the plain ones."""
    theirs = await rights.of(session, viewer, event)
    is_own = viewer is not None and photo.uploaded_by == viewer.id and Right.UPLOAD in theirs
    return await veils.version_for(session, viewer, photo, plain=is_own or Right.MANAGE in theirs)


def _key(photo: Photo, version: str | None, name: str) -> str:
    return photo.rendition_key(name) if version is None else veils.rendition_key(photo, version, name)


@router.get("/original", openapi_extra=wants(Scope.PHOTOS_READ))
async def original(session: Session, site: ThisSite, code: str, photo_id: UUID, viewer: MaybeViewer) -> Response:
    event = await events.by_code(session, code, viewer)
    photo = await access.picture(session, event, viewer, photo_id)
    await access.check_download(session, viewer, event, photo, Downloads.ORIGINAL)
    if await veiled(session, viewer, event, photo) is not None:
        raise access.DownloadsOff
    return await _original(site, photo)


async def _original(site: Site, photo: Photo) -> StreamingResponse:
    pieces = await site.storage.stream(photo.original_key)
    headers = {"Content-Length": str(photo.size_bytes), **_attached(photo.file_name)}
    return StreamingResponse(pieces, media_type=photo.media_type, headers=headers)


def _attached(file_name: str) -> dict[str, str]:
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file_name)}",
        "Cache-Control": "private, no-store",
    }


@router.get("/{name}", openapi_extra=wants(Scope.PHOTOS_READ))
async def rendition(
    request: Request, session: Session, site: ThisSite, code: str, photo_id: UUID, name: str, viewer: MaybeViewer
) -> Response:
    event = await events.by_code(session, code, viewer)
    photo = await access.picture(session, event, viewer, photo_id)
    if name not in RENDITIONS:
        raise NotFound
    version = await veiled(session, viewer, event, photo)
    tag = f'"{photo.id}-{name}-{version}"' if version else f'"{photo.id}-{name}"'
    headers = {"ETag": tag, "Cache-Control": KEEP}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(await site.storage.get(_key(photo, version, name)), media_type="image/jpeg", headers=headers)
