"""Coming in by the API, with cookies as browsers keep them: accounts, passes, other events, links, invitations."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient

from tests.accounts.conftest import post_office, settings
from tests.api.conftest import jpeg
from tests.journeys.test_which_one import pair
from tests.people import PASSWORD, Visitor, another_browser
from tests.post_office import PostOffice
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.settings import Settings

__all__ = ["post_office", "settings"]
Jobs = Callable[[], None]
ROSE = {
    "code": "party234",
    "display_name": "Rose",
    "username": "rose",
    "email": "rose@example.org",
    "password": PASSWORD,
}
ADDRESS = "rose@example.org"
OTHER_PASSWORD = "another battery horse"


@dataclass
class Program:
    """A program of somebody without a token, which keeps cookies."""

    browser: TestClient

    def ask(self, method: str, path: str, status: int, **more: Any) -> dict[str, Any]:
        """What it is answered."""
        answer = self.browser.request(method, f"/api/v1{path}", **more)
        assert answer.status_code == status, answer.text
        return dict(answer.json()) if answer.content and answer.content != b"null" else {}


Programs = Callable[[], Program]


@pytest.fixture
def program(site: TestClient) -> Programs:
    return lambda: Program(another_browser(site))


@pytest.fixture
def owner(visitor: Callable[[], Visitor]) -> Visitor:
    """The owner of PARTY234, and of PASS2345 where a name is enough."""
    owner = visitor()
    owner.set_up_server()
    owner.make_event("PASS2345", name="Summer party", guest_pass="yes")
    owner.make_event()
    return owner


@pytest.fixture
def rose(owner: Visitor, program: Programs) -> Program:
    """A guest of PARTY234."""
    rose = program()
    came = rose.ask("POST", "/guest", 201, json=ROSE)
    assert came["event_code"] == "PARTY234" and came["next"] == "/e/PARTY234/photos"
    return rose


def _count(settings: Settings, table: str) -> int:
    with psycopg.connect(settings.database_url or "") as connection:
        return len(connection.execute(f"SELECT 1 FROM {table}").fetchall())  # type: ignore[arg-type]


def _token(post_office: PostOffice, address: str, kind: str) -> str:
    return post_office.link_to(address, kind).rsplit("/", 1)[1]


def test_a_guest_registers_once_however_often_the_request_is_sent(
    rose: Program, program: Programs, settings: Settings
) -> None:
    assert rose.ask("GET", "/guest/consent", 200)["agrees"] is False
    again = program()
    assert again.ask("POST", "/guest", 201, json=ROSE | {"agrees": True})["next"] == "/e/PARTY234/selfie"
    assert again.ask("GET", "/guest/consent", 200)["agrees"] is True
    assert _count(settings, "guests") == _count(settings, "consents") == 1
    for more, status, code in (
        ({"password": OTHER_PASSWORD}, 409, "username_taken"),
        ({"username": "lily"}, 409, "email_taken"),
        ({"username": "lily", "email": "lily@example.org", "password": "short"}, 422, "invalid_form"),
        ({"code": "NOSUCH23"}, 404, "no_such_event"),
    ):
        stranger = program()
        assert stranger.ask("POST", "/guest", status, json=ROSE | more)["code"] == code
        stranger.ask("GET", "/guest/consent", 401)
    assert _count(settings, "guests") == 1


def test_signing_in_tells_what_fits_and_switches_between_them(rose: Program, program: Programs) -> None:
    came = rose.ask("POST", "/guest/join", 201, json={"code": "PASS2345", "username": "rose"})
    assert came["event_code"] == "PASS2345"
    rose.ask("POST", "/guest/join", 409, json={"code": "PASS2345", "username": "rose"})
    (back,) = rose.ask("GET", "/me/accounts", 200)["items"]
    assert back["event_code"] == "PARTY234" and back["label"] == "Lea & Tom"
    assert rose.ask("POST", "/me/switch", 200, json={"id": back["id"]}) == back
    rose.ask("POST", "/me/switch", 404, json={"id": back["id"]})

    at_home, names = program(), {"identifier": "ROSE", "password": PASSWORD}
    at_home.ask("POST", "/sign-in", 422, json=names | {"password": OTHER_PASSWORD})
    open_ = at_home.ask("POST", "/sign-in", 200, json=names)
    assert open_["account"] is None
    assert sorted(each["event_code"] for each in open_["choices"]) == ["PARTY234", "PASS2345"]
    at_home.ask("GET", "/guest/consent", 401)
    chosen = at_home.ask("POST", "/sign-in", 200, json=names | {"account": open_["choices"][1]["id"]})
    assert chosen["account"] == open_["choices"][1]
    by_code = at_home.ask("POST", "/sign-in", 200, json=names | {"event": "pass2345"})
    assert by_code["account"]["event_code"] == "PASS2345"
    at_home.ask("GET", "/guest/consent", 200)
    for _ in range(2):
        at_home.ask("POST", "/sign-out", 204)
    at_home.ask("GET", "/guest/consent", 401)
    rose.ask("GET", "/guest/consent", 200)


def test_a_pass_comes_back_by_letter_and_becomes_an_account(
    owner: Visitor, program: Programs, post_office: PostOffice, run_jobs: Jobs
) -> None:
    rose = program()
    rose.ask("POST", "/guest/pass", 403, json={"code": "PARTY234", "display_name": "Rose"})
    came = rose.ask("POST", "/guest/pass", 201, json={"code": "PASS2345", "display_name": "Rose", "agrees": True})
    assert came["next"] == "/e/PASS2345/selfie"
    rose.ask("POST", "/guest/pass", 409, json={"code": "PASS2345", "display_name": "Rose"})
    rose.ask("POST", "/guest/join", 409, json={"code": "PARTY234", "username": "rose"})
    rose.ask("POST", "/guest/return-link", 202, json={"email": ADDRESS})
    run_jobs()
    token = _token(post_office, ADDRESS, "return")
    phone = program()
    assert phone.ask("POST", "/guest/return", 200, json={"token": token})["id"] == came["id"]
    program().ask("POST", "/guest/return", 410, json={"token": token})
    names = {"username": "rose", "email": ADDRESS, "password": PASSWORD}
    before = rose.browser.cookies["trouvaille"]
    assert rose.ask("POST", "/guest/upgrade", 200, json=names)["id"] == came["id"]
    assert rose.browser.cookies["trouvaille"] != before
    rose.ask("POST", "/guest/upgrade", 409, json=names)
    rose.ask("POST", "/guest/return-link", 409, json={"email": ADDRESS})
    signed_in = program().ask("POST", "/sign-in", 200, json={"identifier": "rose", "password": PASSWORD})
    assert signed_in["account"]["id"] == came["id"]


def test_a_forgotten_password_is_set_anew_and_an_address_confirmed_by_letter(
    rose: Program, program: Programs, post_office: PostOffice, run_jobs: Jobs
) -> None:
    run_jobs()
    token = {"token": _token(post_office, ADDRESS, "confirm")}
    assert program().ask("POST", "/confirm", 200, json=token) == {"email": ADDRESS}
    program().ask("POST", "/confirm", 410, json=token)
    for known in (ADDRESS, "nobody@example.org"):
        program().ask("POST", "/forgot", 202, json={"email": known})
    run_jobs()
    assert post_office.letters_to("nobody@example.org") == []
    reset = {"token": _token(post_office, ADDRESS, "reset"), "password": OTHER_PASSWORD}
    phone = program()
    phone.ask("POST", "/reset", 422, json=reset | {"password": "short"})
    assert phone.ask("POST", "/reset", 200, json=reset)["account"]["display_name"] == "Rose"
    phone.ask("GET", "/guest/consent", 200)
    rose.ask("GET", "/guest/consent", 401)
    phone.ask("POST", "/reset", 410, json=reset)
    program().ask("POST", "/sign-in", 422, json={"identifier": "rose", "password": PASSWORD})
    program().ask("POST", "/sign-in", 200, json={"identifier": "rose", "password": OTHER_PASSWORD})


def test_a_selfie_is_sent_refused_with_a_reason_and_chosen_from(
    rose: Program, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    selfie, kind = "/guest/selfie", {"content-type": "application/octet-stream"}
    one = selfie_jpeg(GUESTS[2], samples)
    assert rose.ask("GET", selfie, 200)["state"] == "none"
    assert rose.ask("PUT", selfie, 403, content=one, headers=kind)["code"] == "consent_needed"
    text = rose.ask("GET", "/guest/consent", 200)
    rose.ask("PUT", "/guest/consent", 204, json={"version": text["version"]})
    rose.ask("PUT", selfie, 422, content=b"", headers=kind)
    rose.ask("PUT", selfie, 422, content=b"no picture", headers=kind)
    rose.ask("PUT", selfie, 422, content=one[: len(one) // 2], headers=kind)
    assert rose.ask("PUT", selfie, 202, content=jpeg(), headers=kind)["state"] == "waiting"
    run_jobs()
    refused = rose.ask("GET", selfie, 200)
    assert refused["state"] == "refused" and refused["reason"] and refused["advice"]
    rose.ask("PUT", selfie, 202, content=pair(samples), headers=kind)
    run_jobs()
    asked = rose.ask("GET", selfie, 200)
    left, right = asked["faces"]
    assert asked["state"] == "choosing" and 0 <= left[0] < left[2] <= right[0] + 0.1 and right[2] <= 1
    rose.ask("PUT", f"{selfie}/choice", 202, json={"face": 0})
    run_jobs()
    assert rose.ask("GET", selfie, 200)["state"] == "accepted"


def test_a_message_is_written_once_and_its_answer_read(rose: Program, owner: Visitor, settings: Settings) -> None:
    text, key = {"text": "Is there one of the whole table?"}, {"idempotency-key": "table"}
    for _ in range(2):
        sent = rose.ask("POST", "/guest/messages", 201, json=text, headers=key)
    assert _count(settings, "messages") == 1
    owner.post(f"/studio/{owner.event_id}/messages/{sent['id']}/answer", {"text": "Look at the third page."})
    (shown,) = rose.ask("GET", "/guest/messages", 200)["items"]
    assert shown["id"] == sent["id"] and shown["answer"] == "Look at the third page."
    rose.ask("POST", "/guest/messages", 422, json={"text": " "})


def test_a_photographer_looks_at_an_invitation_and_accepts_it_once(
    owner: Visitor, program: Programs, post_office: PostOffice, run_jobs: Jobs
) -> None:
    kim = program()
    owner.invite(email="kim@example.org")
    run_jobs()
    path = f"/invitations/{_token(post_office, 'kim@example.org', 'invitation')}"
    seen = kim.ask("GET", path, 200)
    assert seen == {
        "role": "photographer",
        "event_name": "Lea & Tom",
        "invited_by": "Owner",
        "email": "kim@example.org",
    }
    account = {"display_name": "Kim", "email": "kim@example.org", "password": PASSWORD}
    kim.ask("POST", f"{path}/accept", 422, json=account | {"password": "short"})
    accepted = kim.ask("POST", f"{path}/accept", 200, json=account)
    assert accepted["event_id"] == owner.event_id
    assert kim.ask("GET", "/events", 200)["items"][0]["name"] == "Lea & Tom"
    program().ask("POST", f"{path}/accept", 410, json=account)
    other = owner.invite().rsplit("/", 1)[1]
    kim.ask("POST", f"/invitations/{other}/accept", 200, json={})
    program().ask("GET", f"/invitations/{other}", 410)
