"""A guest's gallery on the home screen, as Chromium judges it."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Instance
from tests.browser.shots import Shots
from tests.browser.test_axe import AXE, TAGS
from tests.browser.test_journey import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def guests() -> list[str]:
    """Who came to the event that the tests of this module share."""
    return []


@pytest.fixture
def phone(instance: Instance, open_page: Callable[..., Page], guests: list[str]) -> Page:
    """A new guest's phone at the gallery of an event."""
    if not guests:
        _make_event(instance, open_page(DESKTOP))
    guests.append(f"guest{len(guests)}")
    phone = open_page(PHONE)
    answer = phone.request.post(
        "/e/PARTY234/register",
        form={
            "display_name": "Rose",
            "username": guests[-1],
            "email": f"{guests[-1]}@example.org",
            "password": PASSWORD,
        },
    )
    assert answer.ok
    phone.goto("/e/PARTY234/photos?show=all")
    return phone


def _make_event(instance: Instance, desk: Page) -> None:
    desk.goto(instance.setup)
    desk.get_by_label("Your name").fill("Ada Organiser")
    desk.get_by_label("E-mail").fill("ada@example.org")
    desk.get_by_label("Password", exact=True).fill(PASSWORD)
    desk.get_by_role("button", name="Open the studio").click()
    form = {"name": "Lea & Tom", "code": "PARTY234", "locales": "en", "time_zone": "Europe/Paris", "accent": "#b4532a"}
    made = desk.request.post("/studio/new", form={**form, "gallery": "guests", "downloads": "original"})
    assert made.ok


def test_chromium_finds_nothing_wrong_with_the_app(phone: Page) -> None:
    devtools = phone.context.new_cdp_session(phone)
    read = devtools.send("Page.getAppManifest")
    assert read["url"].endswith("/e/PARTY234/app.webmanifest")
    assert read["errors"] == []
    assert json.loads(read["data"])["name"] == "Lea & Tom"
    found = {each["errorId"] for each in devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]}
    # A context of the tests is a private window, in which nothing can be installed.
    assert found <= {"in-incognito"}


SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
WHATSAPP = f"{SAFARI} WhatsApp/2.25"
# What Chromium sends to a page that it would install; it sends none in a private window, as the tests' are.
INSTALLABLE = """
const event = new Event("beforeinstallprompt", { cancelable: true });
event.prompt = () => { document.body.dataset.prompted = String(event.defaultPrevented); return Promise.resolve({}); };
dispatchEvent(event);
"""


def _can_install(page: Page) -> None:
    page.evaluate(f"() => {{ {INSTALLABLE} }}")


def _as(page: Page, agent: str) -> Page:
    """The same person's page as another browser shows it, to the server and to scripts."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Emulation.setUserAgentOverride", {"userAgent": agent})
    page.reload()
    return page


def test_the_offer_asks_the_browser_once_and_not_now_is_remembered(phone: Page, shots: Shots) -> None:
    offer = phone.locator("[data-app]")
    expect(offer).to_be_hidden()  # until the browser says that it can
    _can_install(phone)
    expect(offer).to_be_visible()
    phone.evaluate(AXE)
    assert phone.evaluate("tags => axe.run({ runOnly: tags })", TAGS)["violations"] == []
    shots.take(phone, "80-app-offer")
    phone.get_by_role("button", name="Add to home screen").click()
    expect(phone.locator("body")).to_have_attribute("data-prompted", "true")
    expect(offer).to_be_hidden()

    phone.reload()
    _can_install(phone)
    phone.get_by_role("button", name="Not now").click()
    expect(offer).to_be_hidden()
    phone.reload()
    _can_install(phone)
    phone.wait_for_timeout(300)
    expect(offer).to_be_hidden()


def test_an_iphone_is_told_how_and_a_browser_inside_an_app_nothing(phone: Page, shots: Shots) -> None:
    _as(phone, SAFARI)
    expect(phone.get_by_text("Tap the share button in Safari")).to_be_visible()
    expect(phone.get_by_role("button", name="Add to home screen")).to_be_hidden()
    shots.take(phone, "81-app-offer-iphone")
    _as(phone, WHATSAPP)
    expect(phone.locator("[data-app]")).to_have_count(0)
