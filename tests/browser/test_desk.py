"""The photographer's desk with ten thousand photos: what is drawn, chosen, done, undone, and what changes meanwhile."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Instance, Open, open_studio
from tests.browser.shots import Shots
from trouvaille.delivery.pages import FIRST

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
expect.set_options(timeout=20_000)
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
def database(instance: Instance) -> Iterator[psycopg.Connection]:
    """The embedded database of the running instance."""
    with instance.database() as made:
        yield made


@pytest.fixture(scope="module")
def event(instance: Instance, chromium: object, database: psycopg.Connection, scratch: Path) -> Iterator[str]:
    """An event of ten thousand photos that share the files of one; the path of its desk."""
    page = chromium.new_context(base_url=instance.address, locale="en", **DESKTOP).new_page()  # type: ignore[attr-defined]
    open_studio(page, instance)
    page.wait_for_url("**/studio")
    for name in ("Second day", "Lea & Tom"):
        page.goto("/studio")
        page.get_by_role("link", name="New event").first.click()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_role("button", name="Create and open").click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()
    path = page.url.removeprefix(instance.address)
    picture = scratch / "pattern.jpg"
    Image.linear_gradient("L").resize((900, 600)).convert("RGB").save(picture)
    page.locator("[data-drop] input[name=photos]").first.set_input_files(picture)
    expect(page.locator('[data-number="ready"]')).to_have_text("1", timeout=60_000)
    _fill(database, path.rsplit("/", 1)[1], instance.folder)
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
        "faces": "n %% 7",
        "camera": "CASE WHEN n %% 3 = 0 THEN 'NIKON Z 8' ELSE 'Canon EOS R5' END",
        "state": "CASE WHEN n %% 100 = 7 THEN 'waiting' WHEN n %% 100 = 19 THEN 'failed' ELSE 'ready' END",
        "reason": "CASE WHEN n %% 100 = 19 THEN 'unreadable' END",
        "standing": "CASE WHEN n %% 50 = 11 THEN 'hidden' WHEN n %% 50 = 23 THEN 'held' ELSE 'shown' END",
        "in_general": "n %% 25 <> 6",
        "changed_in": "0",
    }
    values = ", ".join(changed.get(name, name) for name in columns)
    database.execute(
        f"INSERT INTO photos ({', '.join(columns)}) SELECT {values} FROM photos, generate_series(1, %s) AS n"
        " WHERE event_id = %s AND file_name = 'pattern.jpg'",
        (PHOTOS - 1, event_id),
    )
    made = next(folder.rglob(f"events/{event_id}/photos/*"))
    rows = database.execute("SELECT id FROM photos WHERE event_id = %s AND state = 'ready'", (event_id,))
    for (photo_id,) in rows.fetchall():
        place = made.parent / str(photo_id)
        place.mkdir(exist_ok=True)
        for file in made.iterdir():
            with contextlib.suppress(FileExistsError):
                os.link(file, place / file.name)


def _desk(open_page: Open, event: str, kind: dict[str, object] = DESKTOP, query: str = "") -> Page:
    page = open_page(kind)
    page.goto("/sign-in")
    page.get_by_label("Username or e-mail").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/studio**")
    page.goto(f"{event}{query}")
    expect(page.locator("[data-shelf]")).to_be_visible(timeout=30_000)
    return page


def _tiles(page: Page) -> Locator:
    return page.locator("[data-shelf] [role=option]")


def _loaded(page: Page, n: int = PHOTOS) -> None:
    expect(_tiles(page).first).to_have_attribute("aria-setsize", str(n), timeout=30_000)


def _axe(page: Page) -> list[str]:
    """What axe-core finds wrong with the photos, told to the browser past the page's security policy."""
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


