"""Taking photos home: a real server, a real client that breaks off and goes on, and Python's own ZIP reader."""

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from tests.people import Visitor, for_guests
from tests.web_process import web_process
from trouvaille.delivery.packing import AT_ONCE, AT_ONCE_EACH, Slots, TooManyZips
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]
NAMES = ("sample1.jpg", "sample3.jpg", "sample6.jpg")


@pytest.fixture
def owner(visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs) -> Visitor:
    """The organiser of an event with three photos that all guests may see."""
    owner = visitor()
    owner.set_up_server()
    owner.make_event(gallery="guests")
    owner.upload(*(samples[name] for name in NAMES))
    run_jobs()
    return owner


@pytest.fixture
def guest(owner: Visitor, visitor: Visitors) -> Visitor:
    guest = visitor()
    guest.register("PARTY234", "rose")
    return guest


def _zip(answer: Any) -> dict[str, bytes]:
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
        assert opened.testzip() is None
        return {each.filename: opened.read(each) for each in opened.infolist()}


def _set(settings: Settings, change: str, *values: object) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(change, values)


def test_a_zip_holds_the_full_sized_files_named_by_time(
    guest: Visitor, samples: dict[str, Path], settings: Settings
) -> None:
    for number, name in enumerate(NAMES):
        at = f"2026-06-13 19:4{number}:05"
        there = "UPDATE photos SET shown_at = %s::timestamp AT TIME ZONE 'Europe/Paris' WHERE file_name = %s"
        _set(settings, there, at, name)
    same = (
        "UPDATE photos SET shown_at = '2026-06-13 19:40:05'::timestamp AT TIME ZONE 'Europe/Paris',"
        " file_name = 'SAMPLE1.JPG' WHERE file_name = %s"
    )
    _set(settings, same, NAMES[1])
    got = _zip(guest.get("/e/PARTY234/zip?what=all"))
    expected = [f"2026-06-13_19-{name}" for name in ("40-05_sample1.jpg", "40-05_SAMPLE1_2.JPG", "42-05_sample6.jpg")]
    assert sorted(map(str.lower, got)) == sorted(map(str.lower, expected))
    assert sorted(got.values()) == sorted(for_guests(samples[name]) for name in NAMES)
    small = _zip(guest.get("/e/PARTY234/zip?what=all&size=view"))
    views = [guest.get(f"/e/PARTY234/p/{photo}/view").content for photo in guest.photos("all")]
    assert sorted(small.values()) == sorted(views)


def test_what_guests_may_not_see_is_in_no_zip(guest: Visitor, visitor: Visitors, settings: Settings) -> None:
    first, second, third = guest.photos("all")
    _set(settings, "UPDATE photos SET standing = 'hidden' WHERE id = %s", first)
    _set(settings, "UPDATE photos SET in_general = false WHERE id = %s", second)
    assert len(_zip(guest.get("/e/PARTY234/zip?what=all"))) == 1
    guest.post(f"/e/PARTY234/photos/{third}/favourite", {"on": "yes"})
    assert len(_zip(guest.get("/e/PARTY234/zip?what=favourites"))) == 1
    assert guest.get("/e/PARTY234/zip?what=mine").status_code == 409  # there are none yet
    stranger = visitor()
    assert stranger.get("/e/PARTY234/zip?what=all").status_code == 303


