"""A guest's whole way with the second engine."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.people import Visitor
from tests.rekognition.eyes import Eyes
from tests.rekognition.journeys.looking import HERE, INES, MAYA, ROSE, later, rows, state, upload
from tests.rekognition.server import Account
from trouvaille.demo.party import selfie_jpeg
from trouvaille.events import posters
from trouvaille.settings import Settings

Jobs = Callable[[], None]


def test_a_guest_finds_the_photos_that_were_there_and_those_that_come(
    owner: Visitor,
    enrolled: Callable[..., Visitor],
    samples: dict[str, Path],
    jobs: Jobs,
    with_rekognition: Settings,
    account: Account,
) -> None:
    names = upload(owner, samples, "sample1.jpg", "sample6.jpg")
    jobs()
    guest = enrolled()
    assert state(guest)["state"] == "accepted"
    assert [names[str(each)] for each in guest.photos()] == ["sample1.jpg"]
    names |= upload(owner, samples, "sample3.jpg", "sample4.jpg")
    jobs()
    assert {names[str(each)] for each in guest.photos()} == ROSE.truth
    assert enrolled(MAYA).photos() != guest.photos()
    assert rows(with_rekognition, "SELECT count(*) FROM faces WHERE template IS NOT NULL") == [(0,)]
    (collection,) = account.collections
    assert collection.endswith(owner.event_id)


def test_guests_are_told_of_amazon_before_they_come_on_paper_and_on_the_first_page(
    owner: Visitor, visitor: Callable[[], Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[dict[str, Any]] = []

    async def draw(order: bytes) -> bytes:
        drawn.append(json.loads(order))
        return b"%PDF"

    page = visitor().get("/e/PARTY234").text
    assert "A service of Amazon compares it" in page and "nobody but you can see it" not in page
    monkeypatch.setattr(posters, "draw", draw)
    assert owner.get(f"/studio/{owner.event_id}/print/a4.pdf").status_code == 200
    assert all("Amazon" in each["privacy"] for each in drawn[0]["pages"]) and drawn[0]["pages"]


def test_photos_and_selfies_that_come_together_find_each_other(
    owner: Visitor, visitor: Callable[[], Visitor], samples: dict[str, Path], jobs: Jobs
) -> None:
    names = upload(owner, samples, "sample1.jpg", "sample3.jpg", "sample4.jpg")
    guests = {}
    for sample in (ROSE, INES):
        guest = guests[sample.username] = visitor()
        guest.register("PARTY234", sample.username)
        guest.agree()
        guest.send_selfie(selfie_jpeg(sample, samples))
    names |= upload(owner, samples, "sample6.jpg")
    jobs()
    for sample in (ROSE, INES):
        assert {names[str(each)] for each in guests[sample.username].photos()} == sample.truth


def test_an_uncertain_face_is_asked_about_with_its_box(
    owner: Visitor, enrolled: Callable[..., Visitor], samples: dict[str, Path], jobs: Jobs, eyes: Eyes
) -> None:
    guest = enrolled()
    eyes.off = 5
    upload(owner, samples, "sample1.jpg")
    jobs()
    assert guest.photos() == []
    (photo,) = guest.photos("maybe")
    assert "data-face=" in guest.get(f"{HERE}/photos?show=maybe").text
    guest.post(f"{HERE}/photos/{photo}/verdict", {"answer": "yes"})
    assert guest.photos() == [photo]


def test_what_a_guest_says_stays(
    owner: Visitor,
    enrolled: Callable[..., Visitor],
    samples: dict[str, Path],
    jobs: Jobs,
    with_rekognition: Settings,
) -> None:
    upload(owner, samples, "sample1.jpg", "sample3.jpg")
    guest = enrolled()
    wrong, right = guest.photos()
    guest.post(f"{HERE}/photos/{wrong}/verdict", {"answer": "no"})
    later(with_rekognition)
    jobs()
    assert guest.photos() == [right]
    guest.send_selfie(selfie_jpeg(ROSE, samples))
    jobs()
    assert guest.photos() == [right]


def test_a_poor_face_starts_no_match(
    owner: Visitor, enrolled: Callable[..., Visitor], samples: dict[str, Path], jobs: Jobs, eyes: Eyes
) -> None:
    eyes.poor = True
    upload(owner, samples, "sample1.jpg")
    jobs()
    eyes.poor = False
    guest = enrolled()
    eyes.poor = True
    upload(owner, samples, "sample3.jpg")
    jobs()
    assert guest.photos() + guest.photos("maybe") == []


def test_another_selfie_finds_other_photos_and_the_old_face_goes(
    owner: Visitor, enrolled: Callable[..., Visitor], samples: dict[str, Path], jobs: Jobs, account: Account
) -> None:
    names = upload(owner, samples, "sample1.jpg", "sample3.jpg", "sample6.jpg")
    guest = enrolled()
    assert {names[str(each)] for each in guest.photos()} == ROSE.truth
    guest.send_selfie(selfie_jpeg(MAYA, samples))
    jobs()
    assert {names[str(each)] for each in guest.photos()} == MAYA.truth
    jobs()
    assert len([face for face in account.faces if face.external_id.startswith("selfie")]) == 1
    assert len(account.users) == 1


def test_a_selfie_that_the_service_sees_no_face_in_is_refused(
    owner: Visitor, enrolled: Callable[..., Visitor], account: Account
) -> None:
    account.eyes = lambda _: []
    guest = enrolled()
    assert state(guest)["state"] == "refused"
    assert state(guest)["reason"] == "We could not see a face."
    assert account.faces == []


def test_nothing_of_anybody_who_leaves_stays_in_the_account(
    owner: Visitor, enrolled: Callable[..., Visitor], samples: dict[str, Path], jobs: Jobs, account: Account
) -> None:
    first, second = upload(owner, samples, "sample1.jpg", "sample6.jpg")
    rose, maya = enrolled(), enrolled(MAYA)
    rose.post(f"{HERE}/me/withdraw", {"confirm": "yes"})
    maya.post(f"{HERE}/me/delete", {"username": "maya"})
    owner.post(f"/studio/{owner.event_id}/photos/{first}/erase")
    jobs()
    jobs()
    assert account.users == set()
    assert {face.external_id for face in account.faces} == {f"photo:{second}"}
    assert rose.photos() == []
    owner.post(f"/studio/{owner.event_id}/delete", {"name": "Lea & Tom"})
    jobs()
    jobs()
    assert account.collections == {}


def test_an_event_deleted_while_the_service_looks_leaves_nothing(
    owner: Visitor, samples: dict[str, Path], jobs: Jobs, account: Account, eyes: Eyes, with_rekognition: Settings
) -> None:
    def look(jpeg: bytes) -> object:
        owner.post(f"/studio/{owner.event_id}/delete", {"name": "Lea & Tom"})
        return eyes(jpeg)

    account.eyes = look  # type: ignore[assignment]
    upload(owner, samples, "sample1.jpg")
    jobs()
    jobs()
    assert account.collections == {}
    assert [path for path in (with_rekognition.data_dir / "photos").rglob("*") if path.is_file()] == []


def test_a_selfie_withdrawn_while_the_service_looks_leaves_nothing(
    owner: Visitor, enrolled: Callable[..., Visitor], samples: dict[str, Path], account: Account, eyes: Eyes, jobs: Jobs
) -> None:
    guest = enrolled()

    def look(jpeg: bytes) -> object:
        guest.post(f"{HERE}/me/withdraw", {"confirm": "yes"})
        return eyes(jpeg)

    account.eyes = look  # type: ignore[assignment]
    guest.send_selfie(selfie_jpeg(ROSE, samples))
    jobs()
    assert state(guest)["state"] == "none"
    jobs()
    assert account.faces == []


def test_a_guest_whom_the_service_shows_late_is_searched_for_again(
    owner: Visitor,
    enrolled: Callable[..., Visitor],
    samples: dict[str, Path],
    jobs: Jobs,
    account: Account,
    with_rekognition: Settings,
) -> None:
    account.slow_users = True
    guest = enrolled()
    upload(owner, samples, "sample1.jpg")
    jobs()
    assert guest.photos() == []
    searches = account.counts["SearchFaces"]
    later(with_rekognition)
    jobs()
    assert len(guest.photos()) == 1
    jobs()
    assert account.counts["SearchFaces"] == searches + 1
