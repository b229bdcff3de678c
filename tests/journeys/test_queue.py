"""Jobs whose worker is killed: nothing is lost, nothing is done twice, a poisonous file is set aside."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.people import Visitor
from trouvaille import serving
from trouvaille.demo.party import PHOTOS
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]


@contextmanager
def _worker(settings: Settings, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, **serving.environment(settings)}
    process = subprocess.Popen([sys.executable, *command], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


PHOTO_WORKER = ("-m", "trouvaille", "worker", "--queues", "photos,upkeep", "--concurrency", "2")


def _ask(settings: Settings, question: str) -> list[tuple[object, ...]]:
    with psycopg.connect(settings.database_url or "") as connection:
        return list(connection.execute(question).fetchall())


def _until(holds: Callable[[], bool], *, timeout_s: float = 150) -> None:
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def _states(settings: Settings) -> dict[object, int]:
    return {state: int(str(n)) for state, n in _ask(settings, "SELECT state, count(*) FROM photos GROUP BY state")}


def test_a_worker_killed_in_the_middle_loses_nothing_and_does_nothing_twice(
    owner: Visitor, samples: dict[str, Path], settings: Settings
) -> None:
    owner.upload(*(samples[name] for name in PHOTOS))
    with _worker(settings, *PHOTO_WORKER) as victim:
        at_work = "SELECT 1 FROM procrastinate_jobs WHERE status = 'doing'"
        _until(lambda: 1 <= _states(settings).get("ready", 0) < len(PHOTOS) and bool(_ask(settings, at_work)))
        victim.kill()
        victim.wait()
    left_behind = _ask(settings, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'")
    assert left_behind != [(0,)]
    with _worker(settings, *PHOTO_WORKER):
        _until(lambda: _states(settings) == {"ready": len(PHOTOS)})
        # The round of the mail queue waits for a worker of that queue.
        unfinished = "SELECT count(*) FROM procrastinate_jobs WHERE status <> 'failed' AND queue_name <> 'mail'"
        _until(lambda: _ask(settings, unfinished) == [(0,)])
    doubled = "SELECT photo_id FROM faces GROUP BY photo_id, box_xyxy HAVING count(*) > 1"
    assert _ask(settings, doubled) == []
    miscounted = """
        SELECT photos.id FROM photos LEFT JOIN faces ON faces.photo_id = photos.id
         GROUP BY photos.id, photos.faces HAVING count(faces.id) <> photos.faces
    """
    assert _ask(settings, miscounted) == []
    assert _ask(settings, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'") == [(0,)]


@pytest.mark.slow
def test_a_photo_that_kills_its_worker_twice_is_set_aside_with_a_reason(
    owner: Visitor, samples: dict[str, Path], settings: Settings
) -> None:
    poison = samples["sample4.jpg"]
    owner.upload(poison, samples["sample1.jpg"], samples["sample3.jpg"])
    script = Path(__file__).with_name("poisoned_worker.py")
    deaths = 0
    until = time.monotonic() + 90
    while _states(settings).get("waiting", 0) and time.monotonic() < until:
        with _worker(settings, str(script), str(poison.stat().st_size)) as worker:
            _until(lambda: worker.poll() is not None or not _states(settings).get("waiting", 0), timeout_s=60)
            deaths += worker.poll() is not None
    assert deaths == 2
    assert _states(settings) == {"ready": 2, "failed": 1}
    assert _ask(settings, "SELECT file_name, reason FROM photos WHERE state = 'failed'") == [
        ("sample4.jpg", "worker_died")
    ]
    assert "Reading this file stopped the worker twice." in owner.get(f"/studio/{owner.event_id}").text


def test_a_selfie_does_not_wait_behind_photos(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], settings: Settings
) -> None:
    from trouvaille.demo.party import GUESTS, selfie_jpeg

    owner.upload(*(samples[name] for name in PHOTOS))
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    guest.send_selfie(selfie_jpeg(GUESTS[2], samples))
    with _worker(settings, "-m", "trouvaille", "worker", "--queues", "selfies", "--concurrency", "1"):
        _until(lambda: guest.get("/e/PARTY234/selfie/status").json()["state"] == "accepted")
    assert _states(settings) == {"waiting": len(PHOTOS)}


@pytest.mark.slow
def test_a_photo_without_a_job_is_remembered(
    owner: Visitor, samples: dict[str, Path], settings: Settings, run_jobs: Callable[[], None]
) -> None:
    owner.upload(samples["sample1.jpg"])
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("DELETE FROM procrastinate_jobs")
        connection.execute("UPDATE photos SET created_at = created_at - interval '10 minutes'")
    with _worker(settings, *PHOTO_WORKER):
        _until(lambda: _states(settings) == {"ready": 1})
