"""People change their own name, language and address, and nobody else's, by the pages."""

import re
from collections.abc import Callable

import psycopg

from tests.people import PASSWORD, Visitor
from tests.post_office import PostOffice, plain
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]
NEW = "rosalie@example.org"


def _rose(visitor: Visitors) -> Visitor:
    rose = visitor()
    assert rose.register("PARTY234", "rose").status_code == 303
    return rose


def _link(post_office: PostOffice, address: str) -> str:
    found = re.search(r"/confirm/[\w-]+", plain(post_office.letters_to(address)[-1]))
    assert found
    return found[0]


def _wish(who: Visitor, email: str = NEW, password: str = PASSWORD) -> int:
    return who.post("/account/email", {"email": email, "password": password}).status_code


def test_a_name_and_the_language_of_letters_change(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    rose = _rose(visitor)
    assert rose.post("/account/name", {"display_name": " Rosa  Lie ", "locale": "fr"}).status_code == 303
    page = rose.get("/account").text
    assert "<h1>Rosa Lie</h1>" in page and '<option value="fr" selected>' in page
    assert _wish(rose) == 303
    run_jobs()
    assert post_office.letters_to(NEW)[-1]["Subject"] == "Confirmez votre nouvelle adresse"
    refused = rose.post("/account/name", {"display_name": " ", "locale": "xx"})
    assert refused.status_code == 422 and 'id="display_name-error"' in refused.text


def test_a_new_address_counts_once_its_link_is_followed_and_the_old_one_hears_of_it(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    rose = _rose(visitor)
    answer = rose.post("/account/email", {"email": NEW, "password": PASSWORD})
    assert NEW in rose.get(answer.headers["location"]).text
    run_jobs()
    assert visitor().sign_in(NEW).status_code == 422
    assert visitor().sign_in("rose@example.org").status_code == 303
    link = _link(post_office, NEW)
    page = rose.get(link)
    assert page.status_code == 200 and NEW in page.text
    assert visitor().sign_in("rose@example.org").status_code == 303, "looking changes nothing"
    assert rose.post(link).headers["location"] == "/account?done=confirmed"
    assert rose.post(link).status_code == 410
    for name, status in ((NEW, 303), ("rose", 303), ("rose@example.org", 422)):
        assert visitor().sign_in(name).status_code == status, name
    run_jobs()
    assert "another one" in plain(post_office.letters_to("rose@example.org")[-1])
    assert "not been confirmed" not in rose.get("/account").text


def test_without_the_password_no_address_changes_and_trying_passwords_takes_ever_longer(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    rose = _rose(visitor)
    seen = [_wish(rose, password=f"wrong password {n}") for n in range(8)]
    assert seen[0] == 422 and seen[-1] == 429
    run_jobs()
    assert post_office.letters_to(NEW) == []


def test_an_address_of_another_guest_of_the_event_is_refused_at_once_and_once_more_at_the_link(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    rose = _rose(visitor)
    visitor().register("PARTY234", "lily")
    assert _wish(rose, "LILY@example.org") == 409
    owner.make_event("OTHER234")
    visitor().register("OTHER234", "fern")
    run_jobs()  # her own letter is out, so the last one to this address will be the wish's
    assert _wish(rose, "fern@example.org") == 303, "the same address is free in another event"
    run_jobs()
    link = _link(post_office, "fern@example.org")
    assert visitor().register("PARTY234", "fern").status_code == 303
    assert rose.post(link).status_code == 409
    assert visitor().sign_in("rose@example.org").status_code == 303


def test_a_wish_ends_with_a_newer_one_and_with_a_new_password(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs, settings: Settings
) -> None:
    rose = _rose(visitor)
    _wish(rose)
    run_jobs()
    first = _link(post_office, NEW)
    _wish(rose, "rosamund@example.org")
    assert rose.post(first).status_code == 410
    run_jobs()
    second = _link(post_office, "rosamund@example.org")
    fresh = "another battery horse"
    rose.post("/account/password", {"old_password": PASSWORD, "new_password": fresh})
    assert rose.post(second).status_code == 410
    with psycopg.connect(settings.database_url or "") as connection:
        assert connection.execute("SELECT count(*) FROM account_links WHERE email IS NOT NULL").fetchone() == (0,)
    assert visitor().sign_in("rose", fresh).status_code == 303


def test_links_that_went_to_the_old_address_open_nothing_any_more(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    rose = _rose(visitor)
    visitor().post("/forgot", {"email": "rose@example.org"})
    run_jobs()
    reset = re.search(r"/reset/[\w-]+", plain(post_office.letters_to("rose@example.org")[-1]))
    assert reset and visitor().get(reset[0]).status_code == 200
    _wish(rose)
    run_jobs()
    rose.post(_link(post_office, NEW))
    assert visitor().get(reset[0]).status_code == 410
