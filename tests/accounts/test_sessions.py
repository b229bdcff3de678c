"""Signed-in browsers: seen, ended from afar, switched between one's accounts, and bound to this host."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import cast

import psycopg
import pytest
from starlette.testclient import TestClient

from tests.people import PASSWORD, Visitor, another_browser
from trouvaille.app import create_app
from trouvaille.core.secrets import token_hash
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5"
    " Mobile/15E148 Safari/604.1"
)


def _with(visitor: Visitors, user_agent: str) -> Visitor:
    made = visitor()
    made.browser.headers["user-agent"] = user_agent
    return made


def _rows(page: str) -> list[str]:
    return re.findall(r'<li class="row">.*?</li>', page, re.DOTALL)


def test_devices_are_listed_in_plain_words_and_signed_out_one_by_one(owner: Visitor, visitor: Visitors) -> None:
    here, there = _with(visitor, FIREFOX), _with(visitor, IPHONE)
    here.register("PARTY234", "rose")
    there.sign_in("rose")
    this, other = _rows(here.get("/account/devices").text)
    assert "Firefox on Linux" in this and "This device" in this
    assert "Safari on iPhone" in other and "This device" not in other
    path = re.search(r'action="(/account/devices/[0-9a-f-]+/revoke)"', other)
    assert path
    assert visitor().post(path[1]).status_code == 401
    assert owner.post(path[1]).status_code == 404, "nobody else's"
    assert here.post(path[1]).headers["location"] == "/account/devices?done=one"
    assert there.get("/account").status_code == 303
    assert here.get("/account").status_code == 200


def test_all_other_devices_are_signed_out_at_once(owner: Visitor, visitor: Visitors) -> None:
    there = [visitor() for _ in range(3)]
    assert all(each.sign_in("owner@example.org").status_code == 303 for each in there)
    assert len(_rows(owner.get("/account/devices").text)) == 4
    assert owner.post("/account/devices/revoke-others").status_code == 303
    assert [each.get("/studio").status_code for each in there] == [303] * 3
    assert owner.get("/studio").status_code == 200


def test_signing_in_gives_a_new_token_and_ends_the_old_one(owner: Visitor, visitor: Visitors) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    before = guest.browser.cookies["trouvaille"]
    guest.sign_in("rose")
    assert guest.browser.cookies["trouvaille"] != before
    thief = visitor()
    thief.browser.cookies["trouvaille"] = before
    assert thief.get("/account").status_code == 303


def test_a_session_ends_when_it_is_idle_too_long(owner: Visitor, visitor: Visitors, settings: Settings) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE sessions SET last_seen_at = now() - interval '31 days'")
    assert guest.get("/account").status_code == 303


def test_a_session_that_is_in_use_ends_at_its_last_day_which_nothing_puts_off(
    two_events: Visitor, settings: Settings
) -> None:
    def end() -> datetime:
        with psycopg.connect(settings.database_url or "") as connection:
            (token,) = [each for each in two_events.browser.cookies.values() if len(each) == 43]
            found = connection.execute(
                "SELECT expires_at FROM sessions WHERE token_hash = %s", (token_hash(token),)
            ).fetchone()
        assert found
        return cast("datetime", found[0])

    first = end()
    assert abs(first - datetime.now(UTC) - timedelta(days=settings.session_absolute_days)) < timedelta(minutes=5)
    two_events.get("/account")
    two_events.post("/account/switch", {"to": _switch(two_events)})
    assert end() == first, "going on as somebody else is no new sign-in"
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE sessions SET expires_at = now() - interval '1 second', last_seen_at = now()")
    assert two_events.get("/account").status_code == 303


@pytest.fixture
def two_events(owner: Visitor, visitor: Visitors) -> Visitor:
    """A guest of two events by the same name and password, signed in at the first."""
    owner.make_event("OTHER234", name="Summer party")
    for code in ("PARTY234", "OTHER234"):
        visitor().register(code, "rose")
    guest = visitor()
    assert guest.sign_in("rose", event="PARTY234").headers["location"] == "/e/PARTY234/photos"
    return guest


def _switch(guest: Visitor) -> str:
    choice = re.search(r'name="to" value="([0-9a-f-]{36})"', guest.get("/account").text)
    assert choice
    return choice[1]


def test_one_switches_between_ones_accounts_without_signing_in_again(two_events: Visitor, visitor: Visitors) -> None:
    guest = two_events
    token = guest.browser.cookies["trouvaille"]
    assert "Summer party" in guest.get("/account").text
    assert guest.post("/account/switch", {"to": _switch(guest)}).headers["location"] == "/e/OTHER234/photos"
    assert guest.get("/e/OTHER234/me").status_code == 200
    assert guest.get("/e/PARTY234/me").status_code == 303
    assert guest.browser.cookies["trouvaille"] != token, "the token is a new one"
    thief = visitor()
    thief.browser.cookies["trouvaille"] = token
    assert thief.get("/account").status_code == 303
    assert guest.post("/account/switch", {"to": _switch(guest)}).headers["location"] == "/e/PARTY234/photos"


def test_who_chose_one_of_several_accounts_may_switch_to_the_others(two_events: Visitor, visitor: Visitors) -> None:
    guest = visitor()
    page = guest.sign_in("rose").text
    ticket, choices = (
        re.search(r'name="ticket" value="([^"]+)"', page),
        re.findall(r'name="choice" value="([^"]+)"', page),
    )
    assert ticket and len(choices) == 2
    assert guest.post("/sign-in/choose", {"ticket": ticket[1], "choice": choices[1]}).status_code == 303
    assert guest.post("/account/switch", {"to": _switch(guest)}).status_code == 303


def test_one_switches_to_nobody_else(two_events: Visitor, visitor: Visitors, settings: Settings) -> None:
    lily = visitor()
    lily.register("PARTY234", "lily")
    with psycopg.connect(settings.database_url or "") as connection:
        strangers = connection.execute(
            "SELECT id FROM guests WHERE username = 'lily' UNION SELECT id FROM staff"
        ).fetchall()
    for (stranger,) in strangers:
        assert two_events.post("/account/switch", {"to": str(stranger)}).status_code == 404


def test_a_changed_password_of_one_account_ends_the_way_back_to_it(two_events: Visitor, visitor: Visitors) -> None:
    guest, other = two_events, visitor()
    back = _switch(guest)
    other.sign_in("rose", event="OTHER234")
    other.post("/account/password", {"old_password": PASSWORD, "new_password": "another long sentence"})
    assert guest.get("/account").status_code == 200, "the account in use goes on"
    assert guest.post("/account/switch", {"to": back}).status_code == 404


def test_a_ticket_to_choose_is_void_once_the_password_has_changed(two_events: Visitor, visitor: Visitors) -> None:
    late = visitor()
    page = late.sign_in("rose").text
    ticket, choices = (
        re.search(r'name="ticket" value="([^"]+)"', page),
        re.findall(r'name="choice" value="([^"]+)"', page),
    )
    assert ticket
    two_events.post("/account/password", {"old_password": PASSWORD, "new_password": "another long sentence"})
    landed = [
        late.post("/sign-in/choose", {"ticket": ticket[1], "choice": each}).headers["location"] for each in choices
    ]
    assert sorted(landed) == ["/e/OTHER234/photos", "/sign-in"]


@pytest.fixture
def behind_tls(settings: Settings) -> Iterator[TestClient]:
    """The same instance, reached by https."""
    app = create_app(settings.model_copy(update={"public_url": "https://testserver"}))
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as client:
        yield client


def test_with_tls_cookies_are_secure_and_bound_to_this_host(behind_tls: TestClient, owner: Visitor) -> None:
    person = Visitor(behind_tls)
    answer = person.sign_in("owner@example.org")
    cookies = answer.headers.get_list("set-cookie")
    assert {each.split("=")[0] for each in cookies} == {"__Host-trouvaille", "__Host-trouvaille-browser"}
    for each in cookies:
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= {part.strip() for part in each.split(";")}
        assert "Domain" not in each
    assert person.get("/studio").status_code == 200
    person.post("/sign-out")
    assert person.get("/studio").status_code == 303
    stranger = another_browser(behind_tls, base_url="https://testserver")
    stranger.cookies["trouvaille"] = owner.browser.cookies["trouvaille"]
    assert stranger.get("/studio").status_code == 303, "a cookie that any host of the domain can set counts for nothing"
