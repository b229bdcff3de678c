"""The short way to a guest's pictures, which are two of five requests of a visit.

A signed-in guest who asks for a photo of their event that they may see gets it after one round trip to the database,
without the framework's routing. Whatever else is asked for, everybody else, every refusal and every failure goes the
usual way, which begins anew and says why: this one only ever answers with a picture, under the same condition
(`access.visible`).
"""

import re
from contextlib import suppress
from types import SimpleNamespace
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from trouvaille.accounts.identity import cookie_name, lifetimes_of
from trouvaille.delivery import access, pictures, veils
from trouvaille.web import whose
from trouvaille.web.site import site_of

_ADDRESS = re.compile(r"/e/([^/]{1,64})/p/([0-9a-f-]{36})/(thumb|view)")
_ROUTE = SimpleNamespace(path=f"{pictures.router.prefix}/{{name}}")
"""Stands for the route in counts and logs."""


class Shortcut:
    """Answers guests' requests for pictures, and lets all others through."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and (found := _ADDRESS.fullmatch(scope["path"])):
            request = Request(scope)
            answer = None
            with suppress(Exception):  # nothing was sent yet, and the usual way meets it again
                answer = await _picture(request, *found.groups())
            if answer is not None:
                scope["route"] = _ROUTE
                return await answer(scope, receive, send)
        return await self.app(scope, receive, send)


async def _picture(request: Request, code: str, photo_id: str, name: str) -> Response | None:
    token = request.cookies.get(cookie_name(request))
    if not token or "authorization" in request.headers:
        return None
    site = site_of(request)
    held = await access.picture_of_holder(site.reader, token, code, UUID(photo_id), lifetimes=lifetimes_of(site))
    if held is None:
        return None
    version = veils.for_guest(held.veiled, held.guest_id)
    rendition = pictures.rendition_for(held.photo, version, name)
    return await pictures.sent(
        request, site, held.photo, rendition, whose.of_guest(site.vault, held.session_id, held.guest_id)
    )
