"""What pages may cost a guest's phone: compressed bytes, and things that move under the finger. Never time."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import DESKTOP, PHONE, Instance
from tests.browser.test_journey import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
# Style sheets and scripts together, as they come over the wire.
FIRST_PAGE_BYTES = 60_000
# "Good" begins at 0.1 (https://web.dev/articles/cls); a grid whose tiles know their shape does better.
MOST_SHIFT = 0.05
OBSERVE = """
window.shifted = 0;
window.watched = PerformanceObserver.supportedEntryTypes.includes("layout-shift");
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


def test_pages_are_light_and_stay_still(
    instance: Instance, open_page: Callable[..., Page], samples: dict[str, Path]
) -> None:
    desk = open_page(DESKTOP)
    desk.goto(instance.setup)
    desk.get_by_label("Your name").fill("Ada Organiser")
    desk.get_by_label("E-mail").fill("ada@example.org")
    desk.get_by_label("Password", exact=True).fill(PASSWORD)
    desk.get_by_role("button", name="Open the studio").click()
    form = {"name": "Lea & Tom", "code": "PARTY234", "locales": "en", "time_zone": "Europe/Paris", "accent": "#b4532a"}
    made = desk.request.post("/studio/new", form={**form, "gallery": "guests", "downloads": "original"})
    for name in ("sample1.jpg", "sample2.jpg", "sample3.jpg"):
        photo = {"name": name, "mimeType": "image/jpeg", "buffer": samples[name].read_bytes()}
        assert desk.request.post(f"{made.url}/photos", multipart={"photos": photo}).ok

    phone = open_page(PHONE)
    loaded: list[Response] = []

    def keep(response: Response) -> None:
        loaded.append(response)

    phone.on("response", keep)
    phone.goto("/e/PARTY234", wait_until="networkidle")
    assets = [each for each in loaded if each.url.endswith((".css", ".js"))]
    parts = {each.url: each.request.sizes()["responseBodySize"] for each in assets}
    assert any(url.endswith(".css") for url in parts) and any(url.endswith(".js") for url in parts)
    assert sum(parts.values()) <= FIRST_PAGE_BYTES, parts

    account = {"display_name": "Rose", "username": "rose", "email": "rose@example.org", "password": PASSWORD}
    assert phone.request.post("/e/PARTY234/register", form=account).ok
    phone.add_init_script(OBSERVE)
    phone.goto("/e/PARTY234/photos?show=all")
    expect(phone.locator("[data-grid] [data-id]")).to_have_count(3, timeout=60_000)
    phone.goto("/e/PARTY234/photos?show=all", wait_until="load")
    expect(phone.locator("[data-grid] [data-id]")).to_have_count(3)
    phone.wait_for_timeout(1500)
    assert phone.evaluate("window.watched")
    shifted = phone.evaluate("window.shifted")
    assert shifted <= MOST_SHIFT
    # The measure works: something that pushes the photos down is seen.
    phone.evaluate("document.body.prepend(Object.assign(document.createElement('div'), { id: 'late' }))")
    phone.evaluate("document.querySelector('#late').style.height = '300px'")
    phone.wait_for_timeout(500)
    assert phone.evaluate("window.shifted") > shifted
