"""The one source of the present moment, so that tests can move it."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, with time zone UTC."""
    return datetime.now(UTC)
