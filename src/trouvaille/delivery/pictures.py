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
from trouvaille.core.db import transaction
from trouvaille.core.errors import NotFound
from trouvaille.delivery import access, veils
from trouvaille.delivery.seeing import Pictured
from trouvaille.events import service as events
from trouvaille.events.models import Downloads, Event
from trouvaille.photos.blanks import covered
from trouvaille.photos.models import Photo
from trouvaille.photos.renditions import FULL, VEILED, Stored, named
from trouvaille.web import whose
from trouvaille.web.site import Session, Site, ThisSite

router = APIRouter(include_in_schema=False, prefix="/e/{code}/p/{photo_id}")
RENDITIONS = {"thumb", "view"}
# The viewer's browser may keep it, and asks each time whether it may still show it: a photo that is taken away is gone
# from there too, at once. Being told so costs a few indexed look-ups and no read (docs/decisions/0023-renditions.md).
KEEP = "private, no-cache"


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
        return await _original(session, site, viewer, event, photo)
    return await _view(site, photo, version)


async def _view(site: Site, photo: Photo, version: str | None, name: str = "view") -> Response:
    headers = _attached(f"{PurePath(photo.file_name).stem}.jpg")
    data = await site.storage.get(rendition_for(photo, version, name).key(photo))
    return Response(data, media_type="image/jpeg", headers=headers)


async def veiled(session: AsyncSession, viewer: Viewer | None, event: Event, photo: Photo) -> str | None:
    """Which renditions the viewer gets where a face is hidden from others; None for the plain ones."""
    plain = await access.works_with(session, viewer, event, photo)
    return await veils.version_for(session, viewer, photo, plain=plain)


def rendition_for(photo: Pictured, version: str | None, name: str) -> Stored:
    """A rendition of a photo as it is, or of the version without some faces."""
    return named(photo.renditions, name if version is None else VEILED + name)


def is_known(request: Request, etag: str) -> bool:
    """Whether the browser has the bytes that a tag stands for; a tag that a proxy weakened counts (RFC 9110)."""
    known = request.headers.get("if-none-match", "")
    return etag in {tag.strip().removeprefix("W/") for tag in known.split(",")}


@router.get("/original", openapi_extra=wants(Scope.PHOTOS_READ))
async def original(session: Session, site: ThisSite, code: str, photo_id: UUID, viewer: MaybeViewer) -> Response:
    event = await events.by_code(session, code, viewer)
    photo = await access.picture(session, event, viewer, photo_id)
    await access.check_download(session, viewer, event, photo, Downloads.ORIGINAL)
    if await veiled(session, viewer, event, photo) is not None:
        raise access.DownloadsOff
    return await _original(session, site, viewer, event, photo)


async def _original(session: AsyncSession, site: Site, viewer: Viewer | None, event: Event, photo: Photo) -> Response:
    """The file: untouched for who works with it, and for guests without what tells place and camera.

    Where the event has a mark, guests get the rendition in full size that carries it.
    """
    plain = await access.works_with(session, viewer, event, photo)
    if event.mark is not None and not plain:
        return await _view(site, photo, None, FULL if access.has_whole(event, photo) else "view")
    blanks = [] if plain else access.blanks_for_guests(event, photo)
    if blanks is None:
        return await _view(site, photo, None)
    pieces = covered(await site.storage.stream(photo.original_key), blanks)
    headers = {"Content-Length": str(photo.size_bytes), **_attached(photo.file_name)}
    return StreamingResponse(pieces, media_type=photo.media_type, headers=headers)


def _attached(file_name: str) -> dict[str, str]:
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file_name)}",
        "Cache-Control": "private, no-store",
    }


@router.get("/{name}", openapi_extra=wants(Scope.PHOTOS_READ))
async def rendition(
    request: Request, site: ThisSite, code: str, photo_id: UUID, name: str, viewer: MaybeViewer
) -> Response:
    async with transaction(site.sessions) as session:
        event = await events.by_code(session, code, viewer)
        photo = await access.picture(session, event, viewer, photo_id)
        version = await veiled(session, viewer, event, photo)
    if name not in RENDITIONS:
        raise NotFound
    return await sent(request, site, photo, rendition_for(photo, version, name), whose.of(request))


async def sent(request: Request, site: Site, photo: Photo, found: Stored, of_whom: dict[str, str]) -> Response:
    """A rendition's bytes, or that the browser has them."""
    tag = found.etag(photo.id)
    headers = {"ETag": tag, "Cache-Control": KEEP, **of_whom}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(await site.storage.get(found.key(photo)), media_type="image/jpeg", headers=headers)
