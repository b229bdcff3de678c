"""`make bench-index PHOTOS=DIR [MEGAPIXELS=24]`: how fast photos become searchable here, and where the time goes.

From one run: the real path with worker processes (photos/s), one job after another in this process (share of the time
in the database and the store), the engine alone step by step (share of the time, one thread), decoding alone at full
size, which is the floor that no engine gets below, and an older engine on a few of the photos.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pyvips

from bench.job import shares
from bench.load.watch import words_of
from bench.older import photos_per_s
from bench.real_path import running_event
from trouvaille import logs
from trouvaille.vision import engine as engines
from trouvaille.vision.decode import ENOUGH_SIDE_PX, decode
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.renditions import VIEW_SIDE_PX, rendition
from trouvaille.vision.shrink import shrunk
from trouvaille.vision.weights import locate

CORES = 2


async def real_path(files: dict[str, Path]) -> dict[str, Any]:
    """Take everything in, then start the workers, and watch their memory until all is done: the proportional set size,
    for they share what they were forked with."""
    peak_bytes = 0

    async def watch() -> None:
        nonlocal peak_bytes
        while True:
            for child in psutil.Process().children(recursive=True):
                try:
                    if "worker" in words_of(child):
                        peak_bytes = max(peak_bytes, child.memory_full_info().pss)
                except psutil.Error:
                    continue
            await asyncio.sleep(0.5)

    async with running_event(with_workers=False) as bench:
        started = time.monotonic()
        await bench.add_photos(files)
        taken_in = time.monotonic() - started
        watching = asyncio.create_task(watch())
        await bench.start_workers()
        started = time.monotonic()
        await bench.wait(settled=False)
        seconds = time.monotonic() - started
        watching.cancel()
        faces = await bench.faces()
    return {
        "photos": len(files),
        "faces": faces,
        "taken_in_per_s": round(len(files) / taken_in, 2),
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
        decoded = timed("decode", decode, photo, enough_px=ENOUGH_SIDE_PX)
        view = timed("renditions", shrunk, decoded.image_rgb, VIEW_SIDE_PX)
        for name in ("thumb", "view"):
            timed("renditions", rendition, name, view)
        coarse = timed(
            "detect",
            engine._detector.search,
            decoded.image_rgb,
            side_px=engines.DETECT_SIDE_PX,
            score_limit=engines.COARSE_SCORE_LIMIT,
            smaller_rgb=view,
            closer=True,
        )
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


def rescaled(files: dict[str, Path], megapixels: float, folder: Path) -> dict[str, Path]:
    """The same photos at another size, as JPEGs in ``folder``."""
    made = {}
    for name, path in files.items():
        photo = pyvips.Image.new_from_file(str(path)).autorot()
        made[name] = folder / f"{name}.jpg"
        photo.resize((megapixels * 1e6 / (photo.width * photo.height)) ** 0.5).jpegsave(str(made[name]), Q=90)
    return made


def measure(files: dict[str, Path], *, older: int) -> dict[str, Any]:
    """All figures of one run.

    Args:
        older: so many photos for the older engine, which is slow.
    """
    data = [path.read_bytes() for path in list(files.values())[:40]]
    floor = decode_only(data)
    # Before an instance was run, which leaves signals ignored: the older engine's processes are ended by one.
    dlib = photos_per_s(data[:older], processes=CORES)
    result = asyncio.run(real_path(files))
    return {
        **result,
        "decode_only_photos_per_s": floor,
        "of_decode_only": round(result["photos_per_s"] / floor, 3),
        "job": asyncio.run(shares(data)),
        "engine": steps(data),
        "dlib": dlib and {"photos": len(data[:older]), "processes": CORES, "photos_per_s": round(dlib, 3)},
        "times_faster_than_dlib": dlib and round(result["photos_per_s"] / dlib, 1),
        "load_average": [round(value, 2) for value in psutil.getloadavg()],
    }


def run(folder: Path, limit: int, *, megapixels: float | None, older: int) -> dict[str, Any]:
    """Measure the first ``limit`` photos of a folder, at another size if one is given."""
    files = {path.name: path for path in sorted(folder.iterdir())[:limit]}
    if megapixels is None:
        return measure(files, older=older)
    with tempfile.TemporaryDirectory(prefix="trouvaille-bench-") as scratch:
        return {"megapixels": megapixels, **measure(rescaled(files, megapixels, Path(scratch)), older=older)}


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("photos", type=Path)
    cli.add_argument("--limit", type=int, default=300)
    cli.add_argument("--megapixels", type=float)
    cli.add_argument("--older", type=int, default=10, help="photos for the older engine")
    given = cli.parse_args()
    logs.configure("WARNING")
    print(json.dumps(run(given.photos, given.limit, megapixels=given.megapixels, older=given.older)))
