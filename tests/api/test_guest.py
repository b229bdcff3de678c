"""A guest's own verbs, by the session of their browser: what they see, say, ask, decide, and take home."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import psycopg
import pytest

from tests.api.conftest import Script, jpeg
from tests.people import Visitor
from trouvaille.settings import Settings

Jobs = Callable[[], None]
HERE = "/api/v1/guest"


@dataclass
class Party:
    """Rose, who is in the first of three photos, and Lily, who is in none."""

    rose: Visitor
    lily: Visitor
    photos: list[str]

    def ask(self, method: str, path: str, status: int, **more: object) -> dict[str, object]:
        """What Rose is answered."""
        answer = self.rose.browser.request(method, HERE + path, **more)  # type: ignore[arg-type]
        assert answer.status_code == status, answer.text
        return dict(answer.json()) if answer.content else {}

    def ids(self, show: str) -> list[str]:
        """The photos of a part of Rose's gallery, asked for one by one."""
        found, cursor = [], ""
        while cursor is not None:
            shown = self.ask("GET", f"/photos?show={show}&limit=1&cursor={cursor}", 200)
            found += [each["id"] for each in shown["items"]]  # type: ignore[attr-defined]
            cursor = shown["next"]  # type: ignore[assignment]
        return found


@pytest.fixture
def party(organiser: Script, visitor: Callable[[], Visitor], settings: Settings, run_jobs: Jobs) -> Party:
    organiser.person.change(gallery="guests", faces="yes")
    photos = [organiser.person.upload((f"{n}.jpg", jpeg()))["accepted"][0]["id"] for n in range(3)]
    rose, lily = visitor(), visitor()
    rose.register("PARTY234", "rose")
    lily.register("PARTY234", "lily")
    run_jobs()
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(
            "INSERT INTO matches (guest_id, photo_id, event_id, similarity, tier, created_at)"
            " SELECT guests.id, photos.id, photos.event_id, 0.9, 'maybe', now() FROM guests, photos"
            " WHERE photos.id = %s AND username = 'rose'",
            (photos[0],),
        )
    return Party(rose, lily, photos)


def test_a_guest_says_which_photos_are_theirs_and_keeps_favourites(party: Party) -> None:
    first, second, _ = party.photos
    assert party.ids("maybe") == [first] and party.ids("mine") == []
    assert sorted(party.ids("all")) == sorted(party.photos)
    party.ask("PUT", f"/photos/{first}/verdict", 204, json={"answer": "yes"})
    assert party.ids("mine") == [first] and party.ids("maybe") == []
    one = party.ask("GET", f"/photos/{first}", 200)
    assert (one["is_mine"], one["verdict"], one["tier"]) == (True, "yes", "maybe")
    assert party.rose.get(str(one["thumb_url"])).status_code == 200
    party.ask("PUT", f"/photos/{first}/verdict", 204, json={"answer": "undo"})
    assert party.ids("maybe") == [first]
    party.ask("PUT", f"/photos/{second}/verdict", 404, json={"answer": "yes"})
    for _ in range(2):
        party.ask("PUT", f"/photos/{second}/favourite", 204)
    assert party.ids("favourites") == [second] and party.ask("GET", f"/photos/{second}", 200)["is_favourite"]
    party.ask("DELETE", f"/photos/{second}/favourite", 204)
    assert party.ids("favourites") == []


def test_a_guest_asks_about_photos_and_only_of_those_that_they_see(
    party: Party, organiser: Script, administrator: Script
) -> None:
    first, second, third = party.photos
    party.ask("POST", f"/photos/{second}/report", 204, json={"reason": "wrong", "text": "Not ours"})
    party.ask("POST", f"/photos/{third}/near", 204, json={"text": "At the bar"})
    party.ask("PUT", f"/photos/{second}/veil", 409)
    party.ask("POST", f"/photos/{second}/report", 422, json={"reason": "none of these"})
    asked = organiser.ask("GET", f"/events/{organiser.person.event_id}/requests").json()["items"]
    assert [(each["kind"], each["photo_id"]) for each in asked] == [("near", third), ("report", second)]
    party.ask("PUT", f"/photos/{first}/verdict", 204, json={"answer": "yes"})
    party.ask("POST", f"/photos/{first}/near", 409, json={"text": ""})
    theirs = administrator.person.upload(("theirs.jpg", jpeg()))["accepted"][0]["id"]
    for photo_id in (theirs, str(uuid4())):
        party.ask("GET", f"/photos/{photo_id}", 404)
        party.ask("PUT", f"/photos/{photo_id}/favourite", 404)
        party.ask("POST", f"/photos/{photo_id}/report", 404, json={"reason": "other"})


def test_a_guest_agrees_to_the_text_that_they_have_read_and_withdraws(party: Party) -> None:
    shown = party.ask("GET", "/consent", 200)
    assert not shown["agrees"] and any("on this server only" in each for each in shown["paragraphs"])  # type: ignore[attr-defined]
    assert party.ask("PUT", "/consent", 412, json={"version": "an older one"})["code"] == "other_text"
    party.ask("PUT", "/consent", 204, json={"version": shown["version"]})
    assert party.ask("GET", "/consent", 200)["agrees"]
    assert party.rose.get("/e/PARTY234/selfie").status_code == 200
    assert party.ask("DELETE", "/consent", 200) == {"erased": {"matches": 1}}
    assert not party.ask("GET", "/consent", 200)["agrees"] and party.ids("maybe") == []


def test_a_guest_takes_their_data_home_and_leaves_for_good(party: Party, organiser: Script) -> None:
    party.ask("PUT", f"/photos/{party.photos[1]}/favourite", 204)
    with zipfile.ZipFile(io.BytesIO(party.rose.get(f"{HERE}/data.zip").content)) as archive:
        kept = json.loads(archive.read("data.json"))
    assert kept["account"][0]["username"] == "rose" and len(kept["favourites"]) == 1
    assert "password_hash" not in kept["account"][0] and "lily" not in json.dumps(kept)
    assert party.ask("GET", "/news", 200) == {"mail": True, "can_mail": False}
    party.ask("PUT", "/news", 204, json={"mail": False})
    assert party.ask("GET", "/news", 200)["mail"] is False
    wrong = party.ask("DELETE", "?username=lily", 422)
    assert wrong["errors"][0]["field"] == "username"  # type: ignore[index]
    erased = party.ask("DELETE", "?username=rose", 200)["erased"]
    assert erased["favourites"] == 1 and erased["matches"] == 1  # type: ignore[index]
    party.ask("GET", "/photos", 401)
    guests = organiser.ask("GET", f"/events/{organiser.person.event_id}/guests").json()["items"]
    assert [each["username"] for each in guests] == ["lily"]


def test_what_is_for_guests_is_not_for_staff_nor_for_tokens(party: Party, organiser: Script) -> None:
    refused = organiser.person.get(f"{HERE}/photos")
    assert refused.status_code == 403 and refused.json()["code"] == "guests_only"
    assert organiser.ask("GET", "/guest/photos").status_code == 403
    organiser.ask("POST", f"/events/{organiser.person.event_id}/state", json={"to": "archived"})
    party.ask("GET", "/photos", 410)
    assert party.ask("DELETE", "/consent", 200)["erased"] == {"matches": 1}, "one can always withdraw"
