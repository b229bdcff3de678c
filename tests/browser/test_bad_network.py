"""A guest's evening on a party's network: slow, with pictures that get lost and moments without any at all."""

import re
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import Browser, CDPSession, Locator, Page, Route, expect

from tests.browser.conftest import PHONE, Instance, open_studio
from tests.browser.shots import Shots
from tests.browser.test_journey import PASSWORD
from trouvaille.demo.party import GUESTS

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
ROSE = next(guest for guest in GUESTS if guest.username == "rose")
LATENCY_MS, DOWN, UP = 400, 60_000, 30_000
"""Bytes a second: some 0.5 and 0.25 Mbit/s."""
FILES = ("sample1.jpg", "sample3.jpg", "sample4.jpg", "sample6.jpg")


@pytest.fixture(scope="module")
def organiser(instance: Instance, chromium: Browser, samples: dict[str, Path]) -> Iterator[Page]:
    """Somebody at a desk with a good network, at an event that all guests may look through."""
    desk = chromium.new_context(base_url=instance.address, locale="en").new_page()
    open_studio(desk, instance)
    form = {"name": "Lea & Tom", "code": "PARTY234", "locales": "en", "time_zone": "Europe/Paris", "accent": "#b4532a"}
    more = {"gallery": "guests", "general": "yes", "downloads": "original", "faces": "yes"}
    desk.goto(desk.request.post("/studio/new", form=form | more).url)
    for name in FILES:
        _add(desk, samples[name])
    instance.at_rest()
    yield desk
    desk.context.close()


def _add(desk: Page, photo: Path) -> None:
    file = {"name": photo.name, "mimeType": "image/jpeg", "buffer": photo.read_bytes()}
    answer = desk.request.post(f"{desk.url}/photos", multipart={"photos": file}, headers={"accept": "application/json"})
    assert answer.ok


