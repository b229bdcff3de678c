"""The organiser's guest list: searched, filtered, turned over, exported, and a guest removed for good."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.people import Visitor
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]


@pytest.fixture
def owner(visitor: Visitors) -> Visitor:
    owner = visitor()
    owner.set_up_server()
    owner.make_event()
    return owner


def _add(settings: Settings, event_id: str, *names: str) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        for name in names:
            username = re.sub(r"\W", "", name.lower())
            connection.execute(
                "INSERT INTO guests (id, event_id, username, email, display_name, password_hash, locale, created_at)"
                " VALUES (%s, %s, %s, %s, %s, '', 'en', now())",
                (uuid4(), event_id, username, f"{username}@example.org", name),
            )


def _names(page: str) -> list[str]:
    return re.findall(r'person__name">([^<]*)<', page)


def _list(owner: Visitor, query: str = "") -> list[str]:
    answer = owner.get(f"/studio/{owner.event_id}/guests{query}")
    assert answer.status_code == 200
    return _names(answer.text)


def test_an_empty_list_says_what_to_do(owner: Visitor) -> None:
    assert "No guests yet" in owner.get(f"/studio/{owner.event_id}/guests").text


def test_the_list_is_searched_in_all_that_names_a_guest(owner: Visitor, settings: Settings) -> None:
    _add(settings, owner.event_id, "Rose Martin", "Lily Martin", "Zoë 100%", "Anna_Bo")
    assert _list(owner) == ["Anna_Bo", "Lily Martin", "Rose Martin", "Zoë 100%"]
    assert _list(owner, "?search=martin+rose") == ["Rose Martin"]
    assert _list(owner, "?search=LILYMARTIN@") == ["Lily Martin"]
    assert _list(owner, "?search=%25") == ["Zoë 100%"]
    assert _list(owner, "?search=_") == ["Anna_Bo"]
    assert _list(owner, "?search=nobody%00") == []
    assert "Nobody fits" in owner.get(f"/studio/{owner.event_id}/guests?search=nobody").text
    assert owner.get(f"/studio/{owner.event_id}/guests?only=nonsense").status_code == 422


def test_pages_follow_each_other_without_gap_or_repetition(owner: Visitor, settings: Settings) -> None:
    _add(settings, owner.event_id, *(f"Guest {number:03}" for number in range(120)))
    seen: list[str] = []
    address = f"/studio/{owner.event_id}/guests?search=guest"
    for _ in range(5):
        text = owner.get(address).text
        seen += _names(text)
        following = re.search(r'href="([^"]*after=[^"]*)">More guests', text)
        if following is None:
            break
        address = following[1].replace("&amp;", "&")
    assert seen == [f"Guest {number:03}" for number in range(120)]


def test_those_without_selfie_or_photos_are_found(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    owner.upload(samples["sample1.jpg"])
    for username in ("rose", "lily"):
        guest = visitor()
        guest.register("PARTY234", username)
        guest.agree()
        if username == "rose":
            guest.send_selfie(selfie_jpeg(GUESTS[2], samples))
    run_jobs()
    assert _list(owner) == ["Lily", "Rose"]
    assert _list(owner, "?only=no_selfie") == _list(owner, "?only=no_photos") == ["Lily"]
    assert "1 photo" in owner.get(f"/studio/{owner.event_id}/guests").text


def test_the_export_holds_what_the_list_shows_and_no_formula(owner: Visitor, settings: Settings) -> None:
    _add(settings, owner.event_id, "Rose Martin", "=HYPERLINK(1)", "Lily")
    answer = owner.get(f"/studio/{owner.event_id}/guests.csv", headers={"accept-language": "fr"})
    assert answer.headers["content-disposition"] == 'attachment; filename="PARTY234-guests.csv"'
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert rows[0][:3] == ["Nom", "Nom d’utilisateur", "E-mail"]
    assert sorted(row[0] for row in rows[1:]) == ["'=HYPERLINK(1)", "Lily", "Rose Martin"]
    assert {(row[4], row[5]) for row in rows[1:]} == {("non", "0")}
    searched = owner.get(f"/studio/{owner.event_id}/guests.csv?search=lily").text
    assert "lily@example.org" in searched and "rose" not in searched


def test_removing_a_guest_asks_for_the_name_and_erases_everything(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs, settings: Settings
) -> None:
    owner.upload(samples["sample1.jpg"])
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    guest.send_selfie(selfie_jpeg(GUESTS[2], samples))
    guest.post("/e/PARTY234/contact", {"text": "Hello"})
    run_jobs()
    with psycopg.connect(settings.database_url or "") as connection:
        (guest_id,) = connection.execute("SELECT id FROM guests").fetchone() or ("",)
    page = f"/studio/{owner.event_id}/guests/{guest_id}"
    wrong = owner.post(f"{page}/remove", {"name": "Lily"})
    assert wrong.status_code == 422 and 'value="Lily"' in wrong.text
    assert guest.get("/e/PARTY234/me").status_code == 200
    assert owner.post(f"{page}/remove", {"name": " rose "}).status_code == 303
    run_jobs()
    assert owner.get(page).status_code == 404
    assert guest.get("/e/PARTY234/me").status_code == 303
    with psycopg.connect(settings.database_url or "") as connection:
        for table in ("guests", "enrolments", "consents", "matches", "probes", "messages"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
        assert connection.execute("SELECT count(*) FROM sessions WHERE kind = 'guest'").fetchone() == (0,)
        # The log says that the organiser did it, not the guest.
        acts = "SELECT DISTINCT actor_kind FROM audit WHERE act IN ('guest.deleted', 'consent.withdrawn')"
        assert connection.execute(acts).fetchall() == [("staff",)]
    assert list((settings.data_dir / "photos").glob("events/*/selfies/*")) == []


def test_a_guest_of_another_event_is_not_in_the_list_and_not_removed(
    owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    visitor().register("PARTY234", "rose")
    with psycopg.connect(settings.database_url or "") as connection:
        (guest_id,) = connection.execute("SELECT id FROM guests").fetchone() or (UUID(int=0),)
    owner.make_event("OTHER234")
    assert _list(owner) == []
    assert owner.get(f"/studio/{owner.event_id}/guests/{guest_id}").status_code == 404
    assert owner.post(f"/studio/{owner.event_id}/guests/{guest_id}/remove", {"name": "Rose"}).status_code == 404
