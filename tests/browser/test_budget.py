"""What pages may cost a guest's phone: bytes as sent, journeys to the server, and things that move under the finger.

Never time: `make bench-first-photos` measures that.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, Request, Route, expect

from tests.browser.conftest import DESKTOP, PHONE, Instance, open_studio
from tests.browser.test_journey import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
GALLERY = "/e/PARTY234/photos?show=all"
PHOTOS = ("sample1.jpg", "sample2.jpg", "sample3.jpg", "obama2.jpg")
# Style sheets and scripts together, as they come over the wire.
FIRST_PAGE_BYTES = 60_000
# All that a gallery loads beside photos, two typefaces among it: 0.9 s at 1.6 Mbit/s.
GALLERY_BYTES = 180_000
# A third of a screen's width at three pixels to one, in good quality; the large picture is three times that.
THUMB_BYTES = 45_000
# "Good" begins at 0.1 (https://web.dev/articles/cls); a grid whose tiles know their shape does better.
MOST_SHIFT = 0.05
OBSERVE = """
window.shifted = 0;
window.watched = PerformanceObserver.supportedEntryTypes.includes("layout-shift");
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def guest(instance: Instance, chromium: Browser, samples: dict[str, Path]) -> Any:
    """What the browser of a guest keeps, of an event with four photos that have been looked at."""
    desk = chromium.new_context(base_url=instance.address, **DESKTOP).new_page()
    open_studio(desk, instance)
    form = {"name": "Lea & Tom", "code": "PARTY234", "locales": "en", "time_zone": "Europe/Paris", "accent": "#b4532a"}
    made = desk.request.post("/studio/new", form={**form, "gallery": "guests", "downloads": "original"})
    for name in PHOTOS:
        photo = {"name": name, "mimeType": "image/jpeg", "buffer": samples[name].read_bytes()}
        assert desk.request.post(f"{made.url}/photos", multipart={"photos": photo}).ok
    desk.context.close()

    phone = chromium.new_context(base_url=instance.address, **PHONE).new_page()
    account = {"display_name": "Rose", "username": "rose", "email": "rose@example.org", "password": PASSWORD}
    assert phone.request.post("/e/PARTY234/register", form=account).ok
    phone.goto(GALLERY)
    expect(phone.locator("[data-grid] [data-id]")).to_have_count(len(PHOTOS), timeout=60_000)
    state = phone.context.storage_state()
    phone.context.close()
    return state


def _ends(request: Request, *ends: str) -> bool:
    return request.url.partition("?")[0].endswith(ends)


def _requests_of(page: Page) -> list[Request]:
    """What a page asks for, as it goes on."""
    asked: list[Request] = []

    def note(request: Request) -> None:
        asked.append(request)

    page.on("request", note)
    return asked


def _bytes(requests: list[Request]) -> dict[str, int]:
    """What came over the wire for each address."""
    # The stream of news goes on for as long as the page is open, and has no size.
    ended = [each for each in requests if each.url.startswith("http") and not _ends(each, "/live")]
    return {each.url: each.sizes()["responseBodySize"] for each in ended}


def test_the_first_page_is_light(guest: Any, open_page: Callable[..., Page]) -> None:
    phone = open_page(PHONE)
    asked = _requests_of(phone)
    phone.goto("/e/PARTY234", wait_until="networkidle")
    parts = _bytes([each for each in asked if _ends(each, ".css", ".js")])
    assert any(url.endswith(".css") for url in parts) and any(url.endswith(".js") for url in parts)
    assert sum(parts.values()) <= FIRST_PAGE_BYTES, parts


def test_photos_stay_still_while_a_gallery_loads(guest: Any, open_page: Callable[..., Page]) -> None:
    phone = open_page(PHONE, storage_state=guest)
    phone.add_init_script(OBSERVE)
    phone.goto(GALLERY, wait_until="load")
    expect(phone.locator("[data-grid] [data-id]")).to_have_count(len(PHOTOS))
    phone.wait_for_timeout(1500)
    assert phone.evaluate("window.watched")
    shifted = phone.evaluate("window.shifted")
    assert shifted <= MOST_SHIFT
    # The measure works: something that pushes the photos down is seen.
    phone.evaluate("document.body.prepend(Object.assign(document.createElement('div'), { id: 'late' }))")
    phone.evaluate("document.querySelector('#late').style.height = '300px'")
    phone.wait_for_timeout(500)
    assert phone.evaluate("window.shifted") > shifted


def test_the_first_photos_are_two_journeys_away_and_small(
    guest: Any, open_page: Callable[..., Page], playwright: Playwright
) -> None:
    # Three pixels to one: where the large rendition would be tempting.
    device = {key: each for key, each in playwright.devices["iPhone 14"].items() if key != "default_browser_type"}
    phone = open_page(device, storage_state=guest)
    asked = _requests_of(phone)
    held: list[Route] = []
    released = False

    def hold(route: Route) -> None:
        if released:
            route.continue_()
        else:
            held.append(route)

    for kind in ("**/*.css", "**/*.js", "**/*.woff2"):
        phone.route(kind, hold)
    phone.goto(GALLERY, wait_until="commit")

    def thumbs() -> list[Request]:
        return [each for each in asked if _ends(each, "/thumb")]

    # No style sheet, script or typeface has come, and the photos are on their way: the page alone asks for them.
    for _ in range(100):
        if len(thumbs()) == len(PHOTOS):
            break
        phone.wait_for_timeout(100)
    assert len(thumbs()) == len(PHOTOS)
    assert {each.request.url.rsplit(".", 1)[1] for each in held} == {"css", "js"}

    released = True
    for each in held:
        each.continue_()
    expect(phone.locator("[data-heart]").first).to_be_visible()
    phone.wait_for_load_state("load")
    phone.wait_for_timeout(1500)
    assert [each.url for each in asked if _ends(each, "/view")] == []
    sizes = _bytes(asked)
    photos = {url: size for url, size in sizes.items() if url.endswith("/thumb")}
    assert max(photos.values()) <= THUMB_BYTES, photos
    rest = {url: size for url, size in sizes.items() if url not in photos}
    assert any(url.endswith(".woff2") for url in rest)
    assert sum(rest.values()) <= GALLERY_BYTES, rest
    # The page itself comes packed, also without a proxy that does so.
    assert asked[0].response().headers["content-encoding"] == "gzip"
