"""The API: pages of lists, creations asked for twice, problems, and its description."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
from starlette.testclient import TestClient

from tests.api.conftest import Script, jpeg, token_of
from tests.people import Visitor
from trouvaille.settings import Settings

NEW = {"name": "Harbour run", "locales": ["fr"], "draft": True}


def test_a_creation_asked_for_twice_with_one_key_happens_once(organiser: Script) -> None:
    key = {"Idempotency-Key": "a-key"}
    first = organiser.ask("POST", "/events", json=NEW, headers=key)
    again = organiser.ask("POST", "/events", json=NEW, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert first.headers["location"] == again.headers["location"] == f"/api/v1/events/{first.json()['id']}"
    assert len(organiser.ask("GET", "/events").json()["items"]) == 2


def test_many_at_once_with_one_key_make_one_event(organiser: Script) -> None:
    with ThreadPoolExecutor(6) as pool:
        asked = [
            pool.submit(organiser.ask, "POST", "/events", json=NEW, headers={"Idempotency-Key": "same"})
            for _ in range(6)
        ]
    assert {each.result().status_code for each in asked} == {201}
    assert len({each.result().json()["id"] for each in asked}) == 1


def test_a_key_is_good_for_one_request_and_one_person(organiser: Script, administrator: Script) -> None:
    key = {"Idempotency-Key": "a-key"}
    organiser.ask("POST", "/events", json=NEW, headers=key)
    other = organiser.ask("POST", "/events", json=NEW | {"name": "Another"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "other_request")
    assert "idempotency-replayed" not in administrator.ask("POST", "/events", json=NEW, headers=key).headers


def test_a_refused_creation_keeps_nothing_under_its_key(organiser: Script) -> None:
    key = {"Idempotency-Key": "a-key"}
    taken = organiser.ask("POST", "/events", json=NEW | {"code": "PARTY234"}, headers=key)
    assert (taken.status_code, taken.json()["code"]) == (409, "code_taken")
    assert organiser.ask("POST", "/events", json=NEW, headers=key).status_code == 201


def test_what_is_kept_of_an_answer_is_sealed_and_over_after_a_day(organiser: Script, settings: Settings) -> None:
    key = {"Idempotency-Key": "a-key"}
    first = organiser.ask("POST", "/events", json=NEW, headers=key)
    with psycopg.connect(settings.database_url or "") as connection:
        (sealed,) = connection.execute("SELECT sealed FROM kept_answers").fetchone() or (b"",)
        connection.execute("UPDATE kept_answers SET created_at = now() - interval '25 hours'")
    assert b"Harbour" not in sealed
    assert organiser.ask("POST", "/events", json=NEW, headers=key).json()["id"] != first.json()["id"]


def test_pages_go_on_where_what_was_seen_has_been_deleted(organiser: Script) -> None:
    event_id = organiser.person.event_id
    organiser.person.upload(*((f"{n}.jpg", jpeg()) for n in range(5)))
    wanted = {each["id"] for each in organiser.ask("GET", f"/events/{event_id}/photos").json()["items"]}
    seen: list[str] = []
    path: str | None = f"/api/v1/events/{event_id}/photos?limit=2"
    while path is not None:
        answer = organiser.ask("GET", path)
        seen += [each["id"] for each in answer.json()["items"]]
        for each in answer.json()["items"]:
            assert organiser.ask("DELETE", f"/events/{event_id}/photos/{each['id']}").status_code == 204
        assert (answer.json()["next"] is None) is ("next" not in answer.links)
        path = answer.links["next"]["url"] if answer.links else None
    assert len(seen) == 5 and set(seen) == wanted


def test_guests_are_paged_from_a_to_z_and_searched(organiser: Script, visitor: Callable[[], Visitor]) -> None:
    for name in ("rose", "lily", "zoe"):
        visitor().register("PARTY234", name)
    path = f"/events/{organiser.person.event_id}/guests"
    first = organiser.ask("GET", f"{path}?limit=2").json()
    rest = organiser.ask("GET", f"{path}?limit=2&cursor={first['next']}").json()
    assert [each["display_name"] for each in first["items"] + rest["items"]] == ["Lily", "Rose", "Zoe"]
    (rose,) = organiser.ask("GET", f"{path}?search=ros").json()["items"]
    wrong = organiser.ask("DELETE", f"{path}/{rose['id']}?name=Lily")
    assert wrong.json()["errors"] == [{"field": "name", "detail": "Type the guest’s name exactly to confirm."}]
    assert organiser.ask("DELETE", f"{path}/{rose['id']}?name=rose").status_code == 204
    assert organiser.ask("GET", f"{path}/{rose['id']}").status_code == 404


def test_a_change_that_rests_on_an_old_look_is_refused(organiser: Script) -> None:
    path = f"/events/{organiser.person.event_id}"
    seen = organiser.ask("GET", path).headers["etag"]
    changed = organiser.ask("PATCH", path, json={"place": "Paris"}, headers={"If-Match": seen})
    assert (changed.status_code, changed.json()["place"], changed.json()["code"]) == (200, "Paris", "PARTY234")
    late = organiser.ask("PATCH", path, json={"place": "Lyon"}, headers={"If-Match": seen})
    assert (late.status_code, late.json()["code"]) == (412, "changed")


def test_an_event_lives_its_life_by_the_api(organiser: Script) -> None:
    made = organiser.ask("POST", "/events", json=NEW).json()
    path = f"/events/{made['id']}"
    assert (made["state"], made["locales"], made["faces"]) == ("draft", ["fr"], False)
    assert organiser.ask("POST", f"{path}/faces", json={"attest": True}).json()["faces"] is True
    assert organiser.ask("POST", f"{path}/state", json={"to": "open"}).json()["state"] == "open"
    assert organiser.ask("POST", f"{path}/code").json()["code"] != made["code"]
    assert organiser.ask("POST", f"{path}/extend", json={"days": 30}).json()["expires_on"] is not None
    copy = organiser.ask("POST", f"{path}/duplicate")
    assert (copy.status_code, copy.json()["state"], copy.json()["faces"]) == (201, "draft", False)
    qr = organiser.ask("GET", "/api/v1" + path).json()["links"]["qr_svg"].removeprefix("http://testserver")
    headers = {"authorization": f"Bearer {organiser.token}"}
    assert organiser.browser.get(qr, headers=headers).headers["content-type"] == "image/svg+xml"
    assert organiser.ask("DELETE", path).status_code == 422
    assert organiser.ask("DELETE", f"{path}?name=harbour run").status_code == 204
    assert organiser.ask("GET", path).status_code == 404


def test_every_refusal_is_a_problem(organiser: Script, site: TestClient) -> None:
    reader = Script(organiser.browser, token_of(organiser.person, "events:read"), organiser.person)
    path = f"/events/{organiser.person.event_id}"
    answers = {
        401: site.get("/api/v1/events"),
        403: reader.ask("POST", "/events", json=NEW),
        404: organiser.ask("GET", "/nothing"),
        405: organiser.ask("PUT", "/events", json=NEW),
        409: organiser.ask("POST", f"{path}/state", json={"to": "draft"}),
        413: organiser.ask("POST", "/events", content=b"x" * 300_000),
        422: organiser.ask("POST", "/events", json={"name": 7, "starts_on": "never"}),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json", status
        problem = answer.json()
        assert problem["status"] == status and problem["type"].startswith("/api#") and problem["code"], status
    assert {each["field"] for each in answers[422].json()["errors"]} == {"name", "starts_on"}
    assert "GET" in answers[405].headers["allow"]
    assert organiser.ask("GET", "/events?cursor=nonsense").json()["code"] == "no_cursor"


def test_the_description_names_the_api_alone_with_its_scopes_and_problems(site: TestClient) -> None:
    described = site.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert all(path.startswith("/api/v1/") for path in described["paths"])
    create = described["paths"]["/api/v1/events"]["post"]
    assert create["security"][0] == {"token": ["events:write"]} and "events:write" in create["description"]
    assert create["responses"]["409"] == {"$ref": "#/components/responses/Problem409"}
    page = site.get("/api")
    assert page.status_code == 200 and "/api/v1/events/{event_id}/guests" in page.text and 'id="conflict"' in page.text


def test_an_organiser_sees_neither_event_nor_guests_of_another(organiser: Script, administrator: Script) -> None:
    theirs = administrator.person.event_id
    assert organiser.ask("GET", f"/events/{theirs}").status_code == 404
    assert organiser.ask("GET", f"/events/{theirs}/guests").status_code == 404
