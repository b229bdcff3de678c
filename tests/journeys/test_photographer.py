"""The photographer's way: batches with bad files among them, states, retrying and deleting."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from PIL import Image
from starlette.testclient import TestClient

from tests.people import Visitor
from trouvaille.app import create_app
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]


def _png_bomb() -> bytes:
    """A small PNG that says it has 900 megapixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _damaged(data: bytes) -> bytes:
    """A PNG whose middle was overwritten, but which still begins and ends as one."""
    middle = len(data) // 2
    return data[:middle] + b"\0" * 4000 + data[middle + 4000 :]


def test_bad_files_are_refused_by_name_and_the_others_go_on(
    owner: Visitor, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    good = samples["sample1.jpg"].read_bytes()
    result = owner.upload(
        ("notes.txt", b"not a picture"),
        ("cut.jpg", good[:50_000]),
        ("bomb.png", _png_bomb()),
        ("empty.jpg", b""),
        ("good 📷.jpg", good),
        ("again.jpg", good),
    )
    refused = {row["file_name"]: row["reason"] for row in result["refused"]}
    assert set(refused) == {"notes.txt", "cut.jpg", "bomb.png", "empty.jpg"}
    assert "incomplete" in refused["cut.jpg"]
    assert "megapixels" in refused["bomb.png"]
    assert [row["file_name"] for row in result["accepted"]] == ["good 📷.jpg"]
    assert [row["file_name"] for row in result["duplicates"]] == ["again.jpg"]


def test_a_damaged_photo_is_set_aside_with_its_reason_and_can_be_retried(
    owner: Visitor, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    data = samples["32bit.png"].read_bytes()
    (broken,) = owner.upload(("broken.png", _damaged(data)))["accepted"]
    owner.upload(samples["sample2.jpg"])
    run_jobs()
    desk = owner.get(f"/studio/{owner.event_id}").text
    assert "broken.png" in desk
    assert "The file is incomplete or damaged. Please export it again." in desk
    assert owner.post(f"/studio/{owner.event_id}/photos/{broken['id']}/retry").status_code == 303
    run_jobs()
    assert "The file is incomplete or damaged." in owner.get(f"/studio/{owner.event_id}").text


def test_a_file_over_the_limit_is_refused_by_name(
    settings: Settings, samples: dict[str, Path], database_url: str, tmp_path: Path
) -> None:
    small = Settings(data_dir=tmp_path / "small", DATABASE_URL=database_url, photo_limit_bytes=100_000)
    with TestClient(create_app(small), follow_redirects=False) as browser:
        owner = Visitor(browser)
        owner.set_up_server()
        owner.make_event()
        result = owner.upload(samples["sample1.jpg"], ("small.jpg", _jpeg(64, 64)))
    assert [row["file_name"] for row in result["refused"]] == ["sample1.jpg"]
    assert [row["file_name"] for row in result["accepted"]] == ["small.jpg"]


def _jpeg(width_px: int, height_px: int) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (width_px, height_px), "teal").save(made, "JPEG")
    return made.getvalue()


def test_a_request_over_the_limit_is_cut_off(samples: dict[str, Path], database_url: str, tmp_path: Path) -> None:
    tiny = Settings(data_dir=tmp_path / "tiny", DATABASE_URL=database_url, upload_limit_bytes=50_000)
    with TestClient(create_app(tiny), follow_redirects=False) as browser:
        owner = Visitor(browser)
        owner.set_up_server()
        owner.make_event()
        files = [("photos", ("a.jpg", samples["sample1.jpg"].read_bytes()))]
        assert browser.post(f"/studio/{owner.event_id}/photos", files=files).status_code == 413

        def drip() -> Iterator[bytes]:
            for _ in range(100):
                yield b"x" * 10_000

        content_type = {"content-type": "multipart/form-data; boundary=b"}
        answer = browser.post(f"/studio/{owner.event_id}/photos", content=drip(), headers=content_type)
        assert answer.status_code == 413


def test_deleting_a_photo_removes_every_byte_of_it(
    owner: Visitor, samples: dict[str, Path], run_jobs: Jobs, settings: Settings
) -> None:
    (photo,) = owner.upload(samples["sample1.jpg"])["accepted"]
    run_jobs()
    store = settings.data_dir / "photos"
    assert len([path for path in store.rglob("*") if path.is_file()]) == 3
    assert owner.post(f"/studio/{owner.event_id}/photos/{photo['id']}/erase").status_code == 303
    run_jobs()
    assert [path for path in store.rglob("*") if path.is_file()] == []
    assert owner.get(f"/e/PARTY234/p/{photo['id']}/thumb").status_code == 404


def test_deleting_an_event_asks_for_its_name_and_leaves_nothing(
    owner: Visitor, samples: dict[str, Path], run_jobs: Jobs, settings: Settings, server_url: str
) -> None:
    owner.upload(samples["sample1.jpg"])
    run_jobs()
    assert owner.post(f"/studio/{owner.event_id}/delete", {"name": "wrong"}).status_code == 422
    assert owner.post(f"/studio/{owner.event_id}/delete", {"name": "Lea & Tom"}).status_code == 303
    run_jobs()
    store = settings.data_dir / "photos"
    assert [path for path in store.rglob("*") if path.is_file()] == []
    with psycopg.connect(settings.database_url) as connection:
        for table in ("events", "photos", "faces", "matches", "guests", "enrolments", "consents"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        left = connection.execute("SELECT relname FROM pg_class WHERE relname LIKE 'faces\\_%' AND relkind = 'r'")
        assert left.fetchall() == []


def test_the_desk_counts_what_has_been_processed(owner: Visitor, samples: dict[str, Path], run_jobs: Jobs) -> None:
    owner.upload(samples["sample1.jpg"], samples["sample2.jpg"])
    assert "sample1.jpg" in owner.get(f"/studio/{owner.event_id}").text
    run_jobs()
    assert owner.get(f"/studio/{owner.event_id}").text.count("/thumb") >= 2


def test_two_events_cannot_have_the_same_code_whatever_its_case(owner: Visitor) -> None:
    form = {"name": "Other", "code": "party234", "accent": "#b4532a", "locales": "en"}
    answer = owner.post("/studio/new", form)
    assert answer.status_code == 409
    assert 'value="Other"' in answer.text


def test_the_form_says_everything_that_is_wrong_at_once(owner: Visitor) -> None:
    answer = owner.post("/studio/new", {"name": " ", "code": "!", "accent": "red", "locales": "fr"})
    assert answer.status_code == 422
    assert "Please fill this in." in answer.text
    assert "A code has 4 to 32 letters, digits or hyphens." in answer.text
