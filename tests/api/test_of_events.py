"""Pictures and reminders of an event, and what guests ask about its photos, by the API."""

from collections.abc import Callable
from uuid import uuid4

import psycopg
import pytest

from tests.api.conftest import Script, jpeg
from tests.people import Visitor
from trouvaille.settings import Settings

Jobs = Callable[[], None]
BYTES = {"content-type": "application/octet-stream"}


def test_a_cover_is_sent_shown_replaced_and_removed(organiser: Script, run_jobs: Jobs) -> None:
    path = f"/events/{organiser.person.event_id}/pictures"
    sent = organiser.ask("PUT", f"{path}/cover?file_name=us.jpg", content=jpeg(), headers=BYTES)
    assert sent.status_code == 200 and sent.json()["url"] is None and sent.json()["file_name"] == "us.jpg"
    run_jobs()
    (cover,) = organiser.ask("GET", path).json()["items"]
    assert (cover["kind"], cover["state"], cover["problem"]) == ("cover", "ready", None)
    picture = organiser.browser.get(cover["url"], headers={"authorization": f"Bearer {organiser.token}"})
    assert picture.headers["content-type"].startswith("image/")
    assert organiser.ask("PUT", f"{path}/logo", content=jpeg(), headers=BYTES).status_code == 200
    assert organiser.ask("DELETE", f"{path}/cover").status_code == 204
    assert organiser.browser.get(cover["url"]).status_code == 404
    assert [each["kind"] for each in organiser.ask("GET", path).json()["items"]] == ["logo"]
    assert organiser.ask("DELETE", f"{path}/cover").status_code == 204


@pytest.mark.parametrize("data", [b"", b"no picture", jpeg()[:-900]])
def test_what_is_no_picture_is_refused_and_the_older_one_stays(data: bytes, organiser: Script) -> None:
    path = f"/events/{organiser.person.event_id}/pictures"
    kept = organiser.ask("PUT", f"{path}/cover", content=jpeg(), headers=BYTES).json()
    assert organiser.ask("PUT", f"{path}/cover", content=data, headers=BYTES).status_code == 422
    assert organiser.ask("PUT", f"{path}/watermark", content=jpeg(), headers=BYTES).json()["code"] == "no_cut_out"
    assert [each["file_name"] for each in organiser.ask("GET", path).json()["items"]] == [kept["file_name"]]
    assert organiser.ask("PUT", f"{path}/banner", content=jpeg(), headers=BYTES).status_code == 404


def test_an_endless_picture_is_cut_off_and_nobody_elses_event_takes_one(
    organiser: Script, administrator: Script, settings: Settings
) -> None:
    path = f"/events/{organiser.person.event_id}/pictures/cover"
    huge = b"\xff\xd8\xff" + bytes(settings.selfie_limit_bytes + 300_000)
    assert organiser.ask("PUT", path, content=huge, headers=BYTES).status_code == 413
    theirs = f"/events/{administrator.person.event_id}/pictures/cover"
    assert organiser.ask("PUT", theirs, content=jpeg(), headers=BYTES).status_code == 404
    assert organiser.ask("DELETE", theirs).status_code == 404


def test_a_reminder_stands_until_it_is_put_away(organiser: Script, settings: Settings, run_jobs: Jobs) -> None:
    path = f"/events/{organiser.person.event_id}/reminder"
    assert organiser.ask("GET", path).json() == {"expires_on": None, "days_left": None, "stands": False}
    with psycopg.connect(settings.database_url or "") as connection:
        end = "UPDATE events SET expires_at = now() + interval '5 days' WHERE id = %s"
        connection.execute(end, (organiser.person.event_id,))
        connection.execute(
            "INSERT INTO event_reminders (id, event_id, expires_at, days_before, created_at)"
            " SELECT gen_random_uuid(), id, expires_at, 7, now() FROM events WHERE id = %s",
            (organiser.person.event_id,),
        )
    before = organiser.ask("GET", path).json()
    assert before["stands"] and before["days_left"] in (4, 5)
    assert organiser.ask("POST", f"{path}/dismiss").status_code == 204
    assert organiser.ask("POST", f"{path}/dismiss").status_code == 204
    assert organiser.ask("GET", path).json() == {**before, "stands": False}


