"""Addresses for machines: alive, ready, figures. Plain routes: finding out who asks would need the database."""

import psycopg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from trouvaille.core import metrics
from trouvaille.core.snapshots import Reporter
from trouvaille.operations.health import Health
from trouvaille.operations.machine import machine
from trouvaille.operations.token import fits

NO_STORE = {"Cache-Control": "no-store"}


async def livez(request: Request) -> Response:
    """Whether the process answers at all."""
    return JSONResponse({"status": "ok"}, headers=NO_STORE)


async def readyz(request: Request) -> Response:
    """Whether it can serve."""
    health: Health = request.app.state.health
    seen = await health.look()
    return JSONResponse(seen, status_code=503 if seen["status"] == "unready" else 200, headers=NO_STORE)


async def figures(request: Request) -> Response:
    """All processes' figures, for whoever holds the token."""
    if not fits(request.headers.get("authorization", ""), request.app.state.metrics_token):
        return PlainTextResponse("A token is needed.\n", 401, headers={"WWW-Authenticate": "Bearer"})
    reporter: Reporter = request.app.state.reporter
    try:
        found = await reporter.everybody()
    except (psycopg.Error, OSError):
        found = reporter.own()  # the database is away, which is when they are wanted most
    found = found | machine(request.app.state.settings.data_dir)
    return Response(metrics.exposition(found), media_type="text/plain; version=0.0.4; charset=utf-8", headers=NO_STORE)


def install(app: Starlette) -> None:
    """Add them to the application."""
    app.add_route("/livez", livez, methods=["GET"])
    app.add_route("/readyz", readyz, methods=["GET"])
    app.add_route("/metrics", figures, methods=["GET"])
