"""What a guest's browser is told to keep, whose it is, and what makes it forget."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from httpx2 import Response

from tests.people import Visitor
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.web.whose import HEADER

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]
LIST = "/e/PARTY234/offline/photos"


@pytest.fixture
def owner(visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs) -> Visitor:
    """An event with three photos."""
    owner = visitor()
    owner.set_up_server()
    owner.make_event(gallery="guests")
    owner.upload(*(samples[f"sample{n}.jpg"] for n in (1, 2, 3)))
    run_jobs()
    return owner


@pytest.fixture
def rose(owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs) -> Visitor:
    """A guest who found their photos."""
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    guest.send_selfie(selfie_jpeg(next(each for each in GUESTS if each.username == "rose"), samples))
    run_jobs()
    assert 0 < len(guest.photos()) < 3
    return guest


def _told(guest: Visitor) -> list[str]:
    return [each["thumb"] for each in guest.get(LIST).json()["photos"]]


def test_the_list_names_ones_own_photos_alone_with_the_tags_of_their_bytes(owner: Visitor, rose: Visitor) -> None:
    listed = rose.get(LIST)
    assert listed.headers["cache-control"] == "no-store"
    assert [each["thumb"] for each in listed.json()["photos"]] == [
        f"/e/PARTY234/p/{photo_id}/thumb" for photo_id in rose.photos()
    ]
    for each in listed.json()["photos"]:
        picture = rose.get(each["thumb"])
        assert (picture.status_code, picture.headers["etag"]) == (200, each["tag"])
    for address in (listed.json()["page"], listed.json()["theme"], *listed.json()["files"]):
        assert rose.get(address).status_code == 200, address


def test_what_is_hidden_refused_or_no_longer_agreed_to_leaves_the_list(owner: Visitor, rose: Visitor) -> None:
    photo_id = rose.photos()[0]
    desk = f"/studio/{owner.event_id}/photos/{photo_id}"
    address = f"/e/PARTY234/p/{photo_id}/thumb"
    owner.post(f"{desk}/hide")
    assert address not in _told(rose)
    owner.post(f"{desk}/show")
    assert address in _told(rose)
    rose.post(f"/e/PARTY234/photos/{photo_id}/verdict", {"answer": "no"})
    assert address not in _told(rose)
    rose.post(f"/e/PARTY234/photos/{photo_id}/verdict", {"answer": "undo"})
    assert address in _told(rose)
    rose.post("/e/PARTY234/me/withdraw", {"confirm": "yes"})
    assert _told(rose) == []


def test_a_face_that_is_hidden_for_others_changes_what_they_may_keep(
    owner: Visitor, rose: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    """Two guests are in one photo; one of them has their face hidden."""
    photo_id, requests = rose.photos()[0], f"/studio/{owner.event_id}/requests"
    before = rose.get(LIST).json()["photos"]
    other = visitor()
    other.register("PARTY234", "twin")
    other.agree()
    other.send_selfie(selfie_jpeg(next(each for each in GUESTS if each.username == "rose"), samples))
    run_jobs()
    other.post(f"/e/PARTY234/photos/{photo_id}/veil")
    [address] = re.findall(r"/studio/\S+/requests/veils/[0-9a-f-]{36}", owner.get(requests).text)
    owner.post(address, {"do": "agree"})
    run_jobs()
    after = rose.get(LIST).json()["photos"]
    changed = [new for old, new in zip(before, after, strict=True) if old["tag"] != new["tag"]]
    assert len(changed) == 1 and str(photo_id) in changed[0]["thumb"]
    assert rose.get(changed[0]["thumb"]).headers["etag"] == changed[0]["tag"]


def _word(answer: Response) -> str | None:
    word: str | None = answer.headers.get(HEADER)
    return word


def test_every_page_and_picture_says_whose_it_is_anew_after_each_sign_in(
    owner: Visitor, rose: Visitor, visitor: Visitors
) -> None:
    gallery, [thumb, *_] = "/e/PARTY234/photos", _told(rose)
    word = _word(rose.get(gallery))
    assert word and {_word(rose.get(each)) for each in (LIST, thumb, "/account")} == {word}
    assert _word(rose.get(thumb, headers={"if-none-match": rose.get(thumb).headers["etag"]})) == word
    again, other = visitor(), visitor()
    again.sign_in("rose")
    other.register("PARTY234", "lily")
    words = {word, _word(again.get(gallery)), _word(other.get(gallery))}
    assert len(words) == 3 and None not in words
    for somebody, page in ((visitor(), "/e/PARTY234"), (owner, "/studio"), (owner, "/e/PARTY234")):
        assert _word(somebody.get(page)) is None


def test_browsers_forget_when_a_guest_signs_out_or_leaves_and_staff_keep_their_queue(
    owner: Visitor, rose: Visitor, visitor: Visitors
) -> None:
    clear = "clear-site-data"
    assert clear not in owner.post("/sign-out").headers
    assert clear not in visitor().post("/sign-out").headers
    afar = visitor()
    afar.sign_in("rose")
    place = re.findall(r'action="(/account/devices/[0-9a-f-]{36}/revoke)"', afar.get("/account/devices").text)[0]
    assert afar.post(place).headers[clear] == '"storage"'
    assert rose.post("/sign-out").headers[clear] == '"storage"'
    leaver = visitor()
    leaver.register("PARTY234", "leaver")
    assert leaver.post("/e/PARTY234/me/delete", {"username": "leaver"}).headers[clear] == '"storage"'
