"""From the QR code to one's own photos, by phone and at a desk: the camera, what it says, and every way around it."""

import gzip
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import APIResponse, Browser, Locator, Page, Playwright, Request, expect
from playwright.sync_api import Response as PageResponse

from tests.browser import films
from tests.browser.conftest import DESKTOP, QUIET, Instance, hold, is_fault, open_studio
from tests.browser.shots import Shots
from trouvaille.demo.party import GUESTS, selfie_jpeg

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
PASSWORD = "correct horse battery"
ROSE = next(guest for guest in GUESTS if guest.username == "rose")
BARACK = next(guest for guest in GUESTS if guest.username == "barack")
CODE = "PARTY234"
Films = Callable[[str], Browser]
CAMERAS = {"no camera": 0, "two cameras": 2}
PROMPT = 1
"""The tap on the browser's own question about the camera, which the tests' browser answers by itself."""


@dataclass
class Person:
    """Somebody with a device, whose taps are counted. Typing into the one form is no tap."""

    page: Page
    taps: int = 0
    sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if request.method == "POST":
            self.sent.append(request.url.rsplit("/", 1)[1])

    def tap(self, what: Locator) -> None:
        what.click()
        self.taps += 1


@pytest.fixture(scope="module")
def party(instance: Instance, chromium: Browser, samples: dict[str, Path]) -> str:
    """The address of an open event with three photos, which gives guest passes too; and one whose faces are off."""
    desk = chromium.new_context(base_url=instance.address).new_page()
    open_studio(desk, instance)
    event: dict[str, object] = {
        "name": "Lea & Tom",
        "code": CODE,
        "locales": ["en", "fr"],
        "time_zone": "Europe/Paris",
        "starts_on": "2027-06-19",
        "accent": "#b4532a",
        "gallery": "guests",
        "downloads": "original",
        "general": "yes",
        "faces": "yes",
        "guest_pass": "yes",
    }
    made = _create(desk, event)
    for name in ("sample1.jpg", "sample3.jpg", "sample6.jpg"):
        file = {"name": name, "mimeType": "image/jpeg", "buffer": samples[name].read_bytes()}
        sent = desk.request.post(
            f"{made.url}/photos", multipart={"photos": file}, headers={"accept": "application/json"}
        )
        assert sent.ok
    faceless = {key: each for key, each in event.items() if key != "faces"} | {"code": "QUIET234", "name": "Quiet"}
    _create(desk, faceless)
    desk.context.close()
    return f"/e/{CODE}"


def _create(desk: Page, event: dict[str, object]) -> APIResponse:
    form = {"data": urlencode(event, doseq=True), "headers": {"content-type": "application/x-www-form-urlencoded"}}
    made = desk.request.post("/studio/new", **form)
    assert made.ok
    return made


@pytest.fixture(scope="module")
def seeing(playwright: Playwright, chromium_path: str, samples: dict[str, Path], scratch: Path) -> Iterator[Films]:
    """Gives the browser whose camera sees a film of this name."""
    rose = films.portrait(selfie_jpeg(ROSE, samples))
    # Upright, as the finder wants those that are small.
    barack = films.portrait(selfie_jpeg(BARACK, samples))
    pictures = {
        "rose": rose,
        "dark": films.dark(rose),
        "blurred": films.blurred(rose),
        "backlit": films.backlit(rose),
        "wall": films.wall(),
        "far": films.far(barack),
        "two": films.two(barack),
    }
    open_now: dict[str, Browser] = {}

    def browser(name: str) -> Browser:
        if name not in open_now:
            if name in CAMERAS:
                arguments = [each for each in QUIET if "fake-device" not in each]
                arguments.append(f"--use-fake-device-for-media-stream=device-count={CAMERAS[name]}")
            else:
                film = films.film(pictures[name], scratch / f"{name}.y4m")
                arguments = [*QUIET, f"--use-file-for-fake-video-capture={film}"]
            open_now[name] = playwright.chromium.launch(executable_path=chromium_path, args=arguments)
        return open_now[name]

    yield browser
    for each in open_now.values():
        each.close()


