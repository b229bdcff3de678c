"""Alive and ready, as a load balancer asks."""

import shutil
from pathlib import Path

import psycopg
from starlette.testclient import TestClient

from trouvaille.app import create_app
from trouvaille.settings import Settings


def _forget(site: TestClient) -> None:
    """Look anew at once, not in a second."""
    health = site.app.state.health  # type: ignore[attr-defined]
    health._seen, health._stored = (float("-inf"), {}), (float("-inf"), "")


def test_a_sound_instance_is_ready_and_says_why(site: TestClient, settings: Settings) -> None:
    answer = site.get("/readyz")
    assert answer.status_code == 200
    checks = {"database": "ok", "migrations": "ok", "queue": "ok", "storage": "ok"}
    assert answer.json() == {"status": "ok", "checks": checks}
    assert answer.headers["cache-control"] == "no-store"
    assert list(Path(settings.data_dir / "photos" / "health").glob("*")) == [], "the probe leaves nothing"


def test_without_a_database_it_lives_but_is_not_ready(settings: Settings) -> None:
    gone = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:9/nothing"})
    with TestClient(create_app(gone)) as site:
        assert site.get("/livez").json() == {"status": "ok"}
        answer = site.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["database"] == "away"
        assert site.app.state.site.storage.held, "nobody can know which store counts"  # type: ignore[attr-defined]
        assert "nobody" not in answer.text
        token = site.app.state.metrics_token  # type: ignore[attr-defined]
        figures = site.get("/metrics", headers={"authorization": f"Bearer {token}"})
        assert figures.status_code == 200
        assert "trouvaille_process_memory_bytes" in figures.text


def test_without_a_store_it_is_not_ready_and_recovers(site: TestClient, settings: Settings) -> None:
    photos = settings.data_dir / "photos"
    shutil.rmtree(photos)
    photos.write_text("a file where the folder was")
    answer = site.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["storage"]) == (503, "away")
    photos.unlink()
    photos.mkdir()
    _forget(site)
    assert site.get("/readyz").status_code == 200


def test_an_older_schema_makes_it_unready_and_a_newer_one_does_not(site: TestClient, settings: Settings) -> None:
    for revision, status, word in (("0010", 503, "behind"), ("9999", 200, "ahead")):
        with psycopg.connect(settings.database_url or "") as connection:
            connection.execute("UPDATE alembic_version SET version_num = %s", (revision,))
        _forget(site)
        answer = site.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]["migrations"]) == (status, word)


def test_selfies_that_wait_for_long_are_told_but_take_no_web_process_out_of_service(
    site: TestClient, settings: Settings
) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('selfies', 'matching.enrol',"
            " jsonb_build_object('_asked', jsonb_build_object('at', extract(epoch FROM now()) - 90)))"
        )
    answer = site.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "late"
