"""The service worker's script, at the root of the site so that it may serve all of it."""

import hashlib
from functools import lru_cache

from fastapi import APIRouter, Request
from fastapi.responses import Response

from trouvaille.web.render import STATIC, AssetsMissing, build
from trouvaille.web.site import ThisSite

router = APIRouter(include_in_schema=False)
FOLDER = STATIC / "worker"


@router.get("/sw.js")
async def worker(request: Request, site: ThisSite) -> Response:
    """Asked for again at every visit, so that a new release's worker replaces the one before."""
    script = _script("sw.js" if site.service_worker else "off.js")
    tag = f'"{hashlib.sha256(script).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "Service-Worker-Allowed": "/", "ETag": tag}
    if request.headers.get("if-none-match", "").removeprefix("W/") == tag:
        return Response(status_code=304, headers=headers)
    return Response(script, media_type="text/javascript", headers=headers)


@lru_cache(maxsize=2)
def _script(name: str) -> bytes:
    """A built worker. The first line says which release's files it serves: its bytes change whenever they do.

    Raises:
        AssetsMissing
    """
    if not (FOLDER / name).exists():
        raise AssetsMissing("the front end is not built: run `make setup`")
    return f'self.BUILD="{build()}";\n'.encode() + (FOLDER / name).read_bytes()
