"""Files are written down a few at a time, and pages come first."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from trouvaille.core.rush import Answers, Rush
from trouvaille.ingest import steps
from trouvaille.ingest.steps import AT_ONCE, Steps
from trouvaille.web.metered import Metered

pytestmark = pytest.mark.anyio


async def _most_at_once(made: Steps, files: int = 6) -> int:
    inside, most = 0, 0

    async def write() -> None:
        nonlocal inside, most
        async with made.turn():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(write() for _ in range(files)))
    return most


async def test_where_nobody_looks_at_pages_a_few_files_are_written_down_at_once() -> None:
    assert await _most_at_once(Steps()) == AT_ONCE


async def test_beside_pages_it_is_one_at_a_time_and_after_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "PAGE_WAITS_S", 60)
    answers = Answers()
    made = Steps(answers)
    answers.begun()
    waiting = asyncio.create_task(_most_at_once(made))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    answers.ended()
    assert await asyncio.wait_for(waiting, 30) == 1


async def test_a_page_that_never_comes_holds_no_file_back_for_long() -> None:
    answers = Answers()
    answers.begun()
    began = time.monotonic()
    async with Steps(answers).turn():
        assert time.monotonic() - began >= steps.PAGE_WAITS_S


async def test_whatever_became_of_a_request_nobody_is_thought_to_wait_for_it_any_more() -> None:
    answers = Answers()
    seen: list[bool] = []

    async def page(_: Request) -> PlainTextResponse:
        seen.append(answers._open == 1)
        return PlainTextResponse("")

    async def broken(_: Request) -> PlainTextResponse:
        raise RuntimeError

    async def stream(_: Request) -> StreamingResponse:
        async def said() -> AsyncIterator[str]:
            yield "one"
            seen.append(answers._open == 0)  # it has begun: it may go on for hours
            yield "two"

        return StreamingResponse(said(), media_type="text/event-stream")

    routes = [Route("/page", page, methods=["GET", "POST"]), Route("/broken", broken), Route("/stream", stream)]
    site = TestClient(Metered(Starlette(routes=routes), rush=Rush(), answers=answers), raise_server_exceptions=False)
    assert not answers.came_lately()
    assert [site.get(path).status_code for path in ("/page", "/broken", "/stream", "/none")] == [200, 500, 200, 404]
    assert seen == [True, True]
    assert answers._open == 0 and answers.came_lately()
    site.post("/page")
    assert seen == [True, True, False], "who sends something is not waited for"