@pytest.fixture
def phone(chromium: Browser, instance: Instance) -> Iterator[Page]:
    """A phone with a bad network. What the network loses is no fault of a page; an error in a script is."""
    context = chromium.new_context(base_url=instance.address, locale="en", permissions=["camera"], **PHONE)  # type: ignore[arg-type]
    page, complaints = context.new_page(), list[str]()
    page.set_default_timeout(40_000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    _offline(page, it_is=False)
    yield page
    context.close()
    assert complaints == []


_wires = WeakKeyDictionary[Page, CDPSession]()


def _offline(phone: Page, *, it_is: bool) -> None:
    """Take the network away or give a bad one back: by hand, for Playwright knows of no slow ones."""
    wire = _wires.get(phone) or phone.context.new_cdp_session(phone)
    _wires[phone] = wire
    rates = {"latency": LATENCY_MS, "downloadThroughput": DOWN, "uploadThroughput": UP}
    wire.send("Network.enable")
    wire.send("Network.emulateNetworkConditions", {"offline": it_is, **rates})
    phone.wait_for_timeout(300)


def _snack(phone: Page) -> Locator:
    return phone.locator("#snacks .snack")


def _loaded(image: Locator) -> bool:
    return bool(image.evaluate("image => image.complete && image.naturalWidth > 0"))


def _until_loaded(phone: Page, image: Locator) -> None:
    for _ in range(200):
        if _loaded(image):
            return
        phone.wait_for_timeout(100)
    raise AssertionError("the picture never came")


def test_from_the_link_to_own_photos_with_a_network_that_comes_and_goes(
    organiser: Page, phone: Page, samples: dict[str, Path], shots: Shots
) -> None:
    _come_in(phone, shots)
    _send_a_selfie(phone, shots)
    _hear_of_new_photos(phone, organiser, samples)
    _like(phone)


def _come_in(phone: Page, shots: Shots) -> None:
    """A form that can't go stays as it is."""
    phone.goto("/e/PARTY234")
    phone.get_by_role("link", name="Find my photos").tap()
    phone.get_by_label("Your name").fill("Rose")
    phone.get_by_label("Username").fill("rose")
    phone.get_by_label("E-mail").fill("rose@example.org")
    phone.get_by_label("Password", exact=True).fill(PASSWORD)
    phone.locator('input[name="agree"]').check()

    _offline(phone, it_is=True)
    phone.get_by_role("button", name="Continue").tap()
    expect(_snack(phone)).to_contain_text("There is no network right now.")
    shots.take(phone, "90-form-without-network")
    expect(phone.get_by_label("Your name")).to_have_value("Rose")
    expect(phone.get_by_label("Password", exact=True)).to_have_value(PASSWORD)
    _offline(phone, it_is=False)
    phone.get_by_role("button", name="Continue").tap()
    expect(phone).to_have_url(re.compile("/selfie"))


def _send_a_selfie(phone: Page, shots: Shots) -> None:
    """A picture that can't go stays, too, and is sent by another press."""
    shutter = phone.get_by_role("button", name="Take the picture")
    expect(shutter).to_be_visible()
    for _ in range(100):
        if phone.locator("[data-video]").evaluate("video => video.videoWidth") > 0:
            break
        phone.wait_for_timeout(100)
    phone.get_by_role("button", name="By itself").tap()
    shutter.tap()
    send = phone.get_by_role("button", name="Use this one")
    expect(send).to_be_visible()
    _offline(phone, it_is=True)
    send.tap()
    expect(phone.locator("[data-problem]")).to_be_visible()
    shots.take(phone, "91-selfie-without-network")
    _offline(phone, it_is=False)
    send.tap()
    expect(phone).to_have_url(re.compile("/e/PARTY234/photos"), timeout=60_000)
    expect(phone.locator("[data-grid] [data-id]").first).to_be_visible()
    found = phone.locator("[data-grid] [data-id]").count()
    assert found > 0


def _hear_of_new_photos(phone: Page, organiser: Page, samples: dict[str, Path]) -> None:
    """What comes meanwhile is there once the network is."""
    _offline(phone, it_is=True)
    _add(organiser, samples["sample2.jpg"])
    phone.wait_for_timeout(1500)
    _offline(phone, it_is=False)
    phone.locator('[data-tab="all"]').tap()
    tiles = phone.locator("[data-grid] [data-id]")
    expect(tiles).to_have_count(len(FILES) + 1, timeout=60_000)
    _offline(phone, it_is=True)
    _add(organiser, samples["sample5.jpg"])
    phone.wait_for_timeout(1500)
    _offline(phone, it_is=False)
    expect(tiles).to_have_count(len(FILES) + 2, timeout=60_000)


def _like(phone: Page) -> None:
    """A heart that did not get through says so, turns back, and gets through with one tap on what is offered."""
    tiles = phone.locator("[data-grid] [data-id]")
    heart = tiles.first.locator("[data-heart]")
    _offline(phone, it_is=True)
    heart.tap()
    expect(_snack(phone)).to_contain_text("That did not get through.")
    expect(heart).to_have_attribute("aria-pressed", "false")
    _offline(phone, it_is=False)
    phone.get_by_role("button", name="Try again").tap()
    expect(phone.locator('[data-count="favourites"]')).to_have_text("1")
    expect(heart).to_have_attribute("aria-pressed", "true")


def test_pictures_that_are_lost_on_the_way_are_asked_for_again(phone: Page, organiser: Page) -> None:
    lost: list[str] = []

    def lose_the_first(route: Route) -> None:
        address = route.request.url
        if address in lost:
            route.continue_()
        else:
            lost.append(address)
            route.abort("connectionreset")

    account = {"username": "tom", "email": "tom@example.org", "password": PASSWORD, "display_name": "Tom"}
    answer = phone.request.post("/e/PARTY234/register", form=account, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.ok
    pictures = re.compile(r"/p/[0-9a-f-]{36}/(thumb|view)")
    phone.context.route(pictures, lose_the_first)
    phone.goto("/e/PARTY234/photos?show=all")
    tiles = phone.locator("[data-grid] [data-id]")
    expect(tiles.first).to_be_visible()
    for tile in tiles.all():
        _until_loaded(phone, tile.locator(".tile__image"))
    assert len(lost) >= len(FILES)
    phone.wait_for_timeout(500)

    # In the lightbox a photo that is lost says so, and is there when one comes back to it, or the network does.
    lost.clear()
    tiles.first.locator("a").tap()
    said = phone.locator(".pswp__item[aria-hidden=false] .pswp__error-msg")
    shown = phone.locator(".pswp__item[aria-hidden=false] .pswp__img:not(.pswp__img--placeholder)")
    expect(said).to_be_visible()
    phone.wait_for_timeout(600)
    _offline(phone, it_is=True)
    _offline(phone, it_is=False)
    _until_loaded(phone, shown)
    expect(said).to_have_count(0)
