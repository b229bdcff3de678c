"""Inviting guests from a list and taking the guest list home, by the API."""

import csv
import io
from collections.abc import Callable
from uuid import uuid4

from tests.api.conftest import Script
from tests.people import Visitor

KEY = {"idempotency-key": "the-list"}
CSV = {"content-type": "text/csv"}


def _path(script: Script) -> str:
    return f"/events/{script.person.event_id}/invitations"


def _person(name: str) -> dict[str, str]:
    return {"name": name, "email": f"{name.lower()}@example.org"}


def test_one_or_many_are_invited_once_and_each_gets_a_link_of_their_own(
    organiser: Script, visitor: Callable[[], Visitor]
) -> None:
    wish = {"people": [_person("Lily"), _person("Fern"), {"name": "", "email": "no"}, _person("Lily")]}
    made = organiser.ask("POST", _path(organiser), json=wish, headers=KEY)
    again = organiser.ask("POST", _path(organiser), json=wish, headers=KEY)
    assert made.status_code == 201 and made.json() == again.json()
    lily, fern = made.json()["invited"]
    assert [each["line"] for each in made.json()["refused"]] == [3, 4] and made.json()["mailed"] is False
    assert lily["link"] != fern["link"]
    answer = visitor().get(lily["link"])
    assert answer.headers["location"].startswith("/e/PARTY234/register?invitation=")
    listed = organiser.ask("GET", _path(organiser))
    assert [each["name"] for each in listed.json()["items"]] == ["Fern", "Lily"]
    assert "/i/" not in listed.text, "a link is shown once"


def test_a_list_of_which_nobody_can_be_invited_is_refused_by_row(
    organiser: Script, visitor: Callable[[], Visitor]
) -> None:
    visitor().register("PARTY234", "rose")
    refused = organiser.ask("POST", _path(organiser), json={"people": [{"name": "x", "email": "no"}, _person("Rose")]})
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json()["errors"]] == ["people.0", "people.1"]
    assert organiser.ask("POST", _path(organiser), json={"people": []}).status_code == 422


def test_a_table_is_imported_as_spreadsheets_save_it(organiser: Script) -> None:
    table = "\ufeffName;E-mail\r\nLily;lily@example.org\r\nZoé;zoe@example.org\r\nNobody;\r\n".encode()
    made = organiser.ask("POST", f"{_path(organiser)}/csv", content=table, headers=CSV).json()
    assert [each["name"] for each in made["invited"]] == ["Lily", "Zoé"]
    assert [(each["line"], each["row"]) for each in made["refused"]] == [(4, "Nobody, ")]
    for nonsense in (b"\0", b"", b'"never closed', table):
        refused = organiser.ask("POST", f"{_path(organiser)}/csv", content=nonsense, headers=CSV)
        assert refused.status_code == 422, nonsense
    assert refused.json()["errors"][0]["field"] == "line.2"


def test_an_invitation_is_renewed_withdrawn_and_listed_page_by_page(
    organiser: Script, visitor: Callable[[], Visitor]
) -> None:
    people = [_person(name) for name in ("Lily", "Fern", "ash")]
    made = organiser.ask("POST", _path(organiser), json={"people": people}).json()["invited"]
    links = {each["name"]: each["link"] for each in made}
    ash = visitor()
    ash.register("PARTY234", "ash")
    names, cursor = [], ""
    while cursor is not None:
        shown = organiser.ask("GET", f"{_path(organiser)}?limit=1&cursor={cursor}").json()
        names += [(each["name"], each["state"]) for each in shown["items"]]
        cursor = shown["next"]
    assert names == [("Fern", "invited"), ("Lily", "invited"), ("ash", "joined")]
    ids = {each["name"]: each["id"] for each in made}
    renewed = organiser.ask("POST", f"{_path(organiser)}/{ids['Lily']}/link", json={})
    assert renewed.status_code == 200 and visitor().get(links["Lily"]).status_code == 404
    assert visitor().get(renewed.json()["link"]).status_code == 303
    assert organiser.ask("POST", f"{_path(organiser)}/{ids['Lily']}/link", json={"send": True}).status_code == 409
    assert organiser.ask("DELETE", f"{_path(organiser)}/{ids['Fern']}").status_code == 204
    assert visitor().get(links["Fern"]).status_code == 404
    for gone in (ids["Fern"], uuid4()):
        assert organiser.ask("DELETE", f"{_path(organiser)}/{gone}").status_code == 404


def test_nobody_touches_the_invitations_of_another_event(organiser: Script, administrator: Script) -> None:
    made = administrator.ask("POST", _path(administrator), json={"people": [_person("Lily")]}).json()["invited"][0]
    assert organiser.ask("GET", _path(administrator)).status_code == 404
    for method, path in (("DELETE", made["id"]), ("POST", f"{made['id']}/link")):
        assert organiser.ask(method, f"{_path(organiser)}/{path}", json={}).status_code == 404
    organiser.ask("POST", f"/events/{organiser.person.event_id}/state", json={"to": "archived"})
    assert organiser.ask("POST", _path(organiser), json={"people": [_person("Fern")]}).status_code == 409


def test_the_guest_list_is_one_table_on_the_page_and_by_the_api(
    organiser: Script, administrator: Script, visitor: Callable[[], Visitor]
) -> None:
    for name in ("rose", "lily"):
        visitor().register("PARTY234", name, display_name=f"={name}")
    path = f"/events/{organiser.person.event_id}/guests.csv"
    table = organiser.ask("GET", path)
    assert table.content == organiser.person.get(f"/studio/{organiser.person.event_id}/guests.csv").content
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert [row[:3] for row in rows[1:]] == [
        ["'=lily", "lily", "lily@example.org"],
        ["'=rose", "rose", "rose@example.org"],
    ]
    found = organiser.ask("GET", f"{path}?search=rose").content.decode()
    assert "rose@" in found and "lily@" not in found
    french = organiser.ask("GET", path, headers={"accept-language": "fr"}).content.decode("utf-8-sig")
    assert french.startswith("Nom,")
    assert organiser.ask("GET", f"/events/{administrator.person.event_id}/guests.csv").status_code == 404
