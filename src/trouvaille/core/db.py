"""The database: declarative base, engine, sessions, and locks that end with their transaction."""

import asyncio
import re
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar, Final
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import Connection, DateTime, Enum, MetaData, Uuid, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

# Alembic needs stable names to drop a constraint by.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """All tables of all slices; ids are random UUIDs, so none can be walked and events can move between databases."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True), UUID: Uuid()}


class Identified:
    """A table whose rows are known by a random id."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)


def words(kind: type[StrEnum]) -> Enum:
    """A column that holds one of an enumeration's words, as text: a new word needs no migration."""
    return Enum(kind, native_enum=False, length=20, values_callable=lambda each: [member.value for member in each])


Sessions = async_sessionmaker[AsyncSession]

RECYCLE_S = 600
PATIENCE_S = 20.0
"""A rush is over sooner than people who were refused have all come back."""


def driver_url(url: str) -> str:
    """The same address, spoken through psycopg."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def plain_url(url: str) -> str:
    """The same address as libpq reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def connect(url: str, *, pool_size: int = 10, application: str = "trouvaille") -> AsyncEngine:
    """An engine with a bounded pool; a request that finds it empty waits ``PATIENCE_S``, then fails as busy."""
    engine = create_async_engine(
        driver_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=PATIENCE_S,
        # The last one back is the next one out, so that a quiet server uses few; and none lives for ever: PostgreSQL's
        # end of a connection grows with every kind of statement that it has seen.
        pool_use_lifo=True,
        pool_recycle=RECYCLE_S,
        connect_args={"application_name": application, "connect_timeout": 10, **_KEEPALIVE},
    )
    event.listen(engine.sync_engine, "checkout", _refuse_dead)
    event.listen(engine.sync_engine, "checkout", _begin_late)
    event.listen(engine.sync_engine, "before_cursor_execute", _begin_unless_reading)
    return engine


# A database behind a network that drops connections without a word is noticed within a minute.
_KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


def _refuse_dead(connection: DBAPIConnection, _record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
    """Have the pool replace a connection whose other end is gone: what its socket knows, without asking the database.

    SQLAlchemy's own way asks it at each use, a tenth of what a small page costs.
    """
    driver = connection.driver_connection
    try:
        watched = select.poll()
        watched.register(driver.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        # Nobody speaks to an idle connection but to end it.
        if watched.poll(0):
            raise DisconnectionError("the database ended the connection")
    except psycopg.Error as error:
        raise DisconnectionError("the connection is closed") from error


# A SELECT that locks nothing and calls nothing but these leaves nothing to commit or to undo; whatever is not here
# begins a transaction. First the words that SQL itself puts before a bracket.
_HARMLESS: Final = frozenset(
    (
        *("all", "and", "any", "array", "as", "by", "case", "cast", "distinct", "else", "exists", "extract", "filter"),
        *(
            "from",
            "in",
            "join",
            "lateral",
            "not",
            "on",
            "or",
            "over",
            "select",
            "then",
            "union",
            "values",
            "varchar",
            "when",
        ),
        *("where", "bit_xor", "bool_or", "coalesce", "count", "greatest", "halfvec_send", "hashtextextended"),
        *("jsonb_build_array", "lag", "least", "length", "lower", "make_interval", "max", "min", "now", "replace"),
        *("row_number", "sum", "timezone", "upper"),
    )
)
_CALLED: Final = re.compile(r"([a-z_][a-z0-9_]*)\s*\(")
_MORE: Final = re.compile(r"\bfor\s+(update|share|no\s+key|key)\b|\binto\b|\"\s*\(")
"""Locks, a new table, and what is called by a quoted name."""
_ALONE: Final = "trouvaille_alone"


@lru_cache(512)
def only_reads(statement: str) -> bool:
    """Whether a statement may run outside a transaction. In doubt it may not."""
    words = statement.lower().lstrip()
    return words.startswith("select") and not _MORE.search(words) and _HARMLESS.issuperset(_CALLED.findall(words))


def _begin_late(connection: Any, _record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
    """Begin no transaction until something is written or locked: most requests only read, for which beginning and
    ending one are two round trips. Each statement sees what is committed when it begins either way."""
    if not connection.driver_connection.autocommit:
        connection.autocommit = True


def _begin_unless_reading(
    connection: Connection, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool
) -> None:
    driver: Any = connection.connection.dbapi_connection
    if (
        driver.driver_connection.autocommit
        and not only_reads(statement)
        and not connection.get_execution_options().get(_ALONE)
    ):
        driver.autocommit = False  # the driver begins a transaction before the next statement


def sessions_of(engine: AsyncEngine) -> Sessions:
    """Sessions whose objects stay readable after the commit at the boundary."""
    return async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def transaction(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """One transaction: committed when the block ends well, rolled back otherwise.

    As ``sessions.begin()`` does it, without a task for closing what holds no connection any more.
    """
    session = sessions()
    try:
        yield session
        if session.in_transaction():
            await session.commit()
    except BaseException:
        # A task that is being cancelled would not wait until the connection has gone back.
        await asyncio.shield(asyncio.ensure_future(session.close()))
        raise
    session.sync_session.close()


@asynccontextmanager
async def statement_alone(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """For one statement, which is a transaction of its own: one round trip instead of three."""
    async with sessions() as session:
        await session.connection(execution_options={_ALONE: True})
        yield session


async def reading_connection(session: AsyncSession) -> Any:
    """The psycopg connection of this session, for a SELECT that needs no transaction."""
    held = (await session.connection()).sync_connection
    assert held is not None
    return held.connection.driver_connection


async def raw_connection(session: AsyncSession) -> Any:
    """The psycopg connection that this session's transaction runs on; it is begun with what is asked there next."""
    driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
    if driver.autocommit:
        await driver.set_autocommit(False)
    return driver


async def lock_exclusive(session: AsyncSession, name: str) -> None:
    """Wait until nobody else holds ``name``, and hold it until the transaction ends."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


async def lock_shared(session: AsyncSession, name: str) -> None:
    """Hold ``name`` together with other sharers until the transaction ends; exclusive holders wait."""
    await session.execute(text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 0))"), {"name": name})
