"""`make bench-zip [WEBS=2]`: web processes that send 5 GB as one ZIP, and the gallery while four go out at once.

The photos are sparse files of 20 MB, so reading is as cheap as it gets and sending is all that is measured. Senders and
who turns the pages are on the same machine; each page is asked for over a connection of its own, so that it meets
either web process. Peak memory is the web processes' own (VmHWM), the larger one's.

Beside the ZIPs the pages are measured three times: with guests who take 5 MB/s each, a good line at home; 30 MB/s each,
which fills a gigabit line; and what they can, since no network holds them back.
"""

import argparse
import json
import os
import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import urlparse
from uuid import UUID, uuid4

import httpx2
import psutil
import psycopg

from bench.instances import running
from bench.load.serving import free_port
from bench.load.watch import words_of
from bench.real_path import make_event, staff_member
from trouvaille import instance, logs
from trouvaille.core.db import Sessions
from trouvaille.demo.run import scratch_settings
from trouvaille.settings import Settings

PASSWORD = "correct horse battery"

FILE_BYTES = 20 * 1024**2
AT_ONCE = 4
PAGES = 200
MOST_S = 45  # of a ZIP beside which pages are measured
LINES = {"at_home": 5e6, "gigabit": 30e6, "unlimited": float("inf")}  # bytes a second, of each
PIECE_BYTES = 256 * 1024


def _fill(settings: Settings, event_id: UUID, count: int) -> None:
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
                " in_general, width_px, height_px, faces, blanks, shown_at, created_at)"
                " VALUES (%s, %s, %s, %s, %s, 'image/jpeg',"
                " 'ready', 'browser', 'shown', true, 3, 2, 0, '{\"ranges\": []}', now(), now())",
                (photo_id, event_id, f"{number}.jpg", photo_id.bytes * 2, FILE_BYTES),
            )


def _peak_mb(webs: list[psutil.Process]) -> int:
    def peak_kb(process: psutil.Process) -> int:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))

    return round(max(peak_kb(each) for each in webs) / 1024)


def fetch(address: str, path: str, cookies: str, bytes_s: float, most_s: float) -> tuple[int, float]:
    """Take a ZIP over a plain socket, at most so fast and so long; returns bytes and seconds. Runs in a process."""
    where = urlparse(address)
    began, size = time.perf_counter(), 0
    buffer = bytearray(PIECE_BYTES)
    with socket.create_connection((where.hostname or "", where.port or 80), timeout=600) as line:
        line.sendall(
            f"GET {path} HTTP/1.1\r\nhost: {where.netloc}\r\ncookie: {cookies}\r\nconnection: close\r\n\r\n".encode()
        )
        if not line.recv_into(buffer) or b" 200 " not in buffer[:20]:
            raise SystemExit(buffer[:200].decode("latin-1"))
        while (got := line.recv_into(buffer)) and time.perf_counter() - began < most_s:
            size += got
            time.sleep(max(0.0, size / bytes_s - (time.perf_counter() - began)))
    return size, time.perf_counter() - began


def _pages(client: httpx2.Client, code: str) -> list[float]:
    seconds = []
    for _ in range(PAGES):
        began = time.perf_counter()
        client.get(f"/e/{code}/photos?show=all", headers={"connection": "close"}).raise_for_status()
        seconds.append(time.perf_counter() - began)
    return seconds


def _p95_ms(seconds: list[float]) -> int:
    return round(statistics.quantiles(seconds, n=20)[-1] * 1000)


@contextmanager
def _guests(address: str, code: str) -> Iterator[tuple[list[str], httpx2.Client]]:
    """The cookies of those who fetch, and somebody who turns pages."""
    cookies = []
    for number in range(AT_ONCE + 1):
        with httpx2.Client(base_url=address, follow_redirects=True, timeout=60) as client:
            form = {"display_name": "G", "username": f"bench{number}", "email": f"b{number}@example.org"}
            client.post(f"/e/{code}/register", data=form | {"password": PASSWORD}).raise_for_status()
            cookies.append("; ".join(f"{name}={value}" for name, value in client.cookies.items()))
    with httpx2.Client(base_url=address, headers={"cookie": cookies.pop()}, timeout=60) as reader:
        yield cookies, reader


def measure(address: str, webs: list[psutil.Process], code: str, pool: Executor) -> dict[str, object]:
    """All figures, from processes that were just started."""

    def begin(cookies: str, bytes_s: float = float("inf"), most_s: float = 600) -> "Future[tuple[int, float]]":
        return pool.submit(fetch, address, f"/e/{code}/zip?what=all", cookies, bytes_s, most_s)

    with _guests(address, code) as (senders, reader):
        _pages(reader, code)
        alone = _pages(reader, code)
        before = _peak_mb(webs)
        first, first_s = begin(senders[0]).result()
        again, again_s = begin(senders[0]).result()
        after_one = _peak_mb(webs)
        beside = {}
        rates = {}
        for name, bytes_s in LINES.items():
            fetching = [begin(each, bytes_s, most_s=MOST_S) for each in senders]
            time.sleep(0.5)
            beside[name] = _pages(reader, code)
            still = sum(not each.done() for each in fetching)
            rates[name] = {
                "still": still,
                "mb_s": [round(size / s / 1e6) for size, s in (each.result() for each in fetching)],
            }
    return {
        "webs": len(webs),
        "zip_gb": round(first / 1e9, 2),
        "first_mb_s": round(first / first_s / 1e6),
        "again_mb_s": round(again / again_s / 1e6),
        "peak_mb": {"before": before, "after_one": after_one, "after_four": _peak_mb(webs)},
        "gallery_p95_ms": {"alone": _p95_ms(alone)}
        | {f"beside_{name}": _p95_ms(each) for name, each in beside.items()},
        "four": rates,
        "load": os.getloadavg()[0],
    }


async def _make(sessions: Sessions) -> tuple[UUID, str]:
    event = await make_event(sessions, await staff_member(sessions))
    return event.id, event.code


def run(count: int, webs: int) -> dict[str, object]:
    """An instance of its own with one event of ``count`` photos that everyone may look through."""
    with (
        scratch_settings(port=free_port(), web_processes=webs) as settings,
        instance.database(settings) as (ready, _),
        ProcessPoolExecutor(AT_ONCE, mp_context=get_context("spawn")) as pool,
    ):
        event_id, code = instance.on_database(ready, lambda sessions, _: _make(sessions))
        _fill(ready, event_id, count)
        with running(ready, "serve") as (address, process):
            children = [each for each in process.children(recursive=True) if words_of(each)[1:2] == ["web"]]
            return measure(address, children, code, pool)


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("--photos", type=int, default=250)
    cli.add_argument("--webs", type=int, default=2)
    given = cli.parse_args()
    logs.configure("WARNING")
    print(json.dumps(run(given.photos, given.webs)))