def test_a_selection_is_for_whoever_made_it_and_for_photos_that_they_see(
    guest: Visitor, owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    first, second, _ = guest.photos("all")
    address = guest.post("/e/PARTY234/zip", {"ids": f"{first},{second}"}).headers["location"]
    assert len(_zip(guest.get(address))) == 2
    other = visitor()
    other.register("PARTY234", "maya")
    assert other.get(address).status_code == 404
    assert guest.get(address.replace("ticket=", "ticket=x")).status_code == 422
    assert guest.get("/e/PARTY234/zip?what=selection").status_code == 422
    _set(settings, "UPDATE photos SET standing = 'hidden' WHERE id = %s", first)
    assert len(_zip(guest.get(address))) == 1
    assert guest.post("/e/PARTY234/zip", {"ids": f"{first},{second}"}).status_code == 404
    assert guest.post("/e/PARTY234/zip", {"ids": ""}).status_code == 422
    owner.make_event("ELSE2345", gallery="guests")
    stranger = visitor()
    stranger.register("ELSE2345", "ines")
    assert stranger.post("/e/ELSE2345/zip", {"ids": str(second)}).status_code == 404
    _set(settings, "UPDATE selections SET created_at = now() - interval '7 hours'")
    assert guest.get(address).status_code == 404


def test_downloads_follow_what_the_organiser_allows(guest: Visitor, owner: Visitor) -> None:
    owner.change(gallery="guests", downloads="view")
    assert guest.get("/e/PARTY234/zip?what=all&size=original").status_code == 403
    names = _zip(guest.get("/e/PARTY234/zip?what=all"))
    assert all(name.endswith(".jpg") for name in names)
    owner.change(gallery="guests", downloads="none")
    assert guest.get("/e/PARTY234/zip?what=all").status_code == 403
    assert guest.post("/e/PARTY234/zip", {"ids": str(guest.photos("all")[0])}).status_code == 403


@pytest.fixture
def server(guest: Visitor, settings: Settings) -> Iterator[httpx2.Client]:
    """The same guest at a web process with real sockets."""
    with (
        web_process(settings, pool_size=5) as address,
        httpx2.Client(base_url=address, cookies=dict(guest.browser.cookies), timeout=20) as client,
    ):
        yield client


def test_a_download_goes_on_where_it_broke_off(server: httpx2.Client) -> None:
    path = "/e/PARTY234/zip?what=all"
    whole = server.get(path)
    assert whole.headers["accept-ranges"] == "bytes"
    etag, size = whole.headers["etag"], len(whole.content)
    for cut in (1, 40, 100_000, size // 2, size - 30, size - 1):
        rest = server.get(path, headers={"range": f"bytes={cut}-", "if-range": etag})
        assert rest.status_code == 206
        assert rest.headers["content-range"] == f"bytes {cut}-{size - 1}/{size}"
        assert whole.content[:cut] + rest.content == whole.content
    middle = server.get(path, headers={"range": "bytes=1000-200000"})
    assert middle.content == whole.content[1000:200_001]
    assert server.get(path, headers={"range": f"bytes={size}-"}).status_code == 416


def test_the_end_of_a_zip_can_be_had_first(server: httpx2.Client) -> None:
    """Nobody has read any of the files then, so their checksums are not known."""
    tail = server.get("/e/PARTY234/zip?what=all", headers={"range": "bytes=-200"})
    assert tail.status_code == 206
    assert server.get("/e/PARTY234/zip?what=all").content[-200:] == tail.content


def test_a_list_that_changed_begins_anew(server: httpx2.Client, guest: Visitor, settings: Settings) -> None:
    path = "/e/PARTY234/zip?what=all"
    before = server.get(path)
    _set(settings, "UPDATE photos SET standing = 'hidden' WHERE id = %s", guest.photos("all")[0])
    after = server.get(path, headers={"range": "bytes=1000-", "if-range": before.headers["etag"]})
    assert after.status_code == 200
    assert after.headers["etag"] != before.headers["etag"]
    assert len(_zip(after)) == 2


@pytest.mark.parametrize("how", ["hidden", "signed out", "file gone", "file changed"])
def test_what_happens_meanwhile_breaks_a_zip_off_rather_than_spoil_it(
    server: httpx2.Client, guest: Visitor, settings: Settings, how: str, owner: Visitor
) -> None:
    _set(settings, "UPDATE photos SET shown_at = '2001-06-13 12:00' WHERE file_name = 'sample1.jpg'")
    store = settings.data_dir / "photos"
    (path,) = [
        path
        for path in store.rglob("original")
        if path.read_bytes()[:20] and path.stat().st_size == _size(settings, "sample6.jpg")
    ]
    # The first photo is longer than what sockets hold, so that the server waits within it for a reader who is slow.
    first = next(each for each in store.rglob("original") if each.stat().st_size == _size(settings, "sample1.jpg"))
    first.write_bytes(first.read_bytes() + bytes(40_000_000))
    _set(settings, "UPDATE photos SET size_bytes = %s WHERE file_name = 'sample1.jpg'", first.stat().st_size)
    with pytest.raises(httpx2.RemoteProtocolError), server.stream("GET", "/e/PARTY234/zip?what=all") as answer:
        assert answer.status_code == 200
        pieces = answer.iter_raw(65536)
        next(pieces)
        if how == "hidden":
            _set(settings, "UPDATE photos SET standing = 'hidden' WHERE file_name = 'sample6.jpg'")
        elif how == "signed out":
            _set(settings, "DELETE FROM sessions WHERE kind = 'guest'")
        elif how == "file gone":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-100])
        for _ in pieces:
            pass


def _size(settings: Settings, name: str) -> int:
    with psycopg.connect(settings.database_url or "") as connection:
        row = connection.execute("SELECT size_bytes FROM photos WHERE file_name = %s", (name,)).fetchone()
    assert row is not None
    return int(row[0])


def test_so_many_zips_at_once_and_no_more(server: httpx2.Client, guest: Visitor, settings: Settings) -> None:
    store = settings.data_dir / "photos"
    first = next(each for each in store.rglob("original") if each.stat().st_size == _size(settings, "sample1.jpg"))
    first.write_bytes(first.read_bytes() + bytes(40_000_000))
    _set(settings, "UPDATE photos SET size_bytes = %s WHERE file_name = 'sample1.jpg'", first.stat().st_size)
    held = [server.stream("GET", "/e/PARTY234/zip?what=all") for _ in range(AT_ONCE_EACH)]
    for each in held:
        assert each.__enter__().status_code == 200
    try:
        refused = server.get("/e/PARTY234/zip?what=all", headers={"accept": "text/html"})
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "30"
        assert "Many people are downloading" in refused.text
        assert 'href="/e/PARTY234/zip?what=all"' in refused.text
    finally:
        for each in held:
            each.__exit__(None, None, None)


def test_places_for_zips_are_given_back() -> None:
    slots = Slots()
    for _ in range(10):
        with slots.hold("rose"), slots.hold("rose"), slots.hold("maya"), pytest.raises(TooManyZips):
            slots.hold("rose").__enter__()
    with ExitStack() as held:
        for number in range(AT_ONCE):
            held.enter_context(slots.hold(f"guest {number}"))
        with pytest.raises(TooManyZips):
            held.enter_context(slots.hold("one more"))
