"""A whole instance as an operator starts it, and a real Chromium with a fake camera."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import pyvips
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Route,
    expect,
    sync_playwright,
)

from tests.browser.shots import Shots
from tests.people import PASSWORD
from trouvaille.demo.party import GUESTS, selfie_jpeg

PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
LOG_SHOWN = 6000
IMPORT_ROOT = "photos of the server"
"""A folder in the scratch folder that the server's operator allows imports from."""


_logs: list[Path] = []
"""What the servers print that run now: a test that fails shows it."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections.extend((f"log of {log.stem}", log.read_text()[-LOG_SHOWN:]) for log in _logs)
    return report


@dataclass(frozen=True)
class Instance:
    """A running server: its address, the address of its first-run page, its data."""

    address: str
    setup: str
    folder: Path

    def database(self) -> psycopg.Connection:
        """A new connection to its embedded database."""
        # The lock of the database's folder says where its socket lies.
        socket_dir = next(self.folder.glob("*/lock")).read_text().strip()
        return psycopg.connect(host=socket_dir, port=5432, user="trouvaille", dbname="trouvaille", autocommit=True)

    def at_rest(self) -> None:
        """Wait until its workers have nothing more to do, now or within seconds. Fails after two minutes."""
        due = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' OR (status = 'todo' AND (scheduled_at "
        due += "IS NULL OR scheduled_at < now() + interval '20 s'))"
        with self.database() as database:
            for _ in range(1200):
                if database.execute(due).fetchone() == (0,):
                    return
                time.sleep(0.1)
        pytest.fail("the workers don't come to rest")


@pytest.fixture(scope="module")
def instance(scratch: Path) -> Iterator[Instance]:
    """`trouvaille serve` in a process of its own, with embedded database and workers."""
    with serving(scratch) as running:
        yield running


@contextmanager
def serving(scratch: Path, settings: Callable[[int], dict[str, str]] = lambda _: {}) -> Iterator[Instance]:
    """The same with settings of one's own, by the port that it gets."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = scratch / f"instance-{port}"
    environment = {**os.environ, "TROUVAILLE_DATA_DIR": str(folder), "TROUVAILLE_STALLED_AFTER_S": "3"}
    # One model less to load, and one application, in each of many files.
    environment |= {"TROUVAILLE_PHOTO_WORKERS": "1", "TROUVAILLE_WEB_PROCESSES": "1"}
    environment["TROUVAILLE_IMPORT_ROOTS"] = str(scratch / IMPORT_ROOT)
    environment |= {f"TROUVAILLE_{name}": value for name, value in settings(port).items()}
    command = [sys.executable, "-m", "trouvaille", "serve", "--port", str(port)]
    log = (scratch / f"serve-{port}.log").open("w")
    _logs.append(Path(log.name))
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert server.stdout is not None
        printed = server.stdout.readline() + server.stdout.readline()
        setup = re.search(r"(http://\S+)(/setup\?token=\S+)", printed)
        assert setup, printed
        _await_answer(port)
        yield Instance(f"http://localhost:{port}", f"http://localhost:{port}{setup[2]}", folder)
    finally:
        server.send_signal(signal.SIGTERM)
        status = server.wait(30)
        if server.stdout:
            server.stdout.close()
        log.close()
        _logs.remove(Path(log.name))
    assert status == 0, Path(log.name).read_text()


def _await_answer(port: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server did not listen within two minutes")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found, "no Chromium: `make browser` installs it"
    return found


# Playwright's own loop runs as long as it does, so it must end before other tests start theirs.
@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def camera(samples: dict[str, Path], scratch: Path) -> Path:
    """What the fake camera sees: one sample guest, for a second that is repeated."""
    rose = next(guest for guest in GUESTS if guest.username == "rose")
    film = scratch / "camera.mjpeg"
    # Chromium's fake camera takes motion JPEG of even size with halved colour, and shows black otherwise.
    frame = pyvips.Image.thumbnail_buffer(selfie_jpeg(rose, samples), 720, height=720, size="force")
    frame = frame.gravity("centre", 1280, 720, extend="mirror")
    film.write_bytes(frame.jpegsave_buffer(Q=90, subsample_mode="on", keep="none") * 30)
    return film


@pytest.fixture(scope="package")
def chromium(playwright: Playwright, chromium_path: str, camera: Path) -> Iterator[Browser]:
    arguments = [*QUIET, f"--use-file-for-fake-video-capture={camera}"]
    browser = playwright.chromium.launch(executable_path=chromium_path, args=arguments)
    yield browser
    browser.close()


def hold(page: Page, pattern: str) -> list[Route]:
    """Let such requests wait; they gather in the list. The page's worker, which needs no request, is passed by."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.setBypassServiceWorker", {"bypass": True})
    held: list[Route] = []

    def take(route: Route) -> None:
        held.append(route)

    page.route(pattern, take)
    return held


Open = Callable[..., Page]


def is_fault(message: ConsoleMessage) -> bool:
    """A form that is refused on purpose answers 422, which the browser reports as an error."""
    return message.type == "error" and "status of 422" not in message.text


@pytest.fixture
def open_page(chromium: Browser, instance: Instance) -> Iterator[Open]:
    """Opens a page in a browser of its own; any error in its console fails the test."""
    complaints: list[str] = []
    with ExitStack() as contexts:

        def make(kind: dict[str, object] = PHONE, locale: str = "en", **more: object) -> Page:
            context: BrowserContext = chromium.new_context(
                base_url=instance.address, locale=locale, permissions=["camera"], **kind, **more
            )
            contexts.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(20_000)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda message: complaints.append(message.text) if is_fault(message) else None)
            return page

        yield make
    assert complaints == []


def open_studio(desk: Page, instance: Instance) -> None:
    """Make the first account of a new server, as its console says where; one is in the studio then."""
    desk.goto(instance.setup)
    desk.get_by_label("Your name").fill("Ada Organiser")
    desk.get_by_label("E-mail").fill("ada@example.org")
    desk.get_by_label("Password", exact=True).fill(PASSWORD)
    desk.get_by_role("button", name="Open the studio").click()
    expect(desk).to_have_url(re.compile("/studio$"))


@pytest.fixture
def shots() -> Shots:
    """Takes pictures of pages for looking at, when TROUVAILLE_SHOTS names a folder."""
    return Shots(os.environ.get("SHOTS"))
