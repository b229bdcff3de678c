"""Who one is, in a real browser and with real letters: passes, accounts, other events, invitations, and an end."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Instance, serving
from tests.browser.uploading import make_event, set_up
from tests.people import PASSWORD
from tests.post_office import PostOffice, free_port

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
FRESH = "another battery horse"


@dataclass
class Town:
    """An instance that sends letters, everybody's browsers, and the two events of Ada: a party and a match."""

    instance: Instance
    office: PostOffice
    chromium: Browser
    ada: Page
    party: str = ""
    match: str = ""

    def __post_init__(self) -> None:
        self.contexts: list[BrowserContext] = []

    def browser(self, kind: dict[str, object] = PHONE) -> Page:
        """Somebody's own."""
        context = self.chromium.new_context(base_url=self.instance.address, locale="en", **kind)
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        return page

    def follow(self, page: Page, address: str, kind: str) -> None:
        """Follow the link of a letter once it has come."""
        for _ in range(300):
            try:
                page.goto(self.office.link_to(address, kind))
            except AssertionError:
                page.wait_for_timeout(100)
            else:
                return
        raise AssertionError(f"no {kind} letter for {address}")


@pytest.fixture(scope="module")
def town(scratch: Path, chromium: Browser) -> Iterator[Town]:
    office = PostOffice(free_port())
    office.open()

    def settings(port: int) -> dict[str, str]:
        relay = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(office.port), "SMTP_SECURITY": "none"}
        return relay | {"SMTP_SENDER": "photos@example.net", "PUBLIC_URL": f"http://localhost:{port}"}

    with serving(scratch, settings) as instance, closing(office):
        ada = chromium.new_context(base_url=instance.address, locale="en", **DESKTOP).new_page()
        set_up(ada, instance.setup)
        made = Town(instance, office, chromium, ada)
        made.party, made.match = _event(ada, "Lea & Tom"), _event(ada, "The match")
        yield made
        for context in (*made.contexts, ada.context):
            context.close()


def _event(ada: Page, name: str) -> str:
    """An event that lets guests in by name; its code."""
    path = make_event(ada)
    ada.goto(f"{path}/edit")
    ada.get_by_label("Name", exact=True).fill(name)
    ada.get_by_label("Guests may come in without an account").check()
    ada.get_by_role("button", name="Save").click()
    return ada.locator(".share__code").inner_text()


def _sign_in(page: Page, name: str, password: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("Username or e-mail").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def _account(page: Page, email: str, name: str = "") -> None:
    if name:
        page.get_by_label("Your name").fill(name)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)


def test_a_pass_comes_back_by_letter_becomes_an_account_joins_another_event_and_goes_back(town: Town) -> None:
    phone = town.browser()
    phone.goto(f"/e/{town.party}")
    phone.get_by_role("link", name="Without an account").click()
    phone.get_by_label("Your name").fill("Rose")
    phone.get_by_role("button", name="Continue").click()
    expect(phone).to_have_url(re.compile("/photos$"))

    phone.get_by_role("link", name="Me", exact=True).click()
    phone.get_by_text("Send me a link to come back").click()
    phone.get_by_label("E-mail").fill("rose@example.org")
    phone.get_by_role("button", name="Send the link").click()
    expect(phone.get_by_text("a link is on its way")).to_be_visible()
    tablet = town.browser()
    town.follow(tablet, "rose@example.org", "return")
    tablet.get_by_role("button", name="See my photos").click()
    expect(tablet).to_have_url(re.compile("/photos$"))

    phone.get_by_role("link", name="Make an account of it").click()
    phone.get_by_label("Username").fill("rose")
    _account(phone, "rose@example.org")
    phone.get_by_role("button", name="Create my account").click()
    expect(phone).to_have_url(re.compile(f"/e/{town.party}/photos"))

    phone.get_by_role("link", name="Me", exact=True).click()
    phone.get_by_label("Event code").fill(town.match.lower())
    phone.get_by_role("button", name="Go", exact=True).click()
    phone.get_by_role("link", name=re.compile("Join")).click()
    phone.get_by_role("button", name="Join", exact=True).click()
    expect(phone).to_have_url(re.compile(f"/e/{town.match}/photos"))
    phone.goto("/account")
    phone.get_by_role("button", name=re.compile("Lea & Tom")).click()
    expect(phone).to_have_url(re.compile(f"/e/{town.party}/photos"))

    home = town.browser(DESKTOP)
    _sign_in(home, "rose", PASSWORD)
    home.get_by_role("button", name=re.compile("The match")).click()
    expect(home).to_have_url(re.compile(f"/e/{town.match}/photos"))


