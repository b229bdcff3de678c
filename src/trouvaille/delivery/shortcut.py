"""The short way to a guest's pictures, which are two of five requests of a visit.

A signed-in guest who asks for a photo of their event that they may see gets it after one round trip to the database,
without the framework's routing. Whatever else is asked for, everybody else, every refusal and every failure goes the
usual way, which begins anew and says why: this one only ever answers with a picture, under the same condition
(`access.visible`).
"""

import re
from dataclasses import dataclass
from types import SimpleNamespace
from uuid import UUID

import structlog
from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import DateTime, Uuid, select
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.types import ASGIApp, Receive, Scope, Send

from trouvaille.accounts import sessions
from trouvaille.accounts.identity import cookie_name, lifetimes_of
from trouvaille.accounts.models import SignedIn
from trouvaille.accounts.sessions import Lifetimes
from trouvaille.core.reading import Prepared, Reader, place
from trouvaille.delivery import access, pictures, veils
from trouvaille.delivery.models import VeiledPhoto
from trouvaille.events.codes import same_code
from trouvaille.events.models import Event
from trouvaille.events.models import shown as events_shown
from trouvaille.guests.models import Guest
from trouvaille.photos.models import Photo
from trouvaille.web import whose
from trouvaille.web.site import site_of

log = structlog.get_logger()
_ADDRESS = re.compile(r"/e/([^/]{1,64})/p/([0-9a-f-]{36})/(thumb|view)")
_ROUTE = SimpleNamespace(path=f"{pictures.router.prefix}/{{name}}")
"""Stands for the route in counts and logs."""


# What a guest sees of one photo, who asks for it with a living session: both in one round trip.
_HELD = Prepared(
    select(
        SignedIn.id,
        SignedIn.last_seen_at,
        Guest.id,
        Event.id,
        Event.code,
        Photo.renditions,
        VeiledPhoto.version,
        VeiledPhoto.guest_ids,
        VeiledPhoto.faces,
    )
    .select_from(SignedIn)
    .join(Guest, Guest.id == SignedIn.subject_id)
    .join(Event, Event.id == Guest.event_id)
    .join(Photo, Photo.event_id == Event.id)
    .outerjoin(VeiledPhoto, VeiledPhoto.photo_id == Photo.id)
    .where(
        SignedIn.kind == "guest",
        *sessions.holds_token(),
        Photo.id == place("photo", Uuid()),
        events_shown(place("moment", DateTime(timezone=True))),
        access.visible(Event, Guest),
    )
)


@dataclass(frozen=True, slots=True)
class Held:
    """A photo that a guest sees: ``photo`` has nothing but its ids and renditions."""

    session_id: UUID
    guest_id: UUID
    photo: Photo
    veiled: VeiledPhoto | None


async def _held(reader: Reader, token: str, code: str, photo_id: UUID, *, lifetimes: Lifetimes) -> Held | None:
    """What the guest who holds a token sees of a photo of their event.

    Returns:
        None where it is not theirs to see, where who asks is no guest of this event, or where something else is to be
        done for them, such as noting that they were here.
    """
    given = sessions.places_of(token, lifetimes)
    found = await reader.first(_HELD, **given, photo=photo_id)
    if found is None:
        return None
    session_id, last_seen_at, guest_id, event_id, event_code, renditions, version, guest_ids, faces = found
    if sessions.is_to_be_noted(last_seen_at, given["moment"]) or not same_code(event_code, code):
        return None
    veiled = None
    if version is not None:
        veiled = VeiledPhoto(photo_id=photo_id, version=version, guest_ids=guest_ids, faces=faces)
    return Held(session_id, guest_id, Photo(id=photo_id, event_id=event_id, renditions=renditions), veiled)


class Shortcut:
    """Answers guests' requests for pictures, and lets all others through."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and (found := _ADDRESS.fullmatch(scope["path"])):
            request = Request(scope)
            answer = None
            try:
                answer = await _picture(request, *found.groups())
            except PoolTimeout as error:  # the usual way would only wait as long once more
                answer = await request.app.exception_handlers[PoolTimeout](request, error)
            except Exception as error:  # nothing was sent yet, and the usual way meets it again, or does without
                log.info("no short way", kind=type(error).__name__)
            if answer is not None:
                scope["route"] = _ROUTE
                return await answer(scope, receive, send)
        return await self.app(scope, receive, send)


async def _picture(request: Request, code: str, photo_id: str, name: str) -> Response | None:
    token = request.cookies.get(cookie_name(request))
    if not token or "authorization" in request.headers:
        return None
    site = site_of(request)
    held = await _held(site.reader, token, code, UUID(photo_id), lifetimes=lifetimes_of(site))
    if held is None:
        return None
    version = veils.for_guest(held.veiled, held.guest_id)
    rendition = pictures.rendition_for(held.photo, version, name)
    return await pictures.sent(
        request, site, held.photo, rendition, whose.of_guest(site.vault, held.session_id, held.guest_id)
    )
