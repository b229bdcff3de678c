"""The operator's page, and jobs that are tried again from it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg.types.json import Jsonb

from tests.people import Visitor
from trouvaille.settings import Settings

HERE = "/studio/server/status"


def test_the_page_of_a_new_server_has_figures_and_no_failure(owner: Visitor) -> None:
    page = owner.get(HERE)
    assert page.status_code == 200
    assert "Everything works." in page.text
    assert "None." in page.text
    french = owner.get(f"{HERE}?lang=fr").text
    assert "Tout fonctionne." in french


def test_an_hour_of_minutes_becomes_lines(owner: Visitor, settings: Settings) -> None:
    begin = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=90)
    with psycopg.connect(settings.database_url or "") as connection:
        for minute in range(80):
            figures = {
                "requests": 120.0 * minute,
                "errors": 0,
                "photos": 7 * minute,
                "failed": 0,
                "waiting": minute,
                "memory": 5e8,
                "buckets": {"0.1": 110.0 * minute, "+Inf": 120.0 * minute},
            }
            connection.execute(
                "INSERT INTO metric_minutes VALUES (%s, %s)", (begin + timedelta(minutes=minute), Jsonb(figures))
            )
    text = owner.get(HERE).text
    assert re.search(r"Requests a minute</dt>\s*<dd>120<", text) or "at most 120" in text
    (points, *_) = re.findall(r'points="([^"]+)"', text)
    assert len(points.split()) == 60


def test_a_job_that_was_given_up_is_shown_tried_again_and_noted(
    owner: Visitor, settings: Settings, run_jobs: Callable[[], None], samples: dict[str, Path]
) -> None:
    owner.upload(samples["sample1.jpg"])
    with psycopg.connect(settings.database_url or "") as connection:
        (job_id,) = connection.execute(
            "UPDATE procrastinate_jobs SET status = 'failed', attempts = 5 WHERE task_name = 'matching.index_photo'"
            " RETURNING id"
        ).fetchone() or (0,)
        connection.execute("UPDATE photos SET state = 'failed', reason = 'internal'")
    assert f"/studio/server/jobs/{job_id}/retry" in owner.get(HERE).text
    answer = owner.post(f"/studio/server/jobs/{job_id}/retry")
    assert (answer.status_code, answer.headers["location"]) == (303, HERE)
    assert owner.post(f"/studio/server/jobs/{job_id}/retry").status_code == 404, "it waits, and is not failed any more"
    run_jobs()
    with psycopg.connect(settings.database_url or "") as connection:
        assert connection.execute("SELECT state FROM photos").fetchone() == ("ready",)
        assert connection.execute("SELECT count(*) FROM audit WHERE act = 'job.retried'").fetchone() == (1,)
    assert "Failed job tried again" in owner.get("/server/audit").text
