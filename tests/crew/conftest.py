"""An administrator, an organiser with an event, and ways to get at what the database keeps."""

from collections.abc import Callable

import psycopg
import pytest

from tests.accounts.conftest import post_office  # noqa: F401 - a fixture
from tests.people import PASSWORD, Visitor
from trouvaille import instance
from trouvaille.accounts.models import Role
from trouvaille.settings import Settings

Query = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def administrator(visitor: Callable[[], Visitor]) -> Visitor:
    """Whoever runs the server."""
    administrator = visitor()
    administrator.set_up_server()
    return administrator


@pytest.fixture
def organisers(settings: Settings, administrator: Visitor, visitor: Callable[[], Visitor]) -> Callable[[str], Visitor]:
    """Makes organisers by name; each is signed in."""

    def make(name: str) -> Visitor:
        email = f"{name}@example.org"
        instance.create_staff(settings, email=email, name=name.title(), password=PASSWORD, role=Role.ORGANISER)
        made = visitor()
        made.sign_in(email)
        return made

    return make


@pytest.fixture
def ada(organisers: Callable[[str], Visitor]) -> Visitor:
    """An organiser with an event PARTY234."""
    ada = organisers("ada")
    ada.make_event()
    return ada


@pytest.fixture
def query(settings: Settings) -> Query:
    """Runs SQL and returns the rows, if it has any."""

    def run(sql: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(settings.database_url or "") as connection:
            done = connection.execute(sql, values)  # type: ignore[arg-type]
            return done.fetchall() if done.description else []

    return run
