"""Reading in one round trip: the same rows as a query of the ORM, whatever happens to the connection."""

from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import ARRAY, DateTime, Float, LargeBinary, func, literal, select
from sqlalchemy.exc import OperationalError

from trouvaille.accounts.models import Attempts, Role, Staff
from trouvaille.core.db import connect, reading_connection, sessions_of, transaction
from trouvaille.core.reading import Prepared, Reader, all_in, first_in, place

pytestmark = pytest.mark.anyio
LEVEL = Prepared(select(Attempts.level, Attempts.at).where(Attempts.key == place("key", LargeBinary())))


def test_a_moment_that_would_stay_in_the_statement_is_refused() -> None:
    with pytest.raises(ValueError, match="moment"):
        Prepared(select(Attempts.level).where(Attempts.at > datetime.now(UTC)))
    Prepared(select(Attempts.level).where(Attempts.at > place("since", DateTime(timezone=True))))


async def test_values_come_back_as_their_columns_have_them(database_url: str) -> None:
    engine = connect(database_url, pool_size=1)
    roles = (Role.ORGANISER, Role.ADMINISTRATOR)
    wanted = Prepared(
        select(Staff.id, Staff.role).where(Staff.email == place("email", Staff.email.type), Staff.role.in_(roles))
    )
    mine = uuid4()
    async with transaction(sessions_of(engine)) as session:
        fields = {"display_name": "A", "password_hash": "", "locale": "en"}
        session.add(Staff(id=mine, email="a@example.org", role=Role.ORGANISER, **fields))
        session.add(Staff(email="b@example.org", role=Role.PHOTOGRAPHER, **fields))
    reader = Reader(engine)
    assert await reader.first(wanted, email="a@example.org") == (mine, Role.ORGANISER)
    assert await reader.first(wanted, email="b@example.org") is None
    with pytest.raises(KeyError):
        await reader.first(wanted)
    await engine.dispose()


async def test_a_connection_that_the_database_ended_is_replaced_for_readers_and_transactions(database_url: str) -> None:
    engine = connect(database_url, pool_size=1)
    reader, sessions = Reader(engine), sessions_of(engine)

    def end_all() -> None:
        others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        with psycopg.connect(database_url, autocommit=True) as connection:
            ended = connection.execute(f"{others} WHERE datname = current_database() AND pid <> pg_backend_pid()")
            assert [row[0] for row in ended] == [True]

    assert await reader.first(LEVEL, key=b"none") is None
    end_all()
    assert await reader.first(LEVEL, key=b"none") is None
    end_all()
    async with transaction(sessions) as session:
        session.add(Attempts(key=b"one", level=1.5, at=datetime.now(UTC)))
    found = await reader.first(LEVEL, key=b"one")
    assert found is not None
    assert found[0] == 1.5
    await engine.dispose()


async def test_a_database_that_is_away_is_said_to_be(database_url: str) -> None:
    engine = connect(database_url.rsplit("/", 1)[0] + "/nowhere", pool_size=1)
    with pytest.raises(OperationalError):
        await Reader(engine).first(LEVEL, key=b"one")
    await engine.dispose()


def test_what_does_more_than_read_is_refused() -> None:
    with pytest.raises(ValueError, match="more than read"):
        Prepared(select(Attempts.level).with_for_update())
    with pytest.raises(ValueError, match="more than read"):
        Prepared(select(func.pg_sleep(1)))


async def test_a_session_reads_what_it_has_written_and_begins_no_transaction_for_it(database_url: str) -> None:
    engine = connect(database_url, pool_size=1)
    boxes = Prepared(select(literal([0.5, 1.0], ARRAY(Float)), Attempts.key).order_by(Attempts.key))
    async with transaction(sessions_of(engine)) as session:
        driver = await reading_connection(session)
        assert await all_in(session, boxes) == []
        assert driver.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        session.add_all(Attempts(key=key, level=1.5, at=datetime.now(UTC)) for key in (b"a", b"b"))
        await session.flush()
        assert driver.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        assert [(box, bytes(key)) for box, key in await all_in(session, boxes)] == [([0.5, 1], b"a"), ([0.5, 1], b"b")]
        assert await first_in(session, LEVEL, key=b"none") is None
    for ask in (lambda: first_in(session, LEVEL, key=b"a"), lambda: all_in(session, boxes)):
        with pytest.raises(OperationalError):
            async with transaction(sessions_of(engine)) as session:
                await (await reading_connection(session)).close()
                await ask()
    async with transaction(sessions_of(engine)) as session:  # the one connection of the pool was replaced
        assert await first_in(session, LEVEL, key=b"a") is not None
    await engine.dispose()
