"""Counts and times every request by its route's template, and notes when guests wait for too long.

Plain ASGI, since it stands before everything.
"""

from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trouvaille.core import metrics, traces
from trouvaille.core.rush import Answers, Rush

# Any word may be a request's method; a label must not.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED, STATIC, GUESTS = "unmatched", "/static", "/e/"


class Metered:
    """One count and one duration a request, and a span where traces are sent."""

    def __init__(self, app: ASGIApp, *, rush: Rush, answers: Answers) -> None:
        self.app, self._rush, self._answers = app, rush, answers
        # Looking a label up costs more than counting; routes and statuses are few.
        self._counters: dict[tuple[str, str, int], Any] = {}
        self._timers: dict[tuple[str, str], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began = perf_counter()
        status, first_s, is_stream = 500, None, False
        method = scope["method"] if scope["method"] in METHODS else "other"

        async def noted(message: Message) -> None:
            nonlocal status, first_s, is_stream
            if message["type"] == "http.response.start":
                if method == "GET" and first_s is None:
                    self._answers.ended()
                status, first_s, is_stream = message["status"], perf_counter() - began, _is_stream(message)
            await send(message)

        if method == "GET":
            self._answers.begun()
        try:
            if traces.enabled():
                await self._traced(scope, receive, noted, method, lambda: status)
            else:
                await self.app(scope, receive, noted)
        finally:
            route, taken_s = route_of(scope), perf_counter() - began
            self._count(method, route, status, first_s if is_stream and first_s is not None else taken_s)
            if method == "GET":
                self._ended(route, first_s)

    def _ended(self, route: str, first_s: float | None) -> None:
        if first_s is None:  # no answer came at all
            self._answers.ended()
        elif route.startswith(GUESTS):  # how long a body takes depends on the guest's network
            self._rush.answered(first_s)

    async def _traced(self, scope: Scope, receive: Receive, send: Send, method: str, status: Any) -> None:
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
        attributes = {"http.request.method": method}
        with traces.span(method, kind="SERVER", parent=parent, **attributes) as span:
            try:
                await self.app(scope, receive, send)
            finally:
                route = route_of(scope)
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", status())

    def _count(self, method: str, route: str, status: int, taken_s: float) -> None:
        key = (method, route, status // 100)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = metrics.REQUESTS.labels(method, route, f"{key[2]}xx")
        counter.inc()
        timer = self._timers.get(key[:2])
        if timer is None:
            timer = self._timers[key[:2]] = metrics.REQUEST_S.labels(method, route)
        timer.observe(taken_s)


def route_of(scope: Scope) -> str:
    """The template of the route that was found; never what was asked for."""
    path = getattr(scope.get("route"), "path", None)
    if isinstance(path, str):
        return path
    return STATIC if scope["path"].startswith("/static/") else UNMATCHED


def _is_stream(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in message.get("headers", ())
    )
