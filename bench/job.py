"""The job that looks at a photo, step by step in this process: how much of its time is not the engine's."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import Session

from bench.filling import add_enrolled, strangers
from bench.real_path import make_event, only_database
from trouvaille.core.db import sessions_of
from trouvaille.core.jobs import Work
from trouvaille.core.secrets import Vault, load_key
from trouvaille.core.storage import Storage
from trouvaille.matching.by_template import ByTemplate
from trouvaille.matching.calibration import SFACE_TAIL
from trouvaille.matching.tasks import index_photo
from trouvaille.photos import intake
from trouvaille.photos.intake import Limits, Offer
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.weights import locate

GUESTS = 50
LIMITS = Limits(10**9, 10**9)


class Stopwatch:
    """Time while at least one of its blocks runs; blocks at the same time count once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._running = 0
        self._since = 0.0

    @contextmanager
    def block(self) -> Iterator[None]:
        """Count the time of what is done inside."""
        if not self._running:
            self._since = time.perf_counter()
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self.seconds += time.perf_counter() - self._since


class _TimedStorage(Storage):
    """A store whose reads and writes are timed."""

    def __init__(self, url: str, watch: Stopwatch) -> None:
        super().__init__(url)
        self._watch = watch

    async def put(self, key: str, data: bytes) -> None:
        with self._watch.block():
            await super().put(key, data)

    async def get(self, key: str) -> bytes:
        with self._watch.block():
            return await super().get(key)


def _timed_session(watch: Stopwatch) -> type[Session]:
    """Sessions that are timed from when they are made until they are closed, so with the commit."""

    class Timed(Session):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self._block: AbstractContextManager[None] | None = watch.block()
            self._block.__enter__()

        def close(self) -> None:
            super().close()
            if self._block is not None:
                self._block.__exit__(None, None, None)
                self._block = None

    return Timed


async def shares(data: Sequence[bytes]) -> dict[str, Any]:
    """Milliseconds a photo, and the shares of the database, of the store and of everything else."""
    database, store = Stopwatch(), Stopwatch()
    with tempfile.TemporaryDirectory(prefix="trouvaille-bench-") as scratch, ThreadPoolExecutor(1) as threads:
        folder = Path(scratch)
        engine = LocalEngine(locate(), threads=1)
        async with only_database() as (connections, staff_id):
            sessions = sessions_of(connections)
            timed = async_sessionmaker(connections, expire_on_commit=False, sync_session_class=_timed_session(database))
            storage = _TimedStorage(f"file://{folder / 'photos'}", store)
            work = Work(timed, storage, Vault(load_key(folder / "key")), ByTemplate(engine, SFACE_TAIL), threads)
            event = await make_event(sessions, staff_id)
            await add_enrolled(sessions, event.id, strangers(GUESTS, seed=1), engine.identity)
            taken = [
                await intake.take_in(sessions, storage, LIMITS, Offer(event.id, None, None), each) for each in data
            ]
            await work.compute(engine.analyse_photo, data[0])  # the first photo takes longer
            database.seconds = store.seconds = 0.0
            started = time.perf_counter()
            for each in taken:
                await index_photo(work, photo_id=str(each.id), event_id=str(event.id))
            total = time.perf_counter() - started
    return {
        "ms_per_photo": round(1000 * total / len(data), 1),
        "database": round(database.seconds / total, 3),
        "storage": round(store.seconds / total, 3),
        "engine_and_rest": round(1 - (database.seconds + store.seconds) / total, 3),
    }
