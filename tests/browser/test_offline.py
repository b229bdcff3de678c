"""What a guest's phone shows without a network, and what it must not keep."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, Browser, BrowserContext, Error, Page, Route, expect

from tests.browser.conftest import PHONE, Instance
from tests.browser.front import front
from tests.browser.shots import Shots
from tests.browser.test_axe import AXE, TAGS
from tests.browser.test_journey import PASSWORD
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.web import render

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
GALLERY = "/e/PARTY234/photos?show=mine"
# Every address that the site keeps in this browser, but for the built files.
KEPT = """async () => {
  const found = [];
  for (const name of await caches.keys()) {
    if (name.startsWith("static:")) continue;
    found.push(...(await (await caches.open(name)).keys()).map((each) => new URL(each.url).pathname));
  }
  return found;
}"""


@dataclass
class Party:
    """An event with photos of one guest, and its organiser's browser."""

    instance: Instance
    desk: BrowserContext
    event_id: str
    selfie: bytes

    def post(self, who: BrowserContext, path: str, **more: object) -> APIResponse:
        """Send a form as this site's own page does."""
        answer = who.request.post(path, headers={"Sec-Fetch-Site": "same-origin"}, max_redirects=0, **more)  # type: ignore[arg-type]
        assert answer.status in (200, 202, 204, 303), (path, answer.status, answer.text()[:300])
        return answer

    def come(self, who: BrowserContext, username: str) -> None:
        """Register and send the selfie; returns once all is compared."""
        account = {"username": username, "email": f"{username}@example.org", "password": PASSWORD, "agree": "yes"}
        self.post(who, "/e/PARTY234/register", form={"display_name": username.title(), **account})
        selfie = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": self.selfie}
        self.post(who, "/e/PARTY234/selfie", multipart={"selfie": selfie})
        self.instance.at_rest()

    def mine(self, who: BrowserContext) -> list[str]:
        """The ids of somebody's own photos, as the server tells them."""
        return re.findall(r'data-id="([0-9a-f-]{36})"', who.request.get(GALLERY).text())


@pytest.fixture(scope="module")
def party(instance: Instance, chromium: Browser, samples: dict[str, Path]) -> Iterator[Party]:
    rose = next(each for each in GUESTS if each.username == "rose")
    desk = chromium.new_context(base_url=instance.address, locale="en")
    party = Party(instance, desk, "", selfie_jpeg(rose, samples))
    account = {"display_name": "Ada", "email": "ada@example.org", "password": PASSWORD}
    party.post(desk, "/setup", form={"token": instance.setup.partition("token=")[2], **account})
    form = {"name": "Lea & Tom", "code": "PARTY234", "locales": "en", "time_zone": "Europe/Paris", "accent": "#b4532a"}
    more = {"gallery": "guests", "downloads": "original", "faces": "yes"}
    made = party.post(desk, "/studio/new", form=form | more)
    party.event_id = made.headers["location"].rsplit("/", 1)[1]
    for name in sorted(each for each in samples if re.fullmatch(r"sample\d\.jpg", each)):
        photo = {"name": name, "mimeType": "image/jpeg", "buffer": samples[name].read_bytes()}
        party.post(desk, f"/studio/{party.event_id}/photos", multipart={"photos": photo})
    instance.at_rest()
    yield party
    desk.close()


@contextmanager
def _phone(chromium: Browser, address: str) -> Iterator[Page]:
    """A phone of nobody yet. What fails for want of a network is no fault here; an error in a script is."""
    context = chromium.new_context(base_url=address, locale="en", **PHONE)  # type: ignore[arg-type]
    page, complaints = context.new_page(), list[str]()
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def phone(chromium: Browser, instance: Instance) -> Iterator[Page]:
    with _phone(chromium, instance.address) as page:
        yield page


def _thumbs(page: Page) -> int:
    return sum(each.endswith("/thumb") for each in page.evaluate(KEPT))


def _is_ready(page: Page) -> bool:
    """Whether the page without a network is there, which comes after all that it needs."""
    return "/e/PARTY234/offline" in page.evaluate(KEPT)


