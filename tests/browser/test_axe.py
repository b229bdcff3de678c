"""No page has a fault that axe-core finds by WCAG 2.2 AA, nor is one wider than its screen, on a phone or on a desk."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.crowd import PAGES, Crowd, gathered
from tests.test_authorisation import ALLOWED

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
AXE = (Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE, TABLET, DESK = (360, 780), (820, 1180), (1440, 900)
SHOTS = os.environ.get("SHOTS")
"""A folder for pictures of all pages, for looking at while designing."""

# What answers with something else than a page, or with a page that is shown at its own moment.
NO_PAGES = re.compile(
    r"/api/v1|\.css$|\.csv$|\.pdf$|\{kind\}|/livez|/readyz|/metrics|/picture/|/selfie/status|/selfie/choice|/zip$|/live$"
    r"|/p/\{photo_id\}|/me/selfie|/callback|/room$|\.svg$|/wall/\{token\}/photos|/studio/costs|/me/data|/photos/changes|/offline/photos"
    r"|/refused\.csv|/import/live|/near/\{near_id\}|/studio/\{event_id\}/photos$|\.webmanifest$|\.js$"
)


def _as_pattern(route: str) -> str:
    return re.sub(r"\{\w+\}", "*", route)


def test_every_page_of_the_product_is_looked_at() -> None:
    routes = {_as_pattern(each[4:]) for each in ALLOWED if each.startswith("GET ") and not NO_PAGES.search(each)}
    listed = {_as_pattern(each.partition("?")[0]) for pages in PAGES.values() for each in pages}
    assert routes - listed == set()


def _faults(page: Page, **asked: object) -> list[str]:
    page.evaluate(AXE)
    result = page.evaluate("asked => axe.run(asked)", asked or {"runOnly": TAGS})
    return [
        f"{fault['id']}: {node['html'][:160]} ({node['failureSummary'].splitlines()[-1].strip()[:160]})"
        for fault in result["violations"]
        for node in fault["nodes"][:3]
    ]


def _look(page: Page, path: str, size: tuple[int, int] = PHONE) -> list[str]:
    """Everything in light; in dark, where only colours differ, the contrast."""
    width, height = size
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.wait_for_timeout(100)
    wrong = [f"{path} (light): {fault}" for fault in _faults(page)]
    _picture(page, path, f"{width}-light")
    if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
        wrong.append(f"{path} at {width} px is {wide} px wide")
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.wait_for_timeout(50)
    _picture(page, path, f"{width}-dark")
    rules = {"type": "rule", "values": ["color-contrast"]}
    return wrong + [f"{path} (dark): {fault}" for fault in _faults(page, runOnly=rules)]


def _picture(page: Page, path: str, name: str) -> None:
    if SHOTS:
        plain = re.sub(r"[^\w]+", "-", path).strip("-") or "home"
        page.screenshot(path=Path(SHOTS) / f"{plain}-{name}.png", full_page=True)


@pytest.fixture(scope="module")
def crowd(scratch: Path, chromium: Browser, samples: dict[str, Path]) -> Iterator[Crowd]:
    with gathered(scratch, chromium, samples, _look) as everybody:
        yield everybody


def test_the_page_for_the_first_account_has_no_fault(crowd: Crowd) -> None:
    assert crowd.first_run == [], "\n".join(crowd.first_run)


# What every guest sees is looked at in each run, all the rest where there is time.
FIRST = ("guest", "elsewhere")
SEEN = [
    pytest.param(who, size, id=f"{who}-{name}", marks=() if who in FIRST and size is PHONE else pytest.mark.slow)
    for who in PAGES
    for name, size in (("phone", PHONE), ("tablet", TABLET), ("desk", DESK))
]


@pytest.mark.parametrize(("who", "size"), SEEN)
def test_axe_finds_no_fault(crowd: Crowd, who: str, size: tuple[int, int]) -> None:
    wrong = [fault for path in PAGES[who] for fault in _look(crowd.go(who, path), path, size)]
    assert wrong == [], "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("who", list(PAGES))
def test_no_page_is_wider_than_a_phone_in_french(crowd: Crowd, who: str) -> None:
    """French says most things in more letters."""
    page, wrong = crowd.pages[who], []
    page.context.add_cookies([{"name": "language", "value": "fr", "domain": "localhost", "path": "/"}])
    for path in PAGES[who]:
        crowd.go(who, path)
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        _picture(page, path, "360-french")
        assert page.evaluate("document.documentElement.lang") == "fr", path
        if (wide := page.evaluate("document.documentElement.scrollWidth")) > PHONE[0]:
            wrong.append(f"{path} is {wide} px wide")
    assert wrong == [], "\n".join(wrong)
