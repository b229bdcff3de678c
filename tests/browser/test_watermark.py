"""An organiser sets a watermark: sees it on the page before anybody, and then on the photos themselves."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, Instance
from tests.browser.shots import Shots

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
Open = Callable[..., Page]


def _mark() -> bytes:
    picture = np.zeros((200, 600, 4), np.uint8)
    picture[20:180, 20:580] = (255, 255, 255, 255)
    picture[60:140, 60:540] = (200, 30, 30, 255)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def _box(jpeg: bytes, plain: bytes) -> list[float]:
    """Left, top, right and bottom of what differs, as fractions."""
    one, other = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int16) for data in (jpeg, plain))
    rows, columns = np.nonzero(np.abs(one - other).max(axis=2) > 60)
    height, width = one.shape[:2]
    return [columns.min() / width, rows.min() / height, columns.max() / width, rows.max() / height]


def _set(page: Page, name: str, value: int) -> None:
    page.get_by_label(name, exact=True).evaluate(
        "(range, value) => { range.value = value; range.dispatchEvent(new Event('input', { bubbles: true })); }", value
    )


def _previewed(page: Page) -> list[float]:
    """Where the preview draws the mark, as fractions of its photo."""
    found: list[float] = page.locator("[data-made]").first.evaluate(
        """made => {
            const [box, scene] = [made.getBBox(), made.ownerSVGElement.viewBox.baseVal];
            return [box.x / scene.width, box.y / scene.height,
                    (box.x + box.width) / scene.width, (box.y + box.height) / scene.height];
        }"""
    )
    return found


def test_what_the_page_shows_is_what_guests_get(
    instance: Instance, open_page: Open, samples: dict[str, Path], shots: Shots
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
    desk.goto(f"{base}/edit")
    desk.get_by_role("link", name="Set up a watermark").click()
    shots.take(desk, "70-watermark-empty")

    desk.goto(base)
    desk.locator("[data-drop] input[type=file]").first.set_input_files([samples["sample1.jpg"]])
    expect(desk.locator('[data-number="ready"]')).to_have_text("1", timeout=60_000)
    desk.goto(f"{base}/watermark")
    thumb = desk.locator("[data-mark] > image").get_attribute("href") or ""
    address = thumb.replace("/thumb", "/view")
    plain = desk.request.get(address).body()
    expect(desk.locator("[data-made]")).to_have_count(1)
    desk.get_by_label("Text", exact=True).fill("Studio Rivage")
    desk.get_by_label("Where").select_option("top_left")
    _set(desk, "Width", 50)
    _set(desk, "Opacity", 100)
    expect(desk.locator("output").first).to_have_text("50 %")
    text = _previewed(desk)
    shots.take(desk, "71-watermark-text")
    desk.get_by_role("button", name="Turn on").click()
    expect(desk.get_by_text("1 photo carries it.")).to_be_visible(timeout=60_000)
    drawn = _box(desk.request.get(address).body(), plain)
    # A line of text is as high as its font, and its letters are not; across they are the same.
    assert [drawn[0], drawn[2]] == pytest.approx([text[0], text[2]], abs=0.02)
    assert text[1] - 0.02 <= drawn[1]
    assert drawn[3] <= text[3] + 0.02

    desk.locator("#watermark-file").set_input_files({"name": "mark.png", "mimeType": "image/png", "buffer": _mark()})
    desk.get_by_role("button", name="Send").click()
    expect(desk.locator(".watermark__sent")).to_be_visible(timeout=60_000)
    desk.get_by_label("A picture").check()
    desk.get_by_label("Where").select_option("tiled")
    _set(desk, "Width", 20)
    shots.take(desk, "72-watermark-tiled")
    desk.get_by_label("Where").select_option("bottom_right")
    expect(desk.locator("[data-made]")).to_have_count(1)
    picture = _previewed(desk)
    desk.get_by_role("button", name="Save").click()
    expect(desk.get_by_text("1 photo carries it.")).to_be_visible(timeout=60_000)
    # Its outermost pixels are clear.
    assert _box(desk.request.get(address).body(), plain) == pytest.approx(picture, abs=0.02)
    shots.take(desk, "73-watermark-picture")
    desk.set_viewport_size({"width": 360, "height": 780})
    assert desk.locator("html").evaluate("page => page.scrollWidth") == 360

    desk.get_by_label("Text", exact=True).fill("")
    desk.get_by_label("A text").check()
    desk.get_by_role("button", name="Save").click()
    expect(desk.get_by_text("Please fill this in.")).to_be_visible()
    shots.take(desk, "74-watermark-refused")
    desk.get_by_role("button", name="Switch off").click()
    expect(desk.get_by_text("Photos are shown as they are.")).to_be_visible(timeout=60_000)
    assert desk.request.get(address).body() == plain
