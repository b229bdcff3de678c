"""Whose answers these are, for the service worker: it keeps pictures for one guest in one session, for nobody else."""

from uuid import UUID

from fastapi import Request

from trouvaille.core.secrets import Vault
from trouvaille.web.site import site_of

HEADER = "Trouvaille-Guest"
CLEAR = '"storage"'
"""With it a browser removes what the site keeps there, the service worker too. Not ``"cache"``: for that Chromium goes
through all that it ever kept of all sites, for seconds, before it shows the next page (docs/decisions/0040)."""


def of(request: Request) -> dict[str, str]:
    """The header that says which guest of which session is answered; none for anybody else.

    It is a word that nobody can turn back, another one after each sign-in, so that a browser can tell that somebody
    else is there, or the same person anew.
    """
    viewer = getattr(request.state, "viewer", None)
    if viewer is None or viewer.kind != "guest":
        return {}
    return of_guest(site_of(request).vault, viewer.session_id, viewer.id)


def of_guest(vault: Vault, session_id: UUID, guest_id: UUID) -> dict[str, str]:
    """The header for a guest in one of their sessions."""
    return {HEADER: vault.fingerprint("whose", f"{session_id}:{guest_id}").hex()[:32]}


def leaving(request: Request) -> dict[str, str]:
    """The header that has a guest's browser forget; staff keep the list of what they still have to upload."""
    return {"Clear-Site-Data": CLEAR} if of(request) else {}
