"""A guest's gallery on a phone: hearts, choosing, sharing, swiping, coming back, and photos that arrive meanwhile."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Instance, hold, open_studio
from tests.browser.shots import Shots
from tests.browser.test_journey import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
Open = Callable[..., Page]
NAMES = ("sample1.jpg", "sample2.jpg", "sample3.jpg", "sample4.jpg", "sample5.jpg", "sample6.jpg")


def _tiles(page: Page) -> Locator:
    return page.locator("[data-grid] [data-id]")


def _await(page: Page, holds: Callable[[], bool]) -> None:
    """Wait for something that a page's policy lets no string of code ask for."""
    for _ in range(100):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it never came to hold")


@pytest.fixture(scope="module")
def event_address() -> dict[str, str]:
    """The event that the tests of this module share, once the first of them has made it."""
    return {}


@pytest.fixture
def party(
    instance: Instance, open_page: Open, samples: dict[str, Path], event_address: dict[str, str]
) -> tuple[Page, Page]:
    """The organiser's desk and a guest's phone at all photos of an event that has six."""
    desk = open_page(DESKTOP)
    if not event_address:
        open_studio(desk, instance)
        made = desk.request.post(
            "/studio/new",
            form={
                "name": "Lea & Tom",
                "code": "PARTY234",
                "locales": "en",
                "time_zone": "Europe/Paris",
                "accent": "#b4532a",
                "gallery": "guests",
                "downloads": "original",
                "general": "yes",
                "faces": "yes",
            },
        )
        event_address["desk"] = made.url
        files = [("photos", (name, "image/jpeg", samples[name].read_bytes())) for name in NAMES]
        for _, (name, kind, data) in files:
            file = {"name": name, "mimeType": kind, "buffer": data}
            desk.request.post(f"{made.url}/photos", multipart={"photos": file}, headers={"accept": "application/json"})
    else:
        desk.goto("/sign-in")
        desk.get_by_label("Username or e-mail").fill("ada@example.org")
        desk.get_by_label("Password", exact=True).fill(PASSWORD)
        desk.get_by_role("button", name="Sign in").click()
        expect(desk).to_have_url(re.compile("/studio"))
    desk.goto(event_address["desk"])
    number = event_address["guests"] = str(int(event_address.get("guests", "0")) + 1)
    phone = open_page(PHONE)
    answer = phone.request.post(
        "/e/PARTY234/register",
        form={
            "display_name": f"Guest {number}",
            "username": f"guest{number}",
            "email": f"guest{number}@example.org",
            "password": PASSWORD,
        },
    )
    assert answer.ok
    phone.goto("/e/PARTY234/photos?show=all")
    expect(_tiles(phone)).to_have_count(6, timeout=60_000)
    return desk, phone


def test_an_order_that_is_chosen_before_the_script_is_there_is_taken_and_back_leads_back(
    party: tuple[Page, Page],
) -> None:
    _, phone = party
    hold(phone, "**/static/**/*.js")
    phone.goto("/e/PARTY234/photos?show=all", wait_until="commit")
    phone.locator("select[name=sort]").select_option("time")
    expect(phone.locator("[data-heart]").first).to_be_hidden()
    phone.unroute("**/static/**/*.js")
    expect(phone).to_have_url(re.compile("sort=time"))
    expect(phone.locator("[data-heart]").first).to_be_visible()
    phone.go_back()
    expect(phone).to_have_url(re.compile("show=all$"))
    phone.wait_for_timeout(1000)
    assert phone.url.endswith("show=all")


def test_hearts_stay_when_the_next_photos_do_not_come(party: tuple[Page, Page]) -> None:
    _, phone = party
    heart = phone.locator("[data-heart]").first
    expect(heart).to_be_visible()
    phone.locator("[data-grid]").evaluate("grid => grid.classList.remove('grid--endless')")
    expect(heart).to_be_visible()


def test_hearts_choosing_and_a_zip(party: tuple[Page, Page], shots: Shots) -> None:
    _, phone = party
    shots.take(phone, "20-all")
    hearts = phone.locator("[data-heart]")
    hearts.nth(0).click()
    expect(hearts.nth(0)).to_have_attribute("aria-pressed", "true")
    expect(phone.locator('[data-count="favourites"]')).to_have_text("1")
    # It does not get through: the heart turns back, and says so.
    phone.route("**/favourite", lambda route: route.fulfill(status=422))
    hearts.nth(1).click()
    expect(phone.get_by_text("That did not get through")).to_be_visible()
    expect(hearts.nth(1)).to_have_attribute("aria-pressed", "false")
    phone.unroute("**/favourite")
    phone.locator("#snacks").get_by_role("button").click()
    expect(phone.locator('[data-count="favourites"]')).to_have_text("2")

    phone.get_by_role("button", name="Choose").click()
    _tiles(phone).nth(2).click()
    _tiles(phone).nth(3).click()
    expect(phone.locator("[data-mark-count]")).to_have_text("2 photos")
    shots.take(phone, "21-choosing")
    with phone.expect_download() as download:
        phone.locator("[data-mark-zip]").click()
    with zipfile.ZipFile(download.value.path()) as opened:
        assert opened.testzip() is None
        assert len(opened.namelist()) == 2
    phone.goto("/e/PARTY234/photos?show=favourites")
    expect(_tiles(phone)).to_have_count(2)
    shots.take(phone, "22-favourites")
    hearts.nth(0).click()
    expect(_tiles(phone)).to_have_count(1)
    phone.get_by_role("button", name="Undo").click()
    expect(_tiles(phone)).to_have_count(2)


