"""The queue of photos on their way up: what a photographer can do with it, and what it survives."""

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Instance, hold
from tests.browser.shots import Shots
from tests.browser.uploading import PASSWORD, choose, count_creations, drop, fill_folder, make_event, ready, set_up

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
LONG_MS = 120_000
Desk = Callable[..., Page]


@pytest.fixture(scope="module")
def signed_in(instance: Instance, chromium: Browser, scratch: Path) -> Path:
    """The cookies of the organiser."""
    context = chromium.new_context(base_url=instance.address, locale="en", **DESKTOP)
    page = context.new_page()
    set_up(page, instance.setup)
    kept = scratch / "organiser.json"
    context.storage_state(path=kept)
    context.close()
    return kept


@pytest.fixture
def open_desk(instance: Instance, chromium: Browser, signed_in: Path) -> Iterator[Desk]:
    """Opens the desk of a new event, in a browser of its own."""
    contexts: list[BrowserContext] = []

    def make(kind: dict[str, object] = DESKTOP, script: str = "") -> Page:
        context = chromium.new_context(base_url=instance.address, locale="en", storage_state=signed_in, **kind)
        contexts.append(context)
        if script:
            context.add_init_script(script)
        desk = context.new_page()
        desk.set_default_timeout(30_000)
        desk.on("dialog", lambda dialog: dialog.accept())
        make_event(desk)
        return desk

    yield make
    for context in contexts:
        context.close()


def title_of(desk: Page, text: str | re.Pattern[str]) -> None:
    expect(desk.locator("[data-tray-title]")).to_have_text(text, timeout=LONG_MS)


def line_of(desk: Page, text: str | re.Pattern[str]) -> None:
    expect(desk.locator("[data-tray-line]")).to_have_text(text, timeout=LONG_MS)


def some_are_sent(desk: Page) -> None:
    title_of(desk, re.compile(r"^([5-9]|\d\d+) of "))


def in_the_event(desk: Page, photos: int) -> None:
    desk.reload()
    expect(desk.locator('[data-number="total"]').first).to_have_text(str(photos))


def set_quota(desk: Page, photos: int) -> None:
    path = "/" + desk.url.split("/", 3)[3]
    answer = desk.request.post(f"{path}/people/quotas", form={"event-photos": str(photos)}, max_redirects=0)
    assert answer.status == 303


def test_a_pause_stops_all_or_one_and_going_on_sends_the_rest(open_desk: Desk, tmp_path: Path) -> None:
    desk = open_desk()
    choose(desk, fill_folder(tmp_path / "wedding", 200))  # more than are sent before the pause
    some_are_sent(desk)
    desk.get_by_role("button", name="Pause", exact=True).click()
    line_of(desk, "Paused")
    begun = count_creations(desk)
    paused_at = desk.locator("[data-tray-title]").inner_text()
    desk.wait_for_timeout(3000)
    assert begun == []
    assert desk.locator("[data-tray-title]").inner_text() == paused_at
    last = desk.get_by_role("button", name="Pause: photo-0199.jpg")
    desk.locator("[data-tray-list]").evaluate("list => list.scrollTop = list.scrollHeight")
    last.click()
    desk.get_by_role("button", name="Go on", exact=True).click()
    line_of(desk, "1 paused")
    title_of(desk, "199 of 200 sent")
    desk.get_by_role("button", name="Go on: photo-0199.jpg").click()
    title_of(desk, "200 photos added")
    in_the_event(desk, 200)


def test_photos_that_are_chosen_before_the_script_is_there_are_sent_too(open_desk: Desk, tmp_path: Path) -> None:
    desk = open_desk()
    held = hold(desk, "**/static/**/*.js")
    desk.goto(desk.url, wait_until="commit")
    fill_folder(tmp_path / "wedding", 3)
    field = desk.locator("[data-drop] input[name=photos]").first
    field.set_input_files(sorted((tmp_path / "wedding").iterdir()))
    assert held and not desk.locator(".drop--ready").count()
    desk.unroute("**/static/**/*.js")  # what is held goes on
    title_of(desk, "3 photos added")
    assert field.input_value() == ""


