"""A server that goes over to the service: who agreed to this server's comparing agrees anew, and is found again."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.people import Visitor
from tests.rekognition.conftest import work_off
from tests.rekognition.journeys.looking import HERE, later, rows, state, upload
from tests.rekognition.server import Account
from trouvaille.app import create_app
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.guests import consent
from trouvaille.settings import Engine, Settings
from trouvaille.vision.engine import LocalEngine

pytestmark = pytest.mark.slow

BARACK = GUESTS[0]
ENGLISH = {"accept-language": "en"}


@pytest.fixture
def local(with_rekognition: Settings) -> Settings:
    """The same instance before the change."""
    return with_rekognition.model_copy(update={"engine": Engine.LOCAL})


@pytest.fixture
def site(local: Settings) -> Iterator[TestClient]:
    """The server as guests come in: it compares faces itself."""
    with TestClient(create_app(local), follow_redirects=False) as client:
        yield client


@pytest.fixture
def guest(owner: Visitor, visitor: Callable[[], Visitor], samples: dict[str, Path]) -> Visitor:
    """Somebody who came while this server compared faces, with photos in which they are."""
    upload(owner, samples, "obama2.jpg", "obama3.jpg")
    guest = visitor()
    guest.register("PARTY234", BARACK.username)
    text = guest.get(f"{HERE}/consent", headers=ENGLISH).text
    assert "on this server only" in text and "Amazon" not in text
    guest.agree()
    guest.send_selfie(selfie_jpeg(BARACK, samples))
    return guest


def _moved(who: Visitor, site: TestClient) -> Visitor:
    """The same browser, now that the server has started anew with other settings."""
    browser = TestClient(site.app, follow_redirects=False, cookies=dict(who.browser.cookies))
    browser.portal = site.portal
    return Visitor(browser, who.event_id, who.code)


@pytest.fixture
def after(with_rekognition: Settings) -> Iterator[TestClient]:
    """The server after the change: the service compares faces."""
    with TestClient(create_app(with_rekognition), follow_redirects=False) as client:
        yield client


@pytest.fixture
def work(with_rekognition: Settings, engine: LocalEngine) -> Callable[..., None]:
    """Work off what waits, and let the time pass after which the service has caught up."""

    def run(rounds: int = 3) -> None:
        for _ in range(rounds):
            work_off(with_rekognition, engine)
            later(with_rekognition)
        assert rows(with_rekognition, "SELECT task_name FROM procrastinate_jobs WHERE status = 'failed'") == []

    return run


def _selfies_sent(account: Account) -> list[str]:
    return [
        operation
        for operation, _ in account.requests
        if operation in ("CreateUser", "AssociateFaces", "SearchUsersByImage")
    ]


def test_until_a_guest_agrees_anew_their_face_stays_here_and_then_their_kept_selfie_finds_photos(
    guest: Visitor,
    owner: Visitor,
    samples: dict[str, Path],
    engine: LocalEngine,
    local: Settings,
    after: TestClient,
    work: Callable[..., None],
    account: Account,
) -> None:
    work_off(local, engine)
    before = set(guest.photos())
    assert len(before) == 2 and account.requests == []

    guest, owner = _moved(guest, after), _moved(owner, after)
    upload(owner, samples, "32bit.png")
    work()
    assert not account.users and _selfies_sent(account) == []
    assert {each for (each,) in rows(local, "SELECT guest_id FROM rekognition_faces")} == {None}
    assert set(guest.photos()) == before, "what was found stays, and nothing new comes"
    me = guest.get(f"{HERE}/me", headers=ENGLISH).text
    assert f'href="{HERE}/consent"' in me
    asked = guest.get(f"{HERE}/consent", headers=ENGLISH).text
    assert "Amazon Web Services" in asked and "us-east-1" in asked and "on this server only" not in asked
    assert guest.get(f"{HERE}/selfie").headers["location"] == f"{HERE}/consent"
    assert guest.send_selfie(selfie_jpeg(BARACK, samples)).status_code == 403

    assert guest.agree().headers["location"] == f"{HERE}/selfie"
    assert state(guest)["state"] == "accepted", "the selfie that is kept will do"
    assert guest.get(f"{HERE}/consent").headers["location"] == f"{HERE}/selfie"
    work()
    assert len(account.users) == 1
    assert len(set(guest.photos()) - before) == 1 and before < set(guest.photos())
    versions = rows(local, "SELECT text_version FROM consents ORDER BY given_at")
    assert versions == [(consent.VERSION,), (consent.VERSION + consent.AMAZON,)]
    assert rows(local, "SELECT count(*) FROM enrolments") == [(1,)]

    guest.post(f"{HERE}/me/withdraw", {"confirm": "yes"})
    work()
    assert not account.users and guest.photos() == []
    assert {each for (each,) in rows(local, "SELECT guest_id FROM rekognition_faces")} <= {None}


def test_a_face_that_was_sent_by_an_older_consent_is_swept_and_comes_back_with_the_new_one(
    guest: Visitor,
    owner: Visitor,
    samples: dict[str, Path],
    local: Settings,
    after: TestClient,
    work: Callable[..., None],
    account: Account,
) -> None:
    guest, owner = _moved(guest, after), _moved(owner, after)
    # As an instance did whose consent did not yet say who compares.
    rows(local, f"UPDATE consents SET text_version = '{consent.VERSION + consent.AMAZON}'")
    work()
    assert len(account.users) == 1
    before = set(guest.photos())
    assert len(before) == 2

    rows(local, f"UPDATE consents SET text_version = '{consent.VERSION}'")
    work()
    assert not account.users
    assert {each for (each,) in rows(local, "SELECT guest_id FROM rekognition_faces")} == {None}
    upload(owner, samples, "32bit.png")
    rows(local, "UPDATE probes SET searched_at = searched_at - interval '2 hours'")
    work()
    assert set(guest.photos()) == before, "what was found stays, and nothing new comes"
    assert f'href="{HERE}/consent"' in guest.get(f"{HERE}/me").text

    guest.agree()
    work()
    assert len(account.users) == 1
    assert len(set(guest.photos()) - before) == 1 and before < set(guest.photos())


def test_who_agrees_before_the_sweep_came_round_is_found_all_the_same(
    guest: Visitor,
    owner: Visitor,
    samples: dict[str, Path],
    local: Settings,
    after: TestClient,
    work: Callable[..., None],
    account: Account,
) -> None:
    guest, owner = _moved(guest, after), _moved(owner, after)
    rows(local, f"UPDATE consents SET text_version = '{consent.VERSION + consent.AMAZON}'")
    work()
    (face_id,) = rows(local, "SELECT face_id FROM rekognition_faces WHERE guest_id IS NOT NULL")[0]
    rows(local, f"UPDATE consents SET text_version = '{consent.VERSION}'")
    # The sweep's job runs, and the guest agrees before housekeeping looks again.
    guest.agree()
    rows(local, f"UPDATE rekognition_faces SET enrolment_id = NULL WHERE face_id = '{face_id}'")
    upload(owner, samples, "32bit.png")
    work(4)
    assert len(account.users) == 1
    assert len(guest.photos()) == 3


def test_the_other_way_round_a_guest_who_agreed_to_amazon_alone_is_asked_too(
    guest: Visitor,
    owner: Visitor,
    samples: dict[str, Path],
    engine: LocalEngine,
    local: Settings,
    after: TestClient,
    work: Callable[..., None],
    account: Account,
) -> None:
    rows(local, f"UPDATE consents SET text_version = '{consent.VERSION + consent.AMAZON}'")
    work()
    before = set(guest.photos())
    assert len(before) == 2 and len(account.users) == 1

    upload(owner, samples, "32bit.png")
    for _ in range(4):
        work_off(local, engine)
    assert rows(local, "SELECT count(*) FROM probes WHERE template IS NOT NULL") == [(0,)]
    assert not account.users, "whoever is asked anew is not kept over there"
    assert set(guest.photos()) == before
    assert "on this server only" in guest.get(f"{HERE}/consent", headers=ENGLISH).text
    guest.agree()
    for _ in range(3):
        work_off(local, engine)
    assert rows(local, "SELECT count(*) FROM probes WHERE template IS NOT NULL") == [(1,)]
    assert len(guest.photos()) == 3 and before < set(guest.photos())