@contextmanager
def somebody(
    browser: Browser,
    instance: Instance,
    device: dict[str, Any],
    *,
    locale: str = "en",
    camera: bool = True,
    **more: Any,
) -> Iterator[Person]:
    """A person in a browser of their own; any error in its console fails the test."""
    kind = {key: each for key, each in device.items() if key != "default_browser_type"} | more
    context = browser.new_context(base_url=instance.address, locale=locale, **kind)
    if camera:
        context.grant_permissions(["camera"], origin=instance.address)
    page = context.new_page()
    page.set_default_timeout(20_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if is_fault(message) else None)
    try:
        yield Person(page)
        assert complaints == []
    finally:
        context.close()


def _device(playwright: Playwright, name: str) -> dict[str, Any]:
    return DESKTOP if name == "desktop" else dict(playwright.devices[name])


def _fill(page: Page, username: str) -> None:
    page.locator('[name="display_name"]').fill(username.title())
    page.locator('[name="username"]').fill(username)
    page.locator('[name="email"]').fill(f"{username}@example.org")
    page.locator('[name="password"]').fill(PASSWORD)


def _register(page: Page, username: str) -> None:
    """Register by form, which other tests do by hand."""
    form = {"display_name": username, "username": username, "email": f"{username}@example.org", "password": PASSWORD}
    assert page.request.post(f"/e/{CODE}/register", form=form | {"agree": "yes"}).ok


def _to_the_selfie(page: Page, username: str) -> None:
    """Register and open the page of the selfie."""
    _register(page, username)
    page.goto(f"/e/{CODE}/selfie")


def _hint(page: Page, name: str) -> None:
    expect(page.locator("#selfie")).to_have_attribute("data-hint", name, timeout=15_000)


WORDS = {
    "en": ("Find my photos", "Continue", "Use this one"),
    "fr": ("Trouver mes photos", "Continuer", "Choisir celle-ci"),
}


@pytest.mark.parametrize(
    ("device", "locale"),
    [
        ("iPhone 14", "en"),
        ("Pixel 7", "fr"),
        pytest.param("desktop", "en", marks=pytest.mark.slow),
        pytest.param("iPhone 14", "fr", marks=pytest.mark.slow),
        pytest.param("Pixel 7", "en", marks=pytest.mark.slow),
        pytest.param("desktop", "fr", marks=pytest.mark.slow),
    ],
)
def test_from_the_qr_code_to_own_photos_in_five_taps_and_one_form(
    playwright: Playwright, seeing: Films, instance: Instance, party: str, device: str, locale: str
) -> None:
    find, go_on, use = WORDS[locale]
    with somebody(seeing("rose"), instance, _device(playwright, device), locale=locale) as rose:
        page = rose.page
        page.goto(party)
        expect(page.get_by_role("heading", name="Lea & Tom")).to_be_visible()
        rose.tap(page.get_by_role("link", name=find))
        _fill(page, f"rose.{locale}.{device.replace(' ', '').lower()}")
        rose.tap(page.locator('input[name="agree"]'))
        rose.tap(page.get_by_role("button", name=go_on))
        # The camera comes on, counts down and takes its pictures by itself; none of them has left the device yet.
        expect(page.get_by_role("button", name=use)).to_be_visible(timeout=20_000)
        assert rose.sent.count("selfie") == 0
        rose.tap(page.get_by_role("button", name=use))
        expect(page).to_have_url(re.compile(f"{party}/photos"), timeout=30_000)
        expect(page.locator("[data-grid] [data-id]")).to_have_count(len(ROSE.truth), timeout=30_000)
        assert rose.taps + PROMPT <= 5
        assert [each for each in rose.sent if each in ("register", "selfie", "consent")] == ["register", "selfie"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("film", "hint"),
    [("dark", "dark"), ("blurred", "still"), ("backlit", "backlit"), ("wall", "look"), ("far", "far"), ("two", "two")],
)
def test_the_page_says_what_to_change_and_takes_no_picture_by_itself_until_then(
    seeing: Films, instance: Instance, party: str, playwright: Playwright, film: str, hint: str, shots: Shots
) -> None:
    with somebody(seeing(film), instance, _device(playwright, "iPhone 14")) as guest:
        _to_the_selfie(guest.page, f"sees.{film}")
        _hint(guest.page, hint)
        guest.page.wait_for_timeout(4000)
        expect(guest.page.locator("#selfie")).to_have_attribute("data-state", "live")
        expect(guest.page.locator("#selfie")).to_have_attribute("data-hint", hint)
        shots.take(guest.page, f"30-camera-{hint}")


