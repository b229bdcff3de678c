"""What holds for every request: where it may come from, how large it may be, what browsers may do with it."""

import re
import sys
from urllib.parse import urlparse

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trouvaille.core.errors import TooLarge
from trouvaille.web.site import FILE_BODY

SAFE = {"GET", "HEAD", "OPTIONS"}
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}
FORM_BYTES = 256 * 1024
LIST_BYTES = 2 * 1024**2
PICTURE_BODY = re.compile(r"/api/v1/events/[^/]+/pictures/[a-z]+")


def _is_plain_form(content_type: str) -> bool:
    """Whether a form is in UTF-8, as every browser sends it: the parser takes any codec's name, and some can't read."""
    kind, options = parse_options_header(content_type)
    return kind != b"multipart/form-data" or options.get(b"charset", b"utf-8").lower() in (b"utf-8", b"utf8")


def _refused(request: Request, status: int, kind: str, text: str) -> Response:
    """A request that reaches no route: a problem for programs, a line of text for everybody else."""
    if not request.url.path.startswith("/api/"):
        return PlainTextResponse(text, status)
    names = {"type": f"/api#{kind}", "title": text, "status": status, "detail": text, "code": kind.replace("-", "_")}
    return JSONResponse(names, status, media_type="application/problem+json")


class BodyTooLarge(TooLarge):
    """A request's body passed its limit while it was being read."""


class Guard:
    """Refuses changes that another site's page asks for, and bodies over the limit; adds the security headers."""

    def __init__(self, app: ASGIApp, *, public_url: str | None, upload_bytes: int, selfie_bytes: int) -> None:
        self.app = app
        self.upload_bytes, self.selfie_bytes = upload_bytes, selfie_bytes
        self.secure = bool(public_url and public_url.startswith("https://"))
        self.public_host = urlparse(public_url).netloc if public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request = Request(scope)
        if request.method not in SAFE and not self._same_origin(request.headers):
            return await _refused(request, 403, "forbidden", "This request came from another site.")(
                scope, receive, send
            )
        limit_bytes = self._limit(request.url.path)
        if int(request.headers.get("content-length") or 0) > limit_bytes:
            return await _refused(request, 413, "too-large", "Too large.")(scope, receive, send)
        if not _is_plain_form(request.headers.get("content-type", "")):
            return await _refused(request, 400, "refused", "Forms come as UTF-8.")(scope, receive, send)
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit_bytes:
                raise BodyTooLarge
            return message

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https" or self.secure:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        return await self.app(scope, counted, guarded)

    def _same_origin(self, headers: Headers) -> bool:
        """Browsers send Origin with every change; a program that sends none carries no cookie by accident."""
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = headers.get("origin")
        if origin is None:
            return True
        try:
            site = urlparse(origin).netloc
        except ValueError:
            return False
        return bool(site) and site in {headers.get("host"), self.public_host}

    def _limit(self, path: str) -> int:
        if FILE_BODY.fullmatch(path):
            return sys.maxsize
        if path.endswith(("/uploads/known", "/invitations", "/invitations/csv")):
            return LIST_BYTES
        if path.startswith("/studio/") and path.endswith("/photos"):
            return self.upload_bytes
        if path.endswith(("/selfie", "/picture")) or PICTURE_BODY.fullmatch(path):
            return self.selfie_bytes + FORM_BYTES
        return FORM_BYTES
