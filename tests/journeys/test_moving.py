"""Photos that move to another event, one that becomes a cover, and what a desk hears of changes."""

import io
import time
from collections.abc import Callable
from typing import Any

import psycopg
from httpx2 import Response
from PIL import Image

from tests.people import Visitor
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]
SCRIPT = {"accept": "application/json"}


def _jpeg(colour: str) -> tuple[str, bytes]:
    made = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(made, "JPEG")
    return f"{colour}.jpg", made.getvalue()


def _move(who: Visitor, source: str, to: str, *ids: str) -> Response:
    return who.post(f"/studio/{source}/photos/move", {"to": to, "photos": " ".join(ids)}, headers=SCRIPT)


def _act(who: Visitor, event_id: str, what: str, *ids: str) -> dict[str, Any]:
    form = {"act": what, "photos": " ".join(ids)}
    return dict(who.post(f"/studio/{event_id}/photos/acts", form, headers=SCRIPT).json())


def _rows(who: Visitor, event_id: str, query: str = "") -> dict[str, list[Any]]:
    answer = who.get(f"/studio/{event_id}/photos?{query}")
    assert answer.status_code == 200, answer.text
    return {row[1]: row for row in answer.json()["rows"]}


def _two_events(owner: Visitor, run_jobs: Jobs) -> tuple[str, str, dict[str, str]]:
    owner.change(gallery="guests")
    first = owner.event_id
    ids = {row["file_name"]: row["id"] for row in owner.upload(_jpeg("red"), _jpeg("blue"))["accepted"]}
    run_jobs()
    second = owner.make_event("OTHER234", gallery="guests")
    owner.event_id, owner.code = first, "PARTY234"
    return first, second, ids


def test_a_moved_photo_is_there_and_no_longer_here_and_undoing_brings_everything_back(
    owner: Visitor, visitor: Visitors, run_jobs: Jobs, settings: Settings
) -> None:
    first, second, ids = _two_events(owner, run_jobs)
    here, there = visitor(), visitor()
    here.register("PARTY234", "rose")
    there.register("OTHER234", "lily")
    red = ids["red.jpg"]
    assert here.post(f"/e/PARTY234/photos/{red}/favourite", {"on": "yes"}).status_code < 400
    answer = _move(owner, first, second, red)
    assert answer.status_code == 200, answer.text
    moved = answer.json()
    assert (moved["changed"], moved["already"]) == (1, 0)
    assert [str(each) for each in here.photos("all")] == [ids["blue.jpg"]]
    assert here.get(f"/e/PARTY234/p/{red}/thumb").status_code == 404
    run_jobs()
    (fresh,) = [str(each) for each in there.photos("all")]
    assert fresh != red
    assert there.get(f"/e/OTHER234/p/{fresh}/original").content == _jpeg("red")[1]
    assert there.get(f"/e/OTHER234/p/{red}/thumb").status_code == 404
    assert here.get(f"/e/PARTY234/p/{fresh}/thumb").status_code == 404
    originals = {path.parent.name: path.stat().st_ino for path in (settings.data_dir / "photos").rglob("original")}
    assert originals[red] == originals[fresh]  # one file under two names
    with psycopg.connect(settings.database_url or "") as connection:
        for table in ("favourites", "matches", "faces", "reports", "veils"):
            found = connection.execute(f"SELECT count(*) FROM {table} WHERE photo_id = %s", (fresh,)).fetchone()
            assert found == (0,), table
    for step in moved["undo"]:
        assert _act(owner, step["event_id"], step["act"], *step["photos"])["changed"] == 1
    assert len(here.photos("all")) == 2
    assert there.photos("all") == []


def test_what_was_hidden_or_veiled_arrives_hidden(
    owner: Visitor, visitor: Visitors, run_jobs: Jobs, settings: Settings
) -> None:
    first, second, ids = _two_events(owner, run_jobs)
    guest = visitor()
    guest.register("PARTY234", "rose")
    _act(owner, first, "hide", ids["red.jpg"])
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(
            "INSERT INTO veils (id, event_id, photo_id, guest_id, box_xyxy, state, created_at)"
            " SELECT gen_random_uuid(), event_id, %s, id, '{0,0,1,1}', 'agreed', now() FROM guests",
            (ids["blue.jpg"],),
        )
    _move(owner, first, second, *ids.values())
    run_jobs()
    assert {row[2] for row in _rows(owner, second).values()} == {"x"}
    lily = visitor()
    lily.register("OTHER234", "lily")
    assert lily.photos("all") == []


def test_a_photo_that_the_other_event_has_is_not_there_twice_and_its_bin_gives_it_back(
    owner: Visitor, run_jobs: Jobs
) -> None:
    first, second, ids = _two_events(owner, run_jobs)
    owner.event_id = second
    (known,) = owner.upload(_jpeg("red"))["accepted"]
    moved = _move(owner, first, second, *ids.values()).json()
    assert (moved["changed"], moved["already"]) == (2, 1)
    assert _rows(owner, first) == {}
    assert _rows(owner, second)["red.jpg"][0] == known["id"]
    for step in moved["undo"]:
        _act(owner, step["event_id"], step["act"], *step["photos"])
    assert set(_rows(owner, first)) == {"red.jpg", "blue.jpg"}
    assert set(_rows(owner, second)) == {"red.jpg"}  # it was there before
    assert _move(owner, first, second, ids["blue.jpg"]).json()["changed"] == 1
    assert set(_rows(owner, second)) == {"red.jpg", "blue.jpg"}


