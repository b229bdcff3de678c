"""Photos stand where they belong in time, whatever their cameras' clocks said."""

import io
import itertools
import re
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest
from PIL import Image

from tests.people import Visitor
from trouvaille.settings import Settings

Run = Callable[[], None]
NIKON = ("NIKON CORPORATION", "NIKON Z 6")
SHADES = itertools.count()
CANON = ("Canon", "Canon EOS R5")


def shot(taken: str, camera: tuple[str, str] = NIKON, *, offset: str = "", serial: str = "") -> bytes:
    """A JPEG as a camera writes it; no two are the same."""
    shade = next(SHADES)
    tags = Image.Exif()
    tags[0x010F], tags[0x0110] = camera
    exif = tags.get_ifd(0x8769)
    exif[0x9003] = taken
    if offset:
        exif[0x9011] = offset
    if serial:
        exif[0xA431] = serial
    made = io.BytesIO()
    picture = Image.new("RGB", (96, 64), (shade % 256, 90, 120))
    picture.putpixel((0, 0), (shade // 256, 0, 0))
    picture.save(made, "JPEG", exif=tags.tobytes())
    return made.getvalue()


@pytest.fixture
def owner(visitor: Callable[[], Visitor]) -> Visitor:
    """Owns an event in Paris without face finding."""
    made = visitor()
    made.set_up_server()
    made.make_event(faces=None, gallery="everyone")
    return made


@pytest.fixture
def times(settings: Settings) -> Callable[[], dict[str, str]]:
    """Where photos stand, in UTC, by file name."""

    def read() -> dict[str, str]:
        with psycopg.connect(settings.database_url or "") as connection:
            rows = connection.execute("SELECT file_name, shown_at FROM photos").fetchall()
        return {name: f"{at.astimezone(UTC):%m-%d %H:%M:%S}" for name, at in rows}

    return read


def cameras(visitor: Visitor) -> list[str]:
    """The keys of the cameras on the page, in order."""
    return re.findall(r'id="c-([0-9a-f]{24})"', visitor.get(f"/studio/{visitor.event_id}/clocks").text)


def move(visitor: Visitor, key: str, **form: object) -> str:
    answer = visitor.post(f"/studio/{visitor.event_id}/clocks/{key}", {"how": "shift", "way": "later", **form})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_photo_stands_by_the_zone_its_camera_knew_or_else_by_the_events(
    owner: Visitor, run_jobs: Run, times: Callable[[], dict[str, str]]
) -> None:
    owner.upload(("none.jpg", shot("2026:06:20 15:00:00")), ("own.jpg", shot("2026:06:20 15:00:00", offset="+05:30")))
    run_jobs()
    assert times() == {"none.jpg": "06-20 13:00:00", "own.jpg": "06-20 09:30:00"}


def test_another_time_zone_of_the_event_moves_the_photos_whose_camera_knew_none(
    owner: Visitor, run_jobs: Run, times: Callable[[], dict[str, str]]
) -> None:
    owner.upload(("none.jpg", shot("2026:06:20 15:00:00")), ("own.jpg", shot("2026:06:20 15:00:00", offset="+02:00")))
    run_jobs()
    assert owner.change(time_zone="America/New_York").status_code == 303
    run_jobs()
    assert times() == {"none.jpg": "06-20 19:00:00", "own.jpg": "06-20 13:00:00"}


def test_a_shift_moves_one_cameras_photos_and_those_that_come_later_and_can_be_undone(
    owner: Visitor, run_jobs: Run, times: Callable[[], dict[str, str]]
) -> None:
    owner.upload(("n.jpg", shot("2026:06:20 15:00:00")), ("c.jpg", shot("2026:06:20 15:30:00", CANON)))
    run_jobs()
    canon, nikon = cameras(owner)
    there = move(owner, nikon, hours=1, minutes=2, seconds=3)
    owner.upload(("later.jpg", shot("2026:06:20 16:00:00")))
    run_jobs()
    assert times() == {"n.jpg": "06-20 14:02:03", "later.jpg": "06-20 15:02:03", "c.jpg": "06-20 13:30:00"}
    page = owner.get(there.partition("#")[0]).text
    assert "1 photo moved." in page and "1 h 2 min 3 s later" in page
    undo = re.search(r'name="how" value="back"><input type="hidden" name="shift_s" value="(-?\d+)"', page)
    assert undo is not None
    move(owner, nikon, how="back", shift_s=undo[1])
    assert times() == {"n.jpg": "06-20 13:00:00", "later.jpg": "06-20 14:00:00", "c.jpg": "06-20 13:30:00"}
    move(owner, canon, hours=2, way="earlier")
    assert times()["c.jpg"] == "06-20 11:30:00"


@pytest.mark.parametrize("offset", ["", "+09:00"])
def test_the_moment_of_one_photo_sets_the_whole_camera_right(
    offset: str, owner: Visitor, run_jobs: Run, times: Callable[[], dict[str, str]]
) -> None:
    owner.upload(
        ("a.jpg", shot("2017:01:01 00:00:10", offset=offset)), ("b.jpg", shot("2017:01:01 01:00:10", offset=offset))
    )
    run_jobs()
    (key,) = cameras(owner)
    page = owner.get(f"/studio/{owner.event_id}/clocks").text
    first = re.search(r'name="photo" value="([0-9a-f-]{36})"', page)
    assert first is not None
    move(owner, key, how="photo", photo=first[1], at="2026-06-20T18:00:05")
    assert times() == {"a.jpg": "06-20 16:00:05", "b.jpg": "06-20 17:00:05"}


def test_the_gallery_follows_the_corrected_clocks(
    owner: Visitor, visitor: Callable[[], Visitor], run_jobs: Run
) -> None:
    owner.upload(("n.jpg", shot("2026:06:20 15:00:00")), ("c.jpg", shot("2026:06:20 15:30:00", CANON)))
    run_jobs()
    stranger = visitor()
    stranger.code = owner.code
    newest, other = stranger.photos("all")
    _, nikon = cameras(owner)
    move(owner, nikon, hours=1)
    assert stranger.photos("all") == [other, newest]
    text = stranger.get(f"/e/{owner.code}/photos/{other}?show=all").text
    assert "2026-06-20T16:00:00" in text


def test_two_bodies_of_one_model_are_told_apart_and_their_serial_numbers_are_nowhere(
    owner: Visitor, run_jobs: Run, times: Callable[[], dict[str, str]], settings: Settings
) -> None:
    owner.upload(
        ("one.jpg", shot("2026:06:20 15:00:00", serial="SN4711001")),
        ("two.jpg", shot("2026:06:20 15:10:00", serial="SN4711002")),
    )
    run_jobs()
    first, second = cameras(owner)
    move(owner, second, minutes=30)
    assert times() == {"one.jpg": "06-20 13:00:00", "two.jpg": "06-20 13:40:00"}
    page = owner.get(f"/studio/{owner.event_id}/clocks").text
    assert "body 1" in page and "body 2" in page and "SN4711" not in page and first != second
    with psycopg.connect(settings.database_url or "") as connection:
        rows = connection.execute("SELECT photos::text FROM photos").fetchall()
    assert not any("SN4711" in row[0] or b"SN4711".hex() in row[0] for row in rows)


def test_photographers_see_and_move_their_own_cameras_alone(
    owner: Visitor, visitor: Callable[[], Visitor], run_jobs: Run, times: Callable[[], dict[str, str]]
) -> None:
    guest = visitor()
    guest.accept(owner.invite(), "anna@example.org")
    guest.event_id = owner.event_id
    owner.upload(("owners.jpg", shot("2026:06:20 15:00:00")))
    guest.upload(("annas.jpg", shot("2026:06:20 15:00:00")))
    run_jobs()
    (own,) = cameras(guest)
    (others,) = set(cameras(owner)) - {own}
    move(guest, own, hours=1)
    assert times() == {"owners.jpg": "06-20 13:00:00", "annas.jpg": "06-20 14:00:00"}
    refused = guest.post(f"/studio/{owner.event_id}/clocks/{others}", {"how": "shift", "hours": "1"})
    assert refused.status_code == 404


def test_what_is_typed_wrongly_is_said_and_stays_typed(owner: Visitor, run_jobs: Run) -> None:
    owner.upload(("a.jpg", shot("2026:06:20 15:00:00")))
    run_jobs()
    (key,) = cameras(owner)
    path = f"/studio/{owner.event_id}/clocks/{key}"
    answer = owner.post(path, {"how": "shift", "hours": "5", "minutes": "75"})
    assert answer.status_code == 422 and 'value="75"' in answer.text and "from 0 to 59" in answer.text
    answer = owner.post(path, {"how": "photo", "photo": "nonsense", "at": "2026-06-20T18:00"})
    assert answer.status_code == 422 and "Please choose a photo." in answer.text
    assert owner.post(path, {"how": "back", "shift_s": str(10**11)}).status_code == 422


def test_a_photo_without_a_time_stands_where_it_came_in(
    owner: Visitor, run_jobs: Run, times: Callable[[], dict[str, str]]
) -> None:
    before = datetime.now(UTC)
    owner.upload(("none.jpg", shot("0000:00:00 00:00:00")))
    run_jobs()
    assert times()["none.jpg"] >= f"{before:%m-%d %H:%M:%S}"
    assert "1 photo has no time of its own" in owner.get(f"/studio/{owner.event_id}/clocks").text
