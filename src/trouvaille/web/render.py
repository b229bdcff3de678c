"""Pages: Jinja templates of all slices in one environment, and the built assets they name."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from starlette.datastructures import URL

from trouvaille.web import i18n

PACKAGE = Path(__file__).parents[1]
STATIC = Path(__file__).parent / "static"
SLICES = (
    "web",
    "accounts",
    "events",
    "guests",
    "photos",
    "rekognition",
    "delivery",
    "privacy",
    "crew",
    "news",
    "cameras",
    "imports",
    "roster",
    "operations",
)


class AssetsMissing(RuntimeError):
    """The front end has not been built; ``make setup`` does it."""


@cache
def _manifest() -> dict[str, dict[str, Any]]:
    path = STATIC / ".vite" / "manifest.json"
    if not path.exists():
        raise AssetsMissing("the front end is not built: run `make setup`")
    manifest: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return manifest


def static(source: str) -> str:
    """The address of a built asset by its source path below ``frontend/``."""
    for key in (source, f"frontend/{source}"):
        if entry := _manifest().get(key):
            return f"/static/{entry['file']}"
    if (STATIC / source).exists():
        return f"/static/{source}"
    raise AssetsMissing(f"no built asset for {source}")


def asset(source: str) -> Path:
    """A built file by its key in the manifest, as ``../node_modules/…/latin.woff2``, for those who read it here.

    Raises:
        AssetsMissing
    """
    if source not in _manifest():
        raise AssetsMissing(f"no built asset for {source}")
    return STATIC / str(_manifest()[source]["file"])


@cache
def environment() -> Environment:
    """The one template environment; a name begins with its slice, as in ``guests/register.html``."""
    made = Environment(
        loader=PrefixLoader({name: FileSystemLoader(PACKAGE / name / "templates") for name in SLICES}),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.install_gettext_callables(i18n.gettext, i18n.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.filters.update(
        date=i18n.long_date,
        datetime=i18n.long_datetime,
        moment=i18n.moment,
        filesize=i18n.file_size,
        number=i18n.number,
    )
    made.filters.update(dollars=i18n.dollars, month=i18n.month)
    made.globals.update(static=static, locales=list(i18n.LANGUAGES.items()), days=i18n.days)
    return made


def page(
    request: Request, template: str, *, status: int = 200, here: str | None = None, **context: Any
) -> HTMLResponse:
    """Render a page for whoever asks; pages of signed-in people are kept by no cache.

    Args:
        here: where a browser gets this page again; needed when it answers a form that was sent elsewhere.
    """
    asked = URL(scope=request.scope).remove_query_params("lang")
    path = "/" + asked.path.lstrip("/")  # two slashes would name another server
    address = URL(here or (f"{path}?{asked.query}" if asked.query else path))
    context.setdefault("event", None)
    asker = getattr(request.state, "viewer", None)
    is_administrator = asker is not None and asker.is_administrator
    context.setdefault("legal_missing", request.app.state.site.legal.missing if is_administrator else ())
    context.setdefault("providers", request.app.state.site.providers)
    context.setdefault("sends_mail", request.app.state.site.sends_mail)
    html = (
        environment()
        .get_template(template)
        .render(
            status=status,
            viewer=getattr(request.state, "viewer", None),
            locale=i18n.current(),
            path=path,
            # Going back to, or reloading, the answer to a form would send it again; the page's script prevents it.
            posted_here=str(address) if request.method == "POST" else None,
            language_urls={code: str(address.include_query_params(lang=code)) for code in i18n.LANGUAGES},
            **context,
        )
    )
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})


def go(address: str) -> RedirectResponse:
    """After a form: look at another page, so that reloading sends nothing twice."""
    return RedirectResponse(address, status_code=303)


def wants_json(request: Request) -> bool:
    """Whether a script asks, rather than a person's browser."""
    return for_scripts(request) or "json" in request.headers.get("accept", "")


def for_scripts(request: Request) -> bool:
    """Whether the API is asked, or an access token or a file in parts comes along: then nobody looks at pages."""
    brings_token = request.headers.get("authorization", "").lower().startswith("bearer ")
    return brings_token or "tus-resumable" in request.headers or request.url.path.startswith("/api/")
