"""Reading a few columns in one round trip: for what every request asks, where building a query costs more than it.

A SELECT is written with SQLAlchemy, so that conditions are those that all queries share, and turned into SQL once a
process. Rows come back as tuples; nothing is tracked, and no transaction is open before or after. Connections are those
of the engine's pool, which stays the one bound of all that this process asks of the database.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import ARRAY, BindParameter, Dialect, Float, Numeric, Select, bindparam
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import await_only, greenlet_spawn

from trouvaille.core.db import only_reads, reading_connection

_ATTEMPTS = 2
"""Nothing is changed by a SELECT, so one that met a connection which has just died is sent again."""


def place(name: str, kind: TypeEngine[Any]) -> BindParameter[Any]:
    """A place in a prepared SELECT that each reading fills, by this name."""
    return bindparam(name, None, type_=kind)


class Prepared:
    """A SELECT that is turned into SQL once; values that are written into it stay in it."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        """Raises ValueError when it needs a transaction, or when a moment is written into it: it would stay the present
        one for ever."""
        dialect: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self.sql = str(compiled)
        if not only_reads(self.sql):
            raise ValueError("a prepared statement that does more than read, or calls what `core.db` does not know")
        self._fixed: dict[str, Any] = {}
        self._writers: dict[str, Callable[[Any], Any] | None] = {}
        for name, value in compiled.params.items():
            # The values of a list are numbered after the list's own place.
            bound = compiled.binds[name if name in compiled.binds else name.rpartition("_")[0]]
            write = bound.type.dialect_impl(dialect).bind_processor(dialect)
            if not bound.unique:
                self._writers[name] = write
            elif isinstance(value, datetime):
                raise ValueError(f"a moment in a prepared statement: {name}")
            else:
                self._fixed[name] = value if write is None else write(value)
        self._readers = [
            (number, read)
            for number, column in enumerate(statement.selected_columns)
            # Numbers are the driver's; SQLAlchemy would ask by which it came.
            if not isinstance(column.type.item_type if isinstance(column.type, ARRAY) else column.type, Numeric | Float)
            and (read := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
        ]

    def places(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What the driver fills in.

        Raises:
            KeyError: a free place got no value.
        """
        filled = dict(self._fixed)
        for name, write in self._writers.items():
            filled[name] = given[name] if write is None else write(given[name])
        return filled

    def read(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """A row of the driver as the columns' types have it."""
        if not self._readers:
            return tuple(row)
        values = list(row)
        for number, read in self._readers:
            values[number] = read(values[number])
        return tuple(values)


class Reader:
    """Runs prepared SELECTs on the connections of an engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def first(self, wanted: Prepared, **given: Any) -> tuple[Any, ...] | None:
        """The first row, or None.

        Raises:
            sqlalchemy.exc.OperationalError: the database is away.
            sqlalchemy.exc.TimeoutError: all connections are in use.
        """
        places = wanted.places(given)
        for left in reversed(range(_ATTEMPTS)):
            try:
                row = await greenlet_spawn(self._ask, wanted.sql, places)
                return None if row is None else wanted.read(row)
            except psycopg.OperationalError as error:
                if not left:
                    raise OperationalError(wanted.sql, None, error) from error
        raise AssertionError("unreachable")

    def _ask(self, sql: str, places: dict[str, Any]) -> Sequence[Any] | None:
        held = self._engine.sync_engine.raw_connection()
        try:
            driver = held.driver_connection
            assert isinstance(driver, psycopg.AsyncConnection)
            return await_only(_one(driver, sql, places))
        except psycopg.OperationalError as error:
            held.invalidate(error)
            raise
        finally:
            held.close()


async def first_in(session: AsyncSession, wanted: Prepared, **given: Any) -> tuple[Any, ...] | None:
    """The first row as a session sees it, or None: for what is asked often where a session is open already. What the
    session has not sent yet is not seen; nothing is flushed for it.

    Raises:
        sqlalchemy.exc.OperationalError: the database is away.
    """
    driver = await reading_connection(session)
    try:
        row = await _one(driver, wanted.sql, wanted.places(given))
    except psycopg.OperationalError as error:
        raise OperationalError(wanted.sql, None, error) from error
    return None if row is None else wanted.read(row)


async def all_in(session: AsyncSession, wanted: Prepared, **given: Any) -> list[tuple[Any, ...]]:
    """All rows as a session sees them, as ``first_in`` gives the first.

    Raises:
        sqlalchemy.exc.OperationalError: the database is away.
    """
    driver = await reading_connection(session)
    try:
        cursor = await driver.execute(wanted.sql, wanted.places(given))
        rows = await cursor.fetchall()
    except psycopg.OperationalError as error:
        raise OperationalError(wanted.sql, None, error) from error
    return [wanted.read(row) for row in rows]


async def _one(driver: psycopg.AsyncConnection[Any], sql: str, places: dict[str, Any]) -> Sequence[Any] | None:
    # The pool hands connections out so that one statement is a transaction of its own, without being told (`core.db`).
    cursor = await driver.execute(sql, places)
    row: Sequence[Any] | None = await cursor.fetchone()
    return row
