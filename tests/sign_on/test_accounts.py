"""An identity opens what it is linked with, and takes nothing over."""

from collections.abc import Callable

import pytest

from tests.crew.conftest import Query
from tests.people import PASSWORD, Visitor
from tests.sign_on.conftest import Provider, SignOn

Visitors = Callable[[], Visitor]
FORM = {"display_name": "Rose", "username": "rose", "email": "rose@example.org"}


def _registered(visitor: Visitor, sign_on: SignOn, subject: str = "rose-1", **more: str) -> None:
    assert sign_on(visitor, subject, "event=PARTY234").headers["location"] == "/e/PARTY234/sign-on"
    answer = visitor.post("/e/PARTY234/sign-on", FORM | more)
    assert answer.headers["location"] == "/e/PARTY234/photos", answer.text


def test_a_new_guest_sees_what_is_kept_says_yes_and_comes_back(
    ada: Visitor, visitor: Visitors, sign_on: SignOn, query: Query
) -> None:
    rose = visitor()
    sign_on(rose, why="event=party234")
    page = rose.get("/e/PARTY234/sign-on").text
    assert 'value="rose@example.org"' in page and 'value="Rose"' in page and "Club · rose@example.org" in page
    assert query("SELECT 1 FROM guests") == []
    answer = rose.post("/e/PARTY234/sign-on", FORM | {"agree": "yes"})
    assert answer.headers["location"] == "/e/PARTY234/selfie"
    assert query("SELECT password_hash, email_confirmed_at IS NOT NULL FROM guests") == [("", True)]
    assert {"identity.linked", "consent.given"} <= {act for (act,) in query("SELECT act FROM audit")}
    later = visitor()
    assert sign_on(later).headers["location"] == "/e/PARTY234/photos"
    assert later.get("/e/PARTY234/selfie").status_code == 200
    # What was proved is good once.
    assert rose.get("/e/PARTY234/sign-on").headers["location"] == "/e/PARTY234/register"


def test_an_account_without_password_is_opened_by_no_password(ada: Visitor, visitor: Visitors, sign_on: SignOn) -> None:
    _registered(visitor(), sign_on)
    for password in ("", "x", PASSWORD):
        assert visitor().sign_in("rose", password).status_code == 422


def test_an_equal_address_takes_no_account_over_and_the_pages_say_how_to_link(
    ada: Visitor, visitor: Visitors, sign_on: SignOn, query: Query
) -> None:
    visitor().register("PARTY234", "rose")
    thief = visitor()
    page = sign_on(thief)
    assert page.status_code == 200 and "No account here is linked with this" in page.text
    assert "then link the two on your account page" in page.text
    sign_on(thief, why="event=PARTY234")
    taken = thief.post("/e/PARTY234/sign-on", FORM | {"username": "other"})
    assert taken.status_code == 409 and "then link the two on your account page" in taken.text
    assert query("SELECT count(*) FROM guests") == [(1,)] and query("SELECT 1 FROM guest_identities") == []
    assert thief.get("/e/PARTY234/photos").status_code == 303


def test_an_unverified_address_is_neither_proposed_nor_confirmed(
    ada: Visitor, visitor: Visitors, provider: Provider, sign_on: SignOn, query: Query
) -> None:
    provider.knows("mia-1", email="mia@example.org", email_verified=False, name="Mia")
    mia = visitor()
    sign_on(mia, "mia-1", "event=PARTY234")
    assert "mia@example.org" not in mia.get("/e/PARTY234/sign-on").text
    mia.post("/e/PARTY234/sign-on", FORM | {"email": "mia@example.org"})
    assert query("SELECT email_confirmed_at FROM guests") == [(None,)]


def test_a_verified_address_confirms_itself_and_no_other(
    ada: Visitor, visitor: Visitors, sign_on: SignOn, query: Query
) -> None:
    _registered(visitor(), sign_on, email="somebody.else@example.org")
    assert query("SELECT email_confirmed_at FROM guests") == [(None,)]


