"""A stream says something every now and then, whatever it hears: a page takes one that is silent for dead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import Request
from fastapi.sse import ServerSentEvent

from trouvaille.core.errors import Forbidden
from trouvaille.web import streams
from trouvaille.web.site import Site

pytestmark = pytest.mark.anyio
Messages = dict[str, dict[str, Any]]


class _Hub:
    """Hears the same again and again, as fast as it is asked."""

    def __init__(self, heard: Messages) -> None:
        self.closing, self._heard = asyncio.Event(), heard

    @asynccontextmanager
    async def listen(self, *_: str) -> AsyncIterator["_Hub"]:
        yield self

    async def take(self, within_s: float) -> Messages:
        await asyncio.sleep(0 if self._heard else within_s)
        return self._heard


class _Request:
    async def is_disconnected(self) -> bool:
        return False


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PING_S", 0.2)
    monkeypatch.setattr(streams, "PAUSE_S", 0.01)


async def _first(heard: Messages, look: streams.Look, most: int = 2) -> list[ServerSentEvent]:
    site, request = cast("Site", SimpleNamespace(hub=_Hub(heard))), cast("Request", _Request())
    said: list[ServerSentEvent] = []
    async with asyncio.timeout(5):
        async for event in streams._events(site, request, (), look):
            said.append(event)
            if len(said) == most:
                break
    return said


@pytest.mark.parametrize("heard", [{}, {"place": {}}], ids=["nothing", "only what it is told nothing of"])
async def test_a_page_that_is_told_nothing_hears_that_somebody_is_there(heard: Messages) -> None:
    async def look(_: Messages) -> list[ServerSentEvent]:
        return []

    assert [each.event for each in await _first(heard, look)] == ["ping", "ping"]


async def test_a_page_that_is_told_something_needs_no_more() -> None:
    async def look(messages: Messages) -> list[ServerSentEvent]:
        return [ServerSentEvent(event="photos", data=1)] if messages else []

    assert {each.event for each in await _first({"photos": {}}, look, most=40)} == {"photos"}


async def test_who_may_no_longer_look_is_told_nothing_more() -> None:
    asked = 0

    async def look(_: Messages) -> list[ServerSentEvent]:
        nonlocal asked
        asked += 1
        if asked > 2:
            raise Forbidden
        return []

    assert [each.event for each in await _first({}, look)] == ["ping"]
