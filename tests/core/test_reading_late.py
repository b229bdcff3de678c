"""Transactions begin with the first statement that writes or locks."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select, text, update

from trouvaille.core.db import (
    Sessions,
    connect,
    lock_exclusive,
    only_reads,
    raw_connection,
    sessions_of,
    statement_alone,
    transaction,
)
from trouvaille.events.models import Event
from trouvaille.settings import Settings

pytestmark = pytest.mark.anyio
IDLE, IN_TRANSACTION = 0, 2


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def sessions(settings: Settings) -> AsyncIterator[Sessions]:
    engine = connect(settings.database_url or "", pool_size=1)
    yield sessions_of(engine)
    await engine.dispose()


async def _status(session: object) -> int:
    driver = (await (await session.connection()).get_raw_connection()).driver_connection  # type: ignore[attr-defined]
    return int(driver.info.transaction_status)


async def test_reading_begins_none_and_the_first_lock_or_change_does(sessions: Sessions) -> None:
    for _ in range(2):  # the second time on a connection that has just been used
        async with transaction(sessions) as session:
            await session.execute(select(Event.id, func.lower(Event.code)).where(Event.id.in_(select(Event.id))))
            await session.scalar(select(func.count()).select_from(Event))
            assert await _status(session) == IDLE
            await session.execute(select(Event).with_for_update(read=True))
            assert await _status(session) == IN_TRANSACTION
    async with transaction(sessions) as session:
        await lock_exclusive(session, "a name")
        assert await _status(session) == IN_TRANSACTION
    async with transaction(sessions) as session:
        await (await raw_connection(session)).execute("SELECT 1")
        assert await _status(session) == IN_TRANSACTION


async def test_what_follows_a_read_is_undone_together_and_kept_together(sessions: Sessions) -> None:
    async def change(text_: str, *, fail: bool) -> None:
        async with transaction(sessions) as session:
            await session.scalar(select(func.count()).select_from(Event))
            await session.execute(text("CREATE TABLE IF NOT EXISTS notes (words text)"))
            await session.execute(text("INSERT INTO notes VALUES (:words)"), {"words": text_})
            await session.execute(update(Event).values(name="x"))
            if fail:
                raise LookupError

    async def kept() -> list[str]:
        async with transaction(sessions) as session:
            return list(await session.scalars(text("SELECT words FROM notes ORDER BY words")))

    await change("a", fail=False)
    with pytest.raises(LookupError):
        await change("b", fail=True)
    assert await kept() == ["a"]
    async with statement_alone(sessions) as session:
        await session.execute(text("INSERT INTO notes VALUES ('c')"))
        assert await _status(session) == IDLE
    assert await kept() == ["a", "c"]
    async with transaction(sessions) as session:
        await session.scalar(select(func.count()).select_from(Event))
        async with session.begin_nested() as within:
            await session.execute(text("INSERT INTO notes VALUES ('d')"))
            await within.rollback()
        await session.execute(text("INSERT INTO notes VALUES ('e')"))
    assert await kept() == ["a", "c", "e"]


@pytest.mark.parametrize(
    ("statement", "reads"),
    [
        ("SELECT events.id FROM events WHERE lower(events.code) = lower(%(a)s) AND (x IN (1, 2) OR NOT (y))", True),
        ("select count(*) FILTER (WHERE a) FROM b", True),
        ("SELECT 1 FROM events FOR UPDATE", False),
        ("SELECT 1 FROM events FOR NO KEY UPDATE OF events", False),
        ("SELECT 1 FROM events FOR\nSHARE", False),
        ("SELECT pg_advisory_xact_lock(1)", False),
        ("SELECT pg_notify('a', 'b')", False),
        ("SELECT nextval ('a')", False),
        ("SELECT a, some_function(b) FROM c", False),
        ('SELECT "pg_notify"(1)', False),
        ("SELECT a INTO b FROM c", False),
        ("WITH gone AS (DELETE FROM a RETURNING b) SELECT b FROM gone", False),
        ("INSERT INTO a SELECT 1", False),
        ("SAVEPOINT a", False),
        ("", False),
    ],
)
def test_which_statements_only_read(statement: str, *, reads: bool) -> None:
    assert only_reads(statement) is reads
