"""The watermark by script: set, changed in part, and taken away, by those who manage the event."""

import json

import pytest

from tests.api.conftest import Script

USUAL = {"kind": "text", "text": "Lea & Tom", "position": "bottom_right", "size": 25, "opacity": 60}


def test_a_mark_is_set_changed_in_part_and_taken_away(organiser: Script) -> None:
    event = f"/events/{organiser.person.event_id}"
    assert organiser.ask("GET", event).json()["watermark"] is None
    first = organiser.ask("PATCH", event, json={"watermark": {}})
    assert first.json()["watermark"] == USUAL
    second = organiser.ask("PATCH", event, json={"watermark": {"text": "© Rivage", "position": "tiled", "size": 12}})
    assert second.json()["watermark"] == USUAL | {"text": "© Rivage", "position": "tiled", "size": 12}
    assert second.headers["etag"] != first.headers["etag"]
    other = organiser.ask("PATCH", event, json={"place": "Nice"})
    assert other.json()["watermark"] == second.json()["watermark"], "what is left out stays"
    late = organiser.ask("PATCH", event, json={"watermark": None}, headers={"if-match": first.headers["etag"]})
    assert late.status_code == 412
    assert organiser.ask("PATCH", event, json={"watermark": None}).json()["watermark"] is None


def test_a_new_event_may_begin_with_a_mark(organiser: Script) -> None:
    made = organiser.ask("POST", "/events", json={"name": "Gala", "watermark": {"opacity": 30}})
    assert made.status_code == 201
    assert made.json()["watermark"] == USUAL | {"text": "Gala", "opacity": 30}


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": ""},
        {"text": "x" * 81},
        {"text": "\ud800"},
        {"size": 4},
        {"size": 101},
        {"opacity": 0},
        {"opacity": 1.5},
        {"position": "outside"},
        {"kind": "picture"},
        {"kind": "film"},
    ],
)
def test_what_can_not_be_drawn_is_refused(organiser: Script, wrong: dict[str, object]) -> None:
    event = f"/events/{organiser.person.event_id}"
    body = json.dumps({"watermark": wrong})
    answer = organiser.ask("PATCH", event, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert organiser.ask("GET", event).json()["watermark"] is None
