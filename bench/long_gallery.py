"""`make bench-long-gallery`: how smoothly a guest with thousands of photos of their own scrolls through them.

An event is filled with copies of the sample photos and served as users serve it; a guest is given all of them, by the
table that a *yes* of their own is in. They open "My photos" in Chromium as a Pixel 7, load all of it, and scroll, on a
processor four times slower than this one. What is told is the median and 95th percentile of the time between frames,
while each goes down by so many pixels; a screen of 60 Hz shows one every 16.7 ms.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from sqlalchemy import text

from bench.first_photos import DEVICE, SLOWER, Party, chromium, enrolled
from bench.load.prepare import prepare
from bench.load.serving import free_port, serving
from trouvaille import instance
from trouvaille.core.db import Sessions, transaction
from trouvaille.demo.run import scratch_settings
from trouvaille.serving import raise_file_limit
from trouvaille.settings import Settings

STEPS_PX = (40, 120, 400)
FRAMES = 120
GIVE = """
INSERT INTO matches (guest_id, photo_id, event_id, similarity, tier, verdict, created_at)
SELECT guests.id, photos.id, photos.event_id, 0.9, 'sure', 'yes', now()
  FROM photos JOIN guests ON guests.event_id = photos.event_id AND guests.username = 'rose'
    ON CONFLICT (guest_id, photo_id) DO UPDATE SET verdict = 'yes'
"""
SCROLL = """
([step, frames]) => new Promise((done) => {
  const times = [];
  const frame = (at) => {
    times.push(at);
    if (times.length > frames) return done(times.slice(1).map((each, n) => each - times[n]));
    scrollBy({ top: step, behavior: "instant" });
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})
"""


def _give_all(settings: Settings) -> int:
    async def act(sessions: Sessions, _: Settings) -> int:
        async with transaction(sessions) as session:
            await session.execute(text(GIVE))
            return await session.scalar(text("SELECT count(*) FROM matches WHERE verdict = 'yes'")) or 0

    return instance.on_database(settings, act)


def look(page: Page, code: str, own: int) -> dict[str, Any]:
    """Open the gallery, load all of it, and scroll."""
    began = time.monotonic()
    page.goto(f"/e/{code}/photos")
    page.locator("[data-grid] .tile__image").first.wait_for()
    opened_ms = round(1000 * (time.monotonic() - began))
    tiles = page.locator("[data-grid] [data-id]")
    began = time.monotonic()
    while tiles.count() < own:
        page.evaluate("scrollTo({ top: document.body.scrollHeight, behavior: 'instant' })")
        page.wait_for_timeout(50)
        if time.monotonic() - began > 600:
            raise SystemExit(f"{tiles.count()} of {own} photos were loaded within ten minutes")
    loaded_s = time.monotonic() - began
    wire = page.context.new_cdp_session(page)
    wire.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    made: dict[str, Any] = {"opened_ms": opened_ms, "loaded_s": round(loaded_s, 1)}
    for step in STEPS_PX:
        page.evaluate("scrollTo({ top: 20000, behavior: 'instant' })")
        page.wait_for_timeout(1500)
        times = page.evaluate(SCROLL, [step, FRAMES])
        made[f"frame_at_{step}px_ms"] = {
            "p50": round(statistics.median(times), 1),
            "p95": round(statistics.quantiles(times, n=20)[-1], 1),
        }
    return made | {"elements": page.evaluate("document.querySelectorAll('*').length")}


def run(photos: int) -> dict[str, Any]:
    """Prepare, serve, give, scroll."""
    with ExitStack() as stack:
        settings = stack.enter_context(scratch_settings())
        selfies = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        prepared = asyncio.run(prepare(settings, photos=photos, faces=None, selfies=selfies))
        port = free_port()
        stack.enter_context(serving(settings, port))
        there = Party(f"http://localhost:{port}", prepared.code, selfies)
        with chromium() as (_, browser):
            known = enrolled(browser, there)
        own = _give_all(settings)
        before = os.getloadavg()[0]
        with chromium() as (playwright, browser):
            device = {key: each for key, each in playwright.devices[DEVICE].items() if key != "default_browser_type"}
            context = browser.new_context(base_url=there.address, storage_state=known, locale="en", **device)
            figures = look(context.new_page(), there.code, own)
            context.close()
    return {"own_photos": own, "load_average_before": round(before, 2), **figures}


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=5000)
    raise_file_limit()
    print(json.dumps(run(parser.parse_args().photos)))


if __name__ == "__main__":
    main()
