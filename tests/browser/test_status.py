"""The operator's page in a browser, fresh by itself, on every width."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, Instance
from tests.browser.shots import Shots

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
NARROW = {"width": 360, "height": 780}
Open = Callable[..., Page]


def test_the_status_page_renews_itself_and_fits_a_phone(instance: Instance, open_page: Open, shots: Shots) -> None:
    page = open_page(DESKTOP)
    page.goto(instance.setup)
    page.get_by_label("Your name").fill("Ada Organiser")
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_role("button", name="Open the studio").click()
    page.goto("/account")
    page.get_by_role("link", name="Status").click()
    expect(page.get_by_role("heading", name="Status", level=1)).to_be_visible()
    expect(page.get_by_text("worker selfies")).to_be_visible(timeout=30_000)
    before = page.get_by_text("As of", exact=False).inner_text()
    busiest = page.get_by_role("row", name=re.compile("^.(e|studio|static|account)"))
    expect(busiest.first).to_be_visible()
    page.wait_for_function("old => !document.body.innerText.includes(old)", arg=before, timeout=100_000)
    shots.take(page, "70-status")
    page.set_viewport_size(NARROW)
    page.goto("/studio/server/status?lang=fr")
    expect(page.get_by_role("heading", name="État", level=1)).to_be_visible()
    assert page.locator("html").evaluate("page => page.scrollWidth") == NARROW["width"]
    shots.take(page, "71-status-fr")
