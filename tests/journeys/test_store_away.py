"""A photo store that is away for longer than a job has patience: it is told, nothing is lost, all goes on by itself."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.ingest.sender import Sender, token_of
from tests.people import Visitor
from tests.s3_server import S3Server, serving
from trouvaille import worker
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.settings import Settings
from trouvaille.vision.engine import LocalEngine

Jobs = Callable[[], None]
ROSE = GUESTS[2]


@pytest.fixture
def store() -> Iterator[S3Server]:
    """A store of this test's own, which may be stopped."""
    with serving() as server:
        yield server


@pytest.fixture
def settings(settings: Settings, store: S3Server, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An instance whose photos lie there; a call that fails is given up at once, since jobs try again themselves."""
    monkeypatch.setattr("trouvaille.core.stores.RETRIES", 0)
    return settings.model_copy(update={"storage_url": store.url()})


def _ask(settings: Settings, question: str) -> list[tuple[object, ...]]:
    with psycopg.connect(settings.database_url or "") as connection:
        done = connection.execute(question)  # type: ignore[arg-type]
        return list(done.fetchall()) if done.description else []


def _work_until_patience_ends(settings: Settings, engine: LocalEngine) -> int:
    """Let every job that waits be tried until it is given up; returns how often one was begun at most."""
    for _ in range(20):
        _ask(settings, "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")
        asyncio.run(worker.run(settings, ("photos", "selfies"), concurrency=2, forever=False, engine=engine))
        waiting = (
            "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo' AND queue_name IN ('photos', 'selfies')"
        )
        if _ask(settings, waiting) == [(0,)]:
            break
    ((most,),) = _ask(settings, "SELECT max(attempts) FROM procrastinate_jobs")
    return int(str(most))


def test_photos_and_selfies_outlast_a_store_that_is_away(
    owner: Visitor,
    visitor: Callable[[], Visitor],
    samples: dict[str, Path],
    settings: Settings,
    store: S3Server,
    engine: LocalEngine,
    run_jobs: Jobs,
) -> None:
    sender = Sender(owner.browser, f"/api/v1/events/{owner.event_id}/uploads", token_of(owner, "photos:write"))
    photo = samples["sample3.jpg"].read_bytes()
    owner.upload(samples["sample1.jpg"])
    rose = visitor()
    rose.register("PARTY234", "rose")
    rose.agree()
    assert rose.send_selfie(selfie_jpeg(ROSE, samples)).status_code == 303

    store.stop()
    path = sender.create(len(photo)).headers["location"]
    told = sender.patch(path, 0, photo)
    assert told.status_code == 503 and int(told.headers["retry-after"]) > 0, told.text
    assert rose.send_selfie(selfie_jpeg(ROSE, samples)).status_code == 503
    assert _work_until_patience_ends(settings, engine) >= 5
    assert _ask(settings, "SELECT state FROM photos") == [("waiting",)], "it is not its own fault"
    assert "data-id" in owner.get(f"/studio/{owner.event_id}").text

    store.start()
    assert sender.head(path).headers["upload-offset"] == str(len(photo))
    assert sender.patch(path, len(photo), b"").headers["trouvaille-result"] == "accepted"
    _ask(settings, "UPDATE photos SET created_at = created_at - interval '2 minutes'")
    _ask(settings, "DELETE FROM procrastinate_jobs WHERE status = 'failed'")
    run_jobs()
    run_jobs()
    assert _ask(settings, "SELECT DISTINCT state FROM photos") == [("ready",)]
    # A guest stands there and waits, so after two minutes a selfie is given up with a word rather than tried for hours.
    assert rose.get("/e/PARTY234/selfie/status").json()["state"] == "refused"
    assert "Something went wrong on our side" in rose.get("/e/PARTY234/selfie").text
    assert rose.send_selfie(selfie_jpeg(ROSE, samples)).status_code == 303
    run_jobs()
    assert len(rose.photos()) == 2
