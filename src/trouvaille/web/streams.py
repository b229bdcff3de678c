"""Server-sent events: one open page, fed by the hub, checked against the database each time it is told something."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any

from fastapi import Request
from fastapi.sse import ServerSentEvent

from trouvaille.core.errors import Refused
from trouvaille.web.site import Site, sender_of

# Proxies close silent connections after a minute, and a page takes one that is silent for longer than this for dead
# (frontend/parts/live.ts). A comment would do for proxies; pages don't hear comments.
PING_S = 20.0
# A busy upload tells a page many times a second; eyes need it twice.
PAUSE_S = 0.5

Look = Callable[[dict[str, dict[str, Any]]], Awaitable[list[ServerSentEvent]]]


async def stream(site: Site, request: Request, topics: tuple[str, ...], look: Look) -> AsyncIterator[ServerSentEvent]:
    """Events for one page: the present state at once, then whatever ``look`` says when one of the topics is told.

    Args:
        look: given the messages by event name (empty at first), returns what to send. It opens its own short
            transaction, since none may stay open as long as a page does, and asks anew whether the viewer may look:
            what it refuses ends the stream.
    """
    with site.hub.seat(sender_of(request)):
        async for event in _events(site, request, topics, look):
            yield event


async def _events(site: Site, request: Request, topics: tuple[str, ...], look: Look) -> AsyncIterator[ServerSentEvent]:
    async with site.hub.listen(*topics) as listener:
        for event in await look({}):
            yield event
        said = monotonic()
        while not site.hub.closing.is_set() and not await request.is_disconnected():
            messages = await listener.take(PING_S)
            if site.hub.closing.is_set():
                return
            try:
                told = await look(messages)
            except Refused:  # signed out, or no longer allowed to see this
                return
            if not messages or (not told and monotonic() - said >= PING_S):  # of some messages a page is told nothing
                told = [ServerSentEvent(event="ping", data="")]
            for event in told:
                said = monotonic()
                yield event
            if messages:
                await asyncio.sleep(PAUSE_S)
