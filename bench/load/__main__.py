"""`make load` and `make soak`: how an instance holds while guests come, as anyone can run it.

An event is filled; `trouvaille serve` is started as users start it; guests come over the given minutes, each for one
visit (``bench.load.visit``); with ``--indexing`` a photographer sends photos all the while. One JSON object is printed
last; Locust's report, plots and all response times are in the folder that it names.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from bench.load import report
from bench.load.prepare import Prepared, prepare
from bench.load.serving import await_ready, free_port, serving
from bench.load.watch import Watch
from trouvaille import instance
from trouvaille.core.db import Sessions, transaction
from trouvaille.demo.run import scratch_settings
from trouvaille.demo.samples import PARTY_FILES, fetch
from trouvaille.serving import raise_file_limit
from trouvaille.settings import Settings

REST_S, RESTING_CORES = 3.0, 0.1


@contextmanager
def sending(folder: Path, prepared: Prepared, port: int, photos_per_s: float) -> Iterator[list[int]]:
    """A photographer who sends photos until the end; yields a list whose last element is how many were written."""
    written, over = [0], threading.Event()
    party = [path.read_bytes() for name, path in sorted(fetch().items()) if name in PARTY_FILES]

    def write() -> None:
        while not over.wait(1 / photos_per_s):
            number = written[-1]
            photo = party[number % len(party)]
            comment = f"copy {number}".encode()
            # A comment behind the start mark makes another file of the same picture.
            data = photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]
            half = folder / f".{number}.part"
            half.write_bytes(data)
            half.rename(folder / f"photo{number:06d}.jpg")
            written.append(number + 1)

    writer = threading.Thread(target=write, daemon=True)
    env = {**os.environ, "TROUVAILLE_TOKEN": prepared.token, "TROUVAILLE_SERVER": f"http://127.0.0.1:{port}"}
    argv = [sys.executable, "-m", "trouvaille", "upload", str(folder), "--event", prepared.code, "--watch", "--quiet"]
    with subprocess.Popen(argv, env=env) as sender:
        writer.start()
        try:
            yield written
        finally:
            over.set()
            sender.send_signal(signal.SIGINT)
            sender.wait()


def _kills(serve: psutil.Process, watch: Watch, minutes: float, happened: list[dict[str, Any]]) -> threading.Thread:
    """Kill the web process, a worker and the database, one after the other, and note when."""
    began = time.monotonic()

    def run() -> None:
        for at, part in ((0.25, "web"), (0.5, "workers"), (0.75, "database")):
            time.sleep(max(0.0, began + at * minutes * 60 - time.monotonic()))
            victims = [process for each, process in watch.processes() if each == part]
            if part == "database":  # its other processes go with the first
                victims = [each for each in victims if each.ppid() not in {other.pid for other in victims}]
            happened.append({"part": part, "at": time.time()})
            victims[0].kill()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def _await_rest(watch: Watch) -> None:
    """Wait until the workers have loaded their models, which the web does not wait for.

    Guests come to a server that has started.
    """

    def spent() -> float:
        seconds = 0.0
        for _, process in watch.processes():
            with suppress(psutil.Error):
                seconds += sum(process.cpu_times()[:2])
        return seconds

    until = time.monotonic() + 60
    while time.monotonic() < until:
        before = spent()
        time.sleep(REST_S)
        if spent() - before < REST_S * RESTING_CORES:
            return


def _left_over(settings: Settings) -> dict[str, int]:
    """What the queue and the photos are like at the end."""

    async def look(sessions: Sessions, _: Settings) -> dict[str, int]:
        async with transaction(sessions) as session:
            jobs = "SELECT count(*) FROM procrastinate_jobs WHERE status = "
            waiting = "SELECT count(*) FROM photos WHERE state = "
            return {
                "failed_jobs": await session.scalar(text(f"{jobs} 'failed'")) or 0,
                "waiting_jobs": await session.scalar(text(f"{jobs} 'todo'")) or 0,
                "photos_ready": await session.scalar(text(f"{waiting} 'ready'")) or 0,
                "photos_failed": await session.scalar(text(f"{waiting} 'failed'")) or 0,
                "connections": await session.scalar(text("SELECT count(*) FROM pg_stat_activity")) or 0,
            }

    return instance.on_database(settings, look)


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Prepare, serve, let them come, and gather the figures."""
    out = Path(given.out or tempfile.mkdtemp(prefix="trouvaille-load-"))
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        settings = stack.enter_context(scratch_settings())
        selfies, folder = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
        for made in (selfies, folder):
            stack.callback(shutil.rmtree, made, ignore_errors=True)
        print(f"Filling an event with {given.photos} photos", file=sys.stderr)
        prepared = asyncio.run(prepare(settings, photos=given.photos, faces=given.faces, selfies=selfies))
        before = os.getloadavg()[0]
        port = free_port()
        serve = stack.enter_context(serving(settings, port))
        ready = _left_over(settings)["photos_ready"]
        watch, happened, written = Watch(serve, settings.data_dir), [], [0]
        _await_rest(watch)
        print(f"{given.guests} guests come within {given.minutes:g} minutes", file=sys.stderr)
        if given.kills:
            _kills(serve, watch, given.minutes, happened)
        with ExitStack() as during:
            if given.indexing:
                written = during.enter_context(sending(folder, prepared, port, given.photos_per_s))
            came = _swarm(given, prepared, port, selfies, out)
        watch.close()
        await_ready(f"http://127.0.0.1:{port}/readyz")  # the last kill may be a moment ago
        left = _left_over(settings)
        shutil.copy(settings.data_dir / "serve.log", out / "serve.log")
    report.draw(out, watch)
    indexed = left["photos_ready"] - ready
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "load_average_before": round(before, 2),
        "photos": given.photos,
        "people": prepared.people,
        "indexing": bool(given.indexing),
        **came,
        "photos_indexed": indexed,
        "photos_indexed_per_s": round(indexed / came["seconds"], 1),
        "photos_offered": written[-1],
        **watch.figures(),
        **left,
        **({"slopes": report.slopes(watch)} if given.soak else {}),
        **({"kills": report.recoveries(out, came["began_at"], happened)} if given.kills else {}),
        "out": str(out),
    }


def _swarm(given: argparse.Namespace, prepared: Prepared, port: int, selfies: Path, out: Path) -> dict[str, Any]:
    argv = [sys.executable, "-m", "bench.load.swarm", "--host", f"http://127.0.0.1:{port}", "--code", prepared.code]
    argv += ["--selfies", str(selfies), "--guests", str(given.guests), "--minutes", str(given.minutes)]
    argv += ["--haste", str(given.haste), "--out", str(out)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guests", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--faces", type=Path, help="folder of people's folders of portraits; else the sample guests")
    parser.add_argument("--indexing", type=int, default=0)
    parser.add_argument("--photos-per-s", type=float, default=12.0, help="what the photographer of --indexing sends")
    parser.add_argument("--haste", type=float, default=1.0, help="think times are divided by this")
    parser.add_argument("--soak", action="store_true", help="report how memory, files and connections grow")
    parser.add_argument("--kills", type=int, default=0, help="kill web, worker and database once each")
    parser.add_argument("--out", type=Path)
    raise_file_limit()
    print(json.dumps(run(parser.parse_args())))


if __name__ == "__main__":
    main()
