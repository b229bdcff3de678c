"""WebKit, the engine of all browsers on iPhones, as Debian's WebKitGTK has it, driven by W3C WebDriver."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key under which an answer names an element (https://www.w3.org/TR/webdriver2/#elements)."""
PATIENCE_S = 30.0
T = TypeVar("T")


def missing() -> str | None:
    """Why there is no WebKit to drive here; None where there is."""
    for program in ("WebKitWebDriver", "Xvfb"):
        if shutil.which(program) is None:
            return f"no {program}: `make browser` installs it as root (Debian: webkit2gtk-driver, xvfb)"
    return None if _mini_browser() else "WebKitGTK comes without its MiniBrowser here"


def _mini_browser() -> Path | None:
    return next(iter(sorted(Path("/usr").glob("lib*/*/webkit2gtk-4*/MiniBrowser"))), None)


@dataclass
class WebKit:
    """One browser window."""

    port: int
    session: str

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return _ask(self.port, method, f"/session/{self.session}{path}", body)

    def goto(self, address: str) -> None:
        self.ask("POST", "/url", {"url": address})

    @property
    def address(self) -> str:
        return str(self.ask("GET", "/url"))

    def back(self) -> None:
        self.ask("POST", "/back", {})

    def run(self, script: str, *values: Any) -> Any:
        """The value of a function's body; elements are given and returned as WebDriver names them."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(values)})

    def all(self, selector: str) -> list[dict[str, str]]:
        """The elements that a CSS selector finds and that are seen."""
        found = self.ask("POST", "/elements", {"using": "css selector", "value": selector})
        return [each for each in found if self.run("return arguments[0].checkVisibility()", each)]

    def one(self, selector: str) -> dict[str, str]:
        """The first of them, once there is one."""
        return self.until(lambda: self.all(selector), f"{selector} is seen")[0]

    def click(self, selector: str) -> None:
        self.ask("POST", f"/element/{self.one(selector)[ELEMENT]}/click", {})

    def type(self, selector: str, text: str) -> None:
        self.ask("POST", f"/element/{self.one(selector)[ELEMENT]}/value", {"text": text})

    def attach(self, selector: str, *files: Path) -> None:
        """Give files to a field for them, which may be out of sight."""
        (field, *_) = self.ask("POST", "/elements", {"using": "css selector", "value": selector})
        self.ask("POST", f"/element/{field[ELEMENT]}/value", {"text": "\n".join(map(str, files))})

    def text(self, selector: str) -> str:
        return str(self.ask("GET", f"/element/{self.one(selector)[ELEMENT]}/text"))

    def until(self, holds: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
        """Ask again and again until something holds."""
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            try:
                if answer := holds():
                    return answer
            except Refused as error:
                # While one page gives way to the next, what was found is gone.
                if error.kind not in ("stale element reference", "no such element"):
                    raise
            time.sleep(0.1)
        raise AssertionError(f"it never came to this: {what}; at {self.address}")


class Refused(Exception):
    """What the driver could not do, and why."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


def _ask(port: int, method: str, path: str, body: dict[str, Any] | None) -> Any:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        value = json.loads(answer.read())["value"]
    finally:
        connection.close()
    if answer.status != 200:
        raise Refused(value["error"], value["message"])
    return value


@contextmanager
def webkit(width_px: int = 450, height_px: int = 900) -> Iterator[WebKit]:
    """A window on a screen that nobody sees."""
    with ExitStack() as stack:
        display = stack.enter_context(_screen())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {**os.environ, "DISPLAY": display, "NO_AT_BRIDGE": "1", "LIBGL_ALWAYS_SOFTWARE": "1"}
        stack.enter_context(_process(["WebKitWebDriver", f"--port={port}"], environment))
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                _ask(port, "GET", "/status", None)
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        options = {"binary": str(_mini_browser()), "args": ["--automation"]}
        made = _ask(port, "POST", "/session", {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}})
        window = WebKit(port, made["sessionId"])
        try:
            window.ask("POST", "/window/rect", {"width": width_px, "height": height_px})
            yield window
        finally:
            window.ask("DELETE", "")


@contextmanager
def _screen() -> Iterator[str]:
    reads, writes = os.pipe()
    try:
        argv = ["Xvfb", "-displayfd", str(writes), "-screen", "0", "1440x1000x24", "-nolisten", "tcp"]
        with _process(argv, dict(os.environ), pass_fds=(writes,)):
            yield f":{os.read(reads, 16).decode().strip()}"
    finally:
        os.close(reads)
        os.close(writes)


@contextmanager
def _process(argv: list[str], environment: dict[str, str], pass_fds: tuple[int, ...] = ()) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(argv, env=environment, stdout=quiet, stderr=quiet, pass_fds=pass_fds) as process:
        try:
            yield
        finally:
            process.terminate()