def _until(page: Page, fits: Callable[[], bool]) -> None:
    for _ in range(200):
        # A page that is back on the network loads itself anew, also in the middle of a question.
        with suppress(Error):
            if fits():
                return
        page.wait_for_timeout(100)
    assert fits(), page.evaluate(KEPT)


def _see_all(phone: Page, party: Party, username: str) -> int:
    """Come in and look at one's photos; returns how many the phone keeps."""
    party.come(phone.context, username)
    mine = len(party.mine(phone.context))
    phone.goto(GALLERY)
    _until(phone, lambda: _thumbs(phone) == mine and _is_ready(phone))
    return mine


def _faults(page: Page) -> list[object]:
    page.evaluate(AXE)
    return list(page.evaluate("tags => axe.run({ runOnly: tags })", TAGS)["violations"])


def test_without_a_network_a_guest_sees_what_they_saw_last_and_the_page_comes_back_by_itself(
    party: Party, phone: Page, shots: Shots
) -> None:
    mine = _see_all(phone, party, "rose")
    assert mine > 0
    phone.goto("/e/PARTY234/photos?show=all")  # others' photos are seen, and not kept
    expect(phone.locator("[data-grid] [data-id]").first).to_be_visible()
    phone.wait_for_load_state("networkidle")
    assert len(party.mine(phone.context)) == mine < phone.locator("[data-grid] [data-id]").count()

    phone.context.set_offline(True)
    phone.goto(GALLERY)
    expect(phone.get_by_role("heading", name="You are offline")).to_be_visible()
    tiles = phone.locator("[data-photos] img")
    expect(tiles).to_have_count(mine)
    assert tiles.evaluate_all("all => Promise.all(all.map((each) => each.decode().then(() => each.naturalWidth > 0)))")
    assert "Photo" in (tiles.first.get_attribute("alt") or "")
    assert _faults(phone) == []
    shots.take(phone, "82-offline")
    phone.get_by_role("link", name="Try again").click()
    expect(phone.get_by_text("Still no connection.")).to_be_visible()

    phone.context.set_offline(False)
    expect(phone.get_by_role("heading", name="Your photos")).to_be_visible()
    assert _thumbs(phone) == mine


def test_a_photo_that_is_hidden_meanwhile_leaves_the_phone_once_it_is_online_again(party: Party, phone: Page) -> None:
    mine = _see_all(phone, party, "lily")
    photo = f"/studio/{party.event_id}/photos/{party.mine(phone.context)[0]}"
    phone.context.set_offline(True)
    phone.reload()
    expect(phone.locator("[data-photos] img")).to_have_count(mine)
    party.post(party.desk, f"{photo}/hide")
    phone.context.set_offline(False)
    expect(phone.get_by_role("heading", name="Your photos")).to_be_visible()
    _until(phone, lambda: _thumbs(phone) == mine - 1)

    # Shown again while one looks, it is kept again; hidden while one looks, it goes.
    party.post(party.desk, f"{photo}/show")
    _until(phone, lambda: _thumbs(phone) == mine)
    party.post(party.desk, f"{photo}/hide")
    _until(phone, lambda: _thumbs(phone) == mine - 1)
    party.post(party.desk, f"{photo}/show")


def _as_an_older_browser(route: Route) -> None:
    answer = route.fetch(max_redirects=0)
    headers = {name: value for name, value in answer.headers.items() if name != "clear-site-data"}
    assert headers != answer.headers
    route.fulfill(status=answer.status, headers=headers)


@pytest.mark.parametrize("clears", [True, False], ids=["a browser that clears", "one that does not"])
def test_after_signing_out_nothing_is_kept(party: Party, phone: Page, clears: bool) -> None:
    assert _see_all(phone, party, f"guest{clears:d}") > 0
    if not clears:
        phone.context.route("**/sign-out", _as_an_older_browser)
    phone.goto("/e/PARTY234/me")
    phone.get_by_role("button", name="Sign out").click()
    expect(phone.get_by_role("link", name="I already have an account")).to_be_visible()
    _until(phone, lambda: phone.evaluate(KEPT) == [])
    if clears:
        assert phone.evaluate("caches.keys()") == []
        assert phone.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0


