"""A guest says "I'm near here" of a photo, and the organiser finds them by eye in the photos around it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.people import Visitor
from trouvaille.demo.party import GUESTS, selfie_jpeg

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]
ROSE = GUESTS[2]


@pytest.fixture
def photos(owner: Visitor, samples: dict[str, Path], run_jobs: Jobs) -> dict[str, str]:
    """The photos of an event that all guests look through, by name; two have Rose in them."""
    owner.change(gallery="guests")
    names = ("sample1.jpg", "sample2.jpg", "sample3.jpg")
    accepted = owner.upload(*(samples[name] for name in names))["accepted"]
    run_jobs()
    return dict(zip(names, (each["id"] for each in accepted), strict=True))


def _guest(visitor: Visitors, name: str, **more: str) -> Visitor:
    guest = visitor()
    guest.register("PARTY234", name, **more)
    return guest


def _ask(guest: Visitor, photo: str, text: str = "") -> int:
    return guest.post(f"/e/PARTY234/photos/{photo}/near", {"near": text}).status_code


def _asked(owner: Visitor) -> str:
    """Where the newest open request is answered."""
    page = owner.get(f"/studio/{owner.event_id}/requests").text
    found = re.search(r"/requests/near/[0-9a-f-]{36}", page)
    assert found
    return f"/studio/{owner.event_id}{found[0]}"


def _mine(guest: Visitor) -> set[str]:
    return {str(each) for each in guest.photos("mine")}


def test_a_guest_without_a_selfie_is_found_by_eye_and_may_take_each_photo_back(
    owner: Visitor, visitor: Visitors, photos: dict[str, str]
) -> None:
    lily = _guest(visitor, "lily")
    here = f"/e/PARTY234/photos/{photos['sample2.jpg']}"
    assert "I’m near here" in lily.get(here).text
    assert _ask(lily, photos["sample2.jpg"], "A red dress, next to the cake") == 303
    assert "Nobody has answered yet" in lily.get(f"{here}/ask").text
    requests = owner.get(f"/studio/{owner.event_id}/requests").text
    assert "1 request waits for you" in requests
    assert "A red dress, next to the cake" in requests and "I’m near here" in requests

    where = _asked(owner)
    page = owner.get(where).text
    assert "Where is Lily?" in page and all(photo in page for photo in photos.values())
    given = [photos["sample1.jpg"], photos["sample2.jpg"]]
    assert owner.post(where, {"photo": given}).status_code == 303
    assert "You found them." in owner.get(f"/studio/{owner.event_id}/requests").text
    assert _mine(lily) == set(given)
    assert "found you here" in lily.get(here).text

    # What the guest takes back stays so, whatever the organiser ticks; what the organiser unticks goes.
    lily.post(f"{here}/verdict", {"answer": "no"})
    assert _mine(lily) == {photos["sample1.jpg"]}
    owner.post(where, {"photo": given})
    assert _mine(lily) == {photos["sample1.jpg"]}
    lily.post(f"{here}/verdict", {"answer": "undo"})
    assert _mine(lily) == set(given)
    owner.post(where, {"photo": [photos["sample2.jpg"]]})
    assert _mine(lily) == {photos["sample2.jpg"]}
    owner.post(where)
    assert _mine(lily) == set()
    assert "You did not find them." in owner.get(f"/studio/{owner.event_id}/requests").text
    assert "They did not find you" in lily.get(f"{here}/ask").text


def test_where_faces_are_off_given_photos_have_a_tab(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    owner.make_event("QUIET234", gallery="guests", faces=None)
    (photo,) = owner.upload(samples["sample1.jpg"])["accepted"]
    run_jobs()
    lily = visitor()
    lily.register("QUIET234", "lily")
    assert "show=mine" not in lily.get("/e/QUIET234/photos").text
    assert lily.post(f"/e/QUIET234/photos/{photo['id']}/near").status_code == 303
    owner.post(_asked(owner), {"photo": [photo["id"]]})
    assert "show=mine" in lily.get("/e/QUIET234/photos").text
    assert _mine(lily) == {photo["id"]}


def test_given_photos_stay_when_faces_are_compared_and_when_consent_is_withdrawn(
    owner: Visitor, visitor: Visitors, photos: dict[str, str], samples: dict[str, Path], run_jobs: Jobs
) -> None:
    rose = _guest(visitor, "rose", agree="yes")
    _ask(rose, photos["sample2.jpg"])
    owner.post(_asked(owner), {"photo": [photos["sample2.jpg"], photos["sample1.jpg"]]})
    rose.send_selfie(selfie_jpeg(ROSE, samples))
    run_jobs()
    found = {photos[name] for name in ROSE.truth if name in photos}
    assert _mine(rose) == found | {photos["sample2.jpg"]}
    rose.post("/e/PARTY234/me/withdraw", {"confirm": "yes"})
    run_jobs()
    # What was found by her face is gone, also where it was in a given photo.
    assert _mine(rose) == {photos["sample2.jpg"], photos["sample1.jpg"]}


def test_photos_of_other_events_and_of_no_guest_are_never_given(
    owner: Visitor, visitor: Visitors, photos: dict[str, str], samples: dict[str, Path], run_jobs: Jobs
) -> None:
    lily = _guest(visitor, "lily")
    _ask(lily, photos["sample2.jpg"])
    where = _asked(owner)
    owner.make_event("ELSE2345", gallery="guests")
    (foreign,) = owner.upload(samples["sample4.jpg"])["accepted"]
    run_jobs()
    owner.post(where, {"photo": [foreign["id"]]})
    assert _mine(lily) == set()
    # Nor is a request answered from another event of one's own.
    assert owner.get(where.replace(where.split("/")[2], owner.event_id)).status_code == 404
    # A guest asks about what they can see, and about nothing that is theirs already.
    assert _ask(lily, foreign["id"]) == 404


def test_asking_is_limited_and_said_in_words(owner: Visitor, visitor: Visitors, photos: dict[str, str]) -> None:
    lily = _guest(visitor, "lily")
    photo = photos["sample1.jpg"]
    long = lily.post(f"/e/PARTY234/photos/{photo}/near", {"near": "x" * 301})
    assert long.status_code == 422 and "under 300 characters" in long.text
    _ask(lily, photo)
    owner.post(_asked(owner), {"photo": [photo]})
    again = lily.post(f"/e/PARTY234/photos/{photo}/near")
    assert again.status_code == 409 and "among yours already" in again.text
