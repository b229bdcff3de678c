"""`make bench-index PHOTOS=DIR`: how fast photos become searchable on this machine, and where the time goes.

Three figures from one run: the real path with worker processes (photos/s), the engine alone step by step (share of the
time, one thread), and decoding alone at full size, which is the floor that no engine gets below.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pyvips

from bench.real_path import running_event
from trouvaille import logs
from trouvaille.vision import engine as engines
from trouvaille.vision.decode import decode
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.renditions import VIEW_SIDE_PX, rendition
from trouvaille.vision.shrink import shrunk
from trouvaille.vision.weights import locate

CORES = 2


async def real_path(files: dict[str, Path]) -> dict[str, Any]:
    """Upload everything, wait for the workers, and watch their memory meanwhile."""
    peak_bytes = 0

    async def watch() -> None:
        nonlocal peak_bytes
        while True:
            for child in psutil.Process().children(recursive=True):
                try:
                    if "worker" in child.cmdline():
                        peak_bytes = max(peak_bytes, child.memory_info().rss)
                except psutil.Error:
                    continue
            await asyncio.sleep(0.2)

    async with running_event() as bench:
        watching = asyncio.create_task(watch())
        started = time.monotonic()
        await bench.add_photos(files)
        await bench.wait()
        seconds = time.monotonic() - started
        watching.cancel()
        faces = await bench.faces()
    return {
        "photos": len(files),
        "faces": faces,
        "photos_per_s": round(len(files) / seconds, 2),
        "worker_peak_mb": round(peak_bytes / 1e6),
    }


def steps(data: list[bytes]) -> dict[str, float]:
    """Share of the engine's time a step, one thread."""
    engine = LocalEngine(locate())
    spent: dict[str, float] = {}

    def timed(name: str, act: Callable[..., Any], *given: Any, **named: Any) -> Any:
        started = time.perf_counter()
        result = act(*given, **named)
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - started
        return result

    for photo in data[:3]:
        engine.analyse_photo(photo)
    for photo in data:
        decoded = timed("decode", decode, photo)
        view = timed("renditions", shrunk, decoded.image_rgb, VIEW_SIDE_PX)
        for name in ("thumb", "view"):
            timed("renditions", rendition, name, view)
        coarse = timed("detect", engine._detector.search, view, side_px=VIEW_SIDE_PX, score_limit=0.5)
        coarse = coarse.moved(decoded.image_rgb.shape[1] / view.shape[1])
        fine = timed("refine", engine._detector.refine, decoded.image_rgb, coarse)
        found = engines.confirmed(coarse, fine)
        crops, _ = timed("align", engine._measured, decoded.image_rgb, found, full_scale=1.0)
        timed("embed", engine._embedder.embed, crops)
    total = sum(spent.values())
    shares = {name: round(seconds / total, 3) for name, seconds in spent.items()}
    return {"ms_per_photo": round(1000 * total / len(data), 1), **shares}


def decode_only(data: list[bytes]) -> float:
    """Photos/s when every core does nothing but decode at full size."""
    pyvips.concurrency_set(1)
    started = time.monotonic()
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(lambda photo: pyvips.Image.new_from_buffer(photo, "", access="sequential").avg(), data))
    return round(len(data) / (time.monotonic() - started), 2)


def run(folder: Path, limit: int) -> dict[str, Any]:
    """All figures of one run."""
    files = {path.name: path for path in sorted(folder.iterdir())[:limit]}
    data = [path.read_bytes() for path in list(files.values())[:40]]
    floor = decode_only(data)
    result = asyncio.run(real_path(files))
    return {
        **result,
        "decode_only_photos_per_s": floor,
        "of_decode_only": round(result["photos_per_s"] / floor, 3),
        "engine": steps(data),
        "load_average": [round(value, 2) for value in psutil.getloadavg()],
    }


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("photos", type=Path)
    cli.add_argument("--limit", type=int, default=300)
    given = cli.parse_args()
    logs.configure("WARNING")
    print(json.dumps(run(given.photos, given.limit)))
