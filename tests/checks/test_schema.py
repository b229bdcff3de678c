"""The migrations make exactly the tables that the code describes."""

import os
from uuid import uuid4

import psycopg
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from trouvaille import schema
from trouvaille.core.db import driver_url
from trouvaille.operations.health import known_revisions


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


def test_partitions_made_by_an_older_version_take_faces_without_a_template(server_url: str) -> None:
    name = f"test_{os.urandom(6).hex()}"
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    config = schema.config()
    engine = create_engine(driver_url(url))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.exec_driver_sql("CREATE TABLE faces_1 (LIKE faces INCLUDING ALL)")
        connection.exec_driver_sql(f"ALTER TABLE faces ATTACH PARTITION faces_1 FOR VALUES IN ('{uuid4()}')")
        command.upgrade(config, "head")
        strict = "SELECT count(*) FROM pg_attribute WHERE attname = 'template' AND attnotnull"
        tables = "AND attrelid IN ('faces'::regclass, 'faces_1'::regclass)"
        assert connection.exec_driver_sql(f"{strict} {tables}").scalar() == 0
    engine.dispose()


def test_a_web_process_knows_all_migrations_by_the_names_of_their_files() -> None:
    scripts = ScriptDirectory.from_config(schema.config())
    known = frozenset(each.revision for each in scripts.walk_revisions())
    assert known_revisions() == (scripts.get_current_head(), known)
