"""Who is asking: read from the cookie once a request, before anything else."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.passwords import Passwords
from trouvaille.accounts.service import Kind, Viewer, require_administrator, require_staff, start_session, viewer_of
from trouvaille.core.db import transaction
from trouvaille.web.site import Session, site_of

COOKIE = "trouvaille"


async def identify(request: Request) -> Viewer | None:
    """The viewer of this request, in a short transaction of its own: a stream must not keep one open for hours."""
    if not hasattr(request.state, "viewer"):
        request.state.viewer = None
        if token := request.cookies.get(COOKIE):
            site = site_of(request)
            async with transaction(site.sessions) as session:
                request.state.viewer = await viewer_of(session, token, idle_days=site.session_idle_days)
    viewer: Viewer | None = request.state.viewer
    return viewer


async def present_viewer(request: Request, session: AsyncSession) -> Viewer | None:
    """The viewer as of now: a stream that was opened an hour ago asks again, since they may have signed out."""
    site = site_of(request)
    return await viewer_of(session, request.cookies.get(COOKIE), idle_days=site.session_idle_days)


MaybeViewer = Annotated[Viewer | None, Depends(identify)]


def _staff(viewer: MaybeViewer) -> Viewer:
    return require_staff(viewer)


StaffViewer = Annotated[Viewer, Depends(_staff)]


def _administrator(viewer: MaybeViewer) -> Viewer:
    return require_administrator(viewer)


AdministratorViewer = Annotated[Viewer, Depends(_administrator)]


def passwords_of(request: Request) -> Passwords:
    """The process's password hasher."""
    passwords: Passwords = request.app.state.passwords
    return passwords


ThesePasswords = Annotated[Passwords, Depends(passwords_of)]


async def sign_in(request: Request, session: Session, response: Response, kind: Kind, subject_id: UUID) -> None:
    """Sign the browser in as somebody, with a token that it never had before."""
    site = site_of(request)
    token = await start_session(session, kind, subject_id, absolute_days=site.session_absolute_days)
    response.set_cookie(
        COOKIE,
        token,
        max_age=site.session_absolute_days * 86400,
        httponly=True,
        samesite="lax",
        # A phone on the local network has no TLS; a cookie marked Secure would never come back from it.
        secure=request.url.scheme == "https" or (site.public_url or "").startswith("https://"),
    )
