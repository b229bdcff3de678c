"""News is tested with a mail server."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.accounts.conftest import post_office, settings
from tests.people import Visitor
from trouvaille.settings import Settings

__all__ = ["post_office", "settings"]


@pytest.fixture
def owner(visitor: Callable[[], Visitor], settings: Settings) -> Visitor:
    """The first administrator, whose address is confirmed, with an open event PARTY234 whose face finding is on."""
    owner = visitor()
    owner.set_up_server()
    owner.make_event()
    confirm(settings)
    return owner


def confirm(settings: Settings) -> None:
    """Everybody has confirmed their address, by a letter that is not to be counted."""
    ask(settings, "UPDATE staff SET email_confirmed_at = now()")
    ask(settings, "UPDATE guests SET email_confirmed_at = now()")
    ask(settings, "DELETE FROM outgoing_mail")
    ask(settings, "DELETE FROM procrastinate_jobs WHERE task_name = 'mail.send'")


def ask(settings: Settings, query: str, *given: Any) -> list[tuple[Any, ...]]:
    """What the database says; also for letting time pass."""
    with psycopg.connect(settings.database_url or "") as connection:
        cursor = connection.execute(query, given)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []
