"""What a guest's browser keeps for when there is no network: the page that stands in, and the list of what it may show.

The list decides: whatever is not in it any more leaves the device (docs/decisions/0040-without-a-network.md).
"""

import hashlib
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from trouvaille.delivery import lists, views
from trouvaille.delivery.access import Show
from trouvaille.delivery.lists import Wish
from trouvaille.delivery.pages import GuestViewer, ThisEvent
from trouvaille.delivery.pictures import rendition_for
from trouvaille.delivery.seeing import Listed, Seen
from trouvaille.events.models import Event
from trouvaille.web import i18n, whose
from trouvaille.web.render import build, page, parts, static
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False, prefix="/e/{code}/offline")
MOST = 200
"""Thumbnails a device keeps; about 6 MB."""


@router.get("")
async def stand_in(request: Request, event: ThisEvent, guest: GuestViewer) -> Response:
    """The page that is shown in place of the event's where there is no network. It holds nothing about anybody."""
    return page(request, "delivery/offline.html", event=event)


@router.get("/photos")
async def kept(request: Request, session: Session, event: ThisEvent, guest: GuestViewer) -> Response:
    """The newest of the guest's own photos, with what tells their bytes apart; and what the page needs."""
    shown = await lists.gallery(session, event, guest, Wish(Show.MINE), limit=MOST)
    answer = {
        "page": f"/e/{event.code}/offline?v={_version(event)}",
        "files": [static("styles/main.css"), static("icons.svg"), *parts("islands/page.ts", "islands/offline.ts")],
        "theme": event.theme_url,
        "photos": [_photo(event, seen) for seen in shown.photos],
    }
    return JSONResponse(answer, headers={"Cache-Control": "no-store", **whose.of(request)})


def _version(event: Event) -> str:
    """Changes whenever the page would look otherwise."""
    told = (build(), i18n.current(), event.name, event.accent)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]


def _photo(event: Event, seen: Seen[Listed]) -> dict[str, Any]:
    item = views.item(event, seen)
    return {
        "thumb": item.thumb_url,
        "tag": rendition_for(seen.photo, seen.veiled, "thumb").etag(seen.photo.id),
        "width": item.width_px,
        "height": item.height_px,
        "about": item.described,
    }