def test_what_was_sent_and_what_was_there_already_lead_to_their_photo(open_desk: Desk, tmp_path: Path) -> None:
    desk = open_desk()
    choose(desk, fill_folder(tmp_path / "wedding", 3))
    title_of(desk, "3 photos added")
    desk.get_by_role("button", name="Close", exact=True).click()
    again = tmp_path / "again"
    again.mkdir()
    (again / "another name.jpg").write_bytes((tmp_path / "wedding" / "photo-0001.jpg").read_bytes())
    choose(desk, fill_folder(again, 1, name="other"))
    title_of(desk, "1 photo added · 1 was already here")
    tray = desk.locator("[data-tray-list]")
    tray.get_by_role("link", name="another name.jpg").click()
    expect(desk.locator(".pswp")).to_contain_text("photo-0001.jpg")
    desk.wait_for_timeout(500)  # what still opens can't be closed yet
    desk.keyboard.press("Escape")
    expect(desk.locator(".pswp")).to_have_count(0)
    assert "#photo" not in desk.url
    tray.get_by_role("link", name="other-0000.jpg").click()
    expect(desk.locator(".pswp")).to_contain_text("other-0000.jpg")
    desk.wait_for_timeout(500)
    desk.keyboard.press("Escape")
    desk.goto(f"{desk.url.partition('?')[0]}?show=failed")
    desk.evaluate("id => { location.hash = `photo=${id}`; }", _newest(desk))
    expect(desk.locator(".pswp")).to_be_visible()
    assert "show=failed" not in desk.url


def _newest(desk: Page) -> str:
    """The id of a photo that another part of the desk shows."""
    answer = desk.request.get(f"{desk.url.partition('?')[0]}/photos?show=all")
    return str(answer.json()["rows"][0][0])


def test_after_a_reload_the_same_folder_goes_on_with_what_is_missing(open_desk: Desk, tmp_path: Path) -> None:
    desk = open_desk()
    folder = fill_folder(tmp_path / "wedding", 60)
    choose(desk, folder)
    some_are_sent(desk)
    left: list[str] = []
    desk.on("dialog", lambda dialog: left.append(dialog.type))
    desk.locator("[data-tray-toggle]").click()
    desk.reload()
    assert left == ["beforeunload"]
    banner = desk.locator("[data-remembered]")
    words = re.compile(r"^(\d+) photos were not sent yet: choose the same folder again to go on\.$")
    expect(banner.locator("[data-remembered-words]")).to_have_text(words)
    missing = int(re.sub(r"\D.*", "", banner.locator("[data-remembered-words]").inner_text()))
    assert missing < 60
    begun = count_creations(desk)
    banner.locator("[data-remembered-folder]").set_input_files(folder)
    expect(banner).to_be_hidden()
    title_of(desk, re.compile(r"^\d+ photos added"))
    assert len(begun) <= missing
    in_the_event(desk, 60)
    expect(banner).to_be_hidden()


PICKER = """
// A folder of the browser's own: a real handle, where no dialog of the system can be clicked in a test.
window.showDirectoryPicker = async () => {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle("card");
};
"""
FILL = """async (photos) => {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle("card", { create: true });
  for (const [name, bytes] of photos) {
    const file = await (await folder.getFileHandle(name, { create: true })).createWritable();
    await file.write(new Uint8Array(bytes));
    await file.close();
  }
}"""


@pytest.mark.slow
def test_a_folder_whose_handle_is_kept_goes_on_without_being_chosen_again(open_desk: Desk, tmp_path: Path) -> None:
    desk = open_desk(script=PICKER)
    photos = fill_folder(tmp_path / "card", 40)
    desk.evaluate(FILL, [[file.name, list(file.read_bytes())] for file in sorted(photos.iterdir())])
    desk.locator("[data-folder] input").click()
    some_are_sent(desk)
    desk.reload()
    expect(desk.locator("[data-remembered-words]")).to_have_text(re.compile(r"^\d+ photos were not sent yet\.$"))
    desk.locator("[data-remembered-open]").click()
    title_of(desk, re.compile(r"^\d+ photos? added"))
    in_the_event(desk, 40)


