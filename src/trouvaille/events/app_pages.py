"""What a phone needs to put an event, or the studio, on its home screen: web app manifests.

Their icons are the product's own. An event's logo is in none, so none leaks where strangers may not see it.
"""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from trouvaille.accounts.identity import MaybeViewer
from trouvaille.events import service
from trouvaille.events.plans import DEFAULT_ACCENT
from trouvaille.web.render import static
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False)
GROUND = "#ffffff"


def _icons() -> list[dict[str, str]]:
    return [
        {
            "src": static(f"app/{name}-{size_px}.png"),
            "sizes": f"{size_px}x{size_px}",
            "type": "image/png",
            "purpose": purpose,
        }
        for name, purpose in (("icon", "any"), ("maskable", "maskable"))
        for size_px in (192, 512)
    ]


def _answer(name: str, start: str, scope: str, colour: str, **more: str) -> Response:
    """A manifest. Installed apps are told apart by ``id``: one person may have several events on a phone."""
    manifest: dict[str, Any] = {
        "id": start,
        "name": name,
        "short_name": name,
        "start_url": start,
        "scope": scope,
        "display": "standalone",
        "theme_color": colour,
        "background_color": GROUND,
        "icons": _icons(),
        **more,
    }
    return JSONResponse(
        manifest, media_type="application/manifest+json", headers={"Cache-Control": "private, max-age=60"}
    )


@router.get("/e/{code}/app.webmanifest")
async def event_app(session: Session, code: str, viewer: MaybeViewer) -> Response:
    """Whoever sees the event's page of arrival sees this; it tells no more than that page.

    The scope ends in a slash: scopes are compared as prefixes, and one code may begin with another.
    """
    event = await service.by_code(session, code, viewer)
    base = f"/e/{event.code}/"
    return _answer(event.name, f"{base}photos", base, event.accent, lang=event.locale)


@router.get("/studio/app.webmanifest")
async def studio_app() -> Response:
    return _answer("Trouvaille", "/studio", "/studio", DEFAULT_ACCENT)
