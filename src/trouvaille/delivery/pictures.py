"""The bytes of photos. Renditions are read once and sent whole; originals are streamed."""

from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from trouvaille.accounts.identity import MaybeViewer
from trouvaille.core.errors import NotFound
from trouvaille.delivery import access
from trouvaille.events import service as events
from trouvaille.web.site import Session, ThisSite

router = APIRouter(include_in_schema=False, prefix="/e/{code}/p/{photo_id}")
RENDITIONS = {"thumb", "view"}
# A rendition never changes under its address, but only this viewer's browser may keep it, and not for long: a photo
# that is taken away must go from there too.
KEEP = "private, max-age=3600"


@router.get("/original")
async def original(
    session: Session, site: ThisSite, code: str, photo_id: UUID, viewer: MaybeViewer
) -> StreamingResponse:
    event = await events.by_code(session, code)
    photo = await access.picture(session, event, viewer, photo_id)
    await access.check_download(session, viewer, event)
    pieces = await site.storage.stream(photo.original_key)
    return StreamingResponse(
        pieces,
        media_type=photo.media_type,
        headers={
            "Content-Length": str(photo.size_bytes),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(photo.file_name)}",
            "Cache-Control": "private, no-store",
        },
    )


@router.get("/{name}")
async def rendition(
    request: Request, session: Session, site: ThisSite, code: str, photo_id: UUID, name: str, viewer: MaybeViewer
) -> Response:
    event = await events.by_code(session, code)
    photo = await access.picture(session, event, viewer, photo_id)
    if name not in RENDITIONS:
        raise NotFound
    tag = f'"{photo.id}-{name}"'
    headers = {"ETag": tag, "Cache-Control": KEEP}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(await site.storage.get(photo.rendition_key(name)), media_type="image/jpeg", headers=headers)
