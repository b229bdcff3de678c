"""A guest pass: in by name alone, back by mail, an account later, and nothing left of one that is lost."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.people import PASSWORD, Visitor
from tests.post_office import PostOffice, plain
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]
ROSE = GUESTS[2]
ADDRESS = "rose@example.org"


@pytest.fixture
def owner(owner: Visitor) -> Visitor:
    """The owner of an event PASS2345 that lets guests in by name alone."""
    owner.make_event("PASS2345", guest_pass="yes")
    return owner


@pytest.fixture
def rose(owner: Visitor, visitor: Visitors) -> Visitor:
    """A guest with a pass, who has agreed."""
    guest = visitor()
    guest.code = "PASS2345"
    answer = guest.post("/e/PASS2345/pass", {"display_name": "Rose", "agree": "yes"})
    assert answer.headers["location"] == "/e/PASS2345/selfie"
    return guest


def _run(settings: Settings, query: str) -> tuple[object, ...]:
    with psycopg.connect(settings.database_url or "") as connection:
        done = connection.execute(query)  # type: ignore[arg-type]
        row = done.fetchone() if done.description else ()
    assert row is not None
    return tuple(row)


def test_a_name_is_enough_where_the_organiser_allows_it(owner: Visitor, visitor: Visitors, settings: Settings) -> None:
    guest = visitor()
    assert "/e/PASS2345/pass" in guest.get("/e/PASS2345").text
    assert "checked" not in guest.get("/e/PASS2345/pass").text
    assert guest.post("/e/PASS2345/pass", {"display_name": " "}).status_code == 422
    assert guest.post("/e/PASS2345/pass", {"display_name": "Rose"}).headers["location"] == "/e/PASS2345/photos"
    for path in ("photos", "me"):
        assert guest.get(f"/e/PASS2345/{path}").status_code == 200
    assert guest.get("/account").status_code == 200 and guest.get("/account/devices").status_code == 200
    assert _run(settings, "SELECT username, email, password_hash FROM guests") == (None, None, None)
    assert _run(settings, "SELECT count(*) FROM consents") == (0,)


def test_elsewhere_an_account_is_asked_for(owner: Visitor, visitor: Visitors, settings: Settings) -> None:
    assert "/pass" not in visitor().get("/e/PARTY234").text
    assert visitor().get("/e/PARTY234/pass").status_code == 403
    assert visitor().post("/e/PARTY234/pass", {"display_name": "Rose"}).status_code == 403
    assert _run(settings, "SELECT count(*) FROM guests") == (0,)


def test_two_passes_may_have_one_name_and_neither_opens_anything_by_password(
    rose: Visitor, visitor: Visitors, settings: Settings
) -> None:
    visitor().post("/e/PASS2345/pass", {"display_name": "Rose"})
    assert _run(settings, "SELECT count(*) FROM guests") == (2,)
    for password in ("", "Rose", PASSWORD):
        assert visitor().sign_in("Rose", password).status_code == 422
        assert visitor().sign_in("", password).status_code == 422
    changed = rose.post("/account/password", {"old_password": "", "new_password": PASSWORD})
    assert changed.status_code == 422


def test_an_account_made_of_a_pass_keeps_photos_and_answers(
    owner: Visitor, rose: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs, settings: Settings
) -> None:
    owner.upload(samples["sample1.jpg"], samples["sample3.jpg"])
    rose.send_selfie(selfie_jpeg(ROSE, samples))
    run_jobs()
    wrong, right = rose.photos()
    rose.post(f"/e/PASS2345/photos/{wrong}/verdict", {"answer": "no"})
    before = rose.browser.cookies["trouvaille"]
    visitor().register("PASS2345", "lily")
    form = {"username": "LILY", "email": ADDRESS, "password": PASSWORD}
    taken = rose.post("/e/PASS2345/upgrade", form)
    assert taken.status_code == 409 and "already taken" in taken.text
    assert rose.post("/e/PASS2345/upgrade", form | {"username": "rose"}).headers["location"] == "/e/PASS2345/photos"
    assert rose.browser.cookies["trouvaille"] != before, "the session is another one"
    assert rose.photos() == [right]
    elsewhere = visitor()
    elsewhere.code = "PASS2345"
    assert elsewhere.sign_in("rose").headers["location"] == "/e/PASS2345/photos"
    assert elsewhere.photos() == [right]
    assert rose.get("/e/PASS2345/upgrade").headers["location"] == "/e/PASS2345/me"
    assert _run(settings, "SELECT count(*) FROM consents WHERE withdrawn_at IS NULL") == (1,)


def test_a_link_by_mail_leads_back_once_and_the_address_is_kept_nowhere(
    rose: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs, settings: Settings
) -> None:
    assert rose.post("/e/PASS2345/me/return-link", {"email": "no address"}).status_code == 422
    assert rose.post("/e/PASS2345/me/return-link", {"email": ADDRESS}).headers["location"] == "/e/PASS2345/me?done=sent"
    run_jobs()
    (letter,) = post_office.letters_to(ADDRESS)
    assert "Lea & Tom" in letter["Subject"] and "Rose" not in plain(letter)
    link, phone = post_office.link_to(ADDRESS, "return"), visitor()
    assert phone.get(link).status_code == 200 and phone.get(link).status_code == 200, "looking uses nothing up"
    assert phone.post(link).headers["location"] == "/e/PASS2345/photos"
    assert phone.get("/e/PASS2345/me").status_code == rose.get("/e/PASS2345/me").status_code == 200
    assert visitor().post(link).status_code == 410
    assert _run(settings, "SELECT email FROM guests") == (None,)


def test_letters_are_limited_and_only_a_pass_gets_one(
    owner: Visitor, rose: Visitor, visitor: Visitors, settings: Settings
) -> None:
    answers = [rose.post("/e/PASS2345/me/return-link", {"email": f"r{n}@example.org"}) for n in range(5)]
    assert [answer.status_code for answer in answers] == [303] * 4 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    lily = visitor()
    lily.register("PASS2345", "lily")
    assert lily.post("/e/PASS2345/me/return-link", {"email": ADDRESS}).status_code == 404


def test_an_account_is_not_opened_by_the_link_of_the_pass_that_it_was(
    rose: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    rose.post("/e/PASS2345/me/return-link", {"email": ADDRESS})
    run_jobs()
    rose.post("/e/PASS2345/upgrade", {"username": "rose", "email": ADDRESS, "password": PASSWORD})
    assert visitor().post(post_office.link_to(ADDRESS, "return")).status_code == 410


def test_a_pass_joins_another_event_only_as_an_account(owner: Visitor, rose: Visitor) -> None:
    assert rose.get("/e/PARTY234/join").headers["location"] == "/e/PASS2345/upgrade"
    assert rose.post("/e/PARTY234/join", {"username": "rose"}).headers["location"] == "/e/PASS2345/upgrade"


def test_a_pass_that_nobody_can_come_back_to_is_erased_with_its_face(
    rose: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs, settings: Settings
) -> None:
    lily = visitor()
    lily.post("/e/PASS2345/pass", {"display_name": "Lily"})
    lily.post("/e/PASS2345/me/return-link", {"email": "lily@example.org"})
    lily.post("/sign-out")
    rose.send_selfie(selfie_jpeg(ROSE, samples))
    run_jobs()
    _run(settings, "UPDATE guests SET created_at = created_at - interval '2 days'")
    run_jobs()
    assert _run(settings, "SELECT count(*) FROM guests") == (2,), "one is signed in, one has a link"
    rose.post("/sign-out")
    run_jobs()
    run_jobs()
    assert _run(settings, "SELECT display_name FROM guests") == ("Lily",)
    assert _run(settings, "SELECT count(*) FROM probes") == (0,)
    assert [path for path in (settings.data_dir / "photos").glob("events/*/selfies/**/*") if path.is_file()] == []


def test_a_pass_is_deleted_by_its_name(rose: Visitor, settings: Settings) -> None:
    assert rose.post("/e/PASS2345/me/delete", {"username": "Lily"}).status_code == 422
    assert rose.post("/e/PASS2345/me/delete", {"username": "rose"}).status_code == 303
    assert _run(settings, "SELECT count(*) FROM guests") == (0,)


def test_the_organiser_switches_passes_on_and_off(owner: Visitor, visitor: Visitors) -> None:
    edit = f"/studio/{owner.event_id}/edit"
    assert 'name="guest_pass" value="yes" checked' in owner.get(edit).text
    owner.change()
    assert visitor().get("/e/PASS2345/pass").status_code == 403


def test_the_guest_list_has_passes_and_removes_them(owner: Visitor, rose: Visitor, settings: Settings) -> None:
    listed = owner.get(f"/studio/{owner.event_id}/guests?search=rose").text
    assert "Guest pass" in listed and "None" not in listed
    assert "Rose,,," in owner.get(f"/studio/{owner.event_id}/guests.csv").text
    (guest_id,) = _run(settings, "SELECT id FROM guests")
    page = f"/studio/{owner.event_id}/guests/{guest_id}"
    assert "Guest pass" in owner.get(page).text and "mailto:" not in owner.get(page).text
    assert owner.post(f"{page}/remove", {"name": "Rose"}).status_code == 303
    assert _run(settings, "SELECT count(*) FROM guests") == (0,)


def test_a_closed_event_makes_no_pass_and_lets_one_become_the_account_of_whom_was_invited(
    owner: Visitor, rose: Visitor, visitor: Visitors, settings: Settings
) -> None:
    owner.post(f"/studio/{owner.event_id}/invitations", {"people": f"Rose, {ADDRESS}"})
    owner.move("closed")
    assert visitor().get("/e/PASS2345/pass").status_code == 409
    assert visitor().post("/e/PASS2345/pass", {"display_name": "Lily"}).status_code == 409
    form = {"username": "rose", "email": ADDRESS, "password": PASSWORD}
    assert rose.post("/e/PASS2345/upgrade", form).headers["location"] == "/e/PASS2345/photos"
    assert _run(settings, "SELECT guest_id = (SELECT id FROM guests) FROM guest_invitations") == (True,)