def test_nobody_moves_photos_of_others_or_to_where_they_may_not_add_any(
    owner: Visitor, visitor: Visitors, run_jobs: Jobs
) -> None:
    first, second, ids = _two_events(owner, run_jobs)
    zoe = visitor()
    zoe.accept(owner.invite(), "zoe@example.org")
    zoe.event_id = first
    own = zoe.upload(_jpeg("green"))["accepted"][0]["id"]
    assert _move(zoe, first, second, own).status_code == 404
    assert _move(zoe, second, first, ids["red.jpg"]).status_code == 404
    assert _move(owner, first, first, ids["red.jpg"]).status_code == 422
    assert _move(owner, second, first, ids["red.jpg"]).json()["changed"] == 0
    owner.event_id = second
    assert zoe.post(owner.invite(), {}).status_code == 303
    assert _move(zoe, first, second, own, ids["red.jpg"]).json()["changed"] == 1
    assert set(_rows(zoe, second)) == {"green.jpg"}


def test_a_move_that_does_not_fit_moves_nothing(owner: Visitor, run_jobs: Jobs, settings: Settings) -> None:
    first, second, ids = _two_events(owner, run_jobs)
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE events SET quota_photos = 1 WHERE id = %s", (second,))
    answer = _move(owner, first, second, *ids.values())
    assert answer.status_code == 413
    assert len(_rows(owner, first)) == 2
    assert _rows(owner, second) == {}
    assert not list((settings.data_dir / "photos" / "events" / second).rglob("original"))


def test_a_photo_becomes_the_cover_unless_guests_may_not_see_it(owner: Visitor, run_jobs: Jobs) -> None:
    _, _, ids = _two_events(owner, run_jobs)
    _act(owner, owner.event_id, "hide", ids["blue.jpg"])
    path = f"/studio/{owner.event_id}/cover/photo"
    assert owner.post(path, {"photo": ids["blue.jpg"]}, headers=SCRIPT).status_code == 409
    assert owner.post(path, {"photo": ids["red.jpg"]}, headers=SCRIPT).status_code == 204
    run_jobs()
    assert "/e/PARTY234/picture/" in owner.get("/e/PARTY234").text


def _changes(who: Visitor, seen: str, query: str = "") -> dict[str, Any]:
    return dict(who.get(f"/studio/{who.event_id}/photos/changes?{query}&seen={seen}").json())


def _quiet(who: Visitor, seen: str) -> None:
    """Nothing is told; while other tests of this cluster write, the last changes may be told once more."""
    until = time.monotonic() + 20
    while (told := _changes(who, seen))["rows"] and time.monotonic() < until:
        seen = told["seen"]
        time.sleep(0.2)
    assert told["rows"] == []


def test_a_desk_hears_of_what_changed_and_of_nothing_else(owner: Visitor, visitor: Visitors, run_jobs: Jobs) -> None:
    _, _, ids = _two_events(owner, run_jobs)
    seen = owner.get(f"/studio/{owner.event_id}/photos?show=all").json()["seen"]
    _quiet(owner, seen)
    _act(owner, owner.event_id, "hide", ids["red.jpg"])
    news = _changes(owner, seen)
    assert [(row[0], row[2]) for row in news["rows"]] == [(ids["red.jpg"], "x")]
    assert (news["tally"]["hidden"], news["tally"]["fitting"]) == (1, 2)
    _quiet(owner, news["seen"])
    assert _changes(owner, seen, "name=blue")["others"] == [ids["red.jpg"]]
    _act(owner, owner.event_id, "erase", ids["red.jpg"])
    assert _changes(owner, news["seen"])["tally"]["fitting"] == 1
    zoe = visitor()
    zoe.accept(owner.invite(), "zoe@example.org")
    zoe.event_id = owner.event_id
    assert _changes(zoe, "0") | {"seen": ""} == {
        "rows": [],
        "others": [],
        "seen": "",
        "anew": False,
        "tally": dict.fromkeys(news["tally"], 0),
    }


def test_a_change_whose_transaction_was_open_when_somebody_looked_is_told_later(
    owner: Visitor, run_jobs: Jobs, settings: Settings
) -> None:
    _, _, ids = _two_events(owner, run_jobs)
    with psycopg.connect(settings.database_url or "") as slow:
        slow.execute("UPDATE photos SET faces = 9 WHERE id = %s", (ids["red.jpg"],))
        _act(owner, owner.event_id, "hide", ids["blue.jpg"])
        seen = owner.get(f"/studio/{owner.event_id}/photos").json()["seen"]
    assert ids["red.jpg"] in [row[0] for row in _changes(owner, seen)["rows"]]


def test_a_desk_is_narrowed_by_camera_photographer_and_name(owner: Visitor, run_jobs: Jobs, settings: Settings) -> None:
    _, _, ids = _two_events(owner, run_jobs)
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE photos SET camera = 'NIKON Z 8' WHERE id = %s", (ids["red.jpg"],))
    for query, names in (
        ("camera=NIKON+Z+8", {"red.jpg"}),
        ("camera=-", {"blue.jpg"}),
        ("name=BLU", {"blue.jpg"}),
        ("name=%25", set()),
        ("photographer=00000000-0000-0000-0000-000000000001", set()),
        ("camera=&photographer=&name=&sort=name", {"red.jpg", "blue.jpg"}),
    ):
        assert set(_rows(owner, owner.event_id, query)) == names, query
    page = owner.get(f"/studio/{owner.event_id}?camera=NIKON+Z+8&sort=name").text
    assert "red.jpg" in page
    assert "blue.jpg" not in page
    assert owner.get(f"/studio/{owner.event_id}/photos?photographer=x").status_code == 422
