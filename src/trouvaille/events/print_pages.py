"""What an organiser prints or hands on: QR codes, posters, table cards."""

import json
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import MaybeViewer, StaffViewer
from trouvaille.accounts.service import require_staff
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.core.db import transaction
from trouvaille.core.errors import NotFound
from trouvaille.events import posters, qr, rights
from trouvaille.events.links import link_of
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.web.render import page
from trouvaille.web.site import Session, ThisSite, address_of, site_of

router = APIRouter(include_in_schema=False, prefix="/studio/{event_id}")


@router.get("/print")
async def choose(request: Request, session: Session, viewer: StaffViewer, event_id: UUID) -> Response:
    event = await rights.for_staff(session, viewer, event_id, Right.MANAGE)
    link = link_of(request, event)
    return page(request, "events/print.html", event=event, link=link)


async def _event(site: ThisSite, viewer: MaybeViewer, event_id: UUID) -> Event:
    """The event, asked for in a transaction that is over before anything is drawn."""
    async with transaction(site.sessions) as session:
        return await rights.for_staff(session, require_staff(viewer), event_id, Right.MANAGE)


@router.get("/print/{paper}.pdf", openapi_extra=wants(Scope.EVENTS_READ))
async def sheet(request: Request, event: Annotated[Event, Depends(_event)], paper: str) -> Response:
    if paper not in posters.PAPERS:
        raise NotFound
    at_amazon = site_of(request).legal.region is not None
    order = posters.order_of(event, paper=paper, address=address_of(request), at_amazon=at_amazon)
    pdf = await posters.draw(json.dumps(order).encode())
    headers = {"Content-Disposition": f'inline; filename="{event.code}-{paper}.pdf"', "Cache-Control": "no-store"}
    return Response(pdf, media_type="application/pdf", headers=headers)


@router.get("/qr.{kind}", openapi_extra=wants(Scope.EVENTS_READ))
async def qr_code(
    request: Request, session: Session, viewer: StaffViewer, event_id: UUID, kind: str, download: bool = False
) -> Response:
    event = await rights.for_staff(session, viewer, event_id, Right.MANAGE)
    if kind not in ("svg", "png"):
        raise rights.NoSuchEvent
    drawn = qr.drawn(link_of(request, event), kind)
    media_type = "image/svg+xml" if kind == "svg" else "image/png"
    how = "attachment" if download else "inline"
    headers = {"Content-Disposition": f'{how}; filename="{event.code}.{kind}"', "Cache-Control": "no-store"}
    return Response(drawn, media_type=media_type, headers=headers)
