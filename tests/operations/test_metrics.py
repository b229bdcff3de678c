"""The figures: of all processes together, for the holder of the token, without anybody's name."""

import asyncio
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.people import Visitor
from tests.web_process import web_process
from trouvaille import serving
from trouvaille.core import metrics, snapshots
from trouvaille.core.snapshots import DEPARTED, Reporter
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.settings import Settings


def _read(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by name, read as Prometheus reads them."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def _value(samples: dict[str, list[tuple[dict[str, str], float]]], name: str, **labels: str) -> float:
    return sum(value for given, value in samples.get(name, []) if labels.items() <= given.items())


def _figures(site: TestClient) -> dict[str, list[tuple[dict[str, str], float]]]:
    token = site.app.state.metrics_token  # type: ignore[attr-defined]
    answer = site.get("/metrics", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    return _read(answer.text)


def test_only_the_holder_of_the_token_reads_the_figures(owner: Visitor, site: TestClient, settings: Settings) -> None:
    file = settings.data_dir / "metrics.token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = file.read_text().strip()
    assert len(token) >= 32
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {token}"}):
        assert owner.get("/metrics", headers=headers).status_code == 401
    assert site.get("/metrics", headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_a_journey_shows_in_every_figure_that_it_touches(
    owner: Visitor,
    visitor: Callable[[], Visitor],
    site: TestClient,
    run_jobs: Callable[[], None],
    samples: dict[str, Path],
    settings: Settings,
) -> None:
    before = _figures(site)
    owner.upload(samples["sample1.jpg"], ("broken.jpg", samples["sample2.jpg"].read_bytes()[:30_000]))
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    guest.send_selfie(selfie_jpeg(GUESTS[0], samples))
    run_jobs()
    assert guest.get("/e/PARTY234/nothing/here").status_code == 404
    after = _figures(site)

    def grew(name: str, **labels: str) -> float:
        return _value(after, name, **labels) - _value(before, name, **labels)

    sent = {"method": "POST", "route": "/e/{code}/selfie"}
    assert grew("trouvaille_http_requests_total", **sent, status="3xx") == 1
    assert grew("trouvaille_http_request_seconds_count", **sent) == 1
    assert grew("trouvaille_http_requests_total", route="unmatched", status="4xx") >= 1
    assert grew("trouvaille_jobs_total", job="matching.enrol", outcome="done") == 1
    assert grew("trouvaille_job_wait_seconds_count", job="matching.enrol") == 1
    assert grew("trouvaille_job_run_seconds_sum", job="matching.enrol") > 0
    assert grew("trouvaille_engine_seconds_count", step="look_at_photo") >= 1
    assert grew("trouvaille_photos_total", outcome="ready") >= 1
    assert grew("trouvaille_matches_found_count", of="selfie") == 1
    assert grew("trouvaille_process_starts_total") >= 1
    assert _value(after, "trouvaille_process_memory_bytes", kind="web") > 1e6
    assert _value(after, "trouvaille_database_pool_size", kind="web") == settings.database_pool_size
    assert _value(after, "trouvaille_processes", kind="web") == 1
    assert _value(after, "trouvaille_queue_jobs", state="ready") == 0


def test_labels_name_no_person_event_or_id(
    owner: Visitor, visitor: Callable[[], Visitor], site: TestClient, run_jobs: Callable[[], None]
) -> None:
    visitor().register("PARTY234", "rosalind")
    for path in ("/e/PARTY234", "/e/rosalind@example.org", f"/studio/{owner.event_id}", "/wp-login.php?user=rosalind"):
        owner.get(path)
    owner.browser.request("ROSALIND", "/")
    run_jobs()
    text = str(_figures(site))
    assert not [word for word in ("rosalind", "ROSALIND", "PARTY234", owner.event_id, "wp-login") if word in text]
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", text)


def test_a_job_that_waits_shows_with_its_age(owner: Visitor, site: TestClient, samples: dict[str, Path]) -> None:
    owner.upload(samples["sample1.jpg"])
    with psycopg.connect(site.app.state.settings.database_url) as connection:  # type: ignore[attr-defined]
        connection.execute(
            "UPDATE procrastinate_jobs SET args = jsonb_set(args, '{_asked,at}',"
            " to_jsonb(extract(epoch FROM now()) - 100))"
        )
    found = _figures(site)
    assert _value(found, "trouvaille_queue_jobs", queue="photos", state="ready") >= 1
    assert 99 < _value(found, "trouvaille_queue_age_seconds", queue="photos") < 160


def test_figures_come_also_while_the_pool_is_exhausted(owner: Visitor, site: TestClient, settings: Settings) -> None:
    most = settings.database_pool_size
    engine_sessions = site.app.state.site.sessions  # type: ignore[attr-defined]

    async def hold() -> list[Any]:
        held = [engine_sessions() for _ in range(most)]
        for session in held:
            await session.connection()
        return held

    async def let_go(held: list[Any]) -> None:
        for session in held:
            await session.close()

    assert site.portal is not None
    held = site.portal.call(hold)
    try:
        assert _value(_figures(site), "trouvaille_database_pool_used", kind="web") == most
    finally:
        site.portal.call(let_go, held)


@pytest.mark.anyio
async def test_sums_never_fall_when_a_process_ends_or_is_taken_for_dead(database_url: str) -> None:
    counter = metrics.TURNED_AWAY.labels("test")

    def seen(families: metrics.Families) -> float:
        return metrics.total(families, "trouvaille_turned_away_total", reason="test")

    watcher = Reporter(database_url, "web")
    # Another way to write the address stands for another process: each counts for itself.
    async with Reporter(f"{database_url}&connect_timeout=7", "worker photos") as worker:
        await asyncio.sleep(0)
        counter.inc(5)
        await worker.publish()
        # Both reporters are of this process, so each counts what happened since it began.
        assert seen(await watcher.everybody()) == 10
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            await connection.execute("UPDATE process_metrics SET at = now() - interval '1 hour'")
        await watcher.publish()  # takes in the row of the one that seems dead
        assert seen(await watcher.everybody()) == 10
        counter.inc()
        await worker.publish()  # it lives after all, and counts on from there
        assert seen(await watcher.everybody()) == 12
    assert seen(await watcher.everybody()) == 12
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        rows = await (await connection.execute("SELECT id, kind FROM process_metrics")).fetchall()
    assert sorted(kind for _, kind in rows) == ["departed", "web"]
    assert (DEPARTED, "departed") in rows
    await watcher.__aexit__()


@pytest.mark.anyio
async def test_a_crash_of_the_database_begins_all_sums_anew(database_url: str) -> None:
    reporter = Reporter(database_url, "web")
    metrics.TURNED_AWAY.labels("crash").inc(7)
    await reporter.publish()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("TRUNCATE process_metrics")  # what recovery does to unlogged tables
    await reporter.publish()
    metrics.TURNED_AWAY.labels("crash").inc(2)
    found = await reporter.everybody()
    assert metrics.total(found, "trouvaille_turned_away_total", reason="crash") == 2
    await reporter.__aexit__()


def test_a_quantile_is_what_prometheus_would_say() -> None:
    counts = {"0.1": 50.0, "0.5": 90.0, "1.0": 100.0, "+Inf": 100.0}
    assert metrics.quantile(counts, 0.5) == pytest.approx(0.1)
    assert metrics.quantile(counts, 0.95) == pytest.approx(0.75)
    assert metrics.quantile({"1.0": 0.0, "+Inf": 4.0}, 0.95) == 1.0
    assert metrics.quantile({}, 0.95) is None
    assert metrics.quantile({"1.0": 0.0, "+Inf": 0.0}, 0.5) is None


@pytest.mark.slow
def test_any_of_two_web_processes_tells_of_both_and_of_the_worker(settings: Settings) -> None:
    two = settings.model_copy(update={"web_processes": 2, "photo_workers": 1, "metrics_token": "t" * 20})
    with web_process(two, pool_size=2) as address:
        environment = {**os.environ, **serving.environment(two)}
        arguments = [sys.executable, "-m", "trouvaille", "worker", "--queues", "mail", "--concurrency", "1"]
        worker = subprocess.Popen(arguments, env=environment)
        try:
            found: dict[str, float] = {}
            for _ in range(120):
                answer = httpx2.get(f"{address}/metrics", headers={"authorization": f"Bearer {'t' * 20}"}, timeout=10)
                samples = _read(answer.text)
                found = {kind: _value(samples, "trouvaille_processes", kind=kind) for kind in ("web", "worker mail")}
                if found == {"web": 2, "worker mail": 1}:
                    break
                time.sleep(0.5)
            assert found == {"web": 2, "worker mail": 1}
            assert _value(samples, "trouvaille_process_memory_bytes", kind="worker mail") > 1e6
        finally:
            worker.terminate()
            worker.wait(20)


def test_a_minute_is_noted_once(database_url: str) -> None:
    async def twice() -> None:
        reporter = Reporter(database_url, "web")
        await reporter.publish()
        await reporter.publish()
        await reporter.__aexit__()

    asyncio.run(twice())
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT figures FROM metric_minutes").fetchall()
    assert 1 <= len(rows) <= 2
    assert set(rows[0][0]) >= {"requests", "errors", "buckets", "waiting", "memory"}
    assert snapshots.MINUTES_KEPT >= 60