@pytest.mark.slow
def test_the_desk_in_pictures(event: str, open_page: Open, shots: Shots) -> None:
    page = _desk(open_page, event)
    _loaded(page)
    page.locator("#desk-photos").scroll_into_view_if_needed()
    page.mouse.wheel(0, 500)
    shots.take(page, "40-desk")
    _tiles(page).nth(3).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    shots.take(page, "41-desk-chosen")
    assert _axe(page) == []


def test_only_what_is_near_the_screen_is_drawn(event: str, open_page: Open) -> None:
    page = _desk(open_page, event, PHONE)
    _loaded(page)
    height = page.locator("[data-shelf]").evaluate("e => e.clientHeight")
    assert _tiles(page).count() < 120
    page.mouse.wheel(0, 200_000)
    page.wait_for_timeout(600)
    assert _tiles(page).count() < 120
    page.locator('[data-shelf] [tabindex="0"]').focus()
    page.keyboard.press("End")
    expect(_tiles(page).last).to_have_attribute("aria-posinset", str(PHOTOS))
    assert page.locator("[data-shelf]").evaluate("e => e.clientHeight") == height
    assert page.locator("html").evaluate("e => e.scrollWidth") <= 390
    assert _axe(page) == []


def test_choosing_a_range_hiding_and_undoing_several_acts_by_keys(event: str, open_page: Open) -> None:
    page = _desk(open_page, event, query="?name=IMG_09&sort=name")
    _loaded(page, 1000)
    hidden = page.locator('[data-tally="hidden"]')
    before = hidden.inner_text()
    _tiles(page).first.focus()
    for key in ("ArrowRight", "Space", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown", "Shift+ArrowUp"):
        page.keyboard.press(key)
    expect(page.locator("[data-count]")).to_have_text("3 chosen")
    page.keyboard.press("h")
    expect(page.locator("#snacks")).to_contain_text("Hidden: 3")
    expect(hidden).to_have_text(str(int(before) + 3))
    page.keyboard.press("Delete")
    expect(page.locator("#snacks")).to_contain_text("Deleted: 3")
    expect(_tiles(page).first).to_have_attribute("aria-setsize", "997")
    # The focus has gone to a neighbour, so keys go on working.
    page.keyboard.press("Control+z")
    expect(_tiles(page).first).to_have_attribute("aria-setsize", "1000")
    page.get_by_role("button", name="Undo", exact=True).last.click()
    expect(hidden).to_have_text(before)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Choose several")


@pytest.mark.slow
def test_everything_that_fits_the_filter_is_chosen_also_what_is_not_drawn(event: str, open_page: Open) -> None:
    page = _desk(open_page, event, query="?camera=NIKON+Z+8")
    _loaded(page, 3333)
    _tiles(page).first.focus()
    page.keyboard.press("Control+a")
    expect(page.locator("[data-count]")).to_have_text("3,333 chosen")
    general = page.locator('[data-tally="not_general"]')
    before = general.inner_text()
    page.get_by_role("toolbar").get_by_role("button", name="Not for everybody").click()
    expect(general).not_to_have_text(before, timeout=30_000)
    page.keyboard.press("Control+z")
    expect(general).to_have_text(before, timeout=30_000)


@pytest.mark.slow
def test_on_a_phone_holding_a_photo_chooses_and_then_taps_do(event: str, open_page: Open) -> None:
    page = _desk(open_page, event, PHONE)
    _loaded(page)
    first, second = _tiles(page).nth(0), _tiles(page).nth(1)
    first.scroll_into_view_if_needed()
    box = first.bounding_box()
    assert box
    touch = page.context.new_cdp_session(page)
    point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    expect(page.locator("[data-count]")).to_have_text("1 chosen")
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    second.tap()
    expect(page.locator("[data-count]")).to_have_text("2 chosen")
    assert _axe(page) == []
    page.get_by_role("button", name="Choose none").click()
    expect(page.locator("[data-actbar]")).to_be_hidden()


def test_photos_come_and_change_while_the_page_is_open(
    event: str, open_page: Open, database: psycopg.Connection
) -> None:
    page = _desk(open_page, event, query="?name=IMG_08&sort=name")
    _loaded(page, 1000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/photos?" in request.url else None)
    event_id = event.rsplit("/", 1)[1]
    database.execute("UPDATE photos SET faces = 42 WHERE event_id = %s AND file_name = 'IMG_08001.jpg'", (event_id,))
    database.execute("UPDATE photos SET file_name = 'IMG_08000b.jpg' WHERE file_name = 'IMG_07000.jpg'")
    told = json.dumps({"topic": f"event:{event_id}", "event": "changed", "data": {}})
    database.execute("SELECT pg_notify('trouvaille_live', %s)", (told,))
    expect(page.get_by_role("option", name="IMG_08001.jpg, 42 faces")).to_be_visible()
    expect(_tiles(page).nth(0)).to_have_attribute("aria-setsize", "1001")
    expect(page.get_by_role("option", name="IMG_08000b.jpg")).to_have_attribute("aria-posinset", "2")
    assert asked == []  # only what changed was asked for
    database.execute("UPDATE photos SET file_name = 'IMG_07000.jpg' WHERE file_name = 'IMG_08000b.jpg'")


def test_a_photo_is_looked_at_and_hidden_there(event: str, open_page: Open, shots: Shots) -> None:
    page = _desk(open_page, event, query="?name=IMG_0001")
    _loaded(page, 10)
    page.get_by_role("option", name="IMG_00012.jpg").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".pswp--open")).to_be_visible()
    shots.take(page, "42-desk-lightbox")
    verbs = page.locator(".pswp__verbs")
    verbs.get_by_role("button", name="Hide").click()
    expect(verbs.get_by_role("button", name="Show")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(verbs.get_by_role("button", name="Hide")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".pswp--open")).to_have_count(0)
    assert page.locator(":focus").get_attribute("role") == "option"


