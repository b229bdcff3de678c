"""An event's life in the studio, as an organiser clicks through it: draft, open, guests, messages, archive."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Instance, open_studio
from tests.browser.shots import Shots

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
PASSWORD = "correct horse battery"
NARROW = {"width": 360, "height": 780}
Open = Callable[..., Page]


def test_an_event_from_draft_to_archive(
    instance: Instance, open_page: Open, samples: dict[str, Path], shots: Shots
) -> None:
    desk = open_page(DESKTOP, timezone_id="Europe/Paris")
    open_studio(desk, instance)
    base = _draft(desk, shots)
    _dress_and_open(desk, base, samples, shots)
    _invite(desk, base, shots)

    phone = open_page(PHONE)
    phone.goto("/e/leatom27")
    shots.take(phone, "34-arrival-cover")
    phone.get_by_role("link", name="Look through all photos").click()
    expect(phone.get_by_text("Are you in some of these?", exact=False)).to_be_visible()
    _write(phone, shots)

    _read(desk, base, shots)
    _remove(desk, base, shots)
    for path in ("", "/edit", "/print", "/guests", "/invitations", "/messages"):
        desk.set_viewport_size(NARROW)
        desk.goto(f"{base}{path}")
        assert desk.locator("html").evaluate("page => page.scrollWidth") == NARROW["width"], path
    desk.set_viewport_size(DESKTOP["viewport"])
    _archive(desk, base, shots)


def _draft(desk: Page, shots: Shots) -> str:
    desk.get_by_role("link", name="New event").click()
    expect(desk.get_by_label("Time zone")).to_have_value("Europe/Paris")
    desk.get_by_label("Name", exact=True).fill("Lea & Tom")
    desk.get_by_label("Place", exact=True).fill("Moulin de la Galette, Paris")
    desk.get_by_label("First day").fill("2027-06-19")
    desk.get_by_label("Last day of the event").fill("2027-06-20")
    desk.get_by_label("Code", exact=True).fill("lea-tom-27")
    desk.get_by_label("Colour").fill("#1d5c4a")
    desk.get_by_label("Everyone with the link", exact=False).check()
    desk.locator('input[name="faces"]').check()
    desk.get_by_role("button", name="Keep as a draft").click()
    expect(desk.get_by_text("Only you and your team see this event.")).to_be_visible()
    shots.take(desk, "30-draft")
    return desk.url


def _dress_and_open(desk: Page, base: str, samples: dict[str, Path], shots: Shots) -> None:
    desk.goto(f"{base}/edit")
    desk.get_by_label("Place", exact=True).fill("Somewhere else")
    desk.get_by_label("Cover").set_input_files(samples["sample6.jpg"])
    desk.locator("#cover").get_by_role("button", name="Send").click()
    # It appears by itself, and what is typed above stays.
    expect(desk.get_by_alt_text("The cover")).to_be_visible(timeout=30_000)
    expect(desk.get_by_label("Place", exact=True)).to_have_value("Somewhere else")
    desk.get_by_label("Logo").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    desk.locator("#logo").get_by_role("button", name="Send").click()
    expect(desk.get_by_text("This file is not a picture that we can read", exact=False)).to_be_visible()
    shots.take(desk, "31-settings")
    desk.goto(f"{base}/print")
    shots.take(desk, "32-print")
    desk.goto(base)
    desk.get_by_role("button", name="Open it for guests").click()
    expect(desk.get_by_text("Whoever has the link can come in.")).to_be_visible()


def _invite(desk: Page, base: str, shots: Shots) -> None:
    desk.goto(f"{base}/guests")
    expect(desk.get_by_role("heading", name="No guests yet")).to_be_visible()
    desk.get_by_role("link", name="Invite people").click()
    desk.get_by_label("One person a line").fill("Rose Martin, rose@example.org\nwrong row\nLily, lily@example.org")
    desk.get_by_role("button", name="Make the links").click()
    expect(desk.get_by_text("There is no e-mail address.")).to_be_visible()
    expect(desk.get_by_label("One person a line")).to_have_value("wrong row")
    shots.take(desk, "33-invited")


def _write(phone: Page, shots: Shots) -> None:
    phone.get_by_role("link", name="Find my photos").click()
    for field, text in (("display_name", "Rose"), ("username", "rose"), ("email", "rose@example.org")):
        phone.locator(f'[name="{field}"]').fill(text)
    phone.locator('[name="password"]').fill(PASSWORD)
    phone.get_by_role("button", name="Continue").click()
    phone.get_by_role("link", name="Me", exact=True).click()
    phone.get_by_role("link", name="Write a message").click()
    phone.get_by_label("Your message").fill("Is there a photo of the cake before it was cut?")
    shots.take(phone, "35-contact")
    phone.get_by_role("button", name="Send").click()
    expect(phone.get_by_text("Your message is there")).to_be_visible()


def _read(desk: Page, base: str, shots: Shots) -> None:
    desk.goto(f"{base}/messages")
    expect(desk.get_by_text("1 unread message", exact=True)).to_be_visible()
    shots.take(desk, "36-messages")
    desk.get_by_role("button", name="Mark as read").click()
    expect(desk.get_by_text("Everything is read")).to_be_visible()


def _remove(desk: Page, base: str, shots: Shots) -> None:
    desk.goto(f"{base}/guests")
    desk.get_by_text("No photos yet").first.click()
    expect(desk).to_have_url(re.compile("only=no_photos"))
    shots.take(desk, "37-guests")
    desk.get_by_label("Search by name", exact=False).fill("nobody")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="Nobody fits")).to_be_visible()
    desk.get_by_role("link", name="Show everybody").first.click()
    desk.get_by_role("link", name="Rose").click()
    shots.take(desk, "38-guest")
    desk.get_by_label("Type their name", exact=False).fill("Lily")
    desk.get_by_role("button", name="Remove and erase").click()
    expect(desk.get_by_text("Type the guest’s name exactly to confirm.")).to_be_visible()
    desk.get_by_label("Type their name", exact=False).fill("rose")
    desk.get_by_role("button", name="Remove and erase").click()
    expect(desk.get_by_role("heading", name="No guests yet")).to_be_visible()


def _archive(desk: Page, base: str, shots: Shots) -> None:
    desk.goto(base)
    desk.get_by_role("button", name="Archive").click()
    desk.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(desk.get_by_text("Whoever has the link can come in.")).to_be_visible()
    desk.get_by_role("button", name="Archive").click()
    desk.get_by_role("dialog").get_by_role("button", name="Archive").click()
    expect(desk.get_by_text("Guests are locked out.", exact=False)).to_be_visible()
    shots.take(desk, "39-archived")
    desk.get_by_role("button", name="Take out of the archive").click()
    expect(desk.get_by_text("Nobody new comes in.", exact=False)).to_be_visible()
