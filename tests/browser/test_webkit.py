"""What guests and photographers do first, in the engine that all browsers on iPhones are made of."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser

from tests.browser import webkit
from tests.browser.conftest import DESKTOP, Instance, open_studio
from tests.browser.webkit import WebKit
from trouvaille.demo.party import GUESTS, selfie_jpeg

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.skipif(webkit.missing() is not None, reason=webkit.missing() or ""),
]
PASSWORD = "correct horse battery"
ROSE = next(guest for guest in GUESTS if guest.username == "rose")
TILES = "[data-grid] a[data-view]"


@pytest.fixture(scope="module")
def desk(instance: Instance, chromium: Browser) -> str:
    """The address of an open event's desk; its code is PARTY234."""
    page = chromium.new_context(base_url=instance.address, **DESKTOP).new_page()
    open_studio(page, instance)
    event = {"name": "Lea & Tom", "code": "PARTY234", "locales": "en", "time_zone": "Europe/Paris"}
    event |= {"accent": "#b4532a", "gallery": "guests", "downloads": "original", "general": "yes", "faces": "yes"}
    kind = {"content-type": "application/x-www-form-urlencoded"}
    made = page.request.post("/studio/new", data=urlencode(event), headers=kind)
    assert made.ok
    page.context.close()
    return made.url


@pytest.fixture(scope="module")
def window() -> Iterator[WebKit]:
    with webkit.webkit() as opened:
        yield opened


def test_photos_are_uploaded_in_webkit(instance: Instance, desk: str, window: WebKit, samples: dict[str, Path]) -> None:
    window.goto(f"{instance.address}/sign-in")
    window.type('[name="identifier"]', "ada@example.org")
    window.type('[name="password"]', PASSWORD)
    window.click("main form .button--primary")
    window.until(lambda: window.address.endswith("/studio"), "she is signed in")
    window.goto(desk)
    window.attach('input[name="photos"]', *(samples[name] for name in ("sample1.jpg", "sample3.jpg", "sample6.jpg")))
    window.until(lambda: "3" in window.text('[data-number="ready"]'), "three photos are ready", 90)
    window.ask("DELETE", "/cookie")


def test_a_guest_finds_and_opens_her_photos_in_webkit(
    instance: Instance, desk: str, window: WebKit, samples: dict[str, Path], tmp_path: Path
) -> None:
    window.goto(f"{instance.address}/e/PARTY234")
    window.click('a[href$="/register"]')
    for name, text in (("display_name", "Rose"), ("username", "rose"), ("email", "rose@example.org")):
        window.type(f'[name="{name}"]', text)
    window.type('[name="password"]', PASSWORD)
    agrees = "return document.querySelector('[name=\"agree\"]').checked"
    # A click may meet a page that still moves.
    window.until(lambda: window.run(agrees) or window.click('input[name="agree"]'), "the box is ticked")
    window.click("main form .button--primary")
    # There is no camera here: the page says so, and takes a file.
    window.until(
        lambda: window.run("return document.querySelector('#selfie')?.dataset.state") == "blocked", "it says so"
    )
    selfie = tmp_path / "rose.jpg"
    selfie.write_bytes(selfie_jpeg(ROSE, samples))
    window.attach('input[name="selfie"]', selfie)
    window.click("[data-send]")
    window.until(lambda: re.search(r"/e/PARTY234/photos", window.address), "she is at her photos")
    window.until(lambda: len(window.all(TILES)) == len(ROSE.truth), "her photos are there", 60)
    drawn = (
        "return [...document.querySelectorAll('.tile__image')].every((image) => image.complete && image.naturalWidth)"
    )
    window.until(lambda: window.run(drawn), "every thumbnail is drawn")
    # Squares, three in a row, that fill the window.
    sides = window.run(
        "return [...document.querySelectorAll('.tile')]"
        ".map((each) => [each.clientWidth, each.clientHeight, innerWidth])"
    )
    assert all(abs(width - height) <= 1 and abs(3 * width - whole) < 12 for width, height, whole in sides)

    window.click("[data-heart]")
    window.until(lambda: window.text('[data-count="favourites"]') == "1", "a heart is counted")
    window.click(TILES)
    window.until(lambda: window.all(".pswp--open .pswp__actions"), "the photo is open")
    window.until(lambda: window.text(".pswp__counter") == "1 / 2", "it is the first")
    # The arrow beside the photo; while the photo still opens, a press does nothing.
    step = "document.querySelector('.pswp__button--arrow--next')?.click()"
    window.until(lambda: window.run(step) or window.text(".pswp__counter") == "2 / 2", "it is the second")
    drawn = "image.complete && image.naturalWidth > 480"
    shown = f"return [...document.querySelectorAll('.pswp__item .pswp__img')].some((image) => {drawn})"
    window.until(lambda: window.run(shown), "the large picture is drawn")
    window.back()
    window.until(lambda: not window.all(".pswp"), "back closes the photo")
    assert "/photos" in window.address

    window.goto(f"{instance.address}/e/PARTY234/photos?show=all")
    window.until(lambda: len(window.all(TILES)) == 3, "all photos are there")
    window.goto(f"{instance.address}/e/PARTY234/me")
    window.until(
        lambda: window.run("return document.querySelector('.me__selfie')?.naturalWidth > 0"), "she sees her selfie"
    )
