"""A worker process with an engine that dies of one photo, as a decoder with a bug would take its process along."""

import asyncio
import os
import signal
import sys
from typing import Any

from trouvaille import logs, worker
from trouvaille.settings import Settings
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.weights import locate

POISON_BYTES = int(sys.argv[1])


class FragileEngine(LocalEngine):
    """Kills its process when it is given a file of just this size."""

    def analyse_photo(self, data: bytes, **more: Any) -> Any:
        if len(data) == POISON_BYTES:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().analyse_photo(data, **more)


if __name__ == "__main__":
    logs.configure("ERROR")
    asyncio.run(worker.run(Settings(), worker.QUEUES, concurrency=2, engine=FragileEngine(locate())))
