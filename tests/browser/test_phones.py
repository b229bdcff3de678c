"""A guest's whole evening with the phone she has: from the QR code on the table to an account that is gone again."""

import re
import socket
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Locator, Page, Playwright, Request, expect

from tests.browser import films
from tests.browser.conftest import DESKTOP, QUIET, Instance, is_fault, open_studio, serving
from tests.browser.shots import Shots
from tests.post_office import PostOffice
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.web import i18n

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
PASSWORD = "correct horse battery"
ROSE = next(guest for guest in GUESTS if guest.username == "rose")
PROMPT = 1
"""The tap on the browser's own question about the camera, which the tests' browser answers by itself."""
ASKED_ABOUT = ("sample2.jpg", "sample5.jpg")
"""Photos that Rose is not in: what she is asked about is put there by the test."""


@pytest.fixture(scope="module")
def post_office() -> Iterator[PostOffice]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    office = PostOffice(port)
    office.open()
    yield office
    office.close()


@pytest.fixture(scope="module")
def instance(scratch: Path, post_office: PostOffice) -> Iterator[Instance]:
    """A server that sends mail, as the news about photos need."""

    def settings(port: int) -> dict[str, str]:
        mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(post_office.port), "SMTP_SECURITY": "none"}
        return {**mail, "SMTP_SENDER": "photos@example.org", "PUBLIC_URL": f"http://localhost:{port}"}

    with serving(scratch, settings) as running:
        yield running


@pytest.fixture(scope="module")
def desk(instance: Instance, chromium: Browser) -> Iterator[Page]:
    """The organiser's desk."""
    page = chromium.new_context(base_url=instance.address, locale="en", **DESKTOP).new_page()
    open_studio(page, instance)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def cameras(playwright: Playwright, chromium_path: str, samples: dict[str, Path], scratch: Path) -> Iterator[Browser]:
    """A browser whose camera sees Rose."""
    film = films.film(films.portrait(selfie_jpeg(ROSE, samples)), scratch / "rose-phones.y4m")
    arguments = [*QUIET, f"--use-file-for-fake-video-capture={film}"]
    browser = playwright.chromium.launch(executable_path=chromium_path, args=arguments)
    yield browser
    browser.close()


@dataclass
class Hand:
    """Somebody with a device in her hand, who reads one language. Taps are counted; typing into a form is none."""

    page: Page
    locale: str
    is_phone: bool
    taps: int = 0
    forms: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if is_fault(said) else None)
        self._wire: CDPSession = self.page.context.new_cdp_session(self.page)

    def _note(self, request: Request) -> None:
        if request.method == "POST" and request.is_navigation_request():
            self.forms.append(request.url.rsplit("/", 1)[1])

    def t(self, text: str) -> str:
        """A text of the product in her language."""
        return i18n.catalogue(self.locale).gettext(text)

    def tap(self, what: Locator) -> None:
        if self.is_phone:
            what.tap()
        else:
            what.click()
        self.taps += 1

    def button(self, text: str, within: Page | Locator | None = None) -> Locator:
        return (within or self.page).get_by_role("button", name=self.t(text), exact=True)

    def link(self, text: str, within: Page | Locator | None = None) -> Locator:
        return (within or self.page).get_by_role("link", name=self.t(text), exact=True)

    def tiles(self) -> Locator:
        return self.page.locator("[data-grid] [data-id]")

    def swipe(self, what: Locator, by_px: int) -> None:
        """Put a finger on the middle of something, move it sideways and lift it."""
        box = what.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2 - by_px / 2, box["y"] + min(box["height"] / 2, 200)
        self._touch("touchStart", x, y)
        for step in range(1, 11):
            self._touch("touchMove", x + by_px * step / 10, y)
            self.page.wait_for_timeout(16)
        self._touch("touchEnd")

    def tap_twice(self, what: Locator) -> None:
        box = what.bounding_box()
        assert box is not None
        for _ in range(2):
            self._touch("touchStart", box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            self._touch("touchEnd")
            self.page.wait_for_timeout(60)

    def _touch(self, kind: str, x: float = 0, y: float = 0) -> None:
        points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
        self._wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something that the pages' policy lets no string of code ask for."""
        for _ in range(150):
            if holds():
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"it never came to this: {what}")