# Chromium on Linux has no face detector of its own; this one stands in its place, and sees what a test says.
DETECTOR = """
window.faces = [];
window.FaceDetector = class {
  async detect(video) {
    const [w, h] = [video.videoHeight * 3 / 4, video.videoHeight];
    const left = (video.videoWidth - w) / 2;
    return window.faces.map(([x, y, side]) => ({ boundingBox: new DOMRect(left + x * w, y * h, side * w, side * w) }));
  }
};
"""


@pytest.mark.slow
def test_faces_are_asked_to_come_closer_to_be_alone_and_to_look_here(
    seeing: Films, instance: Instance, party: str, playwright: Playwright, shots: Shots
) -> None:
    with somebody(seeing("rose"), instance, _device(playwright, "Pixel 7")) as guest:
        page = guest.page
        page.add_init_script(DETECTOR)
        _to_the_selfie(page, "detected")
        _hint(page, "look")
        shots.take(page, "31-camera-look")
        for faces, hint in (
            ([[0.4, 0.4, 0.15]], "far"),
            ([[0.02, 0.02, 0.95]], "near"),
            ([[0.0, 0.3, 0.4]], "middle"),
            ([[0.05, 0.3, 0.42], [0.52, 0.3, 0.42]], "two"),
        ):
            page.evaluate("faces => { window.faces = faces }", faces)
            _hint(page, hint)
            shots.take(page, f"31-camera-{hint}")
        # Somebody small behind one's shoulder is no second face; then it counts down and takes the picture.
        page.evaluate("faces => { window.faces = faces }", [[0.25, 0.25, 0.5], [0.02, 0.1, 0.12]])
        _hint(page, "counting")
        shots.take(page, "31-camera-counting")
        expect(page.locator("#selfie")).to_have_attribute("data-state", "review", timeout=20_000)


@pytest.mark.slow
def test_a_detector_that_does_not_work_is_done_without(
    seeing: Films, instance: Instance, party: str, playwright: Playwright
) -> None:
    broken = "window.FaceDetector = class { async detect() { throw new DOMException('', 'NotSupportedError'); } };"
    with somebody(seeing("rose"), instance, _device(playwright, "Pixel 7")) as guest:
        guest.page.add_init_script(broken)
        _to_the_selfie(guest.page, "undetected")
        expect(guest.page.locator("#selfie")).to_have_attribute("data-state", "review", timeout=20_000)


@pytest.mark.parametrize("lost", ["**/*.bin", "**/finder-*.js"])
@pytest.mark.slow
def test_without_the_finder_light_and_sharpness_are_enough(
    seeing: Films, instance: Instance, party: str, playwright: Playwright, lost: str
) -> None:
    with somebody(seeing("two"), instance, _device(playwright, "iPhone 14")) as guest:
        # The finder would see two faces, and take no picture. The page's worker would bring it without a request.
        devtools = guest.page.context.new_cdp_session(guest.page)
        devtools.send("Network.enable")
        devtools.send("Network.setBypassServiceWorker", {"bypass": True})
        guest.page.route(lost, lambda route: route.fulfill(status=200, body="nothing of use"))
        _to_the_selfie(guest.page, f"finderless.{len(lost)}")
        expect(guest.page.locator("#selfie")).to_have_attribute("data-state", "review", timeout=30_000)


# The protocol that drives the browser leaves out the files of a form, so the page notes them as it sends them.
SIZES = """
const send = window.fetch;
window.fetch = (url, init) => {
  if (init?.body instanceof FormData) window.sizes = init.body.getAll('selfie').map((picture) => picture.size);
  return send(url, init);
};
"""


def test_the_picture_is_taken_by_hand_and_anew_and_three_of_the_burst_are_sent(
    seeing: Films, instance: Instance, party: str, playwright: Playwright, shots: Shots
) -> None:
    with somebody(seeing("rose"), instance, _device(playwright, "iPhone 14"), reduced_motion="reduce") as guest:
        page = guest.page
        page.add_init_script(SIZES)
        _to_the_selfie(page, "by.hand")
        by_itself = page.get_by_role("button", name="By itself")
        by_itself.click()
        expect(by_itself).to_have_attribute("aria-pressed", "false")
        _hint(page, "good")
        page.wait_for_timeout(4000)
        expect(page.locator("#selfie")).to_have_attribute("data-state", "live")
        shots.take(page, "32-camera-by-hand")
        page.get_by_role("button", name="Take the picture").click()
        expect(page.get_by_role("button", name="Use this one")).to_be_focused()
        shots.take(page, "32-camera-review")
        page.get_by_role("button", name="Again").click()
        _hint(page, "good")
        page.get_by_role("button", name="Take the picture").press("Enter")
        page.get_by_role("button", name="Use this one").press("Enter")
        sizes = page.evaluate("window.sizes")
        assert len(sizes) == 3
        assert sum(sizes) < 1_000_000
        expect(page).to_have_url(re.compile("/photos"), timeout=30_000)