class Party:
    """A photo that Rose is in, and what she asks about it."""

    def __init__(self, organiser: Script, visitor: Callable[[], Visitor], settings: Settings, run_jobs: Jobs) -> None:
        organiser.person.change(gallery="guests", faces="yes")
        self.photos = [organiser.person.upload((f"{n}.jpg", jpeg()))["accepted"][0]["id"] for n in range(3)]
        self.path = f"/events/{organiser.person.event_id}/requests"
        self.rose = visitor()
        self.rose.register("PARTY234", "rose")
        run_jobs()
        with psycopg.connect(settings.database_url or "") as connection:
            connection.execute(
                "INSERT INTO matches (guest_id, photo_id, event_id, similarity, tier, created_at)"
                " SELECT guests.id, photos.id, photos.event_id, 0.9, 'sure', now() FROM guests, photos"
                " WHERE photos.id = %s",
                (self.photos[0],),
            )
            self.veil_id = uuid4()
            connection.execute(
                "INSERT INTO veils (id, event_id, photo_id, guest_id, box_xyxy, state, created_at)"
                " SELECT %s, event_id, photo_id, guest_id, '{0.1,0.1,0.5,0.5}', 'asked', now() FROM matches",
                (self.veil_id,),
            )
        about = "/e/PARTY234/photos"
        assert self.rose.post(f"{about}/{self.photos[1]}/report", {"reason": "wrong", "text": "Not ours"}).is_redirect
        assert self.rose.post(f"{about}/{self.photos[2]}/near", {"near": "At the bar"}).is_redirect


@pytest.fixture
def party(organiser: Script, visitor: Callable[[], Visitor], settings: Settings, run_jobs: Jobs) -> Party:
    return Party(organiser, visitor, settings, run_jobs)


def test_what_guests_ask_is_one_list_page_by_page_and_by_kind(
    organiser: Script, administrator: Script, party: Party
) -> None:
    found, cursor = [], ""
    while cursor is not None:
        shown = organiser.ask("GET", f"{party.path}?limit=1&cursor={cursor}").json()
        found += shown["items"]
        cursor = shown["next"]
    assert [(each["kind"], each["guest"], each["open"]) for each in found] == [
        ("near", "Rose", True),
        ("report", "Rose", True),
        ("veil", "Rose", True),
    ]
    near, report, veil = found
    assert near["text"] == "At the bar" and (report["reason"], report["text"]) == ("wrong", "Not ours")
    assert veil["face_box"] == pytest.approx([0.1, 0.1, 0.5, 0.5]) and veil["reason"] is None
    (only,) = organiser.ask("GET", f"{party.path}?kind=veil").json()["items"]
    assert only == veil
    assert organiser.ask("GET", f"{party.path}?kind=other").status_code == 422
    assert administrator.ask("GET", f"/events/{administrator.person.event_id}/requests").json()["items"] == []


def test_each_kind_is_decided_and_leaves_the_open_ones(
    organiser: Script, administrator: Script, party: Party, run_jobs: Jobs
) -> None:
    near, report, veil = organiser.ask("GET", party.path).json()["items"]
    theirs = f"/events/{administrator.person.event_id}/requests"
    answers = (
        (f"reports/{report['id']}", {"decision": "hide"}, 204),
        (f"veils/{veil['id']}", {"decision": "agree"}, 204),
        (f"near/{near['id']}", {"photos": [party.photos[2]]}, 200),
    )
    for path, body, status in answers:
        assert administrator.ask("PUT", f"{theirs}/{path}", json=body).status_code == 404
        assert organiser.ask("PUT", f"{party.path}/{path}", json={"decision": "?", "photos": "?"}).status_code == 422
        if path.startswith("near"):
            around = organiser.ask("GET", f"{party.path}/{path}").json()["items"]
            # The reported one is hidden by now, and in the first one she was found by her face.
            assert {each["photo_id"]: each["is_found"] for each in around} == {
                party.photos[0]: True,
                party.photos[2]: False,
            }
        assert organiser.ask("PUT", f"{party.path}/{path}", json=body).status_code == status
    run_jobs()
    assert organiser.ask("GET", f"{party.path}?open=true").json()["items"] == []
    decided = {each["kind"]: each for each in organiser.ask("GET", party.path).json()["items"]}
    states = {kind: each["state"] for kind, each in decided.items()}
    assert states == {"near": "answered", "report": "hidden", "veil": "agreed"}
    assert decided["veil"]["in_force"] and not decided["report"]["in_force"]
    assert party.photos[2] in map(str, party.rose.photos("mine"))
    assert party.photos[1] not in map(str, party.rose.photos("all"))
