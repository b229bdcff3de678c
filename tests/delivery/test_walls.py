"""The live wall: its link opens the slideshow and nothing else, and shows what may be shown."""

import io
import re
from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest
from PIL import Image

from tests.people import Visitor
from trouvaille.settings import Settings


def _jpeg(shade: int) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (320, 240), (shade, 90, 120)).save(made, "JPEG")
    return made.getvalue()


@pytest.fixture
def owner(visitor: Callable[[], Visitor]) -> Visitor:
    person = visitor()
    person.set_up_server()
    person.make_event(gallery="guests")
    return person


@pytest.fixture
def photos(owner: Visitor, run_jobs: Callable[[], None]) -> list[str]:
    ids = [each["id"] for n in range(3) for each in owner.upload((f"{n}.jpg", _jpeg(40 * n)))["accepted"]]
    run_jobs()
    return ids


def _set_up(owner: Visitor, **more: str) -> str:
    """Switch the wall on; returns the path of its link."""
    form = {"shows": "general", "seconds": "7", "shows_code": "yes"} | more
    answer = owner.post(f"/studio/{owner.event_id}/wall", form)
    assert answer.status_code == 303, answer.text
    found = re.search(r'data-copy="https?://[^/]+(/wall/[\w-]+)"', owner.get(f"/studio/{owner.event_id}/wall").text)
    assert found
    return found[1]


def _shown(visitor: Visitor, link: str) -> list[str]:
    answer = visitor.get(f"{link}/photos")
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["photos"]]


def _change(settings: Settings, sets: str, photo_id: str) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(f"UPDATE photos SET {sets} WHERE id = %s", (UUID(photo_id),))  # type: ignore[arg-type]


def test_a_stranger_with_the_link_sees_the_newest_photos_first(
    owner: Visitor, visitor: Callable[[], Visitor], photos: list[str]
) -> None:
    link, screen = _set_up(owner), visitor()
    page = screen.get(link)
    assert page.status_code == 200
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in page.headers
    assert _shown(screen, link) == photos[::-1]
    picture = screen.get(f"{link}/p/{photos[0]}")
    assert picture.headers["content-type"] == "image/jpeg"
    again = screen.get(f"{link}/p/{photos[0]}", headers={"if-none-match": picture.headers["etag"]})
    assert again.status_code == 304
    assert screen.get(f"{link}/qr.svg").text.startswith("<svg")


def test_the_page_leads_nowhere_else(owner: Visitor, visitor: Callable[[], Visitor], photos: list[str]) -> None:
    page = visitor().get(_set_up(owner)).text
    assert re.findall(r'<a [^>]*href="(?!#main)[^"]*"', page) == []
    assert "<form" not in page


def test_the_link_opens_no_picture_of_the_gallery(
    owner: Visitor, visitor: Callable[[], Visitor], photos: list[str]
) -> None:
    _set_up(owner)
    assert visitor().get(f"/e/{owner.code}/p/{photos[0]}/view").status_code in (303, 401)


@pytest.mark.parametrize(
    "sets",
    ["standing = 'hidden'", "standing = 'held'", "deleted_at = now()", "state = 'waiting'", "in_general = false"],
)
def test_what_is_not_to_be_seen_leaves_the_wall_at_once(
    owner: Visitor, visitor: Callable[[], Visitor], settings: Settings, photos: list[str], sets: str
) -> None:
    link, screen = _set_up(owner), visitor()
    etag = screen.get(f"{link}/p/{photos[1]}").headers["etag"]
    _change(settings, sets, photos[1])
    assert photos[1] not in _shown(screen, link)
    kept = screen.get(f"{link}/p/{photos[1]}", headers={"if-none-match": etag})
    assert kept.status_code == 404


def test_all_photos_may_be_shown_but_never_hidden_ones(
    owner: Visitor, visitor: Callable[[], Visitor], settings: Settings, photos: list[str]
) -> None:
    link = _set_up(owner, shows="all")
    _change(settings, "in_general = false", photos[0])
    _change(settings, "standing = 'hidden'", photos[1])
    assert _shown(visitor(), link) == [photos[2], photos[0]]


def test_a_wall_shows_no_photo_of_another_event(
    owner: Visitor, visitor: Callable[[], Visitor], photos: list[str]
) -> None:
    first = owner.event_id
    link = _set_up(owner)
    owner.make_event("OTHER234")
    other = _set_up(owner)
    assert _shown(visitor(), other) == []
    assert visitor().get(f"{other}/p/{photos[0]}").status_code == 404
    assert len(_shown(visitor(), link)) == 3
    assert first != owner.event_id


@pytest.mark.parametrize("do", ["fresh", "off"])
def test_an_old_link_stops_with_a_new_one_and_when_it_is_switched_off(
    owner: Visitor, visitor: Callable[[], Visitor], photos: list[str], do: str
) -> None:
    link, screen = _set_up(owner), visitor()
    owner.post(f"/studio/{owner.event_id}/wall", {"shows": "general", "seconds": "7", "do": do})
    for path in ("", "/photos", "/qr.svg", f"/p/{photos[0]}", "/live"):
        assert screen.get(link + path).status_code == 404


def test_the_wall_ends_when_the_event_is_archived(
    owner: Visitor, visitor: Callable[[], Visitor], photos: list[str]
) -> None:
    link = _set_up(owner)
    owner.move("closed")
    owner.move("archived")
    assert visitor().get(f"{link}/photos").status_code in (403, 404, 410)


@pytest.mark.parametrize(("field", "value"), [("seconds", "0"), ("seconds", "x"), ("seconds", "61"), ("shows", "none")])
def test_settings_that_make_no_sense_are_refused_and_kept_as_typed(owner: Visitor, field: str, value: str) -> None:
    form = {"shows": "general", "seconds": "7", "shows_code": "yes"} | {field: value}
    answer = owner.post(f"/studio/{owner.event_id}/wall", form)
    assert answer.status_code == 422
    assert owner.get(f"/studio/{owner.event_id}/wall").text.count("data-copy") == 0
