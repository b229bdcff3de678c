"""The doctor finds what is wrong, running or not, and says what to do."""

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.people import Visitor
from trouvaille import doctor, instance
from trouvaille.doctor import BROKEN, GOOD, SKIPPED, WARNING, Finding
from trouvaille.settings import Settings


def _states(settings: Settings) -> dict[str, str]:
    worst = {GOOD: 0, SKIPPED: 0, WARNING: 1, BROKEN: 2}
    found: dict[str, str] = {}
    for each in doctor.examine(settings):
        if worst[each.state] >= worst.get(found.get(each.check, GOOD), 0):
            found[each.check] = each.state
    return found


def test_a_running_instance_is_looked_over(owner: Visitor, settings: Settings) -> None:
    found = _states(settings)
    expected = {"secret.key": GOOD, "metrics.token": GOOD, "weights": GOOD, "database": GOOD, "pgvector": GOOD}
    expected |= {"migrations": GOOD, "clock": GOOD, "jobs": GOOD, "photo store": GOOD, "mail": SKIPPED}
    assert {check: found[check] for check in expected} == expected
    assert found["workers"] == BROKEN, "none runs here"
    assert found["backup"] == WARNING


def test_each_fault_is_found_with_advice(owner: Visitor, settings: Settings) -> None:
    (settings.data_dir / "secret.key").chmod(0o644)
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('mail', 'x', 'failed')"
        )
        connection.execute("INSERT INTO marks VALUES ('backup', now() - interval '30 days')")
    ill = settings.model_copy(
        update={
            "smtp_host": "127.0.0.1",
            "smtp_port": 9,
            "smtp_sender": "a@example.org",
            "public_url": "https://127.0.0.1:9",
            "storage_url": "s3://",
        }
    )
    found = {each.check: each for each in doctor.examine(ill) if each.state != GOOD}
    assert {"secret.key", "jobs", "backup", "mail", "public address", "photo store"} <= set(found)
    assert found["secret.key"].state == BROKEN
    assert found["secret.key"].advice == f"chmod 600 {settings.data_dir / 'secret.key'}"
    assert found["jobs"].state == WARNING
    assert all(each.advice for each in found.values() if each.state == BROKEN)


def test_an_older_schema_is_broken(owner: Visitor, settings: Settings) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0010'")
    assert _states(settings)["migrations"] == BROKEN


def test_without_anything_it_says_where_to_begin(tmp_path: Path) -> None:
    found = {each.check: each for each in doctor.examine(Settings(data_dir=tmp_path / "nothing"))}
    assert found["data folder"].state == BROKEN
    assert "trouvaille serve" in found["data folder"].advice
    assert found["database"].state == SKIPPED
    assert not (tmp_path / "nothing").exists(), "looking makes nothing"


def test_a_database_that_is_away_is_told_without_its_password(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://u:hush@127.0.0.1:9/x"})
    told = doctor.in_words(doctor.examine(away))
    assert "FAIL  database" in told
    assert "hush" not in told


@pytest.mark.parametrize("database", ["running", "away"])
def test_the_command_answers_in_json_and_by_its_status(settings: Settings, database: str) -> None:
    url = settings.database_url if database == "running" else "postgresql://u@127.0.0.1:9/x"
    environment = {"PATH": "", "DATABASE_URL": url or "", "TROUVAILLE_DATA_DIR": str(settings.data_dir)}
    done = subprocess.run(
        [sys.executable, "-m", "trouvaille", "doctor", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    assert done.returncode == 1, "no worker, or no database"
    assert report["state"] == BROKEN
    assert {"check", "state", "found", "advice"} == set(report["checks"][0])


def test_advice_is_shown_only_where_it_is_needed() -> None:
    told = doctor.in_words([Finding("a", GOOD, "x", "do"), Finding("b", BROKEN, "y", "mend")])
    assert "do" not in told
    assert "→ mend" in told


def test_the_embedded_database_is_found_running_and_left_alone_when_it_is_not(scratch: Path) -> None:
    folder = scratch / "embedded"
    here = Settings(data_dir=folder)
    with instance.database(here):
        (running,) = [each for each in doctor.examine(here) if each.check == "migrations"]
        assert running.state == GOOD
    (stopped,) = [each for each in doctor.examine(here) if each.check == "database"]
    assert (stopped.state, stopped.found) == (SKIPPED, "the instance is not running")
    with instance.database(here):
        pass  # looking at it did not stand in its way
