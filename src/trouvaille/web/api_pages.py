"""The API's description: as OpenAPI for programs, and as a page for people. Both are for everybody."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from trouvaille.web.api import SESSION_KEY, describe
from trouvaille.web.errors import KINDS
from trouvaille.web.i18n import gettext
from trouvaille.web.render import page

router = APIRouter(include_in_schema=False)


@router.get("/api/v1/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    return JSONResponse(describe(request.app), headers={"Cache-Control": "public, max-age=300"})


def _operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": operation["operationId"],
            "method": method.upper(),
            "path": path,
            # Words and code in turn.
            "says": operation.get("description", operation.get("summary", "")).split("\n\n")[0].split("`"),
            "scope": operation.get("x-scope") or ("cookie" if SESSION_KEY in operation else None),
            "tag": next(iter(operation.get("tags", [])), ""),
        }
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]


@router.get("/api")
async def reference(request: Request) -> Response:
    groups: dict[str, list[dict[str, Any]]] = {}
    for operation in _operations(describe(request.app)):
        groups.setdefault(operation["tag"], []).append(operation)
    kinds = [(slug, status, gettext(title)) for slug, (status, title) in KINDS.items()]
    return page(request, "web/api.html", groups=groups, kinds=kinds)
