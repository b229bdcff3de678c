"""From errors to answers: a page for people, problem+json (RFC 9457) for scripts. Only this module knows statuses."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from trouvaille.core import errors
from trouvaille.core.errors import N_, Refused
from trouvaille.web.i18n import gettext, say
from trouvaille.web.render import for_scripts, page, wants_json

log = structlog.get_logger()

STATUS: dict[type[Refused], int] = {
    errors.NotFound: 404,
    errors.SignInNeeded: 401,
    errors.Forbidden: 403,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.Changed: 412,
    errors.TooLarge: 413,
    errors.Invalid: 422,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}
TITLES = {
    401: N_("Please sign in"),
    403: N_("Not allowed"),
    404: N_("Not found"),
    405: N_("Not found"),
    409: N_("Not possible right now"),
    410: N_("No longer available"),
    412: N_("Changed meanwhile"),
    413: N_("Too large"),
    422: N_("Something is missing"),
    429: N_("Slow down a little"),
    500: N_("Something went wrong"),
    503: N_("One moment, please"),
}
# What ``type`` of a problem names, described on the API's page.
KINDS: dict[str, tuple[int, str]] = {
    **{
        re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower(): (status, TITLES[status])
        for kind, status in STATUS.items()
    },
    "method-not-allowed": (405, TITLES[405]),
    "internal": (500, TITLES[500]),
}
OURS = N_("Something went wrong on our side. It has been noted; please try again in a moment.")


def status_of(error: Refused) -> int:
    """The HTTP status for an error of the product."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 400)


def retry_headers(error: Refused) -> dict[str, str]:
    """When to come back, for whoever asked too often, or at a bad moment."""
    if isinstance(error, errors.TooMany | errors.Unavailable):
        return {"Retry-After": str(error.retry_after_s)}
    return {}


def problem(
    status: int, message: str, *, code: str = "", fields: Sequence[tuple[str, str]] = (), headers: Mapping[str, str]
) -> JSONResponse:
    """A problem as RFC 9457 writes it.

    Args:
        code: a word for programs; the kind's own where none is given.
        fields: what is wrong, by field.
    """
    kind = next((slug for slug, (number, _) in KINDS.items() if number == status), "refused")
    content: dict[str, object] = {
        "type": f"/api#{kind}",
        "title": gettext(TITLES.get(status, TITLES[500])),
        "status": status,
        "detail": message,
        "code": code or kind.replace("-", "_"),
    }
    if fields:
        content["errors"] = [{"field": field, "detail": detail} for field, detail in fields]
    return JSONResponse(content, status_code=status, headers=dict(headers), media_type="application/problem+json")


def code_of(error: Refused) -> str:
    """The word that programs know an error by: ``CodeTaken`` is ``code_taken``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()


def _fields(error: Refused) -> list[tuple[str, str]]:
    problems: Sequence[Refused] = error.problems if isinstance(error, errors.InvalidForm) else (error,)
    return [(each.field, say(each)) for each in problems if each.field]


def answer(
    request: Request,
    status: int,
    message: str,
    more: Mapping[str, str] | None = None,
    *,
    code: str = "",
    fields: Sequence[tuple[str, str]] = (),
) -> Response:
    """An error as the asker reads it.

    Args:
        more: headers to go with it.
        code, fields: as ``problem`` takes them.
    """
    title = gettext(TITLES.get(status, TITLES[500]))
    headers = ({"Retry-After": "5"} if status in (429, 503) else {}) | dict(more or {})
    if status == 401 and for_scripts(request):
        headers["WWW-Authenticate"] = "Bearer"
    if wants_json(request):
        return problem(status, message, code=code, fields=fields, headers=headers)
    asked = "/" + request.url.path.lstrip("/") + (f"?{request.url.query}" if request.url.query else "")
    retry_url = asked if request.method == "GET" and status in (429, 500, 503) else None
    shown = page(
        request,
        "web/error.html",
        status=status,
        here="/" if request.method == "POST" else None,
        title=title,
        message=message,
        retry_url=retry_url,
        retry_after_s=int(headers["Retry-After"]) if status in (429, 503) else None,
    )
    shown.headers.update(headers)
    return shown


def _sign_in_address(path: str) -> str:
    """Where to sign in, with the way back, and with the event whose page was asked for."""
    wanted = {"next": path}
    if path.startswith("/e/"):
        wanted["event"] = path.split("/")[2]
    return f"/sign-in?{urlencode(wanted)}"


def install(app: FastAPI) -> None:
    """Have the application answer every error in its own words."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        status = status_of(error)
        if status == 401 and request.method == "GET" and not wants_json(request):
            return RedirectResponse(_sign_in_address(request.url.path), status_code=303)
        return answer(request, status, say(error), retry_headers(error), code=code_of(error), fields=_fields(error))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        kinds: dict[int, type[Refused]] = {status: kind for kind, status in STATUS.items()}
        kind = kinds.get(error.status_code, errors.NotFound if error.status_code == 405 else Refused)
        return answer(request, error.status_code, gettext(kind.message), error.headers)

    @app.exception_handler(RequestValidationError)
    async def bad_request(request: Request, error: RequestValidationError) -> Response:
        # An id in the address that is no id names nothing.
        in_path = all(problem["loc"][:1] == ("path",) for problem in error.errors())
        if in_path:
            return answer(request, 404, gettext(errors.NotFound.message))
        fields = [(".".join(map(str, each["loc"][1:])), str(each["msg"])) for each in error.errors()]
        return answer(request, 422, gettext(errors.Invalid.message), fields=fields)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it

    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeout)
    async def database_away(request: Request, error: Exception) -> Response:
        if isinstance(error, DataError):
            return answer(request, 422, gettext(errors.Invalid.message))
        if isinstance(error, IntegrityError):  # two changes at once, and the other one was first
            return answer(request, 409, gettext(errors.Conflict.message))
        log.warning("database away", kind=type(error).__name__)
        return answer(request, 503, gettext(errors.Unavailable.message))

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        log.error("unhandled error", kind=type(error).__name__, exc_info=error)
        return answer(request, 500, gettext(OURS))
