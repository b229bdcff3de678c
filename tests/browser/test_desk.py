"""The photographer's desk with ten thousand photos: what is drawn, chosen, done, undone, and what changes meanwhile."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Instance, Open

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
PASSWORD = "correct horse battery"
PHOTOS = 10_000
AXE = Path("node_modules/axe-core/axe.min.js")


def _until(holds: Callable[[], bool], page: Page) -> None:
    """Playwright's own waiting evaluates text as code, which the pages' security policy forbids."""
    for _ in range(150):
        if holds():
            return
        page.wait_for_timeout(100)
    raise TimeoutError


@pytest.fixture(scope="module")
def database(instance: Instance, scratch: Path) -> Iterator[psycopg.Connection]:
    """The embedded database of the running instance."""
    port = instance.address.rsplit(":", 1)[1]
    url = ""
    until = time.monotonic() + 20
    while not url and time.monotonic() < until:
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                environment = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
                found = dict(each.partition("=")[::2] for each in environment)
                if found.get("TROUVAILLE_DATA_DIR", "").endswith(f"instance-{port}") and found.get("DATABASE_URL"):
                    url = found["DATABASE_URL"]
    assert url, "no process of this instance names its database"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def event(instance: Instance, chromium: object, database: psycopg.Connection, scratch: Path) -> Iterator[str]:
    """An event of ten thousand photos that share the files of one; the path of its desk."""
    page = chromium.new_context(base_url=instance.address, locale="en", **DESKTOP).new_page()  # type: ignore[attr-defined]
    page.goto(instance.setup)
    page.get_by_label("Your name").fill("Ada Organiser")
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Open the studio").click()
    for name in ("Second day", "Lea & Tom"):
        page.goto("/studio")
        page.get_by_role("link", name="New event").first.click()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_role("button", name="Create and open").click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()
    path = page.url.removeprefix(instance.address)
    picture = scratch / "pattern.jpg"
    Image.linear_gradient("L").resize((900, 600)).convert("RGB").save(picture)
    page.locator("[data-folder] ~ * , [data-drop] input[name=photos]").first.set_input_files(picture)
    expect(page.locator('[data-number="ready"]')).to_have_text("1", timeout=60_000)
    _fill(database, path.rsplit("/", 1)[1], scratch / f"instance-{instance.address.rsplit(':', 1)[1]}")
    page.context.close()
    yield path


def _fill(database: psycopg.Connection, event_id: str, folder: Path) -> None:
    """Rows like the one that is there; their pictures are the same file under other names."""
    columns = [
        name
        for (name,) in database.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'photos'"
        ).fetchall()
    ]
    changed = {
        "id": "gen_random_uuid()",
        "file_name": "'IMG_' || lpad(n::text, 5, '0') || '.jpg'",
        "sha256": "sha256(n::text::bytea)",
        "shown_at": "shown_at - n * interval '1 minute'",
        "faces": "n % 7",
        "camera": "CASE WHEN n % 3 = 0 THEN 'NIKON Z 8' ELSE 'Canon EOS R5' END",
        "state": "CASE WHEN n % 100 = 7 THEN 'waiting' WHEN n % 100 = 19 THEN 'failed' ELSE 'ready' END",
        "reason": "CASE WHEN n % 100 = 19 THEN 'unreadable' END",
        "standing": "CASE WHEN n % 50 = 11 THEN 'hidden' WHEN n % 50 = 23 THEN 'held' ELSE 'shown' END",
        "in_general": "n % 25 <> 6",
        "changed_in": "0",
    }
    values = ", ".join(changed.get(name, name) for name in columns)
    database.execute(
        f"INSERT INTO photos ({', '.join(columns)}) SELECT {values} FROM photos, generate_series(1, %s) AS n"
        " WHERE event_id = %s AND file_name = 'pattern.jpg'",
        (PHOTOS - 1, event_id),
    )
    thumb = next(folder.rglob(f"events/{event_id}/photos/*/thumb.jpg"))
    rows = database.execute(
        "SELECT id FROM photos WHERE event_id = %s AND state = 'ready' ORDER BY shown_at DESC LIMIT 2000", (event_id,)
    )
    for (photo_id,) in rows.fetchall():
        place = thumb.parent.parent / str(photo_id)
        place.mkdir(exist_ok=True)
        for name in ("thumb.jpg", "view.jpg"):
            with contextlib.suppress(FileExistsError):
                os.link(thumb.parent / name, place / name)


def _desk(open_page: Open, event: str, kind: dict[str, object] = DESKTOP, query: str = "") -> Page:
    page = open_page(kind)
    page.goto("/sign-in")
    page.get_by_label("E-mail or username").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(lambda url: "/studio" in url) if False else page.wait_for_url("**/studio**")
    page.goto(f"{event}{query}")
    expect(page.locator("[data-shelf]")).to_be_visible(timeout=30_000)
    return page


def _tiles(page: Page) -> Locator:
    return page.locator("[data-shelf] [role=option]")


def _loaded(page: Page, n: int = PHOTOS) -> None:
    expect(_tiles(page).first).to_have_attribute("aria-setsize", str(n), timeout=30_000)


def _axe(page: Page) -> list[str]:
    page.add_script_tag(path=AXE) if False else page.evaluate(AXE.read_text() + "; 0") if False else None
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE.read_text()})
    answer = session.send(
        "Runtime.evaluate",
        {
            "expression": "axe.run('[data-photos]').then(r => JSON.stringify(r.violations.map("
            "v => v.id + ': ' + v.nodes.map(n => n.html).slice(0, 3).join(' | '))))",
            "awaitPromise": True,
        },
    )
    return list(json.loads(answer["result"]["value"]))


def test_only_what_is_near_the_screen_is_drawn(event: str, open_page: Open) -> None:
    page = _desk(open_page, event, PHONE)
    _loaded(page)
    height = page.locator("[data-shelf]").evaluate("e => e.clientHeight")
    assert _tiles(page).count() < 120
    page.mouse.wheel(0, 200_000)
    page.wait_for_timeout(600)
    assert _tiles(page).count() < 120
    page.keyboard.press("End")
    page.evaluate("() => document.querySelector('[data-shelf] [tabindex=\"0\"]').focus()")
    page.keyboard.press("End")
    expect(_tiles(page).last).to_have_attribute("aria-posinset", str(PHOTOS))
    assert page.locator("[data-shelf]").evaluate("e => e.clientHeight") == height
    assert page.locator("html").evaluate("e => e.scrollWidth") <= 390
    assert _axe(page) == []
