"""What is written down: one id from a request to its jobs, and nobody's name."""

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from starlette.testclient import TestClient

from tests.people import PASSWORD, Visitor
from trouvaille import logs
from trouvaille.demo.party import GUESTS, selfie_jpeg

AGENT = "Mozilla/5.0 (Fingerprintable; Rosaphone 9)"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """All that is logged, at the finest level."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    structlog.reset_defaults()
    logs.configure("DEBUG", process="test")
    # Loggers that were used before keep the stream that they began with.
    structlog.configure(cache_logger_on_first_use=False)
    for module in _loggers():
        monkeypatch.setattr(module, "log", structlog.get_logger())
    yield stream
    monkeypatch.undo()
    structlog.contextvars.clear_contextvars()
    logs.configure("ERROR")


def _loggers() -> list[object]:
    import sys

    modules = [module for name, module in sys.modules.items() if name.startswith("trouvaille")]
    return [module for module in modules if hasattr(module, "log") and hasattr(module.log, "bind")]


def test_a_request_is_known_by_one_id_from_its_answer_to_its_jobs(
    written: io.StringIO,
    site: TestClient,
    visitor: Callable[[], Visitor],
    run_jobs: Callable[[], None],
    samples: dict[str, Path],
) -> None:
    owner = visitor()
    owner.set_up_server()
    owner.make_event()
    answer = owner.browser.post(
        f"/studio/{owner.event_id}/photos",
        files=[("photos", ("a.jpg", samples["sample1.jpg"].read_bytes()))],
        headers={"accept": "application/json", "x-request-id": "0123456789abcdef"},
    )
    assert answer.headers["x-request-id"] == "0123456789abcdef"
    run_jobs()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    mine = [line for line in lines if line.get("request") == "0123456789abcdef"]
    assert {line.get("event") for line in mine} >= {"request", "job done"}
    (job,) = [line for line in mine if line.get("task") == "matching.index_photo"]
    assert isinstance(job["job"], int)


@pytest.mark.parametrize("given", ["rose@example.org", "a b c d e f g h", "x" * 12, "short", "0" * 65])
def test_an_id_that_could_be_a_name_is_not_taken_over(site: TestClient, given: str) -> None:
    answer = site.get("/", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] != given
    assert re.fullmatch("[0-9a-f]{12}", answer.headers["x-request-id"])


def test_the_logs_of_a_whole_journey_name_nobody(
    written: io.StringIO,
    site: TestClient,
    visitor: Callable[[], Visitor],
    run_jobs: Callable[[], None],
    samples: dict[str, Path],
) -> None:
    owner = visitor()
    owner.set_up_server("owner@example.org")
    owner.make_event()
    owner.upload(("Rosalind-Franklin.jpg", samples["sample1.jpg"].read_bytes()), ("Rosalind.txt", b"nothing"))
    guest = visitor()
    guest.browser.headers["user-agent"] = AGENT
    guest.register("PARTY234", "rosalind", email="rosalind.f@example.org")
    guest.sign_in("rosalind", "a wrong password")
    guest.sign_in("rosalind", PASSWORD)
    guest.agree()
    guest.send_selfie(selfie_jpeg(GUESTS[0], samples))
    guest.send_selfie(b"not a picture")
    run_jobs()
    guest.photos()
    guest.get("/e/PARTY234/rosalind.f@example.org?token=secret-in-query")
    guest.post("/e/PARTY234/contact", {"text": "Hello from Rosalind"})
    guest.post("/e/PARTY234/me/delete", {"username": "rosalind"})
    run_jobs()
    text = written.getvalue()
    assert text.count("\n") > 15
    cookie = guest.browser.cookies.get("trouvaille") or "no-cookie-left"
    told = ("rosalind", "example.org", "rosaphone", "testclient", PASSWORD, "wrong password", "secret-in", cookie)
    assert [word for word in told if word.lower() in text.lower()] == []
    for line in text.splitlines():
        assert set(json.loads(line)) >= {"event", "level", "timestamp"}
