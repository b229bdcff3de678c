"""The checks while typing: what they say, to whom, how often, and how fast the database can answer."""

import json
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import event as listening
from sqlalchemy.engine import Engine

from tests.people import Visitor
from trouvaille.accounts.throttle import Pace
from trouvaille.events import checks
from trouvaille.guests import door
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
TIGHT = Pace(free=3, first_s=30, longest_s=30, forgets_one_in_s=60)


def _availability(visitor: Visitor, **asked: str) -> dict[str, dict[str, object]]:
    answer = visitor.browser.post("/api/v1/check-availability", json={"code": "PARTY234", **asked})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_code_is_known_however_it_is_typed(owner: Visitor, visitor: Visitors) -> None:
    for code in ("PARTY234", "party234", " party 234 "):
        answer = visitor().get("/api/v1/check-code", params={"code": code})
        assert answer.json() == {"valid": True, "name": "Lea & Tom", "detail": "Lea & Tom"}
    for code in ("PARTY235", "", "%", "x" * 100):
        answer = visitor().get("/api/v1/check-code", params={"code": code}).json()
        assert (answer["valid"], answer["name"]) == (False, None)
        assert answer["detail"] == "There is no event with this code. Please check it and try again."


def test_a_code_of_an_event_that_is_over_says_so(owner: Visitor, visitor: Visitors, settings: Settings) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE events SET expires_at = now() - interval '1 day'")
    answer = visitor().get("/api/v1/check-code", params={"code": "PARTY234"}).json()
    assert not answer["valid"] and "over" in answer["detail"]
    asked = {"code": "PARTY234", "username": "rose"}
    assert visitor().browser.post("/api/v1/check-availability", json=asked).status_code == 410


def test_what_is_taken_is_taken_in_any_case_and_at_this_event_alone(owner: Visitor, visitor: Visitors) -> None:
    owner.make_event("OTHER234")
    visitor().register("PARTY234", "Rosé")
    said = _availability(visitor(), username="ROSÉ", email="ROSÉ@example.org")
    assert not said["username"]["available"] and not said["email"]["available"]
    assert said["username"]["detail"] == "This username is already taken at this event."
    said = _availability(visitor(), code="OTHER234", username="ROSÉ", email="ROSÉ@example.org")
    assert said["username"]["available"] and said["email"]["available"]


def test_a_name_that_nobody_could_register_is_not_available(owner: Visitor, visitor: Visitors) -> None:
    said = _availability(visitor(), username="x", email="no address")
    assert said["username"]["detail"] == "Use 3 to 40 letters, digits, dots, hyphens or underscores."
    assert said["email"]["detail"] == "Please enter a valid e-mail address."
    assert _availability(visitor(), username="rose")["email"] is None


def test_the_answers_speak_the_visitors_language(owner: Visitor, visitor: Visitors) -> None:
    guest = visitor()
    guest.browser.headers["accept-language"] = "fr"
    assert _availability(guest, username="rose")["username"]["detail"] == "Ce nom d’utilisateur est libre."


def test_without_a_valid_code_nobody_learns_who_is_a_guest(owner: Visitor, visitor: Visitors) -> None:
    visitor().register("PARTY234", "rose")
    answer = visitor().browser.post("/api/v1/check-availability", json={"code": "PARTY235", "username": "rose"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "username" not in answer.json()


def test_a_new_code_works_at_once(owner: Visitor, visitor: Visitors) -> None:
    assert not visitor().get("/api/v1/check-code?code=FRESH234").json()["valid"]
    owner.make_event("FRESH234")
    assert visitor().get("/api/v1/check-code?code=FRESH234").json()["valid"]


@pytest.mark.parametrize("counted", ["BY_ADDRESS", "OF_EVENT"])
def test_checks_are_limited_by_sender_and_by_event(
    owner: Visitor, visitor: Visitors, monkeypatch: pytest.MonkeyPatch, counted: str
) -> None:
    monkeypatch.setattr(checks, counted, TIGHT)
    for path in ("/api/v1/check-code?code=PARTY234",) * 4:
        assert visitor().get(path).status_code == 200
    refused = visitor().get("/api/v1/check-code?code=PARTY234")
    assert refused.status_code == 429 and 1 <= int(refused.headers["retry-after"]) <= 31
    assert refused.json()["detail"].startswith("Too many attempts. Please try again in")
    asked = visitor().browser.post("/api/v1/check-availability", json={"code": "PARTY234", "username": "rose"})
    assert asked.status_code == 429, "both checks are counted together"
    page = visitor().get("/go?code=NOSUCH23")
    assert (page.status_code, "retry-after" in page.headers) == (
        (429, True) if counted == "BY_ADDRESS" else (404, False)
    )


@pytest.mark.parametrize("counted", ["BY_ADDRESS", "TO_EVENT"])
def test_registrations_are_limited_by_sender_and_by_event(
    owner: Visitor, visitor: Visitors, monkeypatch: pytest.MonkeyPatch, counted: str
) -> None:
    monkeypatch.setattr(door, counted, TIGHT)
    answers = [visitor().register("PARTY234", f"guest{number}") for number in range(5)]
    assert [answer.status_code for answer in answers] == [303] * 4 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert "Please try again in" in answers[-1].text and 'value="guest4"' in answers[-1].text
    owner.make_event("OTHER234")
    elsewhere = visitor().register("OTHER234", "rose").status_code
    assert elsewhere == (429 if counted == "BY_ADDRESS" else 303)


def test_each_check_is_one_indexed_query(owner: Visitor, visitor: Visitors, settings: Settings) -> None:
    asked: list[tuple[str, object]] = []

    def note(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        asked.append((statement, parameters))

    listening.listen(Engine, "before_cursor_execute", note)
    try:
        visitor().get("/api/v1/check-code?code=PARTY234")
        code_query = [each for each in asked if "FROM events" in each[0]]
        _availability(visitor(), username="rose", email="rose@example.org")
    finally:
        listening.remove(Engine, "before_cursor_execute", note)
    events = [each for each in asked if "FROM events" in each[0]]
    assert len(code_query) == len(events) == 1, "the second check remembered the code"
    guests = [each for each in asked if "FROM guests" in each[0]]
    assert len(guests) == 1
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("SET enable_seqscan = off")
        for (statement, parameters), indexes in (
            (events[0], ["uq_events_code"]),
            (guests[0], ["uq_guests_event_username", "uq_guests_event_email"]),
        ):
            plan = json.dumps(connection.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters).fetchall())  # type: ignore[arg-type]
            assert all(index in plan for index in indexes), plan


def test_a_draft_is_nobodys_and_a_closed_event_says_that_it_is_closed(owner: Visitor, visitor: Visitors) -> None:
    owner.make_event("DRAFT234", begin="draft")
    asked = visitor()
    assert asked.get("/api/v1/check-code?code=DRAFT234").json()["name"] is None
    owner.make_event("SHUT2345")
    owner.move("closed")
    answer = asked.get("/api/v1/check-code?code=shut-2345").json()
    assert not answer["valid"] and "no new guests" in answer["detail"]
    assert (
        asked.browser.post("/api/v1/check-availability", json={"code": "SHUT2345", "username": "x"}).status_code == 409
    )
