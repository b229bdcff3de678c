"""Staff accounts and the audit log, by the API: for administrators alone."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import Script, jpeg, token_of
from tests.people import PASSWORD, Visitor
from trouvaille.accounts.audit import Act

KIM = {"email": "kim@example.org", "display_name": "Kim"}


def _staff(administrator: Script) -> dict[str, dict[str, object]]:
    return {each["email"]: each for each in administrator.ask("GET", "/staff").json()["items"]}


def test_staff_are_listed_from_a_to_z_page_by_page_and_found_by_a_part_of_their_name(
    organiser: Script, administrator: Script
) -> None:
    for n, name in enumerate(("Kim", "Björn", "kai")):
        person = {"email": f"{n}@example.org", "display_name": name}
        assert administrator.ask("POST", "/staff", json=person).status_code == 201
    names, cursor = [], ""
    while cursor is not None:
        shown = administrator.ask("GET", f"/staff?limit=2&cursor={cursor}").json()
        names += [each["display_name"] for each in shown["items"]]
        cursor = shown["next"]
    assert names == ["Ada", "Björn", "kai", "Kim", "Owner"]
    found = administrator.ask("GET", "/staff?search=K").json()["items"]
    assert [each["display_name"] for each in found] == ["kai", "Kim"]
    assert _staff(administrator)["ada@example.org"]["events"] == 1


def test_an_account_that_is_made_gets_its_password_by_link_once(
    administrator: Script, visitor: Callable[[], Visitor]
) -> None:
    key = {"idempotency-key": "kim"}
    made = administrator.ask("POST", "/staff", json={**KIM, "role": "organiser"}, headers=key)
    again = administrator.ask("POST", "/staff", json={**KIM, "role": "organiser"}, headers=key)
    assert made.json() == again.json() and again.headers["idempotency-replayed"] == "true"
    assert administrator.ask("GET", made.headers["location"]).json()["role"] == "organiser"
    taken = administrator.ask("POST", "/staff", json={**KIM, "email": "KIM@example.org"})
    assert taken.status_code == 409 and taken.json()["code"] == "email_taken"
    kim = visitor()
    assert kim.sign_in("kim@example.org").status_code == 422
    link = made.json()["password_link"]
    assert kim.post(link, {"password": PASSWORD}).headers["location"] == "/studio"
    assert visitor().get(link).status_code == 410
    assert administrator.ask("POST", "/staff", json={"email": "no", "display_name": " "}).json()["errors"] != []


def test_an_organiser_is_invited_and_an_invitation_taken_back(
    administrator: Script, visitor: Callable[[], Visitor]
) -> None:
    link = administrator.ask("POST", "/staff/invitations", json={}).json()["link"]
    spare = administrator.ask("POST", "/staff/invitations", json={}).json()["link"]
    visitor().accept(link, "kim@example.org")
    assert _staff(administrator)["kim@example.org"]["role"] == "organiser"
    (left,) = administrator.ask("GET", "/staff/invitations").json()["items"]
    assert administrator.ask("DELETE", f"/staff/invitations/{left['id']}").status_code == 204
    assert visitor().get(spare).status_code == 410
    assert administrator.ask("DELETE", f"/staff/invitations/{left['id']}").status_code == 404


def test_a_role_changes_but_never_leaves_events_or_the_server_without_anybody(
    organiser: Script, administrator: Script
) -> None:
    staff = _staff(administrator)
    ada, owner = (f"/staff/{staff[email]['id']}" for email in ("ada@example.org", "owner@example.org"))
    assert administrator.ask("PUT", f"{ada}/role", json={"role": "photographer"}).json()["code"] == "has_events"
    last = administrator.ask("PUT", f"{owner}/role", json={"role": "organiser"})
    assert last.status_code == 409 and last.json()["code"] == "last_administrator"
    changed = administrator.ask("PUT", f"{ada}/role", json={"role": "administrator"})
    assert changed.json()["role"] == "administrator"
    assert administrator.ask("GET", f"/staff/{uuid4()}").status_code == 404


def test_somebody_is_deleted_only_with_a_word_about_each_of_their_events(
    organiser: Script, administrator: Script
) -> None:
    given = organiser.person.event_id
    organiser.person.upload(("photo.jpg", jpeg()))
    ended = organiser.person.make_event("ENDED234", name="Old party")
    staff = _staff(administrator)
    ada, owner_id = f"/staff/{staff['ada@example.org']['id']}", staff["owner@example.org"]["id"]
    estate = administrator.ask("GET", f"{ada}/estate").json()
    assert {each["name"]: each["photos"] for each in estate["events"]} == {"Lea & Tom": 1, "Old party": 0}
    assert [each["id"] for each in estate["heirs"]] == [owner_id]
    gives, ends = {"event_id": given, "to": owner_id}, {"event_id": ended, "name": "old party"}

    def delete(*events: dict[str, object], email: str = "ada@example.org") -> object:
        return administrator.ask("POST", f"{ada}/delete", json={"email": email, "events": list(events)})

    assert delete(gives).json()["code"] == "changed"
    assert delete(gives, {**gives, "to": str(uuid4())}).status_code == 422
    assert delete({**gives, "to": str(uuid4())}, ends).status_code == 409
    refused = delete({"event_id": given}, ends, email="another@example.org").json()
    assert [each["field"] for each in refused["errors"]] == ["email", "events.0.name"]
    assert organiser.ask("GET", "/me").status_code == 200, "nothing has happened yet"
    assert delete(gives, ends).status_code == 204
    assert organiser.ask("GET", "/me").status_code == 401
    assert administrator.ask("GET", ada).status_code == 404
    assert administrator.ask("GET", f"/events/{given}").json()["manages"]
    assert administrator.ask("GET", f"/events/{ended}").status_code == 404


def test_the_log_is_read_page_by_page_and_filtered(organiser: Script, administrator: Script) -> None:
    entries, cursor = [], ""
    while cursor is not None:
        shown = administrator.ask("GET", f"/audit?limit=2&cursor={cursor}").json()
        assert len(shown["items"]) <= 2
        entries += shown["items"]
        cursor = shown["next"]
    whole = administrator.ask("GET", "/audit?limit=200").json()["items"]
    assert entries == whole and [each["at"] for each in whole] == sorted((each["at"] for each in whole), reverse=True)
    made = administrator.ask("GET", f"/audit?act={Act.EVENT_CREATED.value}").json()["items"]
    assert {each["event_id"] for each in made} == {organiser.person.event_id, administrator.person.event_id}
    mine = administrator.ask("GET", f"/audit?about={organiser.person.event_id}").json()["items"]
    assert mine != [] and {each["event_id"] for each in mine} == {organiser.person.event_id}
    assert administrator.ask("GET", "/audit?act=nonsense").status_code == 422
    assert administrator.ask("GET", "/audit?cursor=nonsense").json()["code"] == "no_cursor"


@pytest.mark.parametrize("path", ["/staff", "/staff/invitations", "/audit"])
def test_neither_an_organiser_nor_a_token_for_other_things_gets_in(
    path: str, organiser: Script, administrator: Script, site: TestClient
) -> None:
    assert organiser.ask("GET", path).status_code == 403
    assert organiser.person.get(f"/api/v1{path}").status_code == 403
    narrow = Script(site, token_of(administrator.person, "account:read", "events:write"), administrator.person)
    assert narrow.ask("GET", path).status_code == 403
    assert administrator.ask("GET", path).status_code == 200


def test_scopes_of_the_server_are_offered_to_administrators_alone(organiser: Script, administrator: Script) -> None:
    assert "server:write" in administrator.person.get("/account/tokens").text
    assert "server:" not in organiser.person.get("/account/tokens").text
    wish = {"name": "sly", "scopes": ["server:write"]}
    assert organiser.person.post("/account/tokens", wish).status_code == 422
    assert organiser.ask("POST", "/staff", json=KIM).status_code == 403
