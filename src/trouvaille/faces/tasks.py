"""Jobs of the faces slice."""

from uuid import UUID

from trouvaille.core.db import transaction
from trouvaille.core.jobs import UPKEEP, Work, job
from trouvaille.faces import service


@job("faces.drop_partition", queue=UPKEEP)
async def drop_partition(work: Work, *, event_id: str) -> None:
    """Remove the partition of a deleted event."""
    async with transaction(work.sessions) as session:
        await service.drop_partition(session, UUID(event_id))
