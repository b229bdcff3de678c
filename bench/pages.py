"""`make bench-pages`: what one request of a guest's visit costs the web process and the database, step by step.

An event is filled and served as users serve it; one guest registers, sends a selfie and asks for each thing many times,
one after the other, over a connection that stays open. Processor time is read from the kernel, so other work on the
machine hardly shows in it. `/livez`, which asks no database, is what any answer costs.
"""

import argparse
import asyncio
import itertools
import json
import os
import re
import shutil
import statistics
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil

from bench.load.prepare import prepare
from bench.load.serving import free_port, serving
from bench.load.watch import Watch
from trouvaille.demo.run import scratch_settings

# As in `bench.load.visit`, which can't be imported here: Locust replaces Python's threads and sockets.
PASSWORD = "correct horse battery"
ASSET = re.compile(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"')
PHOTO = re.compile(r'data-id="([0-9a-f-]{36})"')
WITHIN_S = 60
VISITORS = 40
REST_S = 1.0
"""Before and after a step: what is done behind an answer belongs to it, too."""


_asked = itertools.count()


class Browser:
    """A guest's browser: one connection, its cookies."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self._port = port
        self._connection = HTTPConnection("127.0.0.1", port)
        self._cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, *, form: dict[str, str] | bytes | None = None, kind: str = "html") -> str:
        """Send a request; returns the answer's text. Anything but 2xx and 303 ends the bench."""
        headers = self._headers()
        headers |= {"Accept": "application/json" if kind == "json" else "text/html"}
        body: bytes | None = None
        if method == "POST":
            headers["Origin"] = self.origin
        if isinstance(form, dict) and kind == "json":
            body, headers["Content-Type"] = json.dumps(form).encode(), "application/json"
        elif isinstance(form, dict):
            body, headers["Content-Type"] = urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded"
        elif form is not None:
            edge = b"----trouvaille"
            head = b'Content-Disposition: form-data; name="selfie"; filename="selfie.jpg"\r\nContent-Type: image/jpeg'
            body = b"--" + edge + b"\r\n" + head + b"\r\n\r\n" + form + b"\r\n--" + edge + b"--\r\n"
            headers["Content-Type"] = f"multipart/form-data; boundary={edge.decode()}"
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        said = answer.read()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.split(";")[0].partition("=")
            self._cookies[name] = value.strip('"')
        if answer.status not in (200, 202, 204, 303):
            raise SystemExit(f"{method} {path}: {answer.status} {said[:300]!r}")
        return said.decode("latin-1")

    def _headers(self) -> dict[str, str]:
        # Limits count by address, and one guest asks for thousands of things here.
        number = next(_asked)
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        return {"Cookie": cookies, "X-Forwarded-For": f"10.1.{number >> 11 & 255}.{number >> 3 & 255}"}

    def hear(self, path: str, until: bytes) -> None:
        """Listen to a stream until it says this; ends the bench after ``WITHIN_S``."""
        stream = HTTPConnection("127.0.0.1", self._port, timeout=WITHIN_S)
        stream.request("GET", path, headers=self._headers() | {"Accept": "text/event-stream"})
        answer = stream.getresponse()
        while until not in (line := answer.readline()):
            if not line:
                raise SystemExit(f"{path} ended before it said {until!r}")
        stream.close()

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()


def enrol(browser: Browser, base: str, selfie: bytes) -> None:
    """Register, agree, send the selfie and wait until it is accepted."""
    for act in acts_of("ada", base, selfie).values():
        act(browser)


def acts_of(name: str, base: str, selfie: bytes) -> dict[str, Callable[[Browser], object]]:
    """What a guest does that changes something, in its order."""
    me = {"display_name": "Ada", "username": name, "email": f"{name}@example.org", "password": PASSWORD}

    def find_oneself(browser: Browser) -> None:
        browser.ask("POST", f"{base}/selfie", form=selfie, kind="json")
        browser.hear(f"{base}/live?place=true", b"accepted")

    return {
        "register": lambda browser: browser.ask("POST", f"{base}/register", form=me),
        "consent": lambda browser: browser.ask("POST", f"{base}/consent", form={"agree": "yes"}),
        "sign in": lambda browser: browser.ask("POST", "/sign-in", form={"identifier": name, "password": PASSWORD}),
        "selfie, until it is accepted": find_oneself,
    }


def measure_acts(port: int, watch: Watch, base: str, selfie: bytes, only: str) -> dict[str, dict[str, float]]:
    """Time and processor time of what cannot be done twice, by ``VISITORS`` guests one after the other."""
    browsers = [Browser(port) for _ in range(VISITORS)]
    visits = [acts_of(f"guest{number}", base, selfie) for number in range(VISITORS)]
    figures = {}
    for name in visits[0]:
        time.sleep(REST_S)
        spent, took = _cpu(watch), []
        for browser, acts in zip(browsers, visits, strict=True):
            began = time.perf_counter()
            acts[name](browser)
            took.append(1000 * (time.perf_counter() - began))
        figures[name] = _figures(watch, spent, took)
    for browser in browsers:
        browser.close()
    return {name: each for name, each in figures.items() if re.search(only, name)}


def steps(browser: Browser, code: str) -> dict[str, tuple[Any, ...]]:
    """What is asked for: method, path and whatever `Browser.ask` takes besides."""
    base = f"/e/{code}"
    return {
        "livez": ("GET", "/livez"),
        "home": ("GET", "/"),
        "check code": ("GET", f"/api/v1/check-code?code={code}", None, "json"),
        "event": ("GET", base),
        "static": ("GET", ASSET.findall(browser.ask("GET", base))[0]),
        "register form": ("GET", f"{base}/register"),
        "check availability": (
            "POST",
            "/api/v1/check-availability",
            {"code": code, "username": "nobody", "email": "nobody@example.org"},
            "json",
        ),
    }


def steps_of_guest(browser: Browser, code: str) -> dict[str, tuple[Any, ...]]:
    """What is asked for by somebody who is signed in, and has photos."""
    base = f"/e/{code}"
    photos = PHOTO.findall(browser.ask("GET", f"{base}/photos?show=mine"))
    if not photos:
        raise SystemExit("the guest has no photos")
    return {
        "consent form": ("GET", f"{base}/consent"),
        "selfie form": ("GET", f"{base}/selfie"),
        "selfie status": ("GET", f"{base}/selfie/status", None, "json"),
        "photos": ("GET", f"{base}/photos?show=mine"),
        "all photos": ("GET", f"{base}/photos?show=all"),
        "thumbnail": ("GET", f"{base}/p/{photos[0]}/thumb"),
        "full view": ("GET", f"{base}/p/{photos[0]}/view"),
        "me": ("GET", f"{base}/me"),
    }


def measure(browser: Browser, watch: Watch, asked: tuple[Any, ...], times: int) -> dict[str, float]:
    """Time and processor time of one step, in ms a request."""
    method, path, *more = asked
    given = dict(zip(("form", "kind"), more, strict=False))
    for _ in range(20):
        browser.ask(method, path, **given)
    time.sleep(REST_S)
    spent, took = _cpu(watch), []
    for _ in range(times):
        began = time.perf_counter()
        browser.ask(method, path, **given)
        took.append(1000 * (time.perf_counter() - began))
    return _figures(watch, spent, took)


def _figures(watch: Watch, spent: dict[str, float], took: list[float]) -> dict[str, float]:
    """Args: what was spent before, and how many milliseconds each request took."""
    time.sleep(REST_S)
    now = _cpu(watch)
    return {
        "web_ms": round(1000 * (now["web"] - spent["web"]) / len(took), 2),
        "database_ms": round(1000 * (now["database"] - spent["database"]) / len(took), 2),
        "p50_ms": round(statistics.median(took), 2),
        "p95_ms": round(statistics.quantiles(took, n=20)[-1], 2),
    }


def _measure_all(
    browser: Browser, watch: Watch, port: int, code: str, selfie: bytes, times: int, only: str
) -> dict[str, dict[str, float]]:
    chosen = {name: asked for name, asked in steps(browser, code).items() if re.search(only, name)}
    figures = {name: measure(browser, watch, asked, times) for name, asked in chosen.items()}
    enrol(browser, f"/e/{code}", selfie)
    chosen = {name: asked for name, asked in steps_of_guest(browser, code).items() if re.search(only, name)}
    figures |= {name: measure(browser, watch, asked, times) for name, asked in chosen.items()}
    if any(re.search(only, name) for name in acts_of("", "", b"")):
        figures |= measure_acts(port, watch, f"/e/{code}", selfie, only)
    return figures


def _cpu(watch: Watch) -> dict[str, float]:
    spent = {"web": 0.0, "database": 0.0}
    for part, process in watch.processes():
        if part in spent:
            with process.oneshot():
                times = process.cpu_times()
                spent[part] += times.user + times.system
    return spent


def run(photos: int, faces: Path | None, times: int, only: str) -> dict[str, Any]:
    """Fill, serve, ask."""
    before = os.getloadavg()[0]
    with scratch_settings() as settings:
        selfies = Path(tempfile.mkdtemp())
        try:
            prepared = asyncio.run(prepare(settings, photos=photos, faces=faces, selfies=selfies))
            selfie = min(selfies.iterdir()).read_bytes()
        finally:
            shutil.rmtree(selfies, ignore_errors=True)
        port = free_port()
        with serving(settings, port) as serve:
            watch, browser = Watch(psutil.Process(serve.pid), settings.data_dir), Browser(port)
            try:
                figures = _measure_all(browser, watch, port, prepared.code, selfie, times, only)
            finally:
                watch.close()
                browser.close()
    return {"photos": photos, "times": times, "load_average_before": round(before, 2), "steps": figures}


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--only", default="", help="a pattern of the steps to measure")
    given = parser.parse_args()
    print(json.dumps(run(given.photos, given.faces, given.times, given.only)))


if __name__ == "__main__":
    main()
