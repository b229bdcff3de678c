"""One's own name, language, address and password, by the API of a server that sends no mail."""

from collections.abc import Callable

from tests.api.conftest import Script, token_of
from tests.people import PASSWORD, Visitor


def test_one_changes_ones_name_and_language(organiser: Script, administrator: Script) -> None:
    assert organiser.ask("GET", "/me").json()["role"] == "organiser"
    changed = organiser.ask("PATCH", "/me", json={"display_name": "Ada  Byron", "locale": "fr"}).json()
    assert (changed["display_name"], changed["locale"]) == ("Ada Byron", "fr")
    assert organiser.ask("PATCH", "/me", json={}).json() == changed == organiser.ask("GET", "/me").json()
    refused = organiser.ask("PATCH", "/me", json={"display_name": " "})
    assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == "display_name"
    assert organiser.ask("PATCH", "/me", json={"locale": "xx"}).status_code == 422
    assert administrator.ask("GET", "/me").json()["display_name"] == "Owner"


def test_an_address_changes_at_once_where_no_mail_is_sent_and_one_signs_in_with_it(
    organiser: Script, visitor: Callable[[], Visitor]
) -> None:
    wish = {"email": "byron@example.org", "password": PASSWORD}
    wrong = organiser.ask("PUT", "/me/email", json={**wish, "password": "not it"})
    assert wrong.status_code == 422 and wrong.json()["errors"][0]["field"] == "password"
    taken = organiser.ask("PUT", "/me/email", json={**wish, "email": "Owner@example.org"})
    assert taken.status_code == 409 and taken.json()["code"] == "email_taken"
    mine = organiser.ask("PUT", "/me/email", json=wish).json()
    assert (mine["email"], mine["email_confirmed"], mine["new_email"]) == ("byron@example.org", False, None)
    assert visitor().sign_in("byron@example.org").headers["location"] == "/studio"
    assert visitor().sign_in("ada@example.org").status_code == 422
    assert organiser.ask("POST", "/me/email/confirmation").status_code == 409


def test_a_new_password_signs_browsers_out_and_leaves_tokens(organiser: Script, visitor: Callable[[], Visitor]) -> None:
    fresh = "another battery horse"
    wish = {"old_password": PASSWORD, "new_password": fresh}
    assert organiser.ask("PUT", "/me/password", json={**wish, "old_password": "not it"}).status_code == 422
    short = organiser.ask("PUT", "/me/password", json={**wish, "new_password": "short"})
    assert short.json()["errors"][0]["field"] == "new_password"
    assert organiser.person.get("/studio").status_code == 200
    assert organiser.ask("PUT", "/me/password", json=wish).status_code == 204
    assert organiser.person.get("/studio").status_code == 303
    assert organiser.ask("GET", "/me").status_code == 200
    assert visitor().sign_in("ada@example.org", fresh).headers["location"] == "/studio"


def test_a_token_that_may_only_read_changes_nothing_of_its_owner(organiser: Script) -> None:
    reader = Script(organiser.browser, token_of(organiser.person, "account:read"), organiser.person)
    assert reader.ask("PATCH", "/me", json={"display_name": "Eve"}).status_code == 403
    assert reader.ask("PUT", "/me/email", json={}).status_code == 403
    assert reader.ask("PUT", "/me/password", json={}).status_code == 403


def test_a_guest_knows_themselves_in_their_browser(organiser: Script, visitor: Callable[[], Visitor]) -> None:
    rose = visitor()
    rose.register("PARTY234", "rose")
    me = rose.get("/api/v1/me").json()
    assert (me["kind"], me["email"], me["role"]) == ("guest", "rose@example.org", None)
    assert me["event_id"] == organiser.person.event_id
