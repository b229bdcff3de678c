"""An event gets another owner when that one says yes, or when an administrator says so."""

from collections.abc import Callable

from tests.crew.conftest import Query
from tests.people import Visitor

Organisers = Callable[[str], Visitor]


def _offer(ada: Visitor, to: str = "bob@example.org") -> int:
    return ada.post(f"/studio/{ada.event_id}/hand-over", {"to": to}).status_code


def test_an_event_is_its_new_owners_once_they_take_it(ada: Visitor, organisers: Organisers, query: Query) -> None:
    bob, desk = organisers("bob"), f"/studio/{ada.event_id}"
    bob.post(ada.invite())
    assert _offer(ada) == 303
    assert bob.get(f"{desk}/edit").status_code == 404
    assert "Bob" in ada.get(f"{desk}/people").text
    assert "Ada would like to hand" in bob.get("/studio").text
    assert bob.post(f"{desk}/hand-over/answer", {"answer": "take"}).headers["location"] == desk
    assert bob.get(f"{desk}/edit").status_code == 200
    assert ada.get(desk).status_code == 404
    assert "would like to hand" not in bob.get("/studio").text
    assert query("SELECT 1 FROM event_photographers") == query("SELECT 1 FROM event_handovers") == []
    assert query("SELECT count(*) FROM audit WHERE act = 'event.handed_over'") == [(1,)]


def test_a_declined_withdrawn_or_old_offer_changes_nothing(ada: Visitor, organisers: Organisers, query: Query) -> None:
    bob, answer = organisers("bob"), f"/studio/{ada.event_id}/hand-over/answer"
    for end in (
        lambda: bob.post(answer, {"answer": "decline"}),
        lambda: ada.post(f"/studio/{ada.event_id}/hand-over/withdraw"),
        lambda: query("UPDATE event_handovers SET expires_at = now()"),
    ):
        _offer(ada)
        end()
        assert bob.post(answer, {"answer": "take"}).status_code == 404
        assert ada.get(f"/studio/{ada.event_id}/edit").status_code == 200


def test_only_the_organiser_to_whom_it_is_offered_can_take_it(ada: Visitor, organisers: Organisers) -> None:
    organisers("bob")
    eve = organisers("eve")
    _offer(ada)
    for who in (eve, ada):
        assert who.post(f"/studio/{ada.event_id}/hand-over/answer", {"answer": "take"}).status_code == 404


def test_it_is_offered_to_organisers_alone(ada: Visitor, visitor: Callable[[], Visitor]) -> None:
    zoe = visitor()
    zoe.accept(ada.invite(), "zoe@example.org")
    for nobody in ("zoe@example.org", "nobody@example.org", "ada@example.org", ""):
        assert _offer(ada, nobody) == 422


def test_an_organiser_who_became_photographer_can_not_take_it(
    ada: Visitor, organisers: Organisers, administrator: Visitor, query: Query
) -> None:
    bob = organisers("bob")
    _offer(ada)
    ((bob_id,),) = query("SELECT id FROM staff WHERE email = 'bob@example.org'")
    administrator.post(f"/server/staff/{bob_id}/role", {"role": "photographer"})
    assert bob.post(f"/studio/{ada.event_id}/hand-over/answer", {"answer": "take"}).status_code == 404


def test_an_administrator_hands_over_at_once(ada: Visitor, organisers: Organisers, administrator: Visitor) -> None:
    bob = organisers("bob")
    administrator.post(f"/studio/{ada.event_id}/hand-over", {"to": "Bob@example.org"})
    assert bob.get(f"/studio/{ada.event_id}/edit").status_code == 200
    assert ada.get(f"/studio/{ada.event_id}").status_code == 404
