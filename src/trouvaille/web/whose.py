"""Whose answers these are, for the service worker: it keeps pictures for one guest in one session, for nobody else."""

from fastapi import Request

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
    word = site_of(request).vault.fingerprint("whose", f"{viewer.session_id}:{viewer.id}")
    return {HEADER: word.hex()[:32]}


def leaving(request: Request) -> dict[str, str]:
    """The header that has a guest's browser forget; staff keep the list of what they still have to upload."""
    return {"Clear-Site-Data": CLEAR} if of(request) else {}
