"""Changing the engine: all is looked at anew, and at no moment does a guest see less."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests import models
from tests.people import Visitor
from trouvaille import worker
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.settings import Settings

BARACK = GUESTS[0]


@pytest.fixture
def moved_on(settings: Settings) -> Settings:
    """The same instance with other weights; the tail is what calibrating on portraits gave, rounded."""
    more = {"recogniser_path": models.fetch(), "recogniser_tail_offset": 3.0, "recogniser_tail_slope": -19.0}
    return Settings(
        data_dir=settings.data_dir,
        DATABASE_URL=settings.database_url,
        stalled_after_s=3,
        log_level="ERROR",
        **more,
        **models.SETTINGS,
    )


def _work(settings: Settings) -> None:
    asyncio.run(worker.run(settings, worker.QUEUES, concurrency=2, forever=False))


def test_other_weights_look_at_everything_anew_without_a_gap(
    owner: Visitor,
    visitor: Callable[[], Visitor],
    samples: dict[str, Path],
    run_jobs: Callable[[], None],
    settings: Settings,
    moved_on: Settings,
) -> None:
    owner.upload(*(samples[name] for name in ("obama2.jpg", "obama3.jpg", "32bit.png", "sample6.jpg")))
    guest = visitor()
    guest.register("PARTY234", "barack")
    guest.agree()
    guest.send_selfie(selfie_jpeg(BARACK, samples))
    run_jobs()
    before = set(guest.photos())
    assert len(before) == len(BARACK.truth)

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
        _work(moved_on)  # keeping house asks for it …
    finally:
        over.set()
        watching.join()
    assert min(seen) == len(before)
    assert set(guest.photos()) == before
    with psycopg.connect(settings.database_url or "") as connection:
        engines = connection.execute("SELECT DISTINCT engine FROM photos UNION SELECT engine FROM faces").fetchall()
        sizes = connection.execute("SELECT DISTINCT vector_dims(template) FROM faces").fetchall()
        assert len(engines) == 1 and models.SHA256[:12] in engines[0][0]
        assert sizes == [(512,)]
    _work(moved_on)
    with psycopg.connect(settings.database_url or "") as connection:  # … and forgets the old templates in the end
        assert connection.execute("SELECT count(DISTINCT engine) FROM probes").fetchall() == [(1,)]


def test_a_photo_that_cannot_be_read_anew_stays_as_it_was(
    owner: Visitor,
    visitor: Callable[[], Visitor],
    samples: dict[str, Path],
    run_jobs: Callable[[], None],
    settings: Settings,
    moved_on: Settings,
) -> None:
    owner.upload(samples["obama2.jpg"], samples["sample3.jpg"])
    guest = visitor()
    guest.register("PARTY234", "barack")
    guest.agree()
    guest.send_selfie(selfie_jpeg(BARACK, samples))
    run_jobs()
    before = set(guest.photos())
    for original in settings.data_dir.rglob("original"):
        original.unlink()
    _work(moved_on)
    _work(moved_on)  # and is not asked for again
    assert set(guest.photos()) == before
    with psycopg.connect(settings.database_url or "") as connection:
        assert connection.execute("SELECT DISTINCT state FROM photos").fetchall() == [("ready",)]
