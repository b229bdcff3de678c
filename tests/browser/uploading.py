"""What the tests of uploading share: folders of photos, an organiser's desk, and dropping a folder on it."""

import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

PASSWORD = "correct horse battery"


def fill_folder(folder: Path, photos: int, *, name: str = "photo") -> Path:
    """Small JPEGs that differ in a comment."""
    folder.mkdir(parents=True, exist_ok=True)
    pattern = folder.parent / f"{folder.name}-pattern.jpg"
    Image.new("RGB", (64, 48), (120, 140, 90)).save(pattern)
    data = pattern.read_bytes()
    for n in range(photos):
        comment = f"{name} {n}".encode()
        (folder / f"{name}-{n:04}.jpg").write_bytes(
            data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]
        )
    return folder


def set_up(desk: Page, setup: str) -> None:
    """Make the first account of a server."""
    desk.goto(setup)
    desk.get_by_label("Your name").fill("Ada Organiser")
    desk.get_by_label("E-mail").fill("ada@example.org")
    desk.get_by_label("Password", exact=True).fill(PASSWORD)
    desk.get_by_role("button", name="Open the studio").click()
    expect(desk).to_have_url(re.compile("/studio$"))


def make_event(desk: Page) -> str:
    """Make an event, and look at its desk; the path of the desk."""
    desk.goto("/studio")
    desk.get_by_role("link", name="New event").first.click()
    desk.get_by_label("Name", exact=True).fill("Lea & Tom")
    desk.get_by_label("First day").fill("2027-06-19")
    desk.get_by_role("button", name="Create and open").click()
    expect(desk.get_by_role("heading", name="Lea & Tom")).to_be_visible()
    ready(desk)
    return "/" + desk.url.split("/", 3)[3]


def ready(desk: Page) -> None:
    """Wait until the desk takes files."""
    expect(desk.locator("[data-drop-hint]")).to_be_visible()


def drop(desk: Page, folder: Path) -> None:
    """Drop a folder on the page, as the system's file manager does."""
    driver = desk.context.new_cdp_session(desk)
    carried = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    for step in ("dragEnter", "dragOver", "drop"):
        driver.send("Input.dispatchDragEvent", {"type": step, "x": 400, "y": 400, "data": carried})
    driver.detach()


def choose(desk: Page, folder: Path) -> None:
    """Choose a folder with the button under the drop zone."""
    desk.bring_to_front()  # fields of a tab in the background take no files
    desk.locator("[data-folder] input").set_input_files(folder)


def count_creations(desk: Page) -> list[str]:
    """The files whose sending begins from now on; grows by itself."""
    begun: list[str] = []
    desk.on(
        "request", lambda request: begun.append(request.url) if _begins_upload(request.method, request.url) else None
    )
    return begun


def _begins_upload(method: str, url: str) -> bool:
    return method == "POST" and url.endswith("/uploads")
