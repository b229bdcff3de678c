"""Pictures of pages at the size of a phone, a tablet and a desk, light and dark, for looking at while designing."""

from pathlib import Path

from playwright.sync_api import Page

SIZES = {"phone": (360, 780), "tablet": (820, 1180), "desktop": (1440, 900)}


class Shots:
    """Does nothing unless a folder is given."""

    def __init__(self, folder: str | None) -> None:
        self.folder = Path(folder) if folder else None

    def take(self, page: Page, name: str) -> None:
        """Picture a page as it is, in every size and both lights."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        before = page.viewport_size
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            for light in ("light", "dark"):
                page.emulate_media(color_scheme=light)
                page.wait_for_timeout(250)
                page.screenshot(path=self.folder / f"{name}-{size}-{light}.png")
        page.emulate_media(color_scheme="light")
        if before:
            page.set_viewport_size(before)
