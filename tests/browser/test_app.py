"""A guest's gallery on the home screen and what it tells there, as Chromium judges it."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Instance, open_studio
from tests.browser.shots import Shots
from tests.browser.test_axe import AXE, TAGS
from tests.browser.test_journey import PASSWORD
from trouvaille.core.secrets import Vault, load_key
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.events.models import Event
from trouvaille.guests.models import Guest
from trouvaille.news.notices import content

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
    open_studio(desk, instance)
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
    # The service worker would ask for the page under its own name.
    devtools.send("Network.enable")
    devtools.send("Network.setBypassServiceWorker", {"bypass": True})
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


# What a browser's own push service would make; there is none behind a private window, as the tests' are.
PUSHING = """
(() => {
  const key = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
  const plain = (text) => text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  // A public point that lies on the curve: that of the example in RFC 8291.
  const p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
  const kept = () => JSON.parse(sessionStorage.getItem("pushing") ?? "null");
  const made = (json) => json && ({
    endpoint: json.endpoint, options: {}, toJSON: () => json,
    unsubscribe: async () => (sessionStorage.removeItem("pushing"), true),
  });
  PushManager.prototype.getSubscription = async () => made(kept());
  PushManager.prototype.subscribe = async () => {
    const json = { endpoint: `https://8.8.8.8/push/${plain(key())}`, keys: { p256dh, auth: plain(key()) } };
    sessionStorage.setItem("pushing", JSON.stringify(json));
    return made(json);
  };
})();
"""


@pytest.fixture
def told(phone: Page, instance: Instance, samples: dict[str, Path]) -> Page:
    """The phone of a guest whose face is looked for, in a browser that knows web push and may show notifications."""
    phone.context.grant_permissions(["notifications"], origin=instance.address)
    phone.add_init_script(PUSHING)
    with instance.database() as database:
        database.execute("UPDATE events SET faces_attested_at = now()")
        phone.request.post("/e/PARTY234/consent", form={"agree": "yes"})
        picture = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": selfie_jpeg(GUESTS[2], samples)}
        phone.request.post("/e/PARTY234/selfie", multipart={"selfie": picture})
        until = time.monotonic() + 60
        while database.execute("SELECT 1 FROM enrolments WHERE state <> 'accepted'").fetchone():
            assert time.monotonic() < until
            time.sleep(0.1)
    return phone


def test_a_device_is_told_after_a_tap_and_listed_until_it_is_removed(told: Page, shots: Shots) -> None:
    told.goto("/e/PARTY234/photos?show=mine")
    told.get_by_role("button", name="Tell me on this device").scroll_into_view_if_needed()
    shots.take(told, "82-push-offer")
    told.goto("/e/PARTY234/me")
    told.get_by_role("button", name="Tell me on this device").click()
    expect(told.get_by_text("This device is told when there are more photos")).to_be_visible()
    expect(told.get_by_role("button", name="No more on this device")).to_be_focused()
    expect(told.get_by_text("Chrome on Linux")).to_be_visible()
    told.evaluate(AXE)
    assert told.evaluate("tags => axe.run({ runOnly: tags })", TAGS)["violations"] == []
    shots.take(told, "83-push-on")
    told.reload()
    told.get_by_role("button", name="No more on this device").click()
    expect(told.get_by_role("button", name="Tell me on this device")).to_be_focused()
    expect(told.get_by_text("Chrome on Linux")).to_have_count(0)
    assert told.evaluate("() => sessionStorage.getItem('pushing')") is None
    # Removed without a script, as one removes another device.
    told.get_by_role("button", name="Tell me on this device").click()
    told.get_by_role("button", name="Remove Chrome").click()
    expect(told.get_by_role("button", name="Tell me on this device")).to_be_visible()


def test_what_is_said_of_notifications_is_what_is_true_in_this_browser(told: Page, shots: Shots) -> None:
    told.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'denied' })")
    told.goto("/e/PARTY234/me")
    expect(told.get_by_text("Your browser does not let us tell you")).to_be_visible()
    shots.take(told, "84-push-blocked")
    told.add_init_script("delete window.PushManager")
    told.reload()
    expect(told.get_by_text("This browser can’t tell you of new photos.")).to_be_visible()
    _as(told, SAFARI)
    expect(told.get_by_text("put the event on your home screen")).to_be_visible()
    expect(told.get_by_role("button", name="Tell me on this device")).to_be_hidden()


SHOWN = """async () => (await (await navigator.serviceWorker.ready).getNotifications()).map(
    ({ title, body, tag, actions }) => ({ title, body, tag, actions: actions.map((each) => each.title) }))"""
# A tap on a notification; only the browser itself can make a real one.
TAP = """async (action) => {
  const [notification] = await registration.getNotifications();
  const event = new NotificationEvent("notificationclick", { notification, action });
  let done;
  Object.defineProperty(event, "waitUntil", { value: (promise) => { done = promise; } });
  dispatchEvent(event);
  await done.catch(() => undefined);
}"""


def test_the_worker_shows_a_notice_replaces_it_opens_it_and_ends_it(told: Page, instance: Instance) -> None:
    told.goto("/e/PARTY234/me")
    told.get_by_role("button", name="Tell me on this device").click()
    expect(told.get_by_role("button", name="No more on this device")).to_be_visible()
    devtools = told.context.new_cdp_session(told)
    found: list[str] = []
    devtools.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: found.extend(each["registrationId"] for each in event["registrations"]),
    )
    devtools.send("ServiceWorker.enable")
    told.evaluate("() => navigator.serviceWorker.ready.then(() => undefined)")
    with instance.database() as database:
        ((known, count),) = database.execute("SELECT min(id::text), count(*) FROM push_subscriptions").fetchall()
    assert count == 1
    vault = Vault(load_key(instance.folder / "secret.key"))
    guest, event = Guest(locale="fr"), Event(name="Lea & Tom", code="PARTY234")
    for new in (2, 5):
        data = content(vault, guest, event, UUID(known), new=new, last=False).decode()
        message = {"origin": instance.address, "registrationId": found[0], "data": data}
        devtools.send("ServiceWorker.deliverPushMessage", message)
        # While one replaces the other there may be none.
        told.wait_for_function(f"async () => (await ({SHOWN})())[0]?.body.startsWith('{new}')")
    (shown,) = told.evaluate(SHOWN)
    assert shown["title"] == "Lea & Tom" and shown["body"] == "5 nouvelles photos de vous"
    assert shown["actions"] == ["Ne plus me prévenir"]

    (worker,) = told.context.service_workers
    worker.evaluate(TAP, "")
    told.wait_for_url("**/e/PARTY234/photos?show=mine")
    assert told.evaluate(SHOWN) == []

    devtools.send("ServiceWorker.deliverPushMessage", message)
    told.wait_for_function(f"async () => (await ({SHOWN})()).length === 1")
    worker.evaluate(TAP, "stop")
    with instance.database() as database:
        assert database.execute("SELECT count(*) FROM push_subscriptions").fetchone() == (0,)