@pytest.mark.slow
def test_a_lost_network_is_said_and_waited_for(open_desk: Desk, tmp_path: Path) -> None:
    desk = open_desk()
    choose(desk, fill_folder(tmp_path / "wedding", 60))
    some_are_sent(desk)
    desk.context.set_offline(True)
    line_of(desk, "No connection. Sending goes on by itself.")
    desk.context.set_offline(False)
    title_of(desk, "60 photos added")
    in_the_event(desk, 60)


@pytest.mark.slow
def test_what_does_not_fit_is_said_before_a_byte_is_sent(open_desk: Desk, tmp_path: Path) -> None:
    desk = open_desk()
    set_quota(desk, 5)
    begun = count_creations(desk)
    choose(desk, fill_folder(tmp_path / "wedding", 8))
    expect(desk.locator("[data-ask-words]")).to_have_text(
        "5 of these 8 photos still fit. The event may have 5 photos and has 0."
    )
    assert begun == []
    desk.get_by_role("button", name="Send the 5 that fit").click()
    title_of(desk, "5 photos added · 3 were not accepted")
    rows = desk.locator("[data-tray-list] [role=listitem]")
    expect(rows).to_have_count(3)
    assert rows.locator(".tray__name").all_inner_texts() == ["photo-0005.jpg", "photo-0006.jpg", "photo-0007.jpg"]
    expect(rows.first).to_contain_text("No room: 5 of 8 photos fit. The event may have 5 photos and has 0.")
    assert len(begun) == 5
    set_quota(desk, 7)
    desk.get_by_role("button", name="Try all again").click()
    desk.get_by_role("button", name="Send the 2 that fit").click()
    title_of(desk, "7 photos added · 1 was not accepted")
    in_the_event(desk, 7)


@pytest.mark.slow
def test_an_event_that_fills_up_meanwhile_leaves_no_photo_unexplained(open_desk: Desk, tmp_path: Path) -> None:
    desk = open_desk()
    choose(desk, fill_folder(tmp_path / "wedding", 40))
    some_are_sent(desk)
    set_quota(desk, 1)
    title_of(desk, re.compile(r"^\d+ photos added · \d+ were not accepted$"))
    added, refused = map(int, re.findall(r"\d+", desk.locator("[data-tray-title]").inner_text()))
    assert added + refused == 40
    expect(desk.locator("[data-tray-list] [role=listitem]").first).to_contain_text(
        re.compile("The event (is full|may)")
    )
    in_the_event(desk, added)


@pytest.mark.slow
def test_two_tabs_send_no_photo_twice(open_desk: Desk, tmp_path: Path) -> None:
    first = open_desk()
    folder = fill_folder(tmp_path / "wedding", 200)  # more than are sent while the other tab begins
    second = first.context.new_page()
    second.goto(first.url)
    ready(second)
    begun = [count_creations(first), count_creations(second)]
    choose(first, folder)
    some_are_sent(first)
    choose(second, folder)
    line_of(second, "Another tab is sending. This one goes on after it.")
    title_of(first, "200 photos added")
    title_of(second, "200 were already here")
    assert [len(each) for each in begun] == [200, 0]


@pytest.mark.slow
def test_whoever_was_signed_out_signs_in_again_in_place(open_desk: Desk, tmp_path: Path) -> None:
    desk = open_desk()
    choose(desk, fill_folder(tmp_path / "wedding", 40))
    some_are_sent(desk)
    desk.context.clear_cookies()
    line_of(desk, "You were signed out. Nothing is lost: sign in to go on.")
    desk.locator("[data-do='sign-in']").click()
    dialog = desk.get_by_role("dialog", name="Sign in to go on")
    dialog.get_by_label("Username or e-mail").fill("ada@example.org")
    dialog.get_by_label("Password").fill("wrong words altogether")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_role("alert")).not_to_be_empty()
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_be_hidden()
    title_of(desk, "40 photos added")
    in_the_event(desk, 40)