def test_a_forgotten_password_is_set_anew_and_other_devices_are_signed_out(town: Town) -> None:
    phone, home = town.browser(), town.browser(DESKTOP)
    phone.goto(f"/e/{town.party}/register")
    phone.get_by_label("Username").fill("lily")
    _account(phone, "lily@example.org", "Lily")
    phone.get_by_role("button", name="Continue").click()
    expect(phone).to_have_url(re.compile("/photos$"))
    town.follow(home, "lily@example.org", "confirm")
    home.get_by_role("button", name="Yes, this is my address").click()

    home.goto("/sign-in")
    home.get_by_role("link", name="Forgot your password?").click()
    home.get_by_label("E-mail").fill("lily@example.org")
    home.get_by_role("button").last.click()
    town.follow(home, "lily@example.org", "reset")
    home.get_by_label("New password").fill(FRESH)
    home.get_by_role("button", name="Save and sign in").click()
    expect(home).to_have_url(re.compile("/photos$"))
    phone.goto("/account")
    expect(phone).to_have_url(re.compile("/sign-in"))
    _sign_in(phone, "lily", FRESH)
    expect(phone).to_have_url(re.compile("/photos$"))


def test_a_photographer_and_an_organiser_come_by_invitation_an_event_changes_hands_and_one_of_them_leaves(
    town: Town,
) -> None:
    ada, kim, max_ = town.ada, town.browser(DESKTOP), town.browser(DESKTOP)
    ada.goto("/studio")
    ada.get_by_role("link", name=re.compile("Lea & Tom")).click()
    ada.get_by_role("link", name="People").click()
    ada.get_by_label("E-mail", exact=True).fill("kim@example.org")
    ada.get_by_role("button", name="Invite").click()
    expect(ada.get_by_text("on its way to kim@example.org")).to_be_visible()
    town.follow(kim, "kim@example.org", "invitation")
    kim.get_by_label("Your name").fill("Kim")
    kim.get_by_label("Password", exact=True).fill(PASSWORD)
    kim.get_by_role("button", name="Make my account").click()
    expect(kim.get_by_role("heading", name="Lea & Tom")).to_be_visible()

    ada.goto("/server/staff")
    ada.get_by_label("E-mail", exact=True).fill("max@example.org")
    ada.get_by_role("button", name="Invite").click()
    town.follow(max_, "max@example.org", "invitation")
    max_.get_by_label("Your name").fill("Max")
    max_.get_by_label("Password", exact=True).fill(PASSWORD)
    max_.get_by_role("button", name="Make my account").click()
    expect(max_).to_have_url(re.compile("/studio"))
    _event(max_, "The fair")
    max_.get_by_role("link", name="People").click()
    max_.get_by_label("E-mail of the organiser").fill("ada@example.org")
    max_.get_by_role("button", name="Offer").click()
    expect(max_.get_by_text("has not answered yet")).to_be_visible()
    ada.goto("/studio")
    ada.get_by_role("button", name="Take it").click()
    expect(ada.get_by_role("heading", name="The fair")).to_be_visible()
    max_.goto("/studio")
    expect(max_.get_by_role("link", name=re.compile("The fair"))).to_have_count(0)

    _event(max_, "The regatta")
    ada.goto("/server/staff")
    ada.get_by_role("link", name=re.compile("Delete Max")).click()
    ada.get_by_label("What becomes of The regatta").select_option(label="Hand over to Ada Organiser (ada@example.org)")
    ada.get_by_label(re.compile("Type their e-mail address")).fill("max@example.org")
    ada.get_by_role("button", name="Delete the account").click()
    expect(ada).to_have_url(re.compile("/server/staff"))
    expect(ada.get_by_text("max@example.org")).to_have_count(0)
    max_.goto("/studio")
    expect(max_).to_have_url(re.compile("/sign-in"))
    ada.goto("/studio")
    expect(ada.get_by_role("link", name=re.compile("The regatta"))).to_be_visible()