def _make_event(desk: Page, code: str) -> str:
    """An open event in both languages; the address of its desk."""
    event = {
        "name": "Lea & Tom",
        "code": code,
        "locales": ["en", "fr"],
        "time_zone": "Europe/Paris",
        "accent": "#b4532a",
        "gallery": "guests",
        "downloads": "original",
        "general": "yes",
        "faces": "yes",
    }
    kind = {"content-type": "application/x-www-form-urlencoded"}
    made = desk.request.post("/studio/new", data=urlencode(event, doseq=True), headers=kind)
    assert made.ok
    return made.url


def _upload(desk: Page, event: str, path: Path) -> None:
    file = {"name": path.name, "mimeType": "image/jpeg", "buffer": path.read_bytes()}
    sent = desk.request.post(f"{event}/photos", multipart={"photos": file}, headers={"accept": "application/json"})
    assert sent.ok


def _read_the_qr_code(desk: Page, event: str) -> str:
    """The address that a phone's camera finds in the code on the organiser's screen."""
    desk.goto(event)
    picture = desk.get_by_alt_text("QR code of the event").screenshot()
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    image = cv2.resize(image, None, fx=2, fy=2)
    image = cv2.copyMakeBorder(image, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    address, *_ = cv2.QRCodeDetector().detectAndDecode(image)
    return str(address)


DEVICES = ("iPhone 14", "Pixel 7", "desktop")


@pytest.mark.parametrize("locale", ["en", "fr"])
@pytest.mark.parametrize("device", DEVICES)
def test_a_guests_evening(
    playwright: Playwright,
    instance: Instance,
    cameras: Browser,
    desk: Page,
    post_office: PostOffice,
    samples: dict[str, Path],
    shots: Shots,
    device: str,
    locale: str,
) -> None:
    code = f"{device[:4].upper().replace('I', 'J').replace('L', 'M').replace('O', 'P')}{locale.upper()}23"
    event = _make_event(desk, code)
    for name in ("sample1.jpg", *ASKED_ABOUT):
        _upload(desk, event, samples[name])
    context = _context(playwright, cameras, instance, device, locale)
    try:
        rose = Hand(context.new_page(), locale, is_phone=device != "desktop")
        rose.page.set_default_timeout(20_000)
        name = f"{locale}-{device.replace(' ', '').lower()}"
        _come_in(rose, _read_the_qr_code(desk, event), name)
        shots.take(rose.page, f"60-mine-{name}")
        _upload(desk, event, samples["sample3.jpg"])
        expect(rose.tiles()).to_have_count(len(ROSE.truth), timeout=60_000)
        _answer_questions(rose, instance, name, shots)
        _look_at_one(rose, shots, name)
        _take_all_home(rose)
        _switch_the_news(rose, post_office, name)
        _own_data(rose, samples, shots, name)
        assert rose.complaints == []
    finally:
        context.close()


def _context(playwright: Playwright, browser: Browser, instance: Instance, device: str, locale: str) -> BrowserContext:
    kind: dict[str, Any] = DESKTOP if device == "desktop" else dict(playwright.devices[device])
    kind = {key: each for key, each in kind.items() if key != "default_browser_type"}
    context = browser.new_context(base_url=instance.address, locale=locale, **kind)
    context.grant_permissions(["camera"], origin=instance.address)
    return context


def _come_in(rose: Hand, address: str, name: str) -> None:
    page = rose.page
    page.goto(address)
    rose.tap(rose.link("Find my photos"))
    fields = {"display_name": "Rose", "username": f"rose.{name}", "email": f"rose.{name}@example.org"}
    for each, text in {**fields, "password": PASSWORD}.items():
        page.locator(f'[name="{each}"]').fill(text)
    rose.tap(page.locator('input[name="agree"]'))
    rose.tap(rose.button("Continue"))
    use = rose.button("Use this one")
    expect(use).to_be_visible(timeout=30_000)
    rose.tap(use)
    expect(page).to_have_url(re.compile("/photos"), timeout=30_000)
    expect(rose.tiles()).to_have_count(1, timeout=30_000)
    assert rose.taps + PROMPT <= 5
    assert rose.forms == ["register"]


def _answer_questions(rose: Hand, instance: Instance, name: str, shots: Shots) -> None:
    """Two photos that may show her: one does, one does not. By finger on a phone, by key at a desk."""
    page = rose.page
    with instance.database() as database:
        rose.until(
            lambda: (
                database.execute(
                    "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
                    " AND task_name IN ('matching.settle', 'matching.index_photo')"
                ).fetchone()
                == (0,)
            ),
            "all is looked at",
        )
        database.execute(
            "INSERT INTO matches (guest_id, photo_id, event_id, face_id, similarity, tier, created_at)"
            " SELECT g.id, p.id, p.event_id, (SELECT f.id FROM faces f WHERE f.event_id = p.event_id"
            " AND f.photo_id = p.id LIMIT 1), 0.4, 'maybe', now() FROM guests g JOIN photos p USING (event_id)"
            " WHERE g.username = %s AND p.file_name = ANY(%s)"
            " ON CONFLICT DO NOTHING",  # about one of so few faces she may be asked anyway
            (f"rose.{name}", list(ASKED_ABOUT)),
        )
    page.reload()
    rose.tap(page.locator('[data-tab="maybe"]'))
    cards = page.locator("[data-grid] .question")
    expect(cards).to_have_count(2)
    expect(cards.first.locator(".face")).to_be_visible()
    shots.take(page, f"61-maybe-{name}")
    if rose.is_phone:
        rose.swipe(cards.first.locator("a"), 40)  # not far enough: it goes back
        page.wait_for_timeout(400)
        expect(cards).to_have_count(2)
        rose.swipe(cards.first.locator("a"), 220)
        expect(cards).to_have_count(1)
        rose.swipe(cards.first.locator("a"), -220)
    else:
        page.keyboard.press("y")
        expect(cards).to_have_count(1)
        page.keyboard.press("n")
    expect(cards).to_have_count(0)
    page.goto(page.url.replace("show=maybe", "show=mine"))
    expect(rose.tiles()).to_have_count(len(ROSE.truth) + 1)


def _look_at_one(rose: Hand, shots: Shots, name: str) -> None:
    page = rose.page
    rose.tap(page.locator("[data-grid] a[data-view]").first)
    lightbox = page.locator(".pswp")
    expect(page.locator(".pswp--open .pswp__actions")).to_be_visible()
    page.wait_for_timeout(500)
    shots.take(page, f"62-photo-{name}")
    counter = page.locator(".pswp__counter")
    expect(counter).to_have_text("1 / 3")
    if rose.is_phone:
        rose.swipe(lightbox, -250)
    else:
        page.keyboard.press("ArrowRight")
    expect(counter).to_have_text("2 / 3")
    page.wait_for_timeout(500)
    _zoom_in(rose)
    rose.tap(rose.button("Favourite", lightbox))
    expect(page.locator('.pswp__action[aria-pressed="true"]')).to_be_visible()
    rose.tap(lightbox.locator(".pswp__action[download]").first)
    with page.expect_download() as download:
        rose.tap(rose.link("Smaller, quick to send", lightbox))
    assert Path(download.value.path()).read_bytes().startswith(b"\xff\xd8")
    rose.tap(rose.link("Report", lightbox))
    rose.tap(rose.button("Ask to hide my face"))
    expect(page.get_by_text(rose.t("You asked. The organiser has not answered yet."))).to_be_visible()
    page.goto(re.sub(r"/photos/.*", "/photos", page.url))
    expect(page.locator('[data-count="favourites"]')).to_have_text("1")


def _zoom_in(rose: Hand) -> None:
    image = rose.page.locator('.pswp__item[aria-hidden="false"] .pswp__img:not(.pswp__img--placeholder)')
    width = (image.bounding_box() or {})["width"]
    if rose.is_phone:
        rose.tap_twice(image)
    else:
        rose.page.keyboard.press("z")
    rose.until(lambda: (image.bounding_box() or {"width": 0})["width"] > 1.2 * width, "the photo is larger")
    if rose.is_phone:
        rose.tap_twice(image)
    else:
        rose.page.keyboard.press("z")
    rose.until(lambda: (image.bounding_box() or {"width": 9999})["width"] < 1.1 * width, "the photo is whole again")


def _take_all_home(rose: Hand) -> None:
    with rose.page.expect_download() as download:
        rose.tap(rose.link("Download mine"))
    with zipfile.ZipFile(download.value.path()) as opened:
        assert opened.testzip() is None
        assert len([each for each in opened.namelist() if each.endswith(".jpg")]) == 3


def _switch_the_news(rose: Hand, post_office: PostOffice, name: str) -> None:
    """Her address is hers once she has opened the letter's link; then letters can be stopped and asked for again."""
    page = rose.page
    letters = [each for each in post_office.received if f"rose.{name}@example.org" in str(each["To"])]
    link = re.search(r"http://localhost:\d+/\S*confirm\S*", letters[0].get_body(("plain",)).get_content())
    assert link
    gallery = page.url
    page.goto(link[0])
    if (confirm := page.locator("main form button")).count():
        with page.expect_navigation():
            rose.tap(confirm.first)
    page.goto(gallery)
    rose.tap(rose.button("No more letters"))
    expect(rose.button("Write to me")).to_be_visible()
    rose.tap(rose.button("Write to me"))
    expect(rose.button("No more letters")).to_be_visible()


def _own_data(rose: Hand, samples: dict[str, Path], shots: Shots, name: str) -> None:
    page = rose.page
    rose.tap(rose.link("Me"))
    selfie = page.locator("img.me__selfie")
    expect(selfie).to_be_visible()
    rose.until(lambda: selfie.evaluate("image => image.naturalWidth") > 0, "the selfie is seen")
    before = page.request.get(selfie.get_attribute("src") or "").body()
    shots.take(page, f"63-me-{name}")
    with page.expect_download() as download:
        rose.tap(rose.link("Download what is kept about me"))
    with zipfile.ZipFile(download.value.path()) as kept:
        assert kept.testzip() is None
        assert any(each.endswith(".jpg") for each in kept.namelist())

    rose.tap(rose.link("Replace my selfie"))
    file = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": selfie_jpeg(ROSE, samples)}
    page.locator('input[name="selfie"]').set_input_files(file)
    rose.tap(rose.button("Use this one"))
    expect(page).to_have_url(re.compile("/photos"), timeout=30_000)
    rose.tap(rose.link("Me"))
    assert page.request.get(selfie.get_attribute("src") or "").body() != before

    rose.tap(page.get_by_text(rose.t("Withdraw my consent"), exact=True))
    rose.tap(page.get_by_label(rose.t("Yes, erase everything about my face")))
    rose.tap(rose.button("Withdraw and erase"))
    expect(page.get_by_role("heading", name=rose.t("Your consent is withdrawn"))).to_be_visible()
    expect(selfie).to_have_count(0)
    shots.take(page, f"64-withdrawn-{name}")
    rose.tap(page.locator("summary", has_text=rose.t("Delete my account")))
    page.locator('[name="username"]').fill(f"rose.{name}")
    rose.tap(rose.button("Delete my account"))
    expect(page.get_by_role("heading", name=rose.t("Your account is deleted"))).to_be_visible()