@pytest.mark.slow
def test_five_thousand_files_are_a_few_rows_in_the_page(open_desk: Desk, tmp_path: Path) -> None:
    desk = open_desk()
    hold(desk, "**/uploads/known")
    drop(desk, fill_folder(tmp_path / "wedding", 5000))
    title_of(desk, "Looking at 0 of 5,000")
    rows = desk.locator("[data-tray-list] [role=listitem]")
    assert 5 < rows.count() < 40
    desk.locator("[data-tray-list]").evaluate("list => list.scrollTop = list.scrollHeight")
    expect(rows.last).to_contain_text("photo-4999.jpg")
    expect(rows.last).to_have_attribute("aria-posinset", "5000")
    assert rows.count() < 40
    desk.get_by_role("button", name="Pause", exact=True).click()
    desk.get_by_role("button", name="Don’t send the rest").click()
    expect(desk.locator("[data-tray]")).to_be_hidden()


AWAKE = """
window.lights = [];
const ask = window.WakeLock?.prototype.request;
if (ask) WakeLock.prototype.request = async function (...words) {
  const light = await ask.apply(this, words);
  window.lights.push(light);
  return light;
};
"""


@pytest.mark.slow
def test_the_screen_stays_on_while_photos_go_and_not_longer(open_desk: Desk, tmp_path: Path) -> None:
    desk = open_desk(script=AWAKE)
    choose(desk, fill_folder(tmp_path / "wedding", 30))
    some_are_sent(desk)
    assert desk.evaluate("lights.map((light) => light.released)") == [False]
    title_of(desk, "30 photos added")
    desk.wait_for_function("() => lights.every((light) => light.released)")


SAID = """
window.said = [];
addEventListener("DOMContentLoaded", () => {
  const place = document.querySelector("[data-tray-said]");
  if (place) new MutationObserver(() => window.said.push([performance.now(), place.textContent]))
    .observe(place, { childList: true });
});
"""


@pytest.mark.slow
def test_a_screen_reader_hears_how_it_goes_now_and_then_and_the_end(open_desk: Desk, tmp_path: Path) -> None:
    desk = open_desk(script=SAID)
    choose(desk, fill_folder(tmp_path / "wedding", 60))
    for _ in range(3):
        desk.get_by_role("button", name="Pause", exact=True).click()
        desk.get_by_role("button", name="Go on", exact=True).click()
    title_of(desk, "60 photos added")
    expect(desk.locator("[data-tray-said]")).to_have_text("60 photos added", timeout=20_000)
    times = [time for time, _ in desk.evaluate("said")]
    assert all(later - earlier > 7000 for earlier, later in itertools.pairwise(times))


@pytest.mark.slow
def test_a_file_that_can_not_be_read_any_more_is_named_and_holds_nothing_up(open_desk: Desk, tmp_path: Path) -> None:
    desk = open_desk()
    folder = fill_folder(tmp_path / "card", 12)
    waiting = hold(desk, "**/uploads/known")
    choose(desk, folder)
    expect(desk.locator("[data-tray-title]")).to_have_text("Looking at 0 of 12")
    (folder / "photo-0003.jpg").unlink()
    for route in waiting:
        route.continue_()
    title_of(desk, "11 photos added · 1 was not accepted")
    row = desk.locator("[data-tray-list] [role=listitem]")
    expect(row).to_contain_text("photo-0003.jpg")
    expect(row).to_contain_text("This file can’t be read any more.")


@pytest.mark.slow
def test_on_a_phone_the_tray_is_a_bar_that_opens(open_desk: Desk, tmp_path: Path, shots: Shots) -> None:
    desk = open_desk(PHONE)
    desk.goto(f"{desk.url}?lang=fr")
    ready(desk)
    desk.locator("[data-folder] input").set_input_files(fill_folder(tmp_path / "wedding", 12))
    expect(desk.locator("[data-tray-toggle]")).to_have_attribute("aria-expanded", "false")
    expect(desk.locator("[data-tray-list]")).to_be_hidden()
    title_of(desk, "12 photos ajoutées")
    desk.locator("[data-tray-toggle]").tap()
    expect(desk.locator("[data-tray-list]")).to_be_visible()
    shots.take(desk, "tray")
    desk.get_by_role("button", name="Fermer").tap()
    expect(desk.locator("[data-tray]")).to_be_hidden()