def test_one_links_while_signed_in_with_the_password_and_a_yes(
    ada: Visitor, visitor: Visitors, sign_on: SignOn, query: Query
) -> None:
    rose = visitor()
    rose.register("PARTY234", "rose")
    assert sign_on(rose, why="link=1").headers["location"] == "/account/sign-on"
    assert "Link this?" in rose.get("/account/sign-on").text
    assert query("SELECT 1 FROM guest_identities") == []
    assert rose.post("/account/sign-on/link", {"password": "not the password"}).status_code == 422
    assert rose.post("/account/sign-on/link", {"password": PASSWORD}).status_code == 303
    assert "Club · rose@example.org" in rose.get("/account/sign-on?done=linked").text
    assert sign_on(visitor()).headers["location"] == "/e/PARTY234/photos"
    ((identity_id,),) = query("SELECT id FROM guest_identities")
    assert rose.post(f"/account/sign-on/{identity_id}/unlink").status_code == 303
    assert "No account here is linked" in sign_on(visitor()).text


def test_the_api_lists_and_unlinks_ones_own_and_leaves_the_only_way_in(
    ada: Visitor, visitor: Visitors, sign_on: SignOn, query: Query
) -> None:
    rose, mia, own = visitor(), visitor(), "/api/v1/me/sign-on"
    _registered(rose, sign_on)
    mia.register("PARTY234", "mia")
    (listed,) = rose.get(own).json()["items"]
    assert listed["shown"] == "Club · rose@example.org" and listed["issuer"].startswith("http")
    assert mia.get(own).json() == {"items": []}
    assert visitor().get(own).status_code == 401
    one = f"{own}/{listed['id']}"
    assert mia.browser.delete(one).status_code == 404
    kept = rose.browser.delete(one)
    assert kept.status_code == 409 and "only way in" in kept.json()["detail"]
    assert sign_on(mia, "mia-1", "link=1").headers["location"] == "/account/sign-on"
    assert mia.post("/account/sign-on/link", {"password": PASSWORD}).status_code == 303
    (linked,) = mia.get(own).json()["items"]
    assert mia.browser.delete(f"{own}/{linked['id']}").status_code == 204
    assert mia.get(own).json() == {"items": []}
    assert len(query("SELECT 1 FROM guest_identities")) == 1


def test_nobody_links_without_being_signed_in_or_for_somebody_else(
    ada: Visitor, visitor: Visitors, provider: Provider, sign_on: SignOn, query: Query
) -> None:
    assert visitor().get("/sign-on/oidc?link=1").headers["location"].startswith("/sign-in")
    rose, mia = visitor(), visitor()
    rose.register("PARTY234", "rose")
    away = rose.get("/sign-on/oidc?link=1").headers["location"]
    back = provider.say_yes(away, "rose-1")
    rose.post("/sign-out")
    rose.register("PARTY234", "mia")  # the same browser, another person
    assert rose.get(back).headers["location"].startswith("/sign-in")
    assert rose.post("/account/sign-on/link", {"password": PASSWORD}).headers["location"] == "/account/sign-on"
    _registered(mia, sign_on, username="lily", email="lily@example.org")
    ((identity_id,),) = query("SELECT id FROM guest_identities")
    assert rose.post(f"/account/sign-on/{identity_id}/unlink").status_code == 404


def test_the_only_way_in_is_not_unlinked(ada: Visitor, visitor: Visitors, sign_on: SignOn, query: Query) -> None:
    rose = visitor()
    _registered(rose, sign_on)
    ((identity_id,),) = query("SELECT id FROM guest_identities")
    answer = rose.post(f"/account/sign-on/{identity_id}/unlink")
    assert answer.status_code == 409 and "only way in" in answer.text
    assert "You have none: you sign in elsewhere." in rose.get("/account").text


def test_a_forgotten_password_that_is_set_anew_closes_what_was_linked(
    administrator: Visitor, ada: Visitor, visitor: Visitors, sign_on: SignOn, query: Query
) -> None:
    rose = visitor()
    rose.register("PARTY234", "rose")
    sign_on(rose, why="link=1")
    rose.post("/account/sign-on/link", {"password": PASSWORD})
    page = administrator.post("/server/reset-link", {"email": "rose@example.org"}).text
    link = page[page.index("/reset/") :].split("<")[0].split('"')[0]
    assert visitor().post(link, {"password": "an entirely new one"}).status_code == 303
    assert query("SELECT 1 FROM guest_identities") == []


