"""`make bench-receiver [GB=10] [FILES=4000]`: how fast files come in, beside a bare PUT on the same machine.

A real web process with its database receives by the tus protocol, `bench.bare_put` by PUT, in turns, so that both meet
the same noise. Jobs pile up meanwhile: no worker runs, which would measure the workers. All clients are plain sockets.

- large: one file of GB gigabytes each way, and several of a tenth of it in turns; the web process's memory meanwhile.
- small: FILES files of 30 KB over 8 connections, each in one request.
- page: the event's page in the studio, asked for again and again: on an idle server, and while either comes in.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import psutil

from bench.instances import EMAIL, PASSWORD, Served, picture, served_web
from bench.wire import Wire
from trouvaille import logs

SENDERS = 8
SMALL_BYTES = 30_000
PIECE = os.urandom(1024**2)
BODY = {"content-type": "application/offset+octet-stream"}
PAGE_EVERY_S = 0.05
IDLE_S = 8.0


@dataclass
class Watch:
    """What one sees of a process while something happens. ``page_ms``: how long the page took, each time."""

    process: psutil.Process
    page_ms: list[float] = field(default_factory=list)
    most_bytes: int = 0

    @property
    def p95_ms(self) -> float:
        """Of the page."""
        return round(statistics.quantiles(self.page_ms, n=20)[-1], 1)


@contextmanager
def watching(server: Served, page: httpx2.Client) -> Iterator[Watch]:
    """Ask for the page, and look at the process's memory, until the block ends."""
    watch, over = Watch(server.supervisor), threading.Event()

    def look() -> None:
        while not over.is_set():
            began = time.perf_counter()
            assert page.get(f"/studio/{server.event_id}").status_code == 200
            watch.page_ms.append((time.perf_counter() - began) * 1000)
            watch.most_bytes = max(watch.most_bytes, _memory_of(watch.process))
            over.wait(PAGE_EVERY_S)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            yield watch
        finally:
            over.set()
            looking.result()


def _memory_of(process: psutil.Process) -> int:
    """What a process and its children have for themselves, in bytes."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += each.memory_full_info().uss
    return total


def _large(number: int, size_bytes: int) -> Iterable[bytes]:
    """A picture, followed by noise up to a size, in pieces."""
    first = picture(number)
    yield first
    left = size_bytes - len(first)
    while left > 0:
        yield PIECE[:left]
        left -= len(PIECE)


def _put(address: str, number: int, size_bytes: int) -> float:
    """Seconds that a bare PUT takes."""
    wire, began = Wire(address), time.perf_counter()
    status, _ = wire.ask("PUT", "/", {}, _large(number, size_bytes), size_bytes)
    wire.close()
    assert status == 201, status
    return time.perf_counter() - began


def _upload(server: Served, number: int, size_bytes: int) -> float:
    """Seconds until the receiver says that it has a photo."""
    wire, began = Wire(server.address), time.perf_counter()
    path = f"/api/v1/events/{server.event_id}/uploads"
    status, told = wire.ask("POST", path, server.headers | {"upload-length": str(size_bytes)})
    assert status == 201, status
    headers = server.headers | BODY | {"upload-offset": "0"}
    status, told = wire.ask("PATCH", told["location"], headers, _large(number, size_bytes), size_bytes)
    wire.close()
    assert told.get("trouvaille-result") == "accepted", status
    return time.perf_counter() - began


def _many(send: Callable[[Wire, int], None], address: str, files: int) -> float:
    """Files a second over several connections."""
    numbers = count()

    def sender() -> None:
        wire = Wire(address)
        while (number := next(numbers)) < files:
            send(wire, number)
        wire.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(SENDERS) as pool:
        for each in [pool.submit(sender) for _ in range(SENDERS)]:
            each.result()
    return files / (time.perf_counter() - began)


def _smalls(server: Served, bodies: list[bytes]) -> Callable[[Wire, int], None]:
    path = f"/api/v1/events/{server.event_id}/uploads"

    def send(wire: Wire, number: int) -> None:
        data = bodies[number]
        headers = server.headers | BODY | {"upload-length": str(len(data))}
        status, told = wire.ask("POST", path, headers, [data], len(data))
        assert told.get("trouvaille-result") == "accepted", status

    return send


def _small_puts(bodies: list[bytes]) -> Callable[[Wire, int], None]:
    def send(wire: Wire, number: int) -> None:
        data = bodies[number]
        status, _ = wire.ask("PUT", "/", {}, [data], len(data))
        assert status == 201, status

    return send


@contextmanager
def bare_put(folder: Path) -> Iterator[str]:
    """The address of a `bench.bare_put`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "bench.bare_put", str(folder), str(port)])
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _say(what: str) -> None:
    print(time.strftime("%H:%M:%S"), what, file=sys.stderr)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def run(gigabytes: float, files: int, rounds: int = 3) -> dict[str, Any]:
    """Measure everything; returns what `make bench-receiver` prints."""
    large_bytes = int(gigabytes * 1000**3)
    with (
        served_web(photo_limit_bytes=large_bytes, photo_limit_pixels=10**9) as server,
        tempfile.TemporaryDirectory(dir=server.settings.data_dir) as scratch,
        bare_put(Path(scratch)) as bare,
        httpx2.Client(base_url=server.address, timeout=60) as page,
    ):
        signed_in = page.post("/sign-in", data={"identifier": EMAIL, "password": PASSWORD})
        assert signed_in.status_code == 303, signed_in.status_code
        for _ in range(20):
            page.get(f"/studio/{server.event_id}")
        with watching(server, page) as idle:
            time.sleep(IDLE_S)

        bodies = [picture(number, SMALL_BYTES) for number in range(files)]
        _say("small files")
        with watching(server, page) as during_small:
            small_s = _many(_smalls(server, bodies), server.address, files)
        _say("small files, bare")
        small_put_s = _many(_small_puts(bodies), bare, files)
        _clear(Path(scratch))

        ratios, number = [], files
        for _ in range(rounds):
            _say("a tenth each way")
            put_s = _put(bare, number, large_bytes // 10)
            _clear(Path(scratch))
            ratios.append(put_s / _upload(server, number, large_bytes // 10))
            number += 1
        _say("a large file, bare")
        put_s = _put(bare, number, large_bytes)
        _clear(Path(scratch))
        before_bytes = _memory_of(server.supervisor)
        _say("a large file")
        with watching(server, page) as during_large:
            large_s = _upload(server, number, large_bytes)
    return {
        "large_gb": gigabytes,
        "large_mb_per_s": round(large_bytes / large_s / 1e6),
        "bare_put_mb_per_s": round(large_bytes / put_s / 1e6),
        "ratio": round(put_s / large_s, 2),
        "ratios_of_tenths": [round(each, 2) for each in ratios],
        "more_memory_mb": round((during_large.most_bytes - before_bytes) / 1e6),
        "small_files": files,
        "small_files_per_s": round(small_s, 1),
        "bare_put_small_files_per_s": round(small_put_s, 1),
        "page_p95_ms": {"idle": idle.p95_ms, "small": during_small.p95_ms, "large": during_large.p95_ms},
        "load_average": [round(value, 2) for value in psutil.getloadavg()],
    }


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("--gb", type=float, default=10)
    cli.add_argument("--files", type=int, default=4000)
    given = cli.parse_args()
    logs.configure("ERROR")
    print(json.dumps(run(given.gb, given.files)))