def test_another_guest_on_the_same_phone_and_a_session_that_ended_find_nothing_of_the_one_before(
    party: Party, phone: Page
) -> None:
    assert _see_all(phone, party, "mia") > 0
    account = {"username": "tom", "email": "tom@example.org", "password": PASSWORD}
    party.post(phone.context, "/e/PARTY234/register", form={"display_name": "Tom", **account})
    phone.goto("/e/PARTY234/photos?show=all")
    assert _thumbs(phone) == 0
    _until(phone, lambda: _is_ready(phone))
    assert _thumbs(phone) == 0
    phone.context.set_offline(True)
    phone.goto(GALLERY)
    expect(phone.get_by_text("None of your photos is kept here yet")).to_be_visible()

    phone.context.set_offline(False)
    expect(phone.get_by_role("heading", name="Your photos")).to_be_visible()
    _until(phone, lambda: _is_ready(phone))
    phone.context.clear_cookies()
    phone.goto(GALLERY)
    expect(phone.get_by_role("button", name="Sign in")).to_be_visible()
    _until(phone, lambda: phone.evaluate(KEPT) == [])


@pytest.mark.slow
def test_a_server_that_is_slow_or_away_is_not_taken_for_ones_own_network_and_forms_pass_the_worker_by(
    party: Party, phone: Page
) -> None:
    mine = _see_all(phone, party, "zoe")
    # It is waited for, but not for ever; once it shows that it is only slow, for as long as it takes.
    held: list[Route] = []
    gallery = re.compile(r"/photos\?show=mine$")
    phone.context.route(gallery, lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks its handlers
    phone.goto(GALLERY)
    expect(phone.locator("[data-photos] img")).to_have_count(mine)
    _until(phone, lambda: len(held) == 2)
    phone.wait_for_timeout(7000)
    held[1].continue_()
    expect(phone.get_by_role("heading", name="Your photos")).to_be_visible()
    phone.context.unroute(gallery)

    asked: list[str] = []

    def away(route: Route) -> None:
        asked.append(route.request.method)
        route.fulfill(status=502, body="Bad Gateway")

    phone.context.route("**/e/PARTY234/**", away)
    phone.goto(GALLERY)
    expect(phone.get_by_role("heading", name="No answer right now")).to_be_visible()
    expect(phone.locator("[data-photos] img")).to_have_count(mine)
    assert phone.evaluate("fetch('/e/PARTY234/photos/gone', { method: 'POST' }).then((answer) => answer.status)") == 502
    assert "POST" in asked
    phone.context.unroute("**/e/PARTY234/**")
    expect(phone.get_by_role("heading", name="Your photos")).to_be_visible()


UPDATE = "navigator.serviceWorker.getRegistration().then((one) => one.update()).then(() => undefined)"


@pytest.mark.slow
def test_a_new_release_takes_over_without_a_broken_page_and_switched_off_it_leaves(
    party: Party, instance: Instance, chromium: Browser
) -> None:
    with front(instance.address) as server, _phone(chromium, server.address) as phone:
        mine = _see_all(phone, party, "ida")
        script = phone.request.get("/sw.js").text()
        [before] = [each for each in phone.evaluate("caches.keys()") if each.startswith("static:")]
        server.instead["/sw.js"] = re.sub(r'BUILD="\w+"', 'BUILD="newer"', script).encode()
        phone.evaluate(UPDATE)
        _until(phone, lambda: {before, "static:newer"} & set(phone.evaluate("caches.keys()")) == {"static:newer"})
        phone.context.set_offline(True)
        phone.reload()
        expect(phone.locator("[data-photos] img")).to_have_count(mine)
        assert _faults(phone) == []  # also with its style sheet and its script
        phone.context.set_offline(False)
        expect(phone.locator("[data-grid] [data-id]")).to_have_count(mine)

        server.instead["/sw.js"] = (render.STATIC / "worker/off.js").read_bytes()
        phone.evaluate(UPDATE)
        _until(phone, lambda: phone.evaluate("caches.keys()") == [])
        phone.reload()
        expect(phone.locator("[data-grid] [data-id]")).to_have_count(mine)
        assert phone.evaluate("navigator.serviceWorker.controller === null")
