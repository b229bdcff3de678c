"""The built files: style sheets, scripts, fonts and pictures of the product itself."""

import gzip
import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from fastapi import Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers
from starlette.types import Scope

YEAR_S: Final = 365 * 24 * 3600
TEXTS: Final = (".css", ".js", ".svg", ".json")


class Assets(StaticFiles):
    """Built files carry a hash in their name, so a browser may keep them for good.

    Texts go out packed where the browser takes it, also without a proxy that does so. Starlette's middleware would pack
    them anew for each guest; a process packs each of these few dozen files once.
    """

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        path = Path(full_path)
        if path.suffix in TEXTS and "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            kind = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}.get(path.suffix)
            response = Response(
                _packed(path, stat_result.st_mtime_ns), status_code, media_type=kind or "application/json"
            )
            response.headers["Content-Encoding"] = "gzip"
        else:
            response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
        response.headers["Vary"] = "Accept-Encoding"
        return response


@lru_cache(maxsize=256)
def _packed(path: Path, _changed: int) -> bytes:
    return gzip.compress(path.read_bytes(), 9, mtime=0)
