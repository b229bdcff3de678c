"""Who works on an event, what guests write to them, and one's own devices and tokens, by the API."""

from collections.abc import Callable
from uuid import uuid4

from starlette.testclient import TestClient

from tests.api.conftest import Script, token_of
from tests.people import Visitor

NEW_KEY = {"idempotency-key": "invite-kim"}


def test_a_photographer_comes_by_invitation_has_a_quota_and_is_removed(
    organiser: Script, visitor: Callable[[], Visitor]
) -> None:
    path = f"/events/{organiser.person.event_id}"
    made = organiser.ask("POST", f"{path}/people/invitations", json={}, headers=NEW_KEY)
    again = organiser.ask("POST", f"{path}/people/invitations", json={}, headers=NEW_KEY)
    assert made.status_code == 201 and made.json() == again.json()
    spare = organiser.ask("POST", f"{path}/people/invitations", json={}).json()["link"]
    kim = visitor()
    kim.accept(made.json()["link"], "kim@example.org")
    people = organiser.ask("GET", f"{path}/people").json()
    (photographer,), (invitation,) = people["photographers"], people["invitations"]
    assert people["owner"] == "Ada" and photographer["email"] == "kim@example.org"
    quota = {"photos": 7, "bytes": 1_500_000_001}
    one = f"{path}/people/{photographer['id']}"
    assert organiser.ask("PUT", f"{one}/quota", json=quota).status_code == 204
    assert organiser.ask("PUT", f"{path}/quota", json={"photos": 70}).status_code == 204
    assert organiser.ask("PUT", f"{path}/quota", json={"photos": -1}).status_code == 422
    people = organiser.ask("GET", f"{path}/people").json()
    assert people["photographers"][0]["quota"] == quota and people["quota"] == {"photos": 70, "bytes": None}
    assert organiser.ask("DELETE", f"{path}/people/invitations/{invitation['id']}").status_code == 204
    assert visitor().get(spare).status_code == 410
    assert organiser.ask("DELETE", one).status_code == 204
    assert organiser.ask("DELETE", one).status_code == 404
    assert organiser.ask("PUT", f"{one}/quota", json=quota).status_code == 404
    people = organiser.ask("GET", f"{path}/people").json()
    assert people["photographers"] == people["invitations"] == []


def test_an_event_is_offered_taken_back_and_taken(organiser: Script, administrator: Script) -> None:
    path = f"/events/{organiser.person.event_id}/hand-over"
    refused = organiser.ask("PUT", path, json={"to": "nobody@example.org"})
    assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == "to"
    offer = {"to": "owner@example.org"}
    assert organiser.ask("PUT", path, json=offer).json() == {"given": False}
    assert organiser.ask("DELETE", path).status_code == 204
    assert administrator.ask("POST", f"{path}/answer", json={"take": True}).status_code == 404
    assert organiser.ask("PUT", path, json=offer).json() == {"given": False}
    assert organiser.ask("POST", f"{path}/answer", json={"take": True}).status_code == 404
    assert administrator.ask("POST", f"{path}/answer", json={"take": True}).status_code == 204
    assert organiser.ask("GET", f"/events/{organiser.person.event_id}").status_code == 404
    assert administrator.ask("PUT", path, json={"to": "ada@example.org"}).json() == {"given": True}
    assert organiser.ask("GET", f"/events/{organiser.person.event_id}").status_code == 200


def test_messages_are_paged_read_and_answered_once(organiser: Script, visitor: Callable[[], Visitor]) -> None:
    rose = visitor()
    rose.register("PARTY234", "rose")
    for text in ("One", "Two", "Three"):
        assert rose.post("/e/PARTY234/contact", {"text": text}).status_code == 303
    path = f"/events/{organiser.person.event_id}/messages"
    first = organiser.ask("GET", f"{path}?limit=2").json()
    rest = organiser.ask("GET", f"{path}?limit=2&cursor={first['next']}").json()
    assert [each["text"] for each in first["items"] + rest["items"]] == ["Three", "Two", "One"]
    assert rest["next"] is None
    three, two = first["items"]
    assert organiser.ask("PUT", f"{path}/{two['id']}/read", json={"read": True}).status_code == 204
    assert organiser.ask("PUT", f"{path}/{three['id']}/answer", json={"text": " "}).status_code == 422
    assert organiser.ask("PUT", f"{path}/{three['id']}/answer", json={"text": "Tomorrow"}).status_code == 204
    assert organiser.ask("PUT", f"{path}/{three['id']}/answer", json={"text": "Never"}).status_code == 409
    assert "Tomorrow" in rose.get("/e/PARTY234/contact").text
    assert [each["text"] for each in organiser.ask("GET", f"{path}?unread=true").json()["items"]] == ["One"]
    assert organiser.ask("PUT", f"{path}/read").status_code == 204
    assert organiser.ask("GET", f"{path}?unread=true").json()["items"] == []


def test_nobody_reads_or_answers_messages_of_another_event(
    organiser: Script, administrator: Script, visitor: Callable[[], Visitor]
) -> None:
    rose = visitor()
    rose.register("SERVER23", "rose")
    rose.post("/e/SERVER23/contact", {"text": "Private"})
    theirs = f"/events/{administrator.person.event_id}/messages"
    (message,) = administrator.ask("GET", theirs).json()["items"]
    own = f"/events/{organiser.person.event_id}/messages/{message['id']}"
    assert organiser.ask("GET", theirs).status_code == 404
    assert organiser.ask("PUT", f"{own}/answer", json={"text": "Hello"}).status_code == 404
    assert organiser.ask("PUT", f"{own}/read", json={"read": True}).status_code == 404


def test_devices_are_signed_out_and_tokens_revoked_by_their_owner_alone(
    organiser: Script, administrator: Script, site: TestClient
) -> None:
    (mine,) = organiser.ask("GET", "/me/sessions").json()["items"]
    assert not mine["is_this"]
    assert administrator.ask("DELETE", f"/me/sessions/{mine['id']}").status_code == 404
    assert organiser.ask("DELETE", f"/me/sessions/{uuid4()}").status_code == 404
    reader = Script(organiser.browser, token_of(organiser.person, "account:read"), organiser.person)
    assert reader.ask("DELETE", f"/me/sessions/{mine['id']}").status_code == 403
    assert reader.ask("GET", "/me/sessions").status_code == 200
    listed = organiser.ask("GET", "/me/tokens").json()["items"]
    newest = next(each for each in listed if each["scopes"] == ["account:read"])
    assert "trv_" not in organiser.ask("GET", "/me/tokens").text
    assert administrator.ask("DELETE", f"/me/tokens/{newest['id']}").status_code == 404
    assert organiser.ask("DELETE", f"/me/tokens/{newest['id']}").status_code == 204
    assert reader.ask("GET", "/me").status_code == 401
    assert organiser.ask("POST", "/me/sessions/revoke-others").json() == {"ended": 1}
    assert organiser.person.get("/studio").status_code == 303
    assert organiser.ask("GET", "/me/sessions").json()["items"] == []
