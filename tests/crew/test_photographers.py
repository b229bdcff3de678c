"""A photographer works with the photos that they added, and with nothing else of the event."""

import io
from collections.abc import Callable

import pytest
from PIL import Image

from tests.crew.conftest import Query
from tests.people import Visitor

Visitors = Callable[[], Visitor]


def _jpeg(colour: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(made, "JPEG")
    return made.getvalue()


@pytest.fixture
def zoe(ada: Visitor, visitor: Visitors) -> Visitor:
    """A photographer of Ada's event."""
    zoe = visitor()
    assert zoe.accept(ada.invite(), "zoe@example.org").headers["location"] == f"/studio/{ada.event_id}"
    zoe.event_id = ada.event_id
    return zoe


def test_a_photographer_sees_retries_and_deletes_their_own_photos_alone(
    ada: Visitor, zoe: Visitor, run_jobs: Callable[[], None]
) -> None:
    (theirs,) = ada.upload(("ada.jpg", _jpeg("red")))["accepted"]
    (own,) = zoe.upload(("zoe.jpg", _jpeg("blue")))["accepted"]
    run_jobs()
    desk = zoe.get(f"/studio/{zoe.event_id}").text
    assert "zoe.jpg" in desk and "ada.jpg" not in desk
    both = ada.get(f"/studio/{ada.event_id}").text
    assert "zoe.jpg" in both and "ada.jpg" in both
    for kind in ("thumb", "original"):
        assert zoe.get(f"/e/PARTY234/p/{own['id']}/{kind}").status_code == 200
        assert zoe.get(f"/e/PARTY234/p/{theirs['id']}/{kind}").status_code == 404
    for what in ("retry", "delete"):
        assert zoe.post(f"/studio/{zoe.event_id}/photos/{theirs['id']}/{what}").status_code == 404
        assert zoe.post(f"/studio/{zoe.event_id}/photos/{own['id']}/{what}").status_code == 303


def test_a_photographers_desk_and_studio_say_nothing_of_guests_and_settings(
    ada: Visitor, zoe: Visitor, visitor: Visitors
) -> None:
    ada.upload(("ada.jpg", _jpeg("red")))
    visitor().register("PARTY234", "rose")
    desk, studio = zoe.get(f"/studio/{zoe.event_id}").text, zoe.get("/studio").text
    for hidden in (f"/studio/{zoe.event_id}/edit", "/people", "qr.svg", 'data-number="guests"', "rose"):
        assert hidden not in desk
    assert "Lea &amp; Tom" in studio and "1 guest" not in studio and "0 photos" in studio
    assert "/studio/new" not in studio
    assert zoe.get("/studio/new").status_code == 403


def test_their_live_numbers_count_their_own_photos(ada: Visitor, zoe: Visitor) -> None:
    ada.upload(("ada.jpg", _jpeg("red")))
    zoe.browser.app.state.site.hub.closing.set()  # type: ignore[attr-defined]
    told = zoe.get(f"/studio/{zoe.event_id}/live").text
    assert '"total":0' in told.replace(" ", "") and "guests" not in told


def test_a_removed_photographer_is_out_at_once_and_their_photos_stay(ada: Visitor, zoe: Visitor, query: Query) -> None:
    zoe.upload(("zoe.jpg", _jpeg("blue")))
    people = ada.get(f"/studio/{ada.event_id}/people").text
    assert "zoe@example.org" in people
    ((zoe_id,),) = query("SELECT id FROM staff WHERE email = 'zoe@example.org'")
    assert ada.post(f"/studio/{ada.event_id}/people/{zoe_id}/remove").status_code == 303
    assert zoe.get(f"/studio/{ada.event_id}").status_code == 404
    files = [("photos", ("late.jpg", _jpeg("green")))]
    assert zoe.browser.post(f"/studio/{ada.event_id}/photos", files=files).status_code == 404
    assert "zoe.jpg" in ada.get(f"/studio/{ada.event_id}").text
    assert "No event yet" in zoe.get("/studio").text
    assert ada.post(f"/studio/{ada.event_id}/people/{zoe_id}/remove").status_code == 404


def test_an_organiser_may_be_the_photographer_of_anothers_event(
    ada: Visitor, organisers: Callable[[str], Visitor]
) -> None:
    bob = organisers("bob")
    link = ada.invite()
    assert "Accept as Bob" in bob.get(link).text
    assert bob.post(link).headers["location"] == f"/studio/{ada.event_id}"
    assert bob.get(f"/studio/{ada.event_id}").status_code == 200
    assert bob.get(f"/studio/{ada.event_id}/edit").status_code == 404
    assert bob.get("/studio/new").status_code == 200


def test_a_photographer_prepares_a_draft_and_leaves_an_archived_event_as_it_is(
    ada: Visitor, visitor: Visitors, run_jobs: Callable[[], None]
) -> None:
    ada.make_event("DRAFT234", begin="draft")
    zoe = visitor()
    zoe.accept(ada.invite(), "zoe@example.org")
    zoe.event_id = ada.event_id
    (own,) = zoe.upload(("zoe.jpg", _jpeg("blue")))["accepted"]
    run_jobs()
    for path in ("/e/DRAFT234/theme.css", f"/e/DRAFT234/p/{own['id']}/thumb"):
        assert zoe.get(path).status_code == 200
        assert visitor().get(path).status_code == 404
    assert "Open it for guests" not in zoe.get("/studio").text + zoe.get(f"/studio/{zoe.event_id}").text
    ada.move("open")
    ada.move("archived")
    assert zoe.get(f"/studio/{zoe.event_id}").status_code == 200
    files = [("photos", ("late.jpg", _jpeg("green")))]
    assert zoe.browser.post(f"/studio/{zoe.event_id}/photos", files=files).status_code == 409
    for what in ("retry", "delete"):
        assert zoe.post(f"/studio/{zoe.event_id}/photos/{own['id']}/{what}").status_code == 409


def test_where_everyone_looks_a_photographer_takes_home_no_more_of_others_photos_than_anybody(
    ada: Visitor, zoe: Visitor, run_jobs: Callable[[], None]
) -> None:
    ada.change(gallery="everyone", downloads="view")
    (theirs,) = ada.upload(("ada.jpg", _jpeg("red")))["accepted"]
    (own,) = zoe.upload(("zoe.jpg", _jpeg("blue")))["accepted"]
    run_jobs()
    assert zoe.get(f"/e/PARTY234/p/{theirs['id']}/thumb").status_code == 200
    assert zoe.get(f"/e/PARTY234/p/{theirs['id']}/original").status_code == 403
    assert zoe.get(f"/e/PARTY234/p/{own['id']}/original").status_code == 200
    assert ada.get(f"/e/PARTY234/p/{own['id']}/original").status_code == 200
