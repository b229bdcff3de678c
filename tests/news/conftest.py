"""News is tested with a mail server."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.accounts.conftest import post_office, settings
from tests.people import Visitor
from tests.post_office import PostOffice
from trouvaille.settings import Settings

__all__ = ["post_office", "settings"]


@pytest.fixture
def owner(visitor: Callable[[], Visitor], post_office: PostOffice, run_jobs: Callable[[], None]) -> Visitor:
    """The first administrator, whose address is confirmed, with an open event PARTY234 whose face finding is on."""
    owner = visitor()
    owner.set_up_server()
    run_jobs()
    owner.post(post_office.link_to("owner@example.org", "confirm"))
    owner.make_event()
    post_office.received.clear()
    return owner


def ask(settings: Settings, query: str, *given: Any) -> list[tuple[Any, ...]]:
    """What the database says; also for letting time pass."""
    with psycopg.connect(settings.database_url or "") as connection:
        cursor = connection.execute(query, given)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []
