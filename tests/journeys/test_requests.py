"""What guests ask about a photo, and what becomes of it for everybody."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psycopg
import pytest
from PIL import Image

from tests.people import Visitor, for_guests
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]


@pytest.fixture
def party(owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs) -> tuple[Visitor, Visitor, str]:
    """Rose, who is in the one photo of an event that all guests may see; another guest; the photo."""
    owner.change(gallery="guests")
    (photo,) = owner.upload(samples["sample1.jpg"])["accepted"]
    rose, other = visitor(), visitor()
    rose.register("PARTY234", "rose", agree="yes")
    rose.send_selfie(selfie_jpeg(GUESTS[2], samples))
    other.register("PARTY234", "other")
    run_jobs()
    assert [str(each) for each in rose.photos()] == [photo["id"]]
    return rose, other, photo["id"]


def _asked(settings: Settings, table: str) -> list[str]:
    with psycopg.connect(settings.database_url or "") as connection:
        return [str(each) for (each,) in connection.execute(f"SELECT id FROM {table}").fetchall()]


def _pixels(guest: Visitor, path: str) -> np.ndarray:
    answer = guest.get(path)
    assert answer.status_code == 200, path
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"), dtype=np.float32)


def test_a_reported_photo_is_hidden_from_everybody_and_can_come_back(
    owner: Visitor, party: tuple[Visitor, Visitor, str], settings: Settings
) -> None:
    rose, other, photo = party
    here = f"/e/PARTY234/photos/{photo}"
    assert rose.post(f"{here}/report", {"reason": "nonsense"}).status_code == 422
    for _ in range(2):  # twice is once
        assert rose.post(f"{here}/report", {"reason": "hide", "text": "Please"}).status_code == 303
    (report,) = _asked(settings, "reports")
    page = owner.get(f"/studio/{owner.event_id}/requests").text
    assert "1 request waits for you" in page
    assert "Please" in page
    decide = f"/studio/{owner.event_id}/requests/reports/{report}"
    owner.post(decide, {"do": "hide"})
    for guest in (rose, other):
        assert guest.photos("all") == []
        assert guest.get(f"/e/PARTY234/p/{photo}/view").status_code == 404
    owner.post(decide, {"do": "dismiss"})
    assert len(other.photos("all")) == 1


def test_an_organiser_decides_nothing_of_another_event(
    visitor: Visitors, owner: Visitor, party: tuple[Visitor, Visitor, str], settings: Settings
) -> None:
    rose, _, photo = party
    rose.post(f"/e/PARTY234/photos/{photo}/report", {"reason": "other"})
    rose.post(f"/e/PARTY234/photos/{photo}/veil")
    (report,), (veil,) = _asked(settings, "reports"), _asked(settings, "veils")
    owner.make_event("ELSE2345")
    for path, do in ((f"reports/{report}", "hide"), (f"veils/{veil}", "agree")):
        assert owner.post(f"/studio/{owner.event_id}/requests/{path}", {"do": do}).status_code == 404


def test_a_face_is_hidden_from_others_once_the_organiser_agrees_and_until_its_guest_takes_it_back(
    owner: Visitor, party: tuple[Visitor, Visitor, str], samples: dict[str, Path], run_jobs: Jobs, settings: Settings
) -> None:
    rose, other, photo = party
    base, here = f"/e/PARTY234/p/{photo}", f"/e/PARTY234/photos/{photo}"
    plain = _pixels(other, f"{base}/view")
    assert other.post(f"{here}/veil").status_code == 409  # whose face is not in it
    assert rose.post(f"{here}/veil").status_code == 303
    run_jobs()
    assert np.array_equal(_pixels(other, f"{base}/view"), plain)  # nobody has agreed
    (veil,) = _asked(settings, "veils")
    assert owner.post(f"/studio/{owner.event_id}/requests/veils/{veil}", {"do": "agree"}).status_code == 303
    run_jobs()

    with psycopg.connect(settings.database_url or "") as connection:
        ((left, top, right, bottom),) = connection.execute("SELECT box_xyxy FROM veils").fetchone() or ([],)
    veiled = _pixels(other, f"{base}/view")
    height, width = plain.shape[:2]
    face = (slice(int(top * height), int(bottom * height)), slice(int(left * width), int(right * width)))
    # What a face is made of is gone, and the rest of the photo is as it was.
    assert _detail(veiled[face]) < _detail(plain[face]) / 4
    assert np.abs(veiled - plain)[:, : int(left * width) // 2].mean() < 3
    assert "?v=" in other.get("/e/PARTY234/photos?show=all").text
    assert other.get(f"{base}/original").status_code == 403
    download = other.get(f"{base}/download")
    assert download.content == other.get(f"{base}/view").content
    assert _pixels(other, f"{base}/thumb").shape[1] == 480

    original = for_guests(samples["sample1.jpg"])
    for who, whole in ((rose, original), (owner, samples["sample1.jpg"].read_bytes())):
        assert who.get(f"{base}/original").content == whole
        assert np.array_equal(_pixels(who, f"{base}/view"), plain)

    rose.post(f"{here}/veil", {"hide": "no"})
    run_jobs()
    assert np.array_equal(_pixels(other, f"{base}/view"), plain)
    assert other.get(f"{base}/original").content == original


def _detail(image: np.ndarray) -> float:
    return float(np.abs(np.diff(image, axis=1)).mean())


def test_a_hidden_face_stays_hidden_when_its_guest_leaves(
    owner: Visitor, party: tuple[Visitor, Visitor, str], run_jobs: Jobs, settings: Settings
) -> None:
    rose, other, photo = party
    rose.post(f"/e/PARTY234/photos/{photo}/veil")
    (veil,) = _asked(settings, "veils")
    owner.post(f"/studio/{owner.event_id}/requests/veils/{veil}", {"do": "agree"})
    run_jobs()
    veiled = other.get(f"/e/PARTY234/p/{photo}/view").content
    assert rose.post("/e/PARTY234/me/delete", {"username": "rose"}).status_code == 303
    run_jobs()
    assert other.get(f"/e/PARTY234/p/{photo}/view").content == veiled
    assert "Somebody who has left" in owner.get(f"/studio/{owner.event_id}/requests").text