def test_one_photo_is_kept_shared_and_asked_about(party: tuple[Page, Page], shots: Shots) -> None:
    desk, phone = party
    phone.add_init_script(
        "window.shared = []; window.refuse = true;"
        "navigator.canShare = () => true;"
        "navigator.share = async (data) => { shared.push(Object.keys(data)[0]);"
        " if (data.files && refuse) throw new DOMException('', 'NotAllowedError'); };"
    )
    phone.reload()
    _tiles(phone).nth(0).click()
    expect(phone.locator(".pswp__actions")).to_be_visible()
    phone.wait_for_timeout(500)
    shots.take(phone, "23-lightbox")
    phone.get_by_role("button", name="Share").click()
    _await(phone, lambda: phone.evaluate("shared.length") == 2)
    assert phone.evaluate("shared") == ["files", "url"]
    phone.locator(".pswp").get_by_role("button", name="Favourite").click()
    expect(phone.locator(".pswp__action[aria-pressed=true]")).to_be_visible()
    phone.locator(".pswp__action", has_text="Download").first.click()
    shots.take(phone, "24-sizes")
    with phone.expect_download() as download:
        phone.locator(".pswp__menu .pswp__action").nth(1).click()
    assert download.value.suggested_filename.endswith(".jpg")
    phone.locator(".pswp").get_by_role("link", name="Report").click()
    expect(phone.get_by_role("heading", name="About this photo")).to_be_visible()
    shots.take(phone, "25-ask")
    phone.get_by_label("It does not belong to this event").check()
    phone.get_by_role("button", name="Send").click()
    expect(phone.get_by_text("Thank you, it is sent")).to_be_visible()
    desk.get_by_role("link", name="Requests").click()
    expect(desk.get_by_text("1 request waits for you")).to_be_visible()
    shots.take(desk, "26-requests")
    desk.get_by_role("button", name="Leave it").click()
    expect(desk.get_by_text("You left it as it is.")).to_be_visible()


def test_the_link_is_copied_where_there_is_no_share_sheet(party: tuple[Page, Page]) -> None:
    _, phone = party
    phone.add_init_script("Object.defineProperty(navigator, 'share', { value: undefined })")
    phone.context.grant_permissions(["clipboard-read", "clipboard-write"])
    phone.reload()
    _tiles(phone).nth(0).click()
    phone.get_by_role("button", name="Share").click()
    expect(phone.get_by_text("The link is copied", exact=False)).to_be_visible()
    copied = phone.evaluate("navigator.clipboard.readText()")
    assert re.search(r"/e/PARTY234/photos/[0-9a-f-]{36}$", copied)


def test_one_comes_back_to_the_photo_that_one_left_from(party: tuple[Page, Page]) -> None:
    _, phone = party
    phone.set_viewport_size({"width": 390, "height": 400})
    last = _tiles(phone).last
    last.scroll_into_view_if_needed()
    phone.wait_for_timeout(300)
    before = phone.evaluate("scrollY")
    assert before > 0
    phone.goto("/e/PARTY234/me")
    phone.go_back()
    _await(phone, lambda: abs(phone.evaluate("scrollY") - before) < 2)
    last.click()
    expect(phone.locator(".pswp")).to_be_visible()
    phone.go_back()
    expect(phone.locator(".pswp")).to_have_count(0)
    assert abs(phone.evaluate("scrollY") - before) < 2


def test_photos_come_by_asking_now_and_then_where_no_stream_gets_through(
    party: tuple[Page, Page], event_address: dict[str, str]
) -> None:
    desk, phone = party
    held = hold(phone, "**/live**")
    phone.reload(wait_until="commit")
    expect(_tiles(phone).first).to_be_visible()
    before = _tiles(phone).count()
    _await(phone, lambda: bool(held))
    file = {"name": "late.jpg", "mimeType": "image/jpeg", "buffer": _noise()}
    sent = desk.request.post(
        f"{event_address['desk']}/photos", multipart={"photos": file}, headers={"accept": "application/json"}
    )
    assert sent.ok
    expect(_tiles(phone)).to_have_count(before + 1, timeout=60_000)
    late = sent.json()["accepted"][0]["id"]
    desk.request.post(f"{event_address['desk']}/photos/{late}/delete")
    expect(_tiles(phone)).to_have_count(before, timeout=60_000)


def test_what_arrives_while_one_looks_further_down_moves_nothing(
    party: tuple[Page, Page], samples: dict[str, Path], event_address: dict[str, str]
) -> None:
    desk, phone = party
    phone.set_viewport_size({"width": 390, "height": 360})
    phone.mouse.wheel(0, 600)
    phone.wait_for_timeout(400)
    before = phone.evaluate("scrollY")
    assert before > 160
    file = {"name": "32bit.png", "mimeType": "image/png", "buffer": samples["32bit.png"].read_bytes()}
    desk.request.post(
        f"{event_address['desk']}/photos", multipart={"photos": file}, headers={"accept": "application/json"}
    )
    pill = phone.locator("[data-fresh]")
    expect(pill).to_have_text("1 new photo", timeout=60_000)
    assert phone.evaluate("scrollY") == before
    # A click on what still rises may miss it, and trying again scrolls to the top, where the photos come by themselves.
    pill.evaluate("pill => Promise.all(pill.getAnimations().map((each) => each.finished))")
    pill.click()
    expect(_tiles(phone)).to_have_count(7)


def _noise() -> bytes:
    """A photo like no other."""
    made = io.BytesIO()
    Image.effect_noise((320, 240), 60).convert("RGB").save(made, "JPEG")
    return made.getvalue()
