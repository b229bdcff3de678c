"""`make bench-first-photos`: how soon a guest's phone shows the first photos on a slow connection.

An event is filled with copies of the sample photos, `trouvaille serve` is started as users start it, and a guest who
has sent a selfie opens the gallery in Chromium as a Pixel 7: 1.6 Mbit/s, 150 ms of latency, a processor four times
slower than this one. Each visit begins with an empty cache. What is told is the median of the visits; all of them are
in ``visits``.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from bench.load.prepare import prepare
from bench.load.serving import free_port, serving
from trouvaille.demo.run import scratch_settings
from trouvaille.serving import raise_file_limit

PASSWORD = "correct horse battery"
DEVICE = "Pixel 7"
LATENCY_MS = 150
DOWN_BITS_PER_S, UP_BITS_PER_S = 1_600_000, 750_000
SLOWER = 4
STILL_MS = 1500
"""So long nothing has come over the wire when a visit is over."""

# Marks the tiles for the browser's own paint times as they are parsed, and gathers those and the shifts.
OBSERVE = """
(() => {
  const seen = { painted: [], lcp_ms: 0, lcp: "", cls: 0, fcp_ms: 0, long_ms: 0 };
  window.seen = seen;
  const watch = (type, each) => new PerformanceObserver((list) => list.getEntries().forEach(each))
    .observe({ type, buffered: true });
  watch("element", (entry) => seen.painted.push([entry.element?.closest("[data-id]")?.dataset.id, entry.renderTime]));
  watch("largest-contentful-paint", (entry) => {
    seen.lcp_ms = entry.startTime;
    seen.lcp = entry.element?.className || entry.element?.tagName || "";
  });
  watch("layout-shift", (entry) => { if (!entry.hadRecentInput) seen.cls += entry.value; });
  watch("paint", (entry) => { if (entry.name === "first-contentful-paint") seen.fcp_ms = entry.startTime; });
  watch("longtask", (entry) => { seen.long_ms += entry.duration; });
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) {
        if (node.nodeType !== 1) continue;
        const images = node.matches(".tile__image") ? [node] : node.querySelectorAll(".tile__image");
        for (const image of images) image.setAttribute("elementtiming", "tile");
      }
    }
  }).observe(document, { childList: true, subtree: true });
})();
"""
FIRST_SCREEN = """
() => {
  const tiles = [...document.querySelectorAll("[data-grid] [data-id]")];
  const shown = tiles.filter((tile) => {
    const { top, bottom } = tile.getBoundingClientRect();
    return top < innerHeight && bottom > 0;
  });
  return { ...window.seen, shown: shown.map((tile) => tile.dataset.id) };
}
"""


@dataclass(frozen=True)
class Party:
    """A served event, and the folder of the selfies of those who are in its photos."""

    address: str
    code: str
    selfies: Path


@contextmanager
def party(photos: int) -> Iterator[Party]:
    """An event with photos, and `trouvaille serve`. Not for use inside Playwright, whose loop is in the way."""
    with ExitStack() as stack:
        settings = stack.enter_context(scratch_settings())
        selfies = Path(tempfile.mkdtemp())
        stack.callback(shutil.rmtree, selfies, ignore_errors=True)
        prepared = asyncio.run(prepare(settings, photos=photos, faces=None, selfies=selfies))
        port = free_port()
        stack.enter_context(serving(settings, port))
        yield Party(f"http://localhost:{port}", prepared.code, selfies)


@contextmanager
def chromium() -> Iterator[tuple[Playwright, Browser]]:
    """The browser of the machine."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise SystemExit("no Chromium: `make browser` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-quic"])
        try:
            yield playwright, browser
        finally:
            browser.close()


def enrolled(browser: Browser, there: Party) -> Any:
    """A new guest who is in some of the photos; the state that her browser keeps."""
    context = browser.new_context(base_url=there.address)
    try:
        _enrol(context, there.code, (there.selfies / "rose.jpg").read_bytes())
        return context.storage_state()
    finally:
        context.close()


def _enrol(context: BrowserContext, code: str, selfie: bytes) -> None:
    base = f"/e/{code}"
    form = {"display_name": "Rose", "username": "rose", "email": "rose@example.org", "password": PASSWORD}
    asked = context.request.post(f"{base}/register", form=form | {"agree": "yes"})
    file = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": selfie}
    sent = context.request.post(f"{base}/selfie", multipart={"selfie": file}, headers={"accept": "application/json"})
    if not (asked.ok and sent.ok):
        raise SystemExit(f"a guest could not come in: {asked.status}, {sent.status}")
    for _ in range(200):
        state = context.request.get(f"{base}/selfie/status", headers={"accept": "application/json"}).json()["state"]
        if state == "accepted":
            return
        time.sleep(0.1)
    raise SystemExit(f"the selfie is {state}")


