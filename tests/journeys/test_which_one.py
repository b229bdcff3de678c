"""A selfie with two people: the guest says which one is them."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import pyvips

from tests.people import Visitor
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.settings import Settings

ROSE, MAYA = GUESTS[2], GUESTS[4]
HERE = "/e/PARTY234/selfie"
Jobs = Callable[[], None]


def pair(samples: dict[str, Path]) -> bytes:
    """Rose on the left, Maya on the right."""
    both = [
        pyvips.Image.new_from_buffer(selfie_jpeg(each, samples), "").thumbnail_image(700, height=900, crop="centre")
        for each in (ROSE, MAYA)
    ]
    return bytes(both[0].join(both[1], "horizontal").write_to_buffer(".jpg", Q=92))


@pytest.fixture
def guest(owner: Visitor, visitor: Callable[[], Visitor], samples: dict[str, Path], run_jobs: Jobs) -> Visitor:
    """Rose, who sent a picture of two."""
    owner.upload(samples["sample1.jpg"], samples["sample3.jpg"], samples["sample6.jpg"])
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    guest.send_selfie(pair(samples))
    run_jobs()
    return guest


def _left(settings: Settings) -> list[str]:
    """What lies in the store of all selfies."""
    return sorted(path.name for path in settings.data_dir.rglob("selfies/*/*") if path.is_file())


def test_the_chosen_face_finds_its_photos(guest: Visitor, run_jobs: Jobs, settings: Settings) -> None:
    page = guest.get(HERE).text
    assert "Which one is you?" in page and page.count('name="face"') == 2
    assert "Which one is you?" in guest.get("/e/PARTY234/photos").text
    picture = guest.get(f"{HERE}/choice")
    assert picture.headers["content-type"] == "image/jpeg" and "no-store" in picture.headers["cache-control"]
    assert guest.post(f"{HERE}/choice", {"face": "0"}).headers["location"] == HERE
    assert guest.post(f"{HERE}/choice", {"face": "1"}).status_code == 303  # too late, and no error
    assert guest.get(f"{HERE}/status").json()["state"] == "waiting"
    run_jobs()
    assert guest.get(f"{HERE}/status").json()["state"] == "accepted"
    assert len(guest.photos()) == len(ROSE.truth)
    assert guest.get(f"{HERE}/choice").status_code == 404
    assert _left(settings) == ["0"]


def test_nobody_else_sees_the_picture(owner: Visitor, guest: Visitor, visitor: Callable[[], Visitor]) -> None:
    strangers = [visitor(), visitor(), visitor()]
    strangers[1].register("PARTY234", "maya")
    owner.make_event("OTHER234")
    strangers[2].register("OTHER234", "rose")
    strangers[2].agree()
    for stranger in (owner, *strangers):
        stranger.code = "PARTY234"
        assert stranger.get(f"{HERE}/choice").status_code in (303, 401, 403, 404)
        assert stranger.post(f"{HERE}/choice", {"face": "0"}).headers.get("location") != f"{HERE}/photos"
    assert guest.get(f"{HERE}/choice").status_code == 200
    assert guest.get(f"{HERE}/status").json()["state"] == "choosing"


def test_the_other_face_is_somebody_else(guest: Visitor, run_jobs: Jobs) -> None:
    guest.post(f"{HERE}/choice", {"face": "1"})
    run_jobs()
    assert len(guest.photos()) == len(MAYA.truth)


@pytest.mark.parametrize("face", ["2", "-1", "", "x", "9" * 40])
def test_a_face_that_is_not_there_is_refused(face: str, guest: Visitor) -> None:
    assert guest.post(f"{HERE}/choice", {"face": face}).status_code == 422
    assert guest.get(f"{HERE}/status").json()["state"] == "choosing"


def test_another_selfie_answers_the_question_too(
    guest: Visitor, samples: dict[str, Path], run_jobs: Jobs, settings: Settings
) -> None:
    assert "Turn on the camera" in guest.get(f"{HERE}?again=true").text
    guest.send_selfie(selfie_jpeg(ROSE, samples))
    run_jobs()
    assert len(guest.photos()) == len(ROSE.truth)
    assert _left(settings) == ["0"]


def test_an_accepted_selfie_stays_in_force_while_the_next_one_is_in_question(
    guest: Visitor, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    guest.send_selfie(selfie_jpeg(ROSE, samples))
    run_jobs()
    guest.send_selfie(pair(samples))
    run_jobs()
    assert guest.get(f"{HERE}/status").json()["state"] == "choosing"
    assert len(guest.photos()) == len(ROSE.truth)
    assert guest.get("/e/PARTY234/me/selfie").status_code == 200


def test_withdrawing_erases_the_question(guest: Visitor, run_jobs: Jobs, settings: Settings) -> None:
    guest.post("/e/PARTY234/me/withdraw", {"confirm": "yes"})
    assert guest.post(f"{HERE}/choice", {"face": "0"}).status_code == 403
    run_jobs()
    assert _left(settings) == []


def test_a_question_nobody_answers_is_erased_after_a_day(guest: Visitor, run_jobs: Jobs, settings: Settings) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE enrolments SET created_at = created_at - interval '25 hours'")
    run_jobs()
    assert guest.get(f"{HERE}/status").json()["state"] == "refused"
    assert _left(settings) == []


def test_a_burst_makes_one_selfie(
    owner: Visitor, visitor: Callable[[], Visitor], samples: dict[str, Path], run_jobs: Jobs, settings: Settings
) -> None:
    owner.upload(samples["sample1.jpg"], samples["sample3.jpg"])
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    frame = selfie_jpeg(ROSE, samples)
    burst = [("selfie", (f"{number}.jpg", frame, "image/jpeg")) for number in range(3)]
    assert guest.browser.post(HERE, files=burst).status_code == 303
    run_jobs()
    assert len(guest.photos()) == len(ROSE.truth)
    assert _left(settings) == ["0", "1", "2"]
    too_many = burst + burst
    assert guest.browser.post(HERE, files=too_many).status_code in (400, 413, 422)
    broken = [*burst[:2], ("selfie", ("x.jpg", b"not a picture", "image/jpeg"))]
    assert guest.browser.post(HERE, files=broken).status_code == 422
