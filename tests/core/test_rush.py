"""In a rush bulk work lets guests by, and still goes on."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.delivery.test_walls import _jpeg
from tests.people import Visitor
from trouvaille.core import rush
from trouvaille.core.rush import Answers, Rush
from trouvaille.settings import Settings
from trouvaille.web.metered import Metered


def _waited(seen: Rush, most_s: float, times: int = 1) -> float:
    async def wait() -> None:
        await asyncio.gather(*(seen.let_by(most_s) for _ in range(times)))

    began = time.monotonic()
    asyncio.run(wait())
    return time.monotonic() - began


def test_what_one_process_notes_another_sees_until_it_is_over(tmp_path: Path) -> None:
    web, worker = Rush(tmp_path), Rush(tmp_path)
    assert not worker.lasts()
    web.answered(rush.SLOW_S / 2)
    assert not worker.lasts()
    web.answered(2 * rush.SLOW_S)
    assert worker.lasts()
    for age_s in (rush.LASTS_S + 1, -60):  # a clock that was set back must not make it last for a minute
        moment = time.time() - age_s
        os.utime(tmp_path / "rush", (moment, moment))
        assert not worker.lasts(), age_s


def test_bulk_work_waits_one_after_the_other_and_never_for_longer_than_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Rush(tmp_path)
    assert _waited(seen, 60) < 30
    monkeypatch.setattr(rush, "LASTS_S", 3600)
    seen.note()
    assert 0.6 <= _waited(seen, 0.2, times=3) < 30


def test_without_a_place_to_meet_nobody_waits(tmp_path: Path) -> None:
    for alone in (Rush(), Rush(tmp_path / "gone")):
        alone.note()
        assert not alone.lasts()


def test_only_answers_to_guests_are_a_sign_and_only_until_they_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(_: Request) -> PlainTextResponse:
        return PlainTextResponse("")

    routes = [Route(path, answer, methods=["GET", "POST"]) for path in ("/e/{code}", "/studio", "/api/v1/me")]
    monkeypatch.setattr(rush, "SLOW_S", -1)  # whatever it takes is too long
    site = TestClient(Metered(Starlette(routes=routes), rush=Rush(tmp_path), answers=Answers()))
    for ask in (lambda: site.get("/studio"), lambda: site.get("/api/v1/me"), lambda: site.post("/e/PARTY234")):
        assert ask().status_code == 200
        assert not (tmp_path / "rush").exists()
    assert site.get("/e/PARTY234").status_code == 200
    assert (tmp_path / "rush").exists()


def test_a_photo_is_looked_at_in_a_rush_too(
    visitor: Callable[[], Visitor],
    run_jobs: Callable[[], None],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = visitor()
    owner.set_up_server()
    owner.make_event()
    monkeypatch.setattr(rush, "LASTS_S", 3600)
    photo = owner.upload(("one.jpg", _jpeg(1)))["accepted"][0]["id"]
    (settings.data_dir / "rush").touch()
    began = time.monotonic()
    run_jobs()
    assert time.monotonic() - began >= rush.PHOTO_WAITS_S
    assert owner.get(f"/e/PARTY234/p/{photo}/thumb").status_code == 200
