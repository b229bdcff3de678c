"""A forgotten password, and an address to be confirmed: by links that work once."""

import os
import re
import subprocess
import sys
from collections.abc import Callable

import psycopg

from tests.people import PASSWORD, Visitor
from tests.post_office import PostOffice, plain
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]
NEW = "an entirely new sentence"


def _guest(visitor: Visitors, *, code: str = "PARTY234", name: str = "rose", **more: str) -> Visitor:
    guest = visitor()
    answer = guest.register(code, name, **more)
    assert answer.status_code == 303, answer.text
    return guest


def _link(post_office: PostOffice, run_jobs: Jobs, visitor: Visitors, address: str = "rose@example.org") -> str:
    assert visitor().post("/forgot", {"email": address}).status_code == 200
    run_jobs()
    return post_office.link_to(address, "reset")


def test_who_forgot_their_password_chooses_a_new_one_and_is_in(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    _guest(visitor)
    link, somebody = _link(post_office, run_jobs, visitor), visitor()
    page = somebody.get(link)
    assert page.status_code == 200 and "Rose" in page.text
    assert somebody.post(link, {"password": "short"}).status_code == 422
    answer = somebody.post(link, {"password": NEW})
    assert answer.headers["location"] == "/e/PARTY234/photos"
    assert somebody.get("/e/PARTY234/me").status_code == 200
    assert visitor().sign_in("rose", NEW).status_code == 303
    assert visitor().sign_in("rose", PASSWORD).status_code == 422


def test_a_link_works_once_for_an_hour_and_only_its_hash_is_kept(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs, settings: Settings
) -> None:
    _guest(visitor)
    first = _link(post_office, run_jobs, visitor)
    second = _link(post_office, run_jobs, visitor)
    with psycopg.connect(settings.database_url or "") as connection:
        rows = str(connection.execute("SELECT account_links::text FROM account_links").fetchall())
    assert first.rsplit("/", 1)[1] not in rows
    assert visitor().post(first, {"password": NEW}).status_code == 303
    assert visitor().post(first, {"password": PASSWORD}).status_code == 410
    assert visitor().get(second).status_code == 410, "a new password makes older links void"
    late = _link(post_office, run_jobs, visitor)
    with psycopg.connect(settings.database_url or "") as connection:
        (left,) = connection.execute(
            "SELECT max(expires_at) - now() FROM account_links WHERE purpose = 'reset'"
        ).fetchone() or (None,)
        assert left is not None and 3500 < left.total_seconds() <= 3600
        connection.execute("UPDATE account_links SET expires_at = now()")
    assert visitor().post(late, {"password": NEW}).status_code == 410


def test_all_other_sessions_end_with_the_old_password(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    before = _guest(visitor)
    link = _link(post_office, run_jobs, visitor)
    assert before.get("/e/PARTY234/me").status_code == 200
    visitor().post(link, {"password": NEW})
    assert before.get("/e/PARTY234/me").status_code == 303


def test_the_answer_does_not_tell_whether_an_address_has_an_account(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    _guest(visitor)
    known, unknown = (visitor().post("/forgot", {"email": f"{who}@example.org"}) for who in ("rose", "nobody"))
    assert known.status_code == unknown.status_code == 200
    assert known.text == unknown.text
    run_jobs()
    assert post_office.letters_to("nobody@example.org") == []


def test_an_address_with_several_accounts_chooses_which_get_the_new_password(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    owner.make_event("OTHER234", name="Summer party")
    _guest(visitor)
    _guest(visitor, code="OTHER234")
    link, somebody = _link(post_office, run_jobs, visitor), visitor()
    page = somebody.get(link).text
    assert "Summer party" in page and "Lea &amp; Tom" in page
    assert somebody.post(link, {"password": NEW}).status_code == 422, "none is chosen"
    party = re.search(r'value="([0-9a-f-]{36})"[^>]*>\s*<span class="check__text">Summer party', page)
    assert party
    assert somebody.post(link, {"password": NEW, "account": party[1]}).headers["location"] == "/e/OTHER234/photos"
    assert visitor().sign_in("rose", PASSWORD).headers["location"] == "/e/PARTY234/photos"
    assert visitor().sign_in("rose", NEW).headers["location"] == "/e/OTHER234/photos"


def test_an_address_is_not_flooded_with_links(owner: Visitor, visitor: Visitors) -> None:
    asked = [visitor().post("/forgot", {"email": "rose@example.org"}) for _ in range(6)]
    assert [answer.status_code for answer in asked][:3] == [200, 200, 200]
    assert asked[-1].status_code == 429 and int(asked[-1].headers["retry-after"]) > 60


def test_an_address_is_confirmed_by_its_link_and_a_banner_asks_until_then(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    guest, banner = _guest(visitor), "Please confirm your address: we have sent you a link."
    assert banner in guest.get("/e/PARTY234/photos").text
    run_jobs()
    link = post_office.link_to("rose@example.org", "confirm")
    visitor().get(link)
    assert banner in guest.get("/e/PARTY234/photos").text, "looking at the link confirms nothing"
    assert visitor().post(link).status_code == 200
    assert banner not in guest.get("/e/PARTY234/photos").text
    assert guest.post(link).status_code == 410
    assert banner in owner.get("/studio").text


def test_the_confirmation_is_sent_again_when_asked_for(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    guest = _guest(visitor)
    assert guest.post("/account/confirm").headers["location"] == "/account?done=sent"
    run_jobs()
    assert len(post_office.letters_to("rose@example.org")) == 2
    assert (
        guest.post(post_office.link_to("rose@example.org", "confirm")).headers["location"] == "/account?done=confirmed"
    )


def test_a_link_by_mail_confirms_the_address_and_one_handed_over_does_not(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs, settings: Settings
) -> None:
    _guest(visitor)
    made = owner.post("/server/reset-link", {"email": "rose@example.org"})
    link = re.search(r"http://testserver(/reset/[\w-]+)", made.text)
    assert link
    visitor().post(link[1], {"password": NEW})
    confirmed = "SELECT email_confirmed_at FROM guests"
    with psycopg.connect(settings.database_url or "") as connection:
        assert connection.execute(confirmed).fetchone() == (None,)
    visitor().post(_link(post_office, run_jobs, visitor), {"password": NEW})
    with psycopg.connect(settings.database_url or "") as connection:
        assert connection.execute(confirmed).fetchone() != (None,)


def test_the_console_makes_a_link_too(owner: Visitor, visitor: Visitors, settings: Settings) -> None:
    more = {"DATABASE_URL": settings.database_url or "", "TROUVAILLE_PUBLIC_URL": "http://testserver"}
    command = [sys.executable, "-m", "trouvaille", "admin", "reset-link", "--data-dir", str(settings.data_dir)]
    ran, none = (
        subprocess.run([*command, email], env=os.environ | more, capture_output=True, text=True, check=False)
        for email in ("owner@example.org", "nobody@example.org")
    )
    assert ran.returncode == 0, ran.stderr
    assert none.returncode == 1 and none.stderr == "No account has this address.\n"
    link = ran.stdout.strip().removeprefix("http://testserver")
    assert visitor().post(link, {"password": NEW}).headers["location"] == "/studio"


def test_links_in_letters_begin_with_the_address_of_the_settings_whatever_a_browser_claims(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    _guest(visitor)
    visitor().post("/forgot", {"email": "rose@example.org"}, headers={"host": "evil.example"})
    run_jobs()
    assert "evil.example" not in plain(post_office.letters_to("rose@example.org")[-1])


def test_a_changed_password_ends_all_other_sessions_but_this_one(owner: Visitor, visitor: Visitors) -> None:
    here, there = _guest(visitor), visitor()
    there.sign_in("rose")
    assert here.post("/account/password", {"old_password": "wrong", "new_password": NEW}).status_code == 422
    assert here.post("/account/password", {"old_password": PASSWORD, "new_password": "short"}).status_code == 422
    answer = here.post("/account/password", {"old_password": PASSWORD, "new_password": NEW})
    assert answer.headers["location"] == "/account?done=password"
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 303
    assert visitor().sign_in("rose@example.org", NEW).status_code == 303
