"""Bringing photos in and setting cameras' clocks right, in a browser."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, IMPORT_ROOT, PHONE, Instance
from tests.browser.shots import Shots
from tests.browser.uploading import make_event, set_up
from tests.imports.test_archives import zipped

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
Open = Callable[..., Page]


@pytest.fixture(scope="module", autouse=True)
def root(scratch: Path, samples: dict[str, Path]) -> Iterator[Path]:
    """A folder that this server's operator allows, with photos of two cameras."""
    folder = scratch / IMPORT_ROOT
    folder.mkdir()
    for number, (name, path) in enumerate(sorted(samples.items())[:6]):
        tags = Image.Exif()
        tags[0x010F], tags[0x0110] = ("NIKON CORPORATION", "NIKON Z 6") if number % 2 else ("Canon", "Canon EOS R5")
        tags.get_ifd(0x8769)[0x9003] = f"2027:06:19 1{number}:15:00"
        Image.open(path).convert("RGB").save(folder / name, exif=tags.tobytes(), quality=90)
    (folder / "notes.txt").write_text("x")
    (folder / "half.jpg").write_bytes((folder / sorted(samples)[0]).read_bytes()[:2000])
    yield folder
    shutil.rmtree(folder)


def test_photos_come_from_a_folder_and_a_zip_and_a_cameras_clock_is_set_right(
    instance: Instance, open_page: Open, root: Path, shots: Shots, tmp_path: Path
) -> None:
    desk = open_page(DESKTOP)
    desk.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    set_up(desk, instance.setup)
    make_event(desk)
    desk.get_by_role("link", name="From a folder, a ZIP or elsewhere").click()
    expect(desk.get_by_text("Nothing was brought in yet.")).to_be_visible()
    desk.get_by_label("Path", exact=True).fill("/etc")
    desk.get_by_role("button", name="Bring in").first.click()
    expect(desk.get_by_text("does not allow imports from this folder")).to_be_visible()
    desk.get_by_label("Path", exact=True).fill(str(root))
    desk.get_by_role("button", name="Bring in").first.click()
    expect(desk.get_by_text("Finished")).to_be_visible()
    desk.get_by_text("1 file refused").click()
    expect(desk.get_by_text("half.jpg")).to_be_visible()
    archive = tmp_path / "more.zip"
    archive.write_bytes(zipped(("extra.jpg", next(root.glob("*.jpg")).read_bytes() + b"more"), ("inner.zip", b"x")))
    desk.locator("[data-zip] input").set_input_files(archive)
    expect(desk.get_by_role("heading", name="more.zip")).to_be_visible()
    expect(desk.get_by_text("Finished")).to_have_count(2)
    desk.get_by_label("Kind").select_option("dropbox")
    expect(desk.get_by_label("Bucket")).to_be_hidden()
    desk.get_by_label("Kind").select_option("s3")
    shots.take(desk, "import")
    desk.get_by_role("link", name="Back to the photos").click()
    expect(desk.locator("[data-shelf] [role=option]").first).to_be_visible()
    desk.get_by_role("link", name="Cameras’ clocks").click()
    nikon = desk.get_by_role("article", name=re.compile("NIKON"))
    nikon.get_by_text("I know by how much it was wrong").click()
    nikon.get_by_label("Hours").fill("1")
    nikon.get_by_label("Minutes").fill("30")
    nikon.get_by_text("I know when a photo was taken").click()
    shots.take(desk, "clocks-open")
    nikon.get_by_role("button", name="Move the photos").last.click()
    expect(nikon.get_by_text("1 h 30 min later")).to_be_visible()
    nikon.get_by_role("button", name="Undo").click()
    expect(nikon.get_by_text("As the camera said", exact=True)).to_be_visible()
    nikon.get_by_text("I know when a photo was taken").click()
    nikon.get_by_role("radio").first.check(force=True)
    nikon.get_by_label("was taken at").fill("2027-06-19T09:00:00")
    nikon.get_by_role("button", name="Move the photos").first.click()
    expect(nikon.get_by_text("earlier", exact=False).first).to_be_visible()
    small = open_page(PHONE | {"viewport": {"width": 360, "height": 740}}, locale="fr")
    small.context.add_cookies(desk.context.cookies())
    for page in ("import", "clocks"):
        small.goto(desk.url.rpartition("/clocks")[0] + f"/{page}")
        # Phones widen their window to what overflows, so the width is compared with what it should be.
        assert small.evaluate("document.documentElement.scrollWidth") == 360
        if shots.folder:
            small.screenshot(path=shots.folder / f"{page}-small.png", full_page=True)
