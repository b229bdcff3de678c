"""A guest of one event joins another: a new consent, the same selfie if they say so, and both in the switcher."""

import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.people import PASSWORD, Visitor
from tests.post_office import PostOffice
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]
ROSE = GUESTS[2]


@pytest.fixture
def rose(owner: Visitor, visitor: Visitors) -> Visitor:
    """A guest of PARTY234, who has the code of OTHER234 too."""
    owner.make_event("OTHER234", name="Summer party")
    guest = visitor()
    guest.register("PARTY234", "rose", agree="yes")
    return guest


def _row(settings: Settings, query: str) -> tuple[object, ...]:
    with psycopg.connect(settings.database_url or "") as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return tuple(row)


def test_a_signed_in_guest_joins_without_typing_anything_again(
    rose: Visitor, visitor: Visitors, settings: Settings
) -> None:
    assert "/e/OTHER234/join" in rose.get("/e/OTHER234").text
    page = rose.get("/e/OTHER234/join").text
    assert 'type="password"' not in page and " checked" not in page
    answer = rose.post("/e/OTHER234/join", {"username": "rose"})
    assert answer.headers["location"] == "/e/OTHER234/photos"
    assert rose.get("/e/OTHER234/photos").status_code == 200
    assert _row(settings, "SELECT count(*), count(DISTINCT event_id) FROM guests") == (2, 2)
    assert _row(settings, "SELECT count(*) FROM consents") == (1,), "the consent of one event is none in another"
    assert visitor().sign_in("rose", event="OTHER234").headers["location"] == "/e/OTHER234/photos"


def test_the_switcher_shows_both_events(rose: Visitor) -> None:
    rose.post("/e/OTHER234/join", {"username": "rose"})
    account = rose.get("/account").text
    assert "Lea &amp; Tom" in account
    (back,) = re.findall(r'name="to" value="([0-9a-f-]{36})"', account)
    assert rose.post("/account/switch", {"to": back}).headers["location"] == "/e/PARTY234/photos"
    assert "Summer party" in rose.get("/account").text
    assert rose.get("/e/OTHER234/join").headers["location"] == "/account", "they are a guest there already"
    assert rose.post("/e/OTHER234/join", {"username": "rose2"}).headers["location"] == "/account"


def test_the_same_selfie_is_looked_at_anew_and_finds_photos_there(
    owner: Visitor, rose: Visitor, samples: dict[str, Path], run_jobs: Jobs, settings: Settings
) -> None:
    owner.upload(samples["sample1.jpg"])
    assert 'name="reuse"' not in rose.get("/e/OTHER234/join").text, "there is none yet"
    rose.send_selfie(selfie_jpeg(ROSE, samples))
    run_jobs()
    assert 'name="reuse"' in rose.get("/e/OTHER234/join").text
    answer = rose.post("/e/OTHER234/join", {"username": "rose", "agree": "yes", "reuse": "yes"})
    assert answer.headers["location"] == "/e/OTHER234/selfie"
    assert _row(settings, "SELECT count(*) FROM probes") == (1,), "no template crosses"
    run_jobs()
    assert rose.get("/e/OTHER234/selfie/status").json()["state"] == "accepted"
    rose.code = "OTHER234"
    assert len(rose.photos()) == 1
    assert _row(settings, "SELECT count(*), count(DISTINCT event_id) FROM consents") == (2, 2)
    rose.post("/e/OTHER234/me/withdraw", {"confirm": "yes"})
    run_jobs()
    (kept,) = [path for path in (settings.data_dir / "photos").glob("events/*/selfies/**/*") if path.is_file()]
    assert kept.exists(), "what is withdrawn in one event stays in the other"


def test_no_selfie_crosses_unless_its_owner_agrees_and_says_so(
    rose: Visitor, samples: dict[str, Path], run_jobs: Jobs, settings: Settings
) -> None:
    rose.send_selfie(selfie_jpeg(ROSE, samples))
    run_jobs()
    refused = rose.post("/e/OTHER234/join", {"username": "rose", "reuse": "yes"})
    assert refused.status_code == 422 and "only if you agree" in refused.text
    assert _row(settings, "SELECT count(*) FROM guests") == (1,)
    rose.post("/e/OTHER234/join", {"username": "rose", "agree": "yes"})
    assert _row(settings, "SELECT count(*) FROM enrolments") == (1,)
    assert rose.get("/e/OTHER234/selfie/status").json()["state"] == "none"


def test_where_the_username_is_taken_another_one_needs_the_password(
    rose: Visitor, visitor: Visitors, settings: Settings
) -> None:
    visitor().register("OTHER234", "Rose", email="another@example.org", password="another password")
    assert 'type="password"' in rose.get("/e/OTHER234/join").text
    assert rose.post("/e/OTHER234/join", {"username": "rose"}).status_code == 409
    wrong = rose.post("/e/OTHER234/join", {"username": "rosalie", "password": "not the password"})
    assert wrong.status_code == 422 and 'value="rosalie"' in wrong.text
    right = rose.post("/e/OTHER234/join", {"username": "rosalie", "password": PASSWORD})
    assert right.headers["location"] == "/e/OTHER234/photos"
    for name in ("rosalie", "rose@example.org"):
        assert visitor().sign_in(name, event="OTHER234").headers["location"] == "/e/OTHER234/photos"


def test_guessing_at_the_password_while_joining_becomes_slow(rose: Visitor) -> None:
    answers = [rose.post("/e/OTHER234/join", {"username": "rosalie", "password": f"guess {n}"}) for n in range(8)]
    assert [answer.status_code for answer in answers[:6]] == [422] * 6
    assert answers[-1].status_code == 429 and "retry-after" in answers[-1].headers


def test_an_address_that_is_a_guest_there_is_told_to_sign_in(rose: Visitor, visitor: Visitors) -> None:
    visitor().register("OTHER234", "somebody", email="ROSE@example.org")
    answer = rose.post("/e/OTHER234/join", {"username": "rose"})
    assert answer.status_code == 409 and "/sign-in?event=OTHER234" in answer.text


def test_a_confirmed_address_stays_confirmed_and_another_is_asked(
    rose: Visitor, post_office: PostOffice, run_jobs: Jobs, settings: Settings
) -> None:
    run_jobs()
    rose.post(post_office.link_to("rose@example.org", "confirm"))
    before = len(post_office.letters_to("rose@example.org"))
    rose.post("/e/OTHER234/join", {"username": "rose"})
    run_jobs()
    assert len(post_office.letters_to("rose@example.org")) == before
    assert _row(settings, "SELECT count(*) FROM guests WHERE email_confirmed_at IS NULL") == (0,)