@pytest.mark.slow
def test_the_other_camera_is_one_press_away(seeing: Films, instance: Instance, party: str) -> None:
    with somebody(seeing("two cameras"), instance, DESKTOP) as guest:
        page = guest.page
        _to_the_selfie(page, "two.cameras")
        page.get_by_role("button", name="By itself").click()
        camera = "video => video.srcObject?.getVideoTracks()[0]?.getSettings().deviceId"
        first = page.locator("[data-video]").evaluate(camera)
        page.get_by_role("button", name="Use the other camera").click()
        expect(page.locator("#selfie")).to_have_attribute("data-state", "live")
        for _ in range(50):
            second = page.locator("[data-video]").evaluate(camera)
            if second not in (None, first):
                break
            page.wait_for_timeout(100)
        assert second not in (None, first)


REFUSES = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); };"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "way"),
    [("iPhone 14", "Website Settings"), ("Pixel 7", "Permissions"), ("desktop", "click the sign beside the address")],
)
def test_a_blocked_camera_is_explained_for_the_device_and_a_file_does_as_well(
    seeing: Films,
    instance: Instance,
    party: str,
    playwright: Playwright,
    samples: dict[str, Path],
    shots: Shots,
    device: str,
    way: str,
) -> None:
    with somebody(seeing("rose"), instance, _device(playwright, device)) as guest:
        page = guest.page
        page.add_init_script(REFUSES)
        _to_the_selfie(page, f"blocked.{len(way)}")
        expect(page.get_by_role("heading", name="The camera is blocked for this page")).to_be_visible()
        expect(page.locator("[data-for]:visible")).to_contain_text(way)
        expect(page.get_by_role("button", name="Try the camera again")).to_be_visible()
        shots.take(page, f"33-blocked-{device}")
        file = page.locator('input[name="selfie"]')
        expect(file).to_have_attribute("capture", "user")
        expect(file).to_have_attribute("accept", "image/*")
        expect(file).to_be_focused()
        file.set_input_files({"name": "me.jpg", "mimeType": "image/jpeg", "buffer": selfie_jpeg(ROSE, samples)})
        page.get_by_role("button", name="Use this one").click()
        expect(page).to_have_url(re.compile("/photos"), timeout=30_000)
        expect(page.locator("[data-grid] [data-id]")).to_have_count(len(ROSE.truth), timeout=30_000)


@pytest.mark.slow
def test_who_allows_the_camera_after_all_need_not_look_for_the_button(
    seeing: Films, instance: Instance, party: str
) -> None:
    # Chromium without its automatic answer: a permission that was taken away is a refusal.
    with somebody(seeing("rose"), instance, DESKTOP) as guest:
        page = guest.page
        page.add_init_script(
            "const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices); window.refuse = true;"
            "navigator.mediaDevices.getUserMedia = async (wish) => {"
            " if (window.refuse) throw new DOMException('', 'NotAllowedError'); return real(wish); };"
        )
        _to_the_selfie(page, "changes.mind")
        expect(page.get_by_role("heading", name="The camera is blocked for this page")).to_be_visible()
        page.evaluate("() => { window.refuse = false }")
        page.get_by_role("button", name="Try the camera again").click()
        expect(page.locator("#selfie")).to_have_attribute("data-state", "live")


def test_without_a_camera_a_photo_is_asked_for(
    seeing: Films, instance: Instance, party: str, playwright: Playwright, shots: Shots
) -> None:
    with somebody(seeing("no camera"), instance, DESKTOP) as guest:
        _to_the_selfie(guest.page, "cameraless")
        expect(guest.page.get_by_role("heading", name="There is no camera here")).to_be_visible()
        expect(guest.page.get_by_role("button", name="Try the camera again")).to_be_hidden()
        expect(guest.page.get_by_text("Choose a photo instead")).to_be_visible()
        shots.take(guest.page, "34-no-camera")


