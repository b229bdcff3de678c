"""Jobs of the rekognition slice."""

from trouvaille.core.jobs import UPKEEP, Work, job
from trouvaille.rekognition import upkeep
from trouvaille.rekognition.service import Rekognition


@job(upkeep.SWEEP_JOB, queue=UPKEEP)
async def sweep(work: Work, *, instance: str) -> None:
    """Take out of the AWS account what was deleted here; housekeeping asks for it."""
    rekognition: Rekognition | None = work.rekognition
    if rekognition is not None and str(rekognition.instance) == instance:
        await upkeep.sweep(work.sessions, rekognition)
