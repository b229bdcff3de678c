"""Events from before states, places and sizes of downloads go on as they were."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from sqlalchemy import create_engine

from tests.conftest import drop_database
from trouvaille import schema
from trouvaille.core.db import driver_url


@pytest.fixture
def older_url(server_url: str) -> Iterator[str]:
    """A database as it was before."""
    name = f"older_{uuid4().hex[:8]}"
    url = f"{server_url.rsplit('/', 1)[0]}/{name}?{server_url.partition('?')[2]}".rstrip("?")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        engine = create_engine(driver_url(url))
        with engine.connect() as opened:
            config = schema.config()
            config.attributes["connection"] = opened
            command.upgrade(config, "0004")
            opened.commit()
        engine.dispose()
        yield url
        drop_database(connection, name)


def test_an_older_event_stays_open_and_lets_guests_do_what_they_could(older_url: str) -> None:
    with psycopg.connect(older_url) as connection:
        owner = uuid4()
        connection.execute(
            "INSERT INTO staff (id, email, display_name, password_hash, role, locale, created_at)"
            " VALUES (%s, 'a@example.org', 'A', '', 'organiser', 'en', now())",
            (owner,),
        )
        for code, locale, downloads in (("ONE", "fr", True), ("TWO", "en", False)):
            connection.execute(
                "INSERT INTO events (id, code, name, owner_id, locale, accent, gallery, downloads, created_at)"
                " VALUES (%s, %s, 'Party', %s, %s, '#b4532a', 'guests', %s, now())",
                (uuid4(), code, owner, locale, downloads),
            )
    schema.migrate(older_url)
    with psycopg.connect(older_url) as connection:
        rows = connection.execute("SELECT state, locales, downloads, time_zone, place FROM events ORDER BY code")
        assert rows.fetchall() == [
            ("open", ["fr", "en"], "original", "UTC", ""),
            ("open", ["en", "fr"], "none", "UTC", ""),
        ]
