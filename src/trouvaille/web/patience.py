"""How long a client may take: over its headers, between pieces of a body, and to take an answer.

Without limits a few thousand half-open requests cost nothing to whoever sends them, and a server its sockets.
"""

import asyncio
from time import monotonic
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from trouvaille.core import metrics

HEADERS_WITHIN_S = 15.0
PIECE_WITHIN_S = 20.0
# A phone at the edge of the network manages more; after a first while, the average counts.
LEAST_BYTES_PER_S = 1024
AVERAGE_AFTER_S = 30.0
TAKEN_WITHIN_S = 60.0


class TooSlow(Exception):
    """The sender dawdles; nobody waits for the answer any more."""


class PatientProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, which by itself waits for the end of a request's headers for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Give a new connection some time to ask for something."""
        super().connection_made(transport)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Give a kept connection the same time from the first byte of its next request."""
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._await_headers()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The rest is up to ``Patience``."""
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        self._deadline = self.loop.call_later(HEADERS_WITHIN_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        metrics.TURNED_AWAY.labels("slow headers").inc()
        self.transport.abort()


class Patience:
    """Ends requests whose bodies come, or whose answers are taken, too slowly."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        waited_s, seen, ended, answered = 0.0, 0, False, False

        async def hurried() -> Message:
            nonlocal waited_s, seen, ended
            if ended:  # what comes now is the client's leaving, which may take as long as it wants
                return await receive()
            began = monotonic()
            try:
                async with asyncio.timeout(PIECE_WITHIN_S):
                    message = await receive()
            except TimeoutError:
                raise TooSlow from None
            waited_s += monotonic() - began  # what we took ourselves is not the sender's fault
            seen += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if not ended and waited_s > AVERAGE_AFTER_S and seen < waited_s * LEAST_BYTES_PER_S:
                raise TooSlow
            return message

        async def taken(message: Message) -> None:
            nonlocal answered
            answered = answered or message["type"] == "http.response.start"
            try:
                async with asyncio.timeout(TAKEN_WITHIN_S):
                    await send(message)
            except TimeoutError:
                raise TooSlow from None

        try:
            await self.app(scope, hurried, taken)
        except TooSlow:
            metrics.TURNED_AWAY.labels("slow answer" if answered else "slow body").inc()
            if answered:
                raise
            late = PlainTextResponse("Too slow.", 408, headers={"Connection": "close"})
            await late(scope, receive, send)
        return None