def test_one_identity_opens_several_events_and_asks_which(ada: Visitor, visitor: Visitors, sign_on: SignOn) -> None:
    _registered(visitor(), sign_on)
    ada.make_event("SECOND23", name="Second")
    rose = visitor()
    assert sign_on(rose, why="event=SECOND23").headers["location"] == "/e/SECOND23/sign-on"
    rose.post("/e/SECOND23/sign-on", FORM)
    choice = sign_on(visitor())
    assert "Where to?" in choice.text and "Second" in choice.text and "Lea &amp; Tom" in choice.text
    assert sign_on(visitor(), why="event=PARTY234").headers["location"] == "/e/PARTY234/photos"
    assert sign_on(visitor(), "someone-else", "event=PARTY234").headers["location"] == "/e/PARTY234/sign-on"


@pytest.mark.parametrize("address", ["ada@example.org", "stranger@example.org"])
def test_staff_come_in_only_when_linked_or_invited(
    ada: Visitor, visitor: Visitors, provider: Provider, sign_on: SignOn, address: str
) -> None:
    provider.knows("boss", email=address, email_verified=True)
    anybody = visitor()
    assert "Ask an organiser or the administrator for an invitation." in sign_on(anybody, "boss").text
    assert anybody.get("/studio").status_code == 303


def test_staff_link_on_their_account_page(ada: Visitor, visitor: Visitors, sign_on: SignOn) -> None:
    sign_on(ada, "ada-there", "link=1")
    assert ada.post("/account/sign-on/link", {"password": PASSWORD}).status_code == 303
    assert sign_on(visitor(), "ada-there", "next=/studio/new").headers["location"] == "/studio/new"


def test_who_is_invited_makes_their_account_without_a_password(
    ada: Visitor, visitor: Visitors, sign_on: SignOn, query: Query
) -> None:
    link, zoe = ada.invite(), visitor()
    token = link.rsplit("/", 1)[1]
    assert sign_on(zoe, why=f"invitation={token}").headers["location"] == link
    page = zoe.get(link).text
    assert "You will sign in with Club" in page and 'name="password"' not in page
    assert zoe.post(link, {"display_name": "Zoe", "email": "rose@example.org"}).status_code == 303
    assert query("SELECT email_confirmed_at IS NOT NULL FROM staff WHERE display_name = 'Zoe'") == [(True,)]
    assert sign_on(visitor()).headers["location"] == "/studio"
    # Another invitation to the same person: they are known now.
    second = ada.invite()
    again = visitor()
    assert sign_on(again, why=f"invitation={second.rsplit('/', 1)[1]}").headers["location"] == second
    assert "Accept as Zoe" in again.get(second).text


def test_what_was_proved_for_one_purpose_serves_no_other(ada: Visitor, visitor: Visitors, sign_on: SignOn) -> None:
    rose = visitor()
    sign_on(rose, why="event=PARTY234")
    link = ada.invite()
    assert 'name="password"' in rose.get(link).text
    answer = rose.post(link, {"display_name": "Rose", "email": "rose@example.org"})
    assert answer.status_code == 422


def test_identities_go_with_their_account(ada: Visitor, visitor: Visitors, sign_on: SignOn, query: Query) -> None:
    rose = visitor()
    _registered(rose, sign_on)
    rose.post("/e/PARTY234/me/delete", {"username": "rose"})
    assert query("SELECT 1 FROM guest_identities") == []
    assert "No account here is linked" in sign_on(visitor()).text


def test_who_signs_on_elsewhere_joins_another_event_without_a_password_and_comes_back_to_both(
    ada: Visitor, visitor: Visitors, sign_on: SignOn, query: Query
) -> None:
    ada.make_event("OTHER234", name="Summer party")
    visitor().register("OTHER234", "rose", email="another@example.org")
    rose = visitor()
    _registered(rose, sign_on)
    assert 'type="password"' not in rose.get("/e/OTHER234/join").text
    assert rose.post("/e/OTHER234/join", {"username": "rosalie"}).headers["location"] == "/e/OTHER234/photos"
    later = visitor()
    sign_on(later, why="event=OTHER234")
    assert later.get("/e/OTHER234/photos").status_code == 200
    assert query("SELECT count(*) FROM guest_identities") == [(2,)]
