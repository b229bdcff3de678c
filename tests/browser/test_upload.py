"""A photographer's folder on its way up, through what happens to connections and servers."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, Instance

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
PASSWORD = "correct horse battery"
PHOTOS = 300
Open = Callable[..., Page]


def _folder(folder: Path, photos: int) -> None:
    """Small JPEGs that differ in a comment."""
    pattern = folder.parent / "pattern.jpg"
    Image.new("RGB", (64, 48), (120, 140, 90)).save(pattern)
    data = pattern.read_bytes()
    for n in range(photos):
        comment = f"photo {n}".encode()
        (folder / f"photo-{n:04}.jpg").write_bytes(
            data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]
        )


def _web_process(port: str) -> int:
    """The process that answers requests; others of the machine may look alike, so it is told by its data folder."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode().split("\0")
                ours = f"/instance-{port}\0".encode() in (entry / "environ").read_bytes() + b"\0"
            except OSError:
                continue
            if ours and "web" in words and "serve" not in words:
                return int(entry.name)
    raise AssertionError("no web process")


def _event(desk: Page, instance: Instance) -> None:
    desk.goto(instance.setup)
    desk.get_by_label("Your name").fill("Ada Organiser")
    desk.get_by_label("E-mail").fill("ada@example.org")
    desk.get_by_label("Password", exact=True).fill(PASSWORD)
    desk.get_by_role("button", name="Open the studio").click()
    desk.get_by_role("link", name="New event").click()
    desk.get_by_label("Name", exact=True).fill("Lea & Tom")
    desk.get_by_label("First day").fill("2027-06-19")
    desk.get_by_role("button", name="Create and open").click()
    expect(desk.get_by_role("heading", name="Lea & Tom")).to_be_visible()


def test_a_folder_survives_a_killed_server_and_is_not_sent_twice(
    instance: Instance, open_page: Open, chromium: Browser, tmp_path: Path
) -> None:
    folder = tmp_path / "wedding"
    folder.mkdir()
    _folder(folder, PHOTOS)
    (folder / "broken.jpg").write_bytes(b"no picture")
    desk = chromium.new_context(base_url=instance.address, locale="en", **DESKTOP).new_page()
    desk.set_default_timeout(60_000)
    _event(desk, instance)
    title = desk.locator("[data-tray-title]")

    desk.locator("[data-folder] input").set_input_files(folder)
    expect(title).to_have_text(re.compile(r"^([2-9]\d|1\d\d) of 301"), timeout=60_000)
    os.kill(_web_process(instance.address.rsplit(":", 1)[1]), signal.SIGKILL)
    expect(title).to_have_text("300 photos added · 1 was not accepted", timeout=120_000)
    expect(desk.locator("[data-tray-list]")).to_contain_text("broken.jpg")
    desk.reload()
    expect(desk.locator('[data-number="total"]').first).to_have_text("300")

    bodies: list[int] = []
    desk.on("request", lambda request: bodies.append(1) if request.url.endswith("/uploads") else None)
    (folder / "broken.jpg").unlink()
    desk.locator("[data-folder] input").set_input_files(folder)
    expect(title).to_have_text("300 were already here", timeout=60_000)
    assert bodies == []
    desk.context.close()