def test_a_photo_that_is_chosen_before_the_script_is_there_is_shown(
    seeing: Films, instance: Instance, party: str, samples: dict[str, Path]
) -> None:
    with somebody(seeing("no camera"), instance, DESKTOP) as guest:
        page = guest.page
        held = hold(page, "**/static/**/*.js")
        _register(page, "early")
        page.goto(f"/e/{CODE}/selfie", wait_until="commit")
        page.locator("[data-file]").set_input_files(samples["sample1.jpg"])
        assert held
        page.unroute("**/static/**/*.js")  # what is held goes on
        expect(page.locator("#selfie")).to_have_attribute("data-state", "review")


@pytest.mark.slow
def test_a_camera_that_is_lost_says_so_and_comes_back(seeing: Films, instance: Instance, party: str) -> None:
    with somebody(seeing("rose"), instance, DESKTOP) as guest:
        page = guest.page
        _to_the_selfie(page, "unplugged")
        page.get_by_role("button", name="By itself").click()
        page.locator("[data-video]").evaluate(
            "video => video.srcObject.getTracks().forEach((track) => track.dispatchEvent(new Event('ended')))"
        )
        expect(page.get_by_role("alert")).to_contain_text("The camera was switched off")
        page.get_by_role("button", name="Turn on the camera").click()
        expect(page.locator("#selfie")).to_have_attribute("data-state", "live")


@pytest.mark.slow
def test_a_guest_pass_takes_the_same_way(seeing: Films, instance: Instance, party: str, playwright: Playwright) -> None:
    with somebody(seeing("rose"), instance, _device(playwright, "Pixel 7")) as guest:
        page = guest.page
        page.goto(party)
        guest.tap(page.get_by_role("link", name="Without an account"))
        page.get_by_label("Your name").fill("Rose")
        guest.tap(page.locator('input[name="agree"]'))
        guest.tap(page.get_by_role("button", name="Continue"))
        guest.tap(page.get_by_role("button", name="Use this one"))
        expect(page).to_have_url(re.compile("/photos"), timeout=30_000)
        expect(page.locator("[data-grid] [data-id]")).to_have_count(len(ROSE.truth), timeout=30_000)
        assert guest.taps + PROMPT <= 5


def test_where_faces_are_off_nothing_asks_for_one(
    seeing: Films, instance: Instance, party: str, playwright: Playwright
) -> None:
    with somebody(seeing("rose"), instance, _device(playwright, "iPhone 14")) as guest:
        page = guest.page
        page.goto("/e/QUIET234")
        expect(page.get_by_text("No selfie is needed", exact=False)).to_be_visible()
        guest.tap(page.get_by_role("link", name="See the photos"))
        _fill(page, "quiet")
        expect(page.locator('input[name="agree"]')).to_have_count(0)
        guest.tap(page.get_by_role("button", name="Continue"))
        expect(page).to_have_url(re.compile("/photos"))
        assert guest.taps <= 2


SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: 'layout-shift', buffered: true });
"""
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"


def _faults(page: Page) -> list[str]:
    """What axe finds wrong with a page as it is, by rule and element."""
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [f"{each['id']}: {node['target']}" for each in found for node in each["nodes"]]


@pytest.mark.slow
def test_the_first_page_is_light_stands_still_and_opens_by_keyboard(
    seeing: Films, instance: Instance, party: str, playwright: Playwright, shots: Shots
) -> None:
    with somebody(seeing("rose"), instance, _device(playwright, "Pixel 7")) as guest:
        page = guest.page
        page.add_init_script(SHIFTS)
        page.add_init_script(path=AXE)
        weights: dict[str, int] = {}
        page.on("response", lambda answer: weights.update(_weight(answer)))
        page.goto(party)
        page.wait_for_load_state("networkidle")
        assert {name.rsplit(".", 1)[1] for name in weights} == {"css", "js"}
        assert sum(weights.values()) <= 60_000, weights
        assert page.evaluate("shifted") < 0.01
        assert _faults(page) == []
        assert page.locator(".promise li").count() == 3
        shots.take(page, "40-arrival")
        find = page.get_by_role("link", name="Find my photos")
        for _ in range(6):
            page.keyboard.press("Tab")
            if find.evaluate("link => link === document.activeElement"):
                break
        expect(find).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
        assert page.evaluate("shifted") < 0.01
        assert _faults(page) == []
        shots.take(page, "41-register")


def _weight(answer: PageResponse) -> dict[str, int]:
    """The bytes of a style sheet or script as a proxy sends them, by its address."""
    address = answer.url.partition("?")[0]
    if answer.ok and address.endswith((".css", ".js")):
        return {address: len(gzip.compress(answer.body()))}
    return {}


def _find_by_eye(desk: Page, shots: Shots) -> None:
    """The organiser looks around the photo and gives the guest the first one."""
    desk.add_init_script(path=AXE)
    desk.goto("/sign-in")
    desk.get_by_label("Username or e-mail").fill("ada@example.org")
    desk.get_by_label("Password", exact=True).fill(PASSWORD)
    desk.get_by_role("button", name="Sign in").click()
    desk.get_by_text("Lea & Tom").first.click()
    desk.get_by_role("link", name="Requests").click()
    shots.take(desk, "49-requests")
    desk.get_by_role("link", name="Look around this photo").click()
    expect(desk.get_by_role("heading", name="Where is Wall?")).to_be_visible()
    desk.get_by_role("checkbox").first.check()
    assert _faults(desk) == []
    shots.take(desk, "49-near-desk")
    desk.get_by_role("button", name="These are Wall").click()
    expect(desk.get_by_text("You found them.")).to_be_visible()


def test_a_refused_selfie_and_ones_own_data_are_read_by_everybody(
    seeing: Films, instance: Instance, party: str, playwright: Playwright, shots: Shots
) -> None:
    with somebody(seeing("wall"), instance, _device(playwright, "iPhone 14")) as guest:
        page = guest.page
        page.add_init_script(SHIFTS)
        page.add_init_script(path=AXE)
        form = {"display_name": "Wall", "username": "wall", "email": "wall@example.org", "password": PASSWORD}
        assert page.request.post(f"{party}/register", form=form).ok
        page.goto(f"{party}/consent")
        assert _faults(page) == []
        shots.take(page, "42-consent")
        page.locator('input[name="agree"]').check()
        page.get_by_role("button", name="Agree and take a selfie").click()
        _hint(page, "look")
        assert _faults(page) == []
        page.get_by_role("button", name="Take the picture").click()
        expect(page.locator("#selfie")).to_have_attribute("data-state", "review", timeout=20_000)
        assert _faults(page) == []
        page.route("**/selfie/status", lambda route: route.fulfill(json={"state": "waiting"}))
        page.route("**/live?**", lambda route: route.fulfill(content_type="text/event-stream", body=""))
        page.get_by_role("button", name="Use this one").click()
        expect(page.get_by_role("heading", name="Looking at your selfie")).to_be_visible()
        shots.take(page, "43-waiting")
        page.unroute("**/selfie/status")
        expect(page.get_by_role("heading", name="We could not see a face.")).to_be_visible(timeout=30_000)
        expect(page.get_by_role("button", name="Turn on the camera")).to_be_visible()
        assert _faults(page) == []
        shots.take(page, "44-refused")

        page.goto(f"{party}/photos?show=all")
        page.locator("[data-grid] a[data-view]").first.click()
        page.locator(".pswp").get_by_role("link", name="I’m near here").click()
        page.get_by_label("How do they know you?", exact=False).fill("A red dress, next to the cake")
        assert _faults(page) == []
        shots.take(page, "45-near")
        page.get_by_role("button", name="Ask to be looked for").click()
        expect(page.get_by_text("Nobody has answered yet", exact=False)).to_be_visible()
        with somebody(seeing("wall"), instance, DESKTOP) as ada:
            _find_by_eye(ada.page, shots)
        page.goto(f"{party}/photos")
        expect(page.locator("[data-grid] [data-id]")).to_have_count(1)

        page.goto(f"{party}/me")
        assert _faults(page) == []
        shots.take(page, "46-me")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download what is kept about me").click()
        assert download.value.suggested_filename == f"{CODE}-wall.zip"
        page.get_by_text("Withdraw my consent").click()
        page.get_by_label("Yes, erase everything about my face").check()
        page.get_by_role("button", name="Withdraw and erase").click()
        expect(page.get_by_role("heading", name="Your consent is withdrawn")).to_be_visible()
        expect(page.locator(".erased__list li")).to_have_text(["1 selfie"])
        shots.take(page, "47-withdrawn")
        page.get_by_text("Delete my account").first.click()
        page.get_by_label("Type your username to confirm", exact=False).fill("wall")
        page.get_by_role("button", name="Delete my account").click()
        expect(page.get_by_role("heading", name="Your account is deleted")).to_be_visible()
        assert _faults(page) == []
        shots.take(page, "48-gone")
