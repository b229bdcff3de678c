"""The migrations make exactly the tables that the code describes."""

from alembic import command
from sqlalchemy import create_engine

from trouvaille import schema
from trouvaille.core.db import driver_url


def test_the_migrations_are_in_step_with_the_models(database_url: str) -> None:
    engine = create_engine(driver_url(database_url))
    with engine.connect() as connection:
        config = schema.config()
        config.attributes["connection"] = connection
        command.check(config)
    engine.dispose()


def test_migrating_a_current_database_changes_nothing(database_url: str) -> None:
    schema.migrate(database_url)
    assert schema.is_current(database_url)