@pytest.mark.slow
def test_a_guest_comes_back_to_the_five_thousandth_photo_and_little_of_the_page_is_drawn(
    event: str, open_page: Open, database: psycopg.Connection
) -> None:
    event_id = event.rsplit("/", 1)[1]
    database.execute("UPDATE events SET gallery = 'guests' WHERE id = %s", (event_id,))
    (code,) = database.execute("SELECT code FROM events WHERE id = %s", (event_id,)).fetchone() or ("",)
    page = open_page(PHONE)
    account = {"display_name": "Rose", "username": "rose", "email": "rose@example.org", "password": PASSWORD}
    assert page.request.post(f"/e/{code}/register", form=account).ok
    page.goto(f"/e/{code}/photos?show=all")
    tiles = page.locator("[data-grid] [data-id]")
    expect(tiles.first).to_be_visible()
    page.wait_for_timeout(1500)
    assert tiles.count() == FIRST  # the next piece waits until one scrolls
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    deep = database.execute(
        "SELECT id FROM photos WHERE event_id = %s AND state = 'ready' AND standing = 'shown' AND in_general"
        " ORDER BY shown_at DESC, id DESC OFFSET 4999 LIMIT 1",
        (event_id,),
    ).fetchone()
    assert deep
    # As the page itself notes it when one leaves; scrolling there would take eighty requests.
    page.evaluate("id => history.replaceState({ place: { id, top: 200 } }, '')", str(deep[0]))
    page.reload()
    place = page.locator(f'[data-id="{deep[0]}"]')
    _until(lambda: abs((place.bounding_box() or {"y": -1})["y"] - 200) < 2, page)
    assert tiles.count() >= 5000
    assert sum("through=" in each for each in asked) == 1
    # What is far away keeps its place, its link and the link's name, and no picture.
    full = "all => all.filter((each) => each.querySelector('img')).length"
    _until(lambda: 0 < tiles.evaluate_all(full) < 300, page)
    assert tiles.locator("a:not([aria-label]):not(:has(img))").count() == 0
    assert sum("/thumb" in each for each in asked) < 500
