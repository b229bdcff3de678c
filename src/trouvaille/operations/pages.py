"""The operator's page about the running instance."""

from shutil import disk_usage

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import Administrator
from trouvaille.core.snapshots import Reporter
from trouvaille.operations import service
from trouvaille.operations.health import Health
from trouvaille.web.render import go, page
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False, prefix="/studio/server")
HERE = "/studio/server/status"


@router.get("/status")
async def status_page(request: Request, session: Session, viewer: Administrator) -> Response:
    reporter: Reporter = request.app.state.reporter
    health: Health = request.app.state.health
    try:
        families = await reporter.everybody()
    except (psycopg.Error, OSError):
        families = reporter.own()
    return page(
        request,
        "operations/status.html",
        found=await service.status(session, families),
        health=await health.look(),
        disk_free_bytes=disk_usage(request.app.state.settings.data_dir).free,
        width=service.WIDTH,
        height=service.HEIGHT,
    )


@router.post("/jobs/{job_id}/retry")
async def retry_job(session: Session, viewer: Administrator, job_id: int) -> Response:
    await service.retry(session, job_id, by=viewer)
    return go(HERE)
