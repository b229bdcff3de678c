"""Taking photos home in one ZIP, and going on with it where it broke off."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from enum import StrEnum
from typing import Annotated
from urllib.parse import quote, urlencode
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from trouvaille.accounts.identity import present_viewer
from trouvaille.core.db import transaction
from trouvaille.core.errors import N_, Conflict, Refused
from trouvaille.core.secrets import Vault
from trouvaille.delivery import access, keepsakes, packing
from trouvaille.delivery.access import Show
from trouvaille.delivery.archive import asked_range
from trouvaille.delivery.packing import File, Parcel, Sender, Slots
from trouvaille.delivery.pages import Looker, ThisEvent
from trouvaille.events import service as events
from trouvaille.events.models import Downloads, Event
from trouvaille.web.i18n import gettext
from trouvaille.web.render import go, wants_json
from trouvaille.web.site import Session, Site, ThisSite, sender_of

log = structlog.get_logger()
router = APIRouter(include_in_schema=False, prefix="/e/{code}")
TICKET = "zip"


class What(StrEnum):
    """What goes into a ZIP."""

    MINE = "mine"
    FAVOURITES = "favourites"
    ALL = "all"
    SELECTION = "selection"


class NothingToPack(Conflict):
    """A ZIP without photos."""

    message = N_("There are no photos to download here yet.")


class ZipResponse(StreamingResponse):
    """An answer that holds one of the places for ZIPs until it is over, however it ends."""

    def __init__(
        self, content: AsyncIterator[bytes], *, place: ExitStack, status: int, headers: dict[str, str]
    ) -> None:
        super().__init__(content, status, headers, "application/zip")
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


async def _slots(request: Request) -> Slots:
    slots: Slots = request.app.state.zip_slots
    return slots


async def _parcel(
    session: Session,
    site: ThisSite,
    event: ThisEvent,
    guest: Looker,
    what: What = What.MINE,
    size: Downloads | None = None,
    ticket: str = "",
) -> Parcel:
    """The photos that the address names, as far as they are there for this viewer now."""
    wanted = packing.size_for(event, size)
    if what is What.SELECTION:
        selection_id = UUID(_open(site.vault, ticket))
        chosen = await keepsakes.selection(session, event, guest, selection_id)
        parcel = await packing.prepare(session, site.storage, event, guest, None, wanted, only=chosen.photo_ids)
    else:
        parcel = await packing.prepare(session, site.storage, event, guest, Show(what.value), wanted)
    if not parcel.files:
        raise NothingToPack
    return parcel


def _open(vault: Vault, ticket: str) -> str:
    kept_s = int(keepsakes.SELECTION_KEPT.total_seconds())
    return str(vault.open_ticket(TICKET, ticket, max_age_s=kept_s)["selection"])


@router.get("/zip")
async def fetch(
    request: Request,
    site: ThisSite,
    event: ThisEvent,
    guest: Looker,
    parcel: Annotated[Parcel, Depends(_parcel, scope="function")],
    slots: Annotated[Slots, Depends(_slots)],
    what: What = What.MINE,
    size: Downloads | None = None,
) -> Response:
    whole, etag = parcel.archive.size_bytes, parcel.etag
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(_file_name(event, what))}",
    }
    # Bytes of an older list must not be joined with those of this one: then it begins anew.
    same = request.headers.get("if-range", etag) == etag
    try:
        part = asked_range(request.headers.get("range"), whole) if same else None
    except ValueError:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{whole}"})
    start, stop = part or (0, whole)
    place = ExitStack()
    place.enter_context(slots.hold(str(guest.id) if guest else sender_of(request)))
    log.info("zip", what=what.value, photos=len(parcel.files), size_bytes=stop - start, resumed=part is not None)
    headers["Content-Length"] = str(stop - start)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{whole}"
    sender = Sender(site.sessions, site.storage, _checker(request, site, event.code, packing.size_for(event, size)))
    content = sender.send(parcel, start, stop)
    return ZipResponse(content, place=place, status=206 if part else 200, headers=headers)


def _checker(request: Request, site: Site, code: str, size: Downloads) -> packing.Check:
    async def check(file: File) -> bool:
        """Whether the viewer, if they still are one, may still take this very file."""
        try:
            async with transaction(site.sessions) as session:
                event = await events.by_code(session, code)
                guest = access.check_looker(await present_viewer(request, session), event)
                packing.size_for(event, size)
                seen = await access.one_photo(session, event, guest, file.photo_id)
        except Refused:
            return False
        content = packing.content_of(event, seen, size)
        return content is not None and content.sum_key == file.sum_key

    return check


def _file_name(event: Event, what: What) -> str:
    name = {What.MINE: gettext("my photos"), What.FAVOURITES: gettext("favourites"), What.ALL: gettext("all photos")}
    title = event.name.replace("/", "-").replace("\\", "-")
    chosen = gettext("selected photos")
    return f"{title} - {name.get(what, chosen)}.zip"


@router.post("/zip")
async def mark(request: Request, session: Session, site: ThisSite, event: ThisEvent, guest: Looker) -> Response:
    """Keep a selection, and say where its ZIP is: a browser then downloads it like any file."""
    form = await request.form()
    packing.size_for(event, None)
    chosen = await keepsakes.select_photos(session, event, guest, keepsakes.ids_in(form.get("ids")))
    ticket = site.vault.ticket(TICKET, {"selection": str(chosen.id)})
    query = {"what": What.SELECTION.value, "ticket": ticket}
    if (size := form.get("size")) in (Downloads.VIEW, Downloads.ORIGINAL):
        query["size"] = str(size)
    address = f"/e/{event.code}/zip?{urlencode(query)}"
    return JSONResponse({"url": address}) if wants_json(request) else go(address)
