"""Jobs of the imports slice."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.db import transaction
from trouvaille.core.errors import N_
from trouvaille.core.jobs import UPKEEP, Work, job
from trouvaille.imports import service
from trouvaille.imports.models import Import, ImportState
from trouvaille.imports.running import Bench, step

STOPPED = N_("Something went wrong on the way. You can go on; what is there already is not fetched again.")


async def _give_up(session: AsyncSession, args: dict[str, Any], _: str) -> None:
    one = await session.get(Import, UUID(args["import_id"]), with_for_update=True)
    if one is not None and one.state in (ImportState.WAITING, ImportState.RUNNING):
        await service.pause(session, one, STOPPED)


@job(service.RUN_JOB, queue=UPKEEP, abandon=_give_up)
async def run(work: Work, *, import_id: str, event_id: str) -> None:
    """Work on an import for some seconds, and ask for the next turn: photos and guests' wishes go in between."""
    bench = Bench(work.sessions, work.storage, work.vault, work.imports)
    if await step(bench, UUID(import_id)):
        async with transaction(work.sessions) as session:
            one = await session.get(Import, UUID(import_id))
            if one is not None:
                await service.ask(session, one)
