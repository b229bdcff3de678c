"""A photographer's folder on its way up, through the death of the server."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import DESKTOP
from tests.browser.server import Server
from tests.browser.uploading import choose, count_creations, drop, fill_folder, make_event, ready, set_up

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
LONG_MS = 600_000


@pytest.fixture
def server(scratch: Path) -> Iterator[Server]:
    server = Server(scratch)
    server.start()
    yield server
    assert server.stop() == 0


@pytest.mark.parametrize("photos", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_dropped_photos_survive_a_killed_server_and_are_not_sent_twice(
    server: Server, chromium: Browser, tmp_path: Path, photos: int
) -> None:
    folder = fill_folder(tmp_path / "wedding", photos)
    (folder / "broken.jpg").write_bytes(b"no picture")
    desk = chromium.new_context(base_url=server.address, locale="en", **DESKTOP).new_page()
    desk.set_default_timeout(60_000)
    desk.on("dialog", lambda dialog: dialog.accept())
    set_up(desk, server.setup)
    make_event(desk)
    title = desk.locator("[data-tray-title]")

    drop(desk, folder)
    expect(title).to_have_text(re.compile(rf"^([3-9]\d|[1-9]\d\d) of {photos + 1:,}"), timeout=LONG_MS)
    server.kill()
    expect(desk.locator("[data-tray-line]")).to_have_text(re.compile("The server does not answer"), timeout=30_000)
    server.start()
    expect(title).to_have_text(f"{photos:,} photos added · 1 was not accepted", timeout=LONG_MS)
    expect(desk.locator("[data-tray-list]")).to_contain_text("broken.jpg")
    desk.reload()
    expect(desk.locator('[data-number="total"]').first).to_have_text(f"{photos:,}")

    (folder / "broken.jpg").unlink()
    ready(desk)
    begun = count_creations(desk)
    choose(desk, folder)
    expect(title).to_have_text(f"{photos:,} were already here", timeout=LONG_MS)
    assert begun == []
    desk.context.close()