def visit(playwright: Playwright, browser: Browser, there: Party, known: Any, path: str) -> dict[str, Any]:
    """Open the gallery once, with an empty cache; returns what was seen. ``known``: what the browser kept."""
    device = {key: each for key, each in playwright.devices[DEVICE].items() if key != "default_browser_type"}
    context = browser.new_context(base_url=there.address, storage_state=known, locale="en", **device)
    try:
        page = context.new_page()
        wire = _Wire(page)
        page.add_init_script(OBSERVE)
        page.goto(f"/e/{there.code}/{path}", wait_until="commit")
        wire.wait_until_still()
        return _figures(page.evaluate(FIRST_SCREEN), wire)
    finally:
        context.close()


class _Wire:
    """A slow connection and a slow processor, and what has come over it."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._session = page.context.new_cdp_session(page)
        self._last = time.monotonic()
        self.began: dict[str, str] = {}
        self.bytes: dict[str, int] = {}
        self.arrived: list[str] = []
        self._session.on("Network.requestWillBeSent", self._begin)
        self._session.on("Network.dataReceived", self._receive)
        self._session.on("Network.loadingFinished", self._finish)
        self._session.send("Network.enable")
        self._session.send(
            "Network.emulateNetworkConditions",
            {
                "offline": False,
                "latency": LATENCY_MS,
                "downloadThroughput": DOWN_BITS_PER_S / 8,
                "uploadThroughput": UP_BITS_PER_S / 8,
            },
        )
        self._session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})

    def _begin(self, event: dict[str, Any]) -> None:
        self._last = time.monotonic()
        if not event["request"]["url"].startswith("data:"):
            self.began[event["requestId"]] = event["request"]["url"]

    def _receive(self, _: dict[str, Any]) -> None:
        self._last = time.monotonic()

    def _finish(self, event: dict[str, Any]) -> None:
        self._last = time.monotonic()
        if address := self.began.get(event["requestId"]):
            self.bytes[address] = int(event["encodedDataLength"])
            self.arrived.append(address)

    def wait_until_still(self) -> None:
        while time.monotonic() - self._last < STILL_MS / 1000:
            self._page.wait_for_timeout(100)


def _figures(seen: dict[str, Any], wire: _Wire) -> dict[str, Any]:
    painted = {id_: at_ms for id_, at_ms in seen["painted"] if id_ in seen["shown"]}
    missing = len(seen["shown"]) - len(painted)
    if missing or not painted:
        raise SystemExit(f"{missing} of the {len(seen['shown'])} photos of the first screen were not painted")
    thumbs = [address for address in wire.bytes if address.split("?")[0].endswith("/thumb")]
    first = [address for address in thumbs if any(id_ in address for id_ in seen["shown"])]
    before = wire.arrived[: wire.arrived.index(min(first, key=wire.arrived.index))]
    return {
        "first_contentful_paint_ms": round(seen["fcp_ms"]),
        "first_photo_ms": round(min(painted.values())),
        "first_screen_ms": round(max(painted.values())),
        "lcp_ms": round(seen["lcp_ms"]),
        "lcp": seen["lcp"],
        "cls": round(seen["cls"], 4),
        "long_tasks_ms": round(seen["long_ms"]),
        "photos_on_the_first_screen": len(painted),
        "bytes": sum(wire.bytes.values()),
        "bytes_of_the_page": wire.bytes[next(iter(wire.began.values()))],
        "bytes_of_the_first_screen": sum(wire.bytes[each] for each in first),
        "bytes_before_the_first_photo": sum(wire.bytes[each] for each in before),
        "requests": len(wire.bytes),
    }


def run(photos: int, visits: int, path: str = "photos") -> dict[str, Any]:
    """Prepare, serve, look."""
    with party(photos) as there, chromium() as (playwright, browser):
        known = enrolled(browser, there)
        visit(playwright, browser, there, known, path)  # the first one compiles templates and packs assets
        before = os.getloadavg()[0]
        seen = [visit(playwright, browser, there, known, path) for _ in range(visits)]
    numbers = [key for key, value in seen[0].items() if not isinstance(value, str)]
    return {
        "photos": photos,
        "load_average_before": round(before, 2),
        **{key: statistics.median(each[key] for each in seen) for key in numbers},
        "visits": seen,
    }


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--path", default="photos", help="what is opened below the event's address")
    given = parser.parse_args()
    raise_file_limit()
    print(json.dumps(run(given.photos, given.visits, given.path)))


if __name__ == "__main__":
    main()
