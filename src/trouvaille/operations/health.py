"""Whether this web process can serve: asked by load balancers, so cheap, and answered without a secret.

Only what another process or another machine would do better makes it unready. A queue that is late is told, but a web
process that was taken out of service for it would help nobody.
"""

import asyncio
import os
import socket
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import Refused
from trouvaille.core.storage import Storage

ANSWER_WITHIN_S = 3.0
KEPT_S = 1.0
STORAGE_KEPT_S = 30.0
LATE_AFTER_S = 60.0
OLDEST = """
SELECT coalesce(extract(epoch FROM now() - min(greatest(
           scheduled_at, to_timestamp((args->'_asked'->>'at')::float8)))), 0)::float8
  FROM procrastinate_jobs
 WHERE status = 'todo' AND queue_name = 'selfies' AND coalesce(scheduled_at, now()) <= now()
"""


@cache
def known_revisions() -> tuple[str, frozenset[str]]:
    """The newest migration of this program, and all that it knows, by the names of their files.

    Alembic would import all of them, and itself, into each web process; a test holds the two together.
    """
    scripts = Path(__file__).parents[1] / "migrations" / "versions"
    known = sorted(path.name.partition("_")[0] for path in scripts.glob("[0-9]*_*.py"))
    return known[-1], frozenset(known)


class Health:
    """Looks at the parts, and keeps what it saw for a moment, so that asking often costs nothing."""

    def __init__(self, sessions: Sessions, storage: Storage) -> None:
        self._sessions, self._storage = sessions, storage
        self._lock = asyncio.Lock()
        self._seen: tuple[float, dict[str, Any]] = (float("-inf"), {})
        self._stored: tuple[float, str] = (float("-inf"), "")

    async def look(self) -> dict[str, Any]:
        """``status`` is ``ok``, ``late`` or ``unready``; ``checks`` says why, in one word each."""
        async with self._lock:
            at, seen = self._seen
            if monotonic() - at < KEPT_S:
                return seen
            checks = await self._database()
            checks["storage"] = await self._storage_state()
            unready = {"away", "behind"} & set(checks.values())
            status = "unready" if unready else "late" if checks.get("queue") == "late" else "ok"
            self._seen = (monotonic(), {"status": status, "checks": checks})
            return self._seen[1]

    async def _database(self) -> dict[str, str]:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S), transaction(self._sessions) as session:
                present = await session.scalar(text("SELECT version_num FROM alembic_version"))
                oldest_s = await session.scalar(text(OLDEST)) or 0.0
        except (SQLAlchemyError, OSError, TimeoutError):
            return {"database": "away"}
        head, known = known_revisions()
        # A newer program has migrated while this one still runs: columns are only ever added, so this one goes on.
        migrations = "ok" if present == head else "behind" if present in known else "ahead"
        return {"database": "ok", "migrations": migrations, "queue": "late" if oldest_s > LATE_AFTER_S else "ok"}

    async def _storage_state(self) -> str:
        at, state = self._stored
        if monotonic() - at < STORAGE_KEPT_S and state == "ok":
            return state
        key, word = f"health/{socket.gethostname()}-{os.getpid()}", os.urandom(8)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._storage.put(key, word)
                state = "ok" if await self._storage.get(key) == word else "away"
                await self._storage.delete([key])
        except (Refused, OSError, TimeoutError):
            state = "away"
        self._stored = (monotonic(), state)
        return state
