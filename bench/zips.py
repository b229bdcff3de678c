"""`make bench-zip`: a web process that sends 5 GB as one ZIP, and its gallery while four go out at once.

The photos are sparse files of 20 MB, so reading is as cheap as it gets and sending is all that is measured. The client
runs on the same machine. Peak memory is the web process's own (VmHWM).
"""

import argparse
import asyncio
import json
import os
import statistics
import time
from pathlib import Path
from uuid import uuid4

import httpx2
import psutil
import psycopg

from bench.real_path import make_event, staff_member
from tests.web_process import web_process
from trouvaille import instance, logs
from trouvaille.core.db import connect, sessions_of
from trouvaille.demo.run import scratch_settings
from trouvaille.settings import Settings

PASSWORD = "correct horse battery"

FILE_BYTES = 20 * 1024**2
AT_ONCE = 4
PAGES = 100


def _fill(settings: Settings, event_id: object, count: int) -> None:
    store = settings.data_dir / "photos"
    with psycopg.connect(settings.database_url or "") as connection:
        for number in range(count):
            photo_id = uuid4()
            path = store / f"events/{event_id}/photos/{photo_id}/original"
            path.parent.mkdir(parents=True)
            path.touch()
            os.truncate(path, FILE_BYTES)  # a hole: it takes no room
            connection.execute(
                "INSERT INTO photos (id, event_id, file_name, sha256, size_bytes, media_type, state, source, standing,"
                " in_general, width_px, height_px, faces, shown_at, created_at)"
                " VALUES (%s, %s, %s, %s, %s, 'image/jpeg',"
                " 'ready', 'browser', 'shown', true, 3, 2, 0, now(), now())",
                (photo_id, event_id, f"{number}.jpg", photo_id.bytes * 2, FILE_BYTES),
            )


def _peak_mb(process: psutil.Process) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


async def _fetch(client: httpx2.AsyncClient, code: str) -> tuple[int, float]:
    began, size = time.perf_counter(), 0
    async with client.stream("GET", f"/e/{code}/zip?what=all", timeout=600) as answer:
        answer.raise_for_status()
        async for piece in answer.aiter_raw():
            size += len(piece)
    return size, time.perf_counter() - began


async def _pages(client: httpx2.AsyncClient, code: str) -> list[float]:
    seconds = []
    for _ in range(PAGES):
        began = time.perf_counter()
        (await client.get(f"/e/{code}/photos?show=all")).raise_for_status()
        seconds.append(time.perf_counter() - began)
    return seconds


def _p95_ms(seconds: list[float]) -> int:
    return round(statistics.quantiles(seconds, n=20)[-1] * 1000)


async def measure(address: str, process: psutil.Process, code: str) -> dict[str, object]:
    """All figures, from one process that was just started."""
    guests = []
    for number in range(AT_ONCE + 1):
        client = httpx2.AsyncClient(base_url=address, follow_redirects=True, timeout=60)
        form = {"display_name": "G", "username": f"bench{number}", "email": f"b{number}@example.org"}
        (await client.post(f"/e/{code}/register", data=form | {"password": PASSWORD})).raise_for_status()
        guests.append(client)
    *senders, reader = guests
    alone = await _pages(reader, code)
    before = _peak_mb(process)
    first, first_s = await _fetch(senders[0], code)
    again, again_s = await _fetch(senders[0], code)
    after_one = _peak_mb(process)
    running = [asyncio.create_task(_fetch(each, code)) for each in senders]
    await asyncio.sleep(0.5)
    beside = await _pages(reader, code)
    still = sum(not each.done() for each in running)
    await asyncio.gather(*running)
    figures = {
        "zip_gb": round(first / 1e9, 2),
        "first_mb_s": round(first / first_s / 1e6),
        "again_mb_s": round(again / again_s / 1e6),
        "peak_mb_before": round(before),
        "peak_mb_after_one": round(after_one),
        "peak_mb_after_four": round(_peak_mb(process)),
        "gallery_p95_ms_alone": _p95_ms(alone),
        "gallery_p95_ms_beside_four": _p95_ms(beside),
        "zips_still_running_after_the_pages": still,
        "load": os.getloadavg()[0],
    }
    for client in guests:
        await client.aclose()
    return figures


async def run(count: int) -> dict[str, object]:
    """An instance of its own with one event of ``count`` photos that everyone may look through."""
    with scratch_settings() as settings, instance.database(settings) as (ready, _):
        engine = connect(ready.database_url or "", pool_size=4, application="trouvaille bench")
        sessions = sessions_of(engine)
        event = await make_event(sessions, await staff_member(sessions))
        await engine.dispose()
        _fill(ready, event.id, count)
        with web_process(ready, pool_size=10) as address:
            (web,) = [each for each in psutil.Process().children() if "web" in each.cmdline()]
            return await measure(address, web, event.code)


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("--photos", type=int, default=250)
    given = cli.parse_args()
    logs.configure("WARNING")
    print(json.dumps(asyncio.run(run(given.photos))))
