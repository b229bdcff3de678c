"""The big screen: photos follow one another, new ones come by themselves, and what is taken away leaves."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, Instance
from tests.browser.shots import Shots

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
Open = Callable[..., Page]


def _send(desk: Page, *files: Path) -> None:
    with desk.expect_response(lambda answer: "/photos" in answer.url or "/uploads" in answer.url):
        desk.locator("[data-drop] input[type=file]").first.set_input_files(files)


def test_a_screen_shows_what_comes_and_forgets_what_goes(
    instance: Instance, chromium: Browser, open_page: Open, samples: dict[str, Path], shots: Shots
) -> None:
    desk = open_page(DESKTOP)
    desk.goto(instance.setup)
    desk.get_by_label("Your name").fill("Ada Organiser")
    desk.get_by_label("E-mail").fill("ada@example.org")
    desk.get_by_label("Password", exact=True).fill("correct horse battery")
    desk.get_by_role("button", name="Open the studio").click()
    desk.get_by_role("link", name="New event").click()
    desk.get_by_label("Name", exact=True).fill("Lea & Tom")
    desk.get_by_role("button", name="Create and open").click()
    base = desk.url
    desk.goto(f"{base}/wall")
    shots.take(desk, "60-wall-off")
    desk.get_by_role("button", name="Make a link").click()
    expect(desk.get_by_role("link", name="Open the slideshow")).to_be_visible()
    shots.take(desk, "61-wall-on")
    link = desk.get_by_role("link", name="Open the slideshow").get_attribute("href")

    # A browser of its own: it is told at the end that the link is gone, and reports that as an error.
    screen = chromium.new_context(**DESKTOP).new_page()  # type: ignore[arg-type]
    screen.goto(link or "")
    expect(screen.get_by_text("Photos appear here as they are taken.")).to_be_visible()
    shots.take(screen, "62-wall-empty")

    desk.goto(base)
    _send(desk, samples["sample1.jpg"], samples["sample2.jpg"])
    wall = screen.locator("#wall")
    expect(screen.locator(".wall__slide--now img")).to_be_visible(timeout=60_000)
    expect(screen.locator("[data-card]")).to_be_visible()
    shown = wall.get_attribute("data-shown")
    screen.wait_for_timeout(1500)
    shots.take(screen, "63-wall-photo")
    screen.keyboard.press("ArrowRight")
    expect(wall).not_to_have_attribute("data-shown", shown or "")
    expect(wall).to_have_attribute("data-shown", shown or "", timeout=30_000)  # it went on by itself

    screen.keyboard.press(" ")  # held: what is taken away leaves all the same
    gone = wall.get_attribute("data-shown")
    desk.request.post(f"{base}/photos/{gone}/hide", headers={"Origin": instance.address, "Accept": "application/json"})
    expect(wall).not_to_have_attribute("data-shown", gone or "", timeout=20_000)

    desk.goto(f"{base}/wall")
    desk.get_by_role("button", name="Switch off").click()
    expect(screen.get_by_text("This slideshow has ended.")).to_be_visible(timeout=20_000)
    screen.context.close()
