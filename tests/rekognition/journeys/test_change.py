"""From the local engine to the service and back: at no moment does a guest see less, and in the end nothing stays."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.people import Visitor
from tests.rekognition.conftest import work_off
from tests.rekognition.journeys.looking import HERE, ROSE, later, rows, upload
from tests.rekognition.server import Account
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.guests import consent
from trouvaille.settings import Engine, Settings
from trouvaille.vision.engine import LocalEngine

pytestmark = pytest.mark.slow

BARACK = GUESTS[0]
Visitors = Callable[[], Visitor]


def _local(settings: Settings) -> Settings:
    return settings.model_copy(update={"engine": Engine.LOCAL})


@contextmanager
def _watched(settings: Settings) -> Iterator[list[int]]:
    """How many photos the guests see, again and again while the block runs."""
    seen: list[int] = []
    over = threading.Event()

    def watch() -> None:
        shown = "SELECT count(*) FROM matches WHERE verdict = 'yes' OR (verdict IS NULL AND tier = 'sure')"
        with psycopg.connect(settings.database_url or "", autocommit=True) as connection:
            while not over.is_set():
                seen.append(connection.execute(shown).fetchall()[0][0])

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()


def _kinds(settings: Settings) -> set[str]:
    engines = rows(settings, "SELECT engine FROM photos UNION SELECT engine FROM faces UNION SELECT engine FROM probes")
    return {str(engine).partition("/")[0] for (engine,) in engines}


def _agreed_to_both(settings: Settings) -> None:
    """Let all guests have agreed to this server's comparing too."""
    rows(
        settings,
        "INSERT INTO consents (id, event_id, guest_id, text_version, locale, given_at)"
        f" SELECT gen_random_uuid(), event_id, guest_id, '{consent.VERSION}', locale, now() FROM consents",
    )


def test_a_face_whose_consent_names_this_server_does_not_go_to_amazon_until_the_guest_agrees(
    owner: Visitor,
    visitor: Visitors,
    samples: dict[str, Path],
    engine: LocalEngine,
    with_rekognition: Settings,
    account: Account,
) -> None:
    local = _local(with_rekognition)
    upload(owner, samples, "obama2.jpg", "obama3.jpg")
    guest = visitor()
    guest.register("PARTY234", BARACK.username)
    guest.agree()
    guest.send_selfie(selfie_jpeg(BARACK, samples))
    rows(local, f"UPDATE consents SET text_version = '{consent.VERSION}'")
    work_off(local, engine)
    assert rows(local, "SELECT state FROM enrolments") == [("accepted",)]

    for _ in range(2):
        work_off(with_rekognition, engine)
        later(with_rekognition)
    assert not account.users
    assert rows(local, "SELECT 1 FROM rekognition_faces WHERE guest_id IS NOT NULL") == []
    assert f"{HERE}/consent" in guest.get(f"{HERE}/me").text
    assert guest.get(f"{HERE}/selfie").headers["location"] == f"{HERE}/consent"
    text = guest.get(f"{HERE}/consent").text
    assert "Amazon Web Services" in text and "us-east-1" in text and "on this server only" not in text

    guest.agree()
    for _ in range(3):
        work_off(with_rekognition, engine)
        later(with_rekognition)
    assert len(account.users) == 1
    versions = rows(local, "SELECT text_version FROM consents ORDER BY given_at")
    assert versions == [(consent.VERSION,), (consent.VERSION + consent.AMAZON,)]
    assert len(guest.photos()) == 2


def test_there_and_back_without_a_gap(
    owner: Visitor,
    visitor: Visitors,
    samples: dict[str, Path],
    engine: LocalEngine,
    with_rekognition: Settings,
    account: Account,
) -> None:
    local = _local(with_rekognition)
    upload(owner, samples, "obama2.jpg", "obama3.jpg", "32bit.png", "sample1.jpg", "sample3.jpg", "sample6.jpg")
    guests = {}
    for sample in (BARACK, ROSE):
        guest = guests[sample.username] = visitor()
        guest.register("PARTY234", sample.username)
        guest.agree()
        guest.send_selfie(selfie_jpeg(sample, samples))
    _agreed_to_both(local)
    work_off(local, engine)
    before = {name: set(guest.photos()) for name, guest in guests.items()}
    total = sum(map(len, before.values()))
    assert total == len(BARACK.truth) + len(ROSE.truth)
    refused = before["rose"].pop()
    guests["rose"].post(f"{HERE}/photos/{refused}/verdict", {"answer": "no"})
    assert account.requests == []

    with _watched(local) as seen:
        for _ in range(3):
            work_off(with_rekognition, engine)
            later(with_rekognition)
    assert min(seen) == max(seen) == total - 1
    assert _kinds(local) == {"rekognition"}
    assert {name: set(guest.photos()) for name, guest in guests.items()} == before
    assert len(account.users) == 2

    with _watched(local) as seen:
        for _ in range(4):
            work_off(local, engine)
    assert min(seen) == max(seen) == total - 1
    assert "rekognition" not in _kinds(local)
    assert {name: set(guest.photos()) for name, guest in guests.items()} == before
    assert (account.faces, account.users) == ([], set())
    owner.post(f"/studio/{owner.event_id}/delete", {"name": "Lea & Tom"})
    work_off(local, engine)
    work_off(local, engine)
    assert account.collections == {}


def test_a_change_that_the_service_holds_up_takes_nothing_away(
    owner: Visitor,
    visitor: Visitors,
    samples: dict[str, Path],
    engine: LocalEngine,
    with_rekognition: Settings,
    account: Account,
) -> None:
    upload(owner, samples, "sample1.jpg", "sample3.jpg")
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    guest.send_selfie(selfie_jpeg(ROSE, samples))
    work_off(_local(with_rekognition), engine)
    before = set(guest.photos())
    account.trouble("IndexFaces", "AccessDeniedException", times=3)
    work_off(with_rekognition, engine)
    assert set(guest.photos()) == before
    assert rows(with_rekognition, "SELECT count(*) FROM photos WHERE reason IS NOT NULL") == [(0,)]
    for _ in range(8):
        rows(with_rekognition, "UPDATE rekognition_instance SET trouble_at = trouble_at - interval '2 minutes'")
        work_off(with_rekognition, engine)
        assert set(guest.photos()) == before
    assert "rekognition" in _kinds(with_rekognition)
    assert rows(with_rekognition, "SELECT count(*) FROM photos WHERE engine NOT LIKE 'rekognition/%'") == [(0,)]
