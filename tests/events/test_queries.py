"""The questions that the pages ask of large tables are answered by an index."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.people import Visitor
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]


@contextmanager
def _heard() -> Iterator[list[tuple[str, Any]]]:
    heard: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        heard.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield heard
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture
def owner(visitor: Visitors, settings: Settings) -> Visitor:
    """An organiser with a guest list, invitations and messages as large as three others."""
    owner = visitor()
    owner.set_up_server()
    with psycopg.connect(settings.database_url or "") as connection:
        for number in range(4):
            event_id = owner.make_event(f"LARGE{number}")
            connection.execute(
                "INSERT INTO guests (id, event_id, username, email, display_name, password_hash, locale, created_at)"
                " SELECT gen_random_uuid(), %s, 'u' || n, n || '@example.org', 'Guest ' || n, '', 'en', now()"
                " FROM generate_series(1, 3000) AS n",
                (event_id,),
            )
            connection.execute(
                "INSERT INTO messages (id, event_id, guest_id, text, created_at, read_at)"
                " SELECT gen_random_uuid(), event_id, id, 'Hello', now(), now() FROM guests WHERE event_id = %s",
                (event_id,),
            )
        connection.execute("ANALYZE")
    return owner


@pytest.mark.parametrize(
    ("path", "table", "index"),
    [
        ("/studio/{id}/guests", "FROM guests \nWHERE guests.event_id", "ix_guests_roster"),
        ("/studio/{id}/messages", "FROM messages JOIN guests", "ix_messages_event"),
        ("/studio/{id}/messages", "messages.read_at IS NULL", "ix_messages_unread"),
        ("/e/LARGE2", "replace(lower(events.code)", "uq_events_code"),
    ],
)
def test_a_page_reads_no_table_from_end_to_end(
    owner: Visitor, settings: Settings, path: str, table: str, index: str
) -> None:
    with _heard() as heard:
        assert owner.get(path.format(id=owner.event_id)).status_code == 200
    statement, parameters = next(each for each in heard if table in each[0])
    with psycopg.connect(settings.database_url or "") as connection:
        if index == "uq_events_code":  # a handful of events is read faster without it
            connection.execute("SET enable_seqscan = off")
        plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {statement}", parameters))
    assert index in plan, plan
