"""A guest's way in: the start page, the code, and an event's page of arrival."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import MaybeViewer
from trouvaille.core.errors import Refused
from trouvaille.events import checks, pictures, service
from trouvaille.events.links import link_of
from trouvaille.events.themes import ink_on
from trouvaille.web import i18n
from trouvaille.web.errors import retry_headers, status_of
from trouvaille.web.forms import Form
from trouvaille.web.inside import inside, intent_of
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, ThisSite, sender_of, site_of

router = APIRouter(include_in_schema=False)


@router.get("/")
async def landing(request: Request) -> Response:
    return page(request, "events/landing.html", form=Form())


@router.get("/go")
async def find(
    request: Request,
    session: Session,
    site: ThisSite,
    viewer: MaybeViewer,
    code: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    form = Form({"code": code})
    try:
        await checks.count_check(site.sessions, site.vault, address=sender_of(request))
        event = await service.by_code(session, code, viewer)
    except Refused as error:
        error.field = "code"
        shown = page(request, "events/landing.html", status=status_of(error), form=form.refused(error))
        shown.headers.update(retry_headers(error))
        return shown
    return go(f"/e/{event.code}")


@router.get("/e/{code}")
async def arrival(request: Request, session: Session, code: str, viewer: MaybeViewer) -> Response:
    event = await service.by_code(session, code, viewer)
    i18n.settle(request, event.locales)
    guest = viewer if viewer is not None and viewer.event_id == event.id else None
    dressed = await pictures.shown(session, event.id)
    link = link_of(request, event)
    return page(
        request,
        "events/arrival.html",
        event=event,
        guest=guest,
        last_day=service.last_day(event),
        cover=pictures.as_shown(event, dressed.get("cover")),
        logo=pictures.as_shown(event, dressed.get("logo")),
        inside=inside(request),
        link=link,
        intent=intent_of(link),
        at_amazon=site_of(request).legal.region is not None,
    )


@router.get("/e/{code}/theme.css")
async def theme(session: Session, code: str, viewer: MaybeViewer) -> Response:
    event = await service.by_code(session, code, viewer)
    css = f":root{{--accent:{event.accent};--accent-ink:{ink_on(event.accent)}}}"
    return Response(css, media_type="text/css", headers={"Cache-Control": "private, max-age=60"})
