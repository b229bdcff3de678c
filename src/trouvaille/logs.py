"""Logs: one JSON object a line, with ids only; names, addresses, faces and templates never get here."""

import logging
import re
import sys
import time
from uuid import uuid4

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()
QUIET = ("/static/", "/livez", "/readyz", "/metrics")
# A number that a proxy gave is kept; anything that could be a name, an address or several lines is not.
GIVEN_ID = re.compile(r"[0-9a-fA-F-]{8,64}")


def configure(level: str = "INFO", *, process: str = "") -> None:
    """Send all logs, those of the libraries too, to standard error as JSON."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    if process:
        structlog.contextvars.bind_contextvars(process=process)


class RequestLog:
    """One line a request: method, route template, status, milliseconds. The address itself may name people."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(QUIET):
            return await self.app(scope, receive, send)
        request_id = _given_id(scope) or uuid4().hex[:12]
        structlog.contextvars.bind_contextvars(request=request_id)
        started, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            route = getattr(Request(scope).scope.get("route"), "path", "")
            taken_ms = round((time.perf_counter() - started) * 1000, 1)
            log.info("request", method=scope["method"], route=route, status=status, ms=taken_ms)
            structlog.contextvars.unbind_contextvars("request")


def _given_id(scope: Scope) -> str | None:
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
    return given if GIVEN_ID.fullmatch(given) else None
