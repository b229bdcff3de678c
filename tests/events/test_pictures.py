"""Cover and logo: drawn by a worker, shown on the welcome page, replaced and removed."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.people import Visitor
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]


@pytest.fixture
def owner(visitor: Visitors) -> Visitor:
    owner = visitor()
    owner.set_up_server()
    owner.make_event()
    return owner


def _image(kind: str, size: tuple[int, int] = (900, 300), mode: str = "RGB") -> bytes:
    made = io.BytesIO()
    Image.new(mode, size, (180, 40, 40) if mode == "RGB" else (180, 40, 40, 0)).save(made, kind)
    return made.getvalue()


def _pictures(page: str) -> list[str]:
    return re.findall(r'src="(/e/PARTY234/picture/[0-9a-f-]{36})"', page)


def _files(settings: Settings) -> list[str]:
    return sorted(path.name for path in (settings.data_dir / "photos").rglob("*") if path.is_file())


def test_a_cover_is_shown_once_a_worker_has_drawn_it(owner: Visitor, visitor: Visitors, run_jobs: Jobs) -> None:
    assert owner.send_picture("cover", _image("PNG", (4000, 3000))).status_code == 303
    assert _pictures(visitor().get("/e/PARTY234").text) == []
    assert "is being prepared" in owner.get(f"/studio/{owner.event_id}/edit").text
    run_jobs()
    (address,) = _pictures(visitor().get("/e/PARTY234").text)
    shown = visitor().get(address)
    assert shown.headers["content-type"] == "image/jpeg"
    assert max(Image.open(io.BytesIO(shown.content)).size) == 2048
    assert address in owner.get(f"/studio/{owner.event_id}/edit").text


def test_a_logo_keeps_its_clear_ground(owner: Visitor, visitor: Visitors, run_jobs: Jobs) -> None:
    owner.send_picture("logo", _image("PNG", (1200, 400), "RGBA"))
    run_jobs()
    (address,) = _pictures(visitor().get("/e/PARTY234").text)
    logo = Image.open(io.BytesIO(visitor().get(address).content))
    assert (logo.format, logo.mode, logo.size) == ("PNG", "RGBA", (640, 213))


def test_a_new_picture_takes_the_place_of_the_old_one_and_its_bytes(
    owner: Visitor, visitor: Visitors, run_jobs: Jobs, settings: Settings
) -> None:
    owner.send_picture("cover", _image("JPEG"))
    run_jobs()
    before = _pictures(visitor().get("/e/PARTY234").text)
    owner.send_picture("cover", _image("WEBP"))
    assert _pictures(visitor().get("/e/PARTY234").text) == before
    run_jobs()
    after = _pictures(visitor().get("/e/PARTY234").text)
    assert len(after) == 1 and after != before
    run_jobs()
    assert _files(settings) == ["original", "shown"]
    owner.post(f"/studio/{owner.event_id}/cover/remove")
    run_jobs()
    assert _pictures(visitor().get("/e/PARTY234").text) == []


def test_what_is_no_picture_is_refused_with_the_reason(owner: Visitor, settings: Settings) -> None:
    answer = owner.send_picture("logo", b"no picture", "notes.txt")
    assert answer.status_code == 422
    assert "This file is not a picture that we can read" in answer.text
    assert owner.post(f"/studio/{owner.event_id}/logo/picture").status_code == 422
    assert owner.send_picture("banner", _image("PNG")).status_code == 404
    assert _files(settings) == []


def test_a_damaged_picture_is_told_and_the_older_one_stays(
    owner: Visitor, visitor: Visitors, run_jobs: Jobs, samples: dict[str, Path]
) -> None:
    owner.send_picture("cover", _image("JPEG"))
    run_jobs()
    before = _pictures(visitor().get("/e/PARTY234").text)
    data = samples["32bit.png"].read_bytes()
    middle = len(data) // 2
    owner.send_picture("cover", data[:middle] + b"\0" * 4000 + data[middle + 4000 :], "broken.png")
    run_jobs()
    assert _pictures(visitor().get("/e/PARTY234").text) == before
    settings_page = owner.get(f"/studio/{owner.event_id}/edit").text
    assert "broken.png" in settings_page and "The file is incomplete or damaged." in settings_page


def test_a_drafts_pictures_are_its_staffs_alone(owner: Visitor, visitor: Visitors, run_jobs: Jobs) -> None:
    owner.make_event("DRAFT234", begin="draft")
    owner.send_picture("cover", _image("JPEG"))
    run_jobs()
    (address,) = re.findall(r'src="(/e/DRAFT234/picture/[0-9a-f-]{36})"', owner.get("/e/DRAFT234").text)
    assert owner.get(address).status_code == 200
    assert visitor().get(address).status_code == 404
    assert visitor().get(address.replace("DRAFT234", "PARTY234")).status_code == 404


def test_a_link_that_is_shared_shows_the_name_and_the_cover_and_no_photo(
    owner: Visitor, visitor: Visitors, run_jobs: Jobs
) -> None:
    owner.send_picture("cover", _image("JPEG"))
    owner.upload(("photo.jpg", _image("JPEG", (640, 480))))
    run_jobs()
    page = visitor().get("/e/PARTY234").text
    told = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)">', page))
    assert told["title"] == "Lea &amp; Tom"
    (cover,) = _pictures(page)
    assert told["image"] == f"http://testserver{cover}"
    assert told["url"] == "http://testserver/e/PARTY234"
    assert "/p/" not in page


def test_a_draft_has_no_preview(owner: Visitor) -> None:
    owner.make_event("DRAFT234", begin="draft")
    assert "og:title" not in owner.get("/e/DRAFT234").text
