"""Pages of a list by keyset: each begins behind the last row of the one before, whatever came or went meanwhile."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from trouvaille.core.errors import N_, Invalid

Item = TypeVar("Item")
LONGEST_CURSOR = 2_000


class NoCursor(Invalid):
    """It is none of ours, or of another list."""

    message = N_("This is no cursor of this list. Begin again without one.")

    def __init__(self) -> None:
        super().__init__(field="cursor")


@dataclass(frozen=True, slots=True)
class Key:
    """One column of an order, which the rows' values of it are read back by. ``kind``: its Python type."""

    column: ColumnElement[Any] | InstrumentedAttribute[Any]
    kind: type[datetime] | type[date] | type[UUID] | type[str] | type[bool]


@dataclass(frozen=True, slots=True)
class Slice(Generic[Item]):
    """Some rows of a list, and the cursor of the next ones; None at the end."""

    items: list[Item]
    cursor: str | None


def _seal(values: Sequence[Any]) -> str:
    plain = [value.isoformat() if isinstance(value, date) else value for value in values]
    plain = [str(value) if isinstance(value, UUID) else value for value in plain]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def _open(cursor: str, keys: Sequence[Key]) -> list[Any]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(values, list) or len(values) != len(keys):
            raise NoCursor
        return [_read(value, key.kind) for value, key in zip(values, keys, strict=True)]
    except (ValueError, RecursionError) as error:
        raise NoCursor from error


def _read(value: object, kind: type) -> object:
    if kind is bool and isinstance(value, bool):
        return value
    if not isinstance(value, str) or "\0" in value or kind is bool:
        raise NoCursor
    value.encode()  # a lone surrogate is JSON, and no text that PostgreSQL takes
    if kind is datetime:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise NoCursor
        return moment
    if kind is date:
        return date.fromisoformat(value)
    return UUID(value) if kind is UUID else value


async def slice_of(
    session: AsyncSession, query: Any, keys: Sequence[Key], *, limit: int, cursor: str = "", newest_first: bool = False
) -> Slice[Any]:
    """One page of what a query selects, in one query.

    Args:
        query: selects what a row is made of, without an order.
        keys: what to order by; together they tell every row from every other.
        cursor: of the page before; empty for the first.
        newest_first: descending, as all keys together.

    Returns:
        Rows as tuples of what ``query`` selects.

    Raises:
        NoCursor
    """
    columns = [key.column for key in keys]
    query = query.add_columns(*columns)
    query = query.order_by(*(column.desc() if newest_first else column for column in columns)).limit(limit + 1)
    if cursor:
        there = tuple_(*_open(cursor[:LONGEST_CURSOR], keys))
        query = query.where(tuple_(*columns) < there if newest_first else tuple_(*columns) > there)
    rows = [tuple(row) for row in await session.execute(query)]
    width = len(keys)
    more = _seal(rows[limit - 1][-width:]) if len(rows) > limit else None
    return Slice([row[:-width] for row in rows[:limit]], more)
