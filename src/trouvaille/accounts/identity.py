"""Who is asking: read from the cookie or the bearer token once a request, before anything else."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit, sessions, tokens
from trouvaille.accounts.audit import Act
from trouvaille.accounts.devices import device_of
from trouvaille.accounts.entry import KnownBrowser
from trouvaille.accounts.passwords import Passwords
from trouvaille.accounts.service import Subject, Viewer, require_administrator, require_organiser, require_staff
from trouvaille.accounts.sessions import Lifetimes
from trouvaille.core.clock import now
from trouvaille.core.errors import Invalid, SignInNeeded
from trouvaille.core.secrets import new_token
from trouvaille.web import whose
from trouvaille.web.api import SCOPE_KEY
from trouvaille.web.site import Session, Site, site_of

COOKIE, BROWSER_COOKIE = "trouvaille", "trouvaille-browser"
BROWSER_DAYS = 400  # browsers keep no cookie longer
KNOWN_AT_MOST = 20


def _is_https(request: Request) -> bool:
    # A phone on the local network has no TLS; a cookie marked Secure would never come back from it.
    return request.url.scheme == "https" or (site_of(request).public_url or "").startswith("https://")


def cookie_name(request: Request, name: str = COOKIE) -> str:
    """With TLS it begins with ``__Host-``: then no other host of the domain, and no page without TLS, can set it."""
    return f"__Host-{name}" if _is_https(request) else name


def _set_cookie(request: Request, response: Response, name: str, value: str, max_age_s: int) -> None:
    response.set_cookie(
        cookie_name(request, name), value, max_age=max_age_s, httponly=True, samesite="lax", secure=_is_https(request)
    )


def set_ticket(request: Request, response: Response, name: str, content: dict[str, Any], *, max_age_s: int) -> None:
    """Let the browser carry something sealed, under a name that is also its purpose."""
    _set_cookie(request, response, name, site_of(request).vault.ticket(name, content), max_age_s)


def drop_ticket(request: Request, response: Response, name: str) -> None:
    """Have the browser forget it."""
    response.delete_cookie(cookie_name(request, name), httponly=True, samesite="lax", secure=_is_https(request))


def lifetimes_of(site: Site) -> Lifetimes:
    """How long sessions last on this server."""
    return Lifetimes(site.session_idle_days, site.session_absolute_days)


async def identify(request: Request) -> Viewer | None:
    """The viewer of this request. No transaction stays open for it: a stream must not keep one for hours.

    Raises:
        SignInNeeded, Forbidden: a bearer token that is unknown, or lacks the route's scope.
    """
    if not hasattr(request.state, "viewer"):
        request.state.viewer = None
        request.state.viewer = await _viewer(request)
    viewer: Viewer | None = request.state.viewer
    return viewer


async def _viewer(request: Request) -> Viewer | None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        site = site_of(request)
        return await tokens.viewer_of(site.reader, site.sessions, token.strip(), scope=_scope(request))
    return await viewer_now(request)


def _scope(request: Request) -> str | None:
    """What a route wants of a bearer token: a route that says nothing takes none."""
    extra = getattr(request.scope.get("route"), "openapi_extra", None) or {}
    scope: str | None = extra.get(SCOPE_KEY)
    return scope


async def viewer_now(request: Request) -> Viewer | None:
    """As ``present_viewer``, for whoever holds no transaction: in one round trip."""
    site = site_of(request)
    cookie = request.cookies.get(cookie_name(request))
    return await sessions.recognise(site.reader, site.sessions, cookie, lifetimes=lifetimes_of(site))


async def present_viewer(request: Request, session: AsyncSession) -> Viewer | None:
    """The viewer as of now: a stream that was opened an hour ago asks again, since they may have signed out."""
    token = request.cookies.get(cookie_name(request))
    return await sessions.viewer_of(session, token, lifetimes=lifetimes_of(site_of(request)))


MaybeViewer = Annotated[Viewer | None, Depends(identify)]


async def _anybody(viewer: MaybeViewer) -> Viewer:
    if viewer is None:
        raise SignInNeeded
    return viewer


async def _staff(viewer: MaybeViewer) -> Viewer:
    return require_staff(viewer)


async def _organiser(viewer: MaybeViewer) -> Viewer:
    return require_organiser(viewer)


async def _administrator(viewer: MaybeViewer) -> Viewer:
    return require_administrator(viewer)


AnyViewer = Annotated[Viewer, Depends(_anybody)]
StaffViewer = Annotated[Viewer, Depends(_staff)]
Organiser = Annotated[Viewer, Depends(_organiser)]
Administrator = Annotated[Viewer, Depends(_administrator)]


async def passwords_of(request: Request) -> Passwords:
    """The process's password hasher."""
    passwords: Passwords = request.app.state.passwords
    return passwords


ThesePasswords = Annotated[Passwords, Depends(passwords_of)]


async def sign_in(
    request: Request, session: Session, response: Response, subject: Subject, *, proved: Sequence[Subject] = ()
) -> None:
    """Sign the browser in as somebody, with a token that it never had before; whoever it was before is signed out.

    Args:
        proved: all accounts that the same password opened; the browser may switch to them.
    """
    site = site_of(request)
    await sessions.end(session, request.cookies.get(cookie_name(request)))
    token = await sessions.start(
        session,
        subject,
        lifetimes=lifetimes_of(site),
        device=device_of(request.headers.get("user-agent", "")),
        proved=proved,
    )
    _set_cookie(request, response, COOKIE, token, site.session_absolute_days * 86400)
    _remember(request, response, [subject, *proved])


async def switch(request: Request, session: Session, response: Response, viewer: Viewer, subject: Subject) -> None:
    """Go on as another of the accounts that were proved when this session began.

    Raises:
        NotFound: it was not proved.
    """
    token, expires_at = await sessions.switch(session, viewer, subject)
    _set_cookie(request, response, COOKIE, token, int((expires_at - now()).total_seconds()))


async def sign_out(request: Request, session: Session, response: Response, viewer: Viewer | None) -> None:
    """End the browser's session."""
    if viewer is not None:
        await audit.note(session, Act.SIGNED_OUT, by=viewer, event_id=viewer.event_id)
    await sessions.end(session, request.cookies.get(cookie_name(request)))
    response.delete_cookie(cookie_name(request), httponly=True, samesite="lax", secure=_is_https(request))
    response.headers.update(whose.leaving(request))


def known_browser(request: Request) -> KnownBrowser | None:
    """Who has signed in from this browser before; None when nobody has."""
    ticket = request.cookies.get(cookie_name(request, BROWSER_COOKIE))
    if not ticket:
        return None
    try:
        content = site_of(request).vault.open_ticket("browser", ticket, max_age_s=BROWSER_DAYS * 86400)
    except Invalid:
        return None
    return KnownBrowser(content["number"], tuple(content["who"]))


def _remember(request: Request, response: Response, subjects: Sequence[Subject]) -> None:
    browser = known_browser(request) or KnownBrowser(new_token())
    fresh = [str(who.id) for who in subjects]
    known = [*fresh, *(who for who in browser.who if who not in fresh)][:KNOWN_AT_MOST]
    ticket = site_of(request).vault.ticket("browser", {"number": browser.number, "who": known})
    _set_cookie(request, response, BROWSER_COOKIE, ticket, BROWSER_DAYS * 86400)
