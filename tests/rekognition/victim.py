"""A worker's photo job in a process of its own, to be killed. Arguments: event, photo; settings: the environment."""

import asyncio
import sys
from uuid import UUID

from tests.rekognition.server import picture
from trouvaille import engines
from trouvaille.core.db import connect, sessions_of
from trouvaille.rekognition import service
from trouvaille.settings import Settings


async def main() -> None:
    event_id, photo_id = map(UUID, sys.argv[1:])
    settings = Settings()
    sessions = sessions_of(connect(settings.database_url or "", pool_size=1))
    rekognition = await engines.rekognition(settings, sessions)
    await service.photo_faces(sessions, rekognition, event_id=event_id, photo_id=photo_id, jpeg=picture(50))


if __name__ == "__main__":
    asyncio.run(main())
