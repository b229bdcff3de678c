"""Pages: Jinja templates of all slices in one environment, and the built assets they name."""

import gzip
import hashlib
import json
from functools import cache, partial
from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from starlette.datastructures import URL

from trouvaille.web import i18n, whose
from trouvaille.web.folding import FoldedEnvironment

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
PACKED_FROM = 1400
"""Characters. What fits one packet gets there no sooner."""


class AssetsMissing(RuntimeError):
    """The front end has not been built; ``make setup`` does it."""


@cache
def _manifest() -> dict[str, dict[str, Any]]:
    path = STATIC / ".vite" / "manifest.json"
    if not path.exists():
        raise AssetsMissing("the front end is not built: run `make setup`")
    manifest: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return manifest


@cache
def static(source: str) -> str:
    """The address of a built asset by its source path below ``frontend/``."""
    for key in (source, f"frontend/{source}"):
        if entry := _manifest().get(key):
            return f"/static/{entry['file']}"
    if (STATIC / source).exists():
        return f"/static/{source}"
    raise AssetsMissing(f"no built asset for {source}")


def ratio(width_px: int | None, height_px: int | None) -> str:
    """A shape class, so that a tile has its place before its picture has arrived."""
    share = (width_px or 3) / (height_px or 2)
    return f"r{min(max(round(share * 20) * 5, 40), 300)}"


@cache
def needs(source: str) -> list[str]:
    """The addresses of the scripts that a built script imports, for a page to ask for them along with it."""
    return parts(source)[1:]


def parts(*sources: str) -> list[str]:
    """The addresses of built scripts and of all that they import, each once."""
    waiting, found = list(sources), dict[str, None]()
    while waiting:
        entry = _manifest()[waiting.pop(0)]
        if entry["file"] not in found:
            found[entry["file"]] = None
            waiting += entry.get("imports", [])
    return [f"/static/{file}" for file in found]


@cache
def build() -> str:
    """Stands for the release: its built files, its templates and its translations."""
    told = hashlib.sha256(json.dumps(_manifest(), sort_keys=True).encode())
    for path in sorted([*PACKAGE.glob("*/templates/*.html"), *i18n.FOLDER.glob("*/LC_MESSAGES/*.po")]):
        told.update(path.read_bytes())
    return told.hexdigest()[:12]


def asset(source: str) -> Path:
    """A built file by its key in the manifest, as ``../node_modules/…/latin.woff2``, for those who read it here.

    Raises:
        AssetsMissing
    """
    if source not in _manifest():
        raise AssetsMissing(f"no built asset for {source}")
    return STATIC / str(_manifest()[source]["file"])


@cache
def environment(locale: str) -> Environment:
    """The templates of one language; a name begins with its slice, as in ``guests/register.html``."""
    made = FoldedEnvironment(
        loader=PrefixLoader({name: FileSystemLoader(PACKAGE / name / "templates") for name in SLICES}),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.translate = partial(i18n.gettext_in, locale)
    made.settled, made.failing = {"static": static, "needs": needs}, AssetsMissing
    made.install_gettext_callables(i18n.gettext, i18n.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.filters.update(
        date=i18n.long_date,
        datetime=i18n.long_datetime,
        moment=i18n.moment,
        filesize=i18n.file_size,
        number=i18n.number,
    )
    made.filters.update(dollars=i18n.dollars, month=i18n.month)
    made.globals.update(static=static, needs=needs, ratio=ratio, locales=list(i18n.LANGUAGES.items()), days=i18n.days)
    return made


def page(
    request: Request, template: str, *, status: int = 200, here: str | None = None, **context: Any
) -> HTMLResponse:
    """Render a page for whoever asks; pages of signed-in people are kept by no cache.

    Args:
        here: where a browser gets this page again; needed when it answers a form that was sent elsewhere.
    """
    asked = URL(scope=request.scope)
    if "lang" in request.query_params:
        asked = asked.remove_query_params("lang")
    path = "/" + asked.path.lstrip("/")  # two slashes would name another server
    address = here or (f"{path}?{asked.query}" if asked.query else path)
    in_language = address + ("&" if "?" in address else "?") + "lang="
    context.setdefault("event", None)
    context.setdefault("undo", _undo(request))
    asker = getattr(request.state, "viewer", None)
    is_administrator = asker is not None and asker.is_administrator
    context.setdefault("legal_missing", request.app.state.site.legal.missing if is_administrator else ())
    context.setdefault("providers", request.app.state.site.providers)
    context.setdefault("has_worker", request.app.state.site.service_worker)
    context.setdefault("sends_mail", request.app.state.site.sends_mail)
    html = (
        environment(i18n.current())
        .get_template(template)
        .render(
            status=status,
            viewer=getattr(request.state, "viewer", None),
            locale=i18n.current(),
            path=path,
            # Going back to, or reloading, the answer to a form would send it again; the page's script prevents it.
            posted_here=address if request.method == "POST" else None,
            language_urls={code: in_language + code for code in i18n.LANGUAGES},
            **context,
        )
    )
    return _sent(request, html, status)


def _undo(request: Request) -> str | None:
    """What was removed a moment ago and may be put back, as the address says it."""
    try:
        return str(UUID(request.query_params.get("undo", "")))
    except ValueError:
        return None


def _sent(request: Request, html: str, status: int) -> HTMLResponse:
    """Packed where the browser takes it, also without a proxy that does so: a page of photos is a seventh of its size
    then, which a slow phone waits for before anything else, and packing takes a quarter of a millisecond."""
    headers = {"Cache-Control": "no-store", **whose.of(request)}
    if len(html) < PACKED_FROM or "gzip" not in request.headers.get("accept-encoding", ""):
        return HTMLResponse(html, status, headers)
    return HTMLResponse(gzip.compress(html.encode(), 1, mtime=0), status, {**headers, "Content-Encoding": "gzip"})


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
