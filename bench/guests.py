"""`make bench-guests`: what comparing one new photo costs, by how many guests are enrolled and how many events are.

A photo with four faces, each of one guest, is matched again and again in a transaction that is rolled back. The number
of queries must be the same however many guests there are.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psutil
from sqlalchemy import event as hooks
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.filling import FACES_PER_PHOTO, add_enrolled, add_faces, lookalikes, strangers
from bench.real_path import make_event, only_database
from trouvaille import logs
from trouvaille.core.db import Sessions, sessions_of
from trouvaille.matching import service

ENGINE = "bench/1"
OTHER_GUESTS, OTHER_FACES = 500, 2000
SIMILARITY = 0.8


async def measure(engine: AsyncEngine, event_id: UUID, photo_id: UUID, repeats: int) -> dict[str, Any]:
    """Median time and number of queries of matching one photo."""
    sessions, queries, seconds = sessions_of(engine), 0, []

    def count(*_: Any) -> None:
        nonlocal queries
        queries += 1

    # The first ones warm up the connection.
    for number in range(-3, repeats):
        async with sessions() as session:
            await session.begin()
            await service.join_as_photo(session, event_id)
            hooks.listen(engine.sync_engine, "before_cursor_execute", count)
            started = time.perf_counter()
            await service.match_photo(session, event_id=event_id, photo_id=photo_id, engine=ENGINE)
            if number >= 0:
                seconds.append(time.perf_counter() - started)
            hooks.remove(engine.sync_engine, "before_cursor_execute", count)
            await session.rollback()
    return {"p50_ms": round(1000 * statistics.median(seconds), 2), "queries": queries // (repeats + 3)}


async def _add_others(sessions: Sessions, staff_id: UUID, count: int) -> None:
    for number in range(count):
        other = await make_event(sessions, staff_id)
        await add_faces(sessions, other.id, strangers(OTHER_FACES, seed=100 + number), ENGINE)
        await add_enrolled(sessions, other.id, strangers(OTHER_GUESTS, seed=200 + number), ENGINE)


async def run(guests: Sequence[int], events: Sequence[int], *, faces: int, repeats: int) -> dict[str, Any]:
    """All figures: each number of guests with each number of events.

    Args:
        faces: in the event, before the new photo.
    """
    results = []
    for total in events:
        async with only_database() as (engine, staff_id):
            sessions = sessions_of(engine)
            await _add_others(sessions, staff_id, total - 1)
            event = await make_event(sessions, staff_id)
            people = strangers(max(guests), seed=1)
            await add_faces(sessions, event.id, strangers(faces, seed=2), ENGINE)
            seen = lookalikes(people[:FACES_PER_PHOTO], 1, SIMILARITY, seed=3)
            [photo_id] = await add_faces(sessions, event.id, seen, ENGINE)
            enrolled = 0
            for wanted in sorted(guests):
                await add_enrolled(sessions, event.id, people[enrolled:wanted], ENGINE)
                enrolled = wanted
                figures = await measure(engine, event.id, photo_id, repeats)
                results.append({"events": total, "guests": wanted, **figures})
    return {
        "faces_in_the_photo": FACES_PER_PHOTO,
        "faces_in_the_event": faces + FACES_PER_PHOTO,
        "repeats": repeats,
        "results": results,
        "queries_differ": len({each["queries"] for each in results}) > 1,
        "load_average": [round(value, 2) for value in psutil.getloadavg()],
    }


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("--repeats", type=int, default=50)
    given = cli.parse_args()
    logs.configure("WARNING")
    print(json.dumps(asyncio.run(run((10, 50, 500, 5000), (1, 20), faces=5000, repeats=given.repeats))))
