"""Taking a removal back: for an hour, what a member of staff removed can be put back as it was.

The rows lie aside as JSON, where no query of the product finds them, so that what is removed is gone at once. A slice
says what it lets put back: which table, who may, and what else follows.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Table, bindparam, delete, inspect, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act
from trouvaille.accounts.models import Removed
from trouvaille.accounts.service import Viewer
from trouvaille.core.clock import now
from trouvaille.core.db import Base
from trouvaille.core.errors import N_, Conflict, Gone, NotFound

KEPT = timedelta(hours=1)
Row = dict[str, Any]


class TooLate(Gone):
    """It was put back already, an hour has passed, or it was never this person's."""

    message = N_("This can’t be undone any more.")


class TakenMeanwhile(Conflict):
    """Something else stands where it stood, or what it belonged to is gone."""

    message = N_("Something has changed since. This can’t be undone any more.")


async def _nothing(session: AsyncSession, removed: Removed) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Kind:
    """What a slice lets put back.

    Attributes:
        name: what scripts call it.
        table: whose rows.
        may: raises where the viewer may do so no longer.
        page: where a person looks at what came back.
        before: makes room for it.
        after: does what follows from its being there.
        forgotten: does what follows from its being gone for good.
    """

    name: str
    table: type[Base]
    may: Callable[[AsyncSession, Viewer, Removed], Awaitable[object]]
    page: Callable[[Removed], str]
    before: Callable[[AsyncSession, Removed], Awaitable[None]] = _nothing
    after: Callable[[AsyncSession, Removed], Awaitable[None]] = _nothing
    forgotten: Callable[[AsyncSession, Removed], Awaitable[None]] = _nothing


_kinds: dict[str, Kind] = {}


def offer(kind: Kind) -> None:
    """Let rows of a table be put back; called once, where the slice's module is read."""
    _kinds[kind.table.__tablename__] = kind


async def remove(
    session: AsyncSession, rows: Sequence[Base], *, by: UUID, event_id: UUID | None = None, note: Row | None = None
) -> UUID:
    """Delete rows of one table, in a way that can be undone.

    Args and Returns:
        As of ``keep``.
    """
    removed = await keep(session, rows, by=by, event_id=event_id, note=note)
    for row in rows:
        await session.delete(row)
    await session.flush()
    return removed


async def keep(
    session: AsyncSession, rows: Sequence[Base], *, by: UUID, event_id: UUID | None = None, note: Row | None = None
) -> UUID:
    """Lay a copy of rows of one table aside, before the caller changes them; ``Kind.before`` takes what stands there.

    Args:
        rows: at least one.
        by: the member of staff who may undo it.
        note: what ``Kind.before`` and ``Kind.after`` need to know.

    Returns:
        What ``put_back`` takes.

    Raises:
        NotFound: somebody else removed it a moment ago.
    """
    table = _table(type(rows[0]))
    kept = []
    for row in rows:
        keys = dict(zip((column.name for column in table.primary_key), inspect(row).identity or (), strict=True))
        where = " AND ".join(f'"{name}" = :{name}' for name in keys)
        # Names of tables and columns are the product's own.
        # Held, so that of two who remove it at once the second finds nothing.
        found = text(f'SELECT to_jsonb(t) FROM "{table.name}" t WHERE {where} FOR UPDATE')  # noqa: S608
        plain = await session.scalar(found, keys)
        if plain is None:
            raise NotFound
        kept.append(plain)
    removed = Removed(what=table.name, rows=kept, note=note or {}, staff_id=by, event_id=event_id)
    session.add(removed)
    await session.flush()
    return removed.id


def _table(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


async def put_back(session: AsyncSession, viewer: Viewer, removed_id: UUID, *, event_id: UUID | None = None) -> str:
    """Undo a removal.

    Args:
        event_id: only one from this event.

    Returns:
        The address of the page that shows what is back.

    Raises:
        TooLate, TakenMeanwhile
        NotFound, Archived: as where it was removed.
    """
    removed = await session.get(Removed, removed_id, with_for_update=True)
    if removed is None or removed.staff_id != viewer.id or removed.at < now() - KEPT or removed.what not in _kinds:
        raise TooLate
    if event_id not in (None, removed.event_id):
        raise TooLate
    kind = _kinds[removed.what]
    await kind.may(session, viewer, removed)
    await kind.before(session, removed)
    name = _table(kind.table).name
    insert = text(f'INSERT INTO "{name}" SELECT * FROM jsonb_populate_record(NULL::"{name}", :row)')  # noqa: S608
    try:
        async with session.begin_nested():
            for row in removed.rows:
                await session.execute(insert.bindparams(bindparam("row", row, type_=JSONB)))
    except IntegrityError as error:
        raise TakenMeanwhile from error
    await kind.after(session, removed)
    await session.delete(removed)
    await session.flush()
    await audit.note(session, Act.PUT_BACK, by=viewer, about_id=_about(removed), event_id=removed.event_id)
    return kind.page(removed)


def _about(removed: Removed) -> UUID | None:
    """Whom or what the log says it was done to: as where it was removed."""
    row = removed.rows[0]
    known = row.get("id") or row.get("staff_id") or row.get("event_id")
    return UUID(known) if known else None


async def standing(
    session: AsyncSession, viewer: Viewer, event_id: UUID, table: type[Base] | None = None
) -> list[Removed]:
    """What this person removed from an event, or from one of its tables, and may put back, the newest first."""
    query = select(Removed).where(
        Removed.staff_id == viewer.id, Removed.event_id == event_id, Removed.at > now() - KEPT
    )
    if table is not None:
        query = query.where(Removed.what == table.__tablename__)
    return list(await session.scalars(query.order_by(Removed.at.desc(), Removed.id)))


def name_of(removed: Removed) -> str:
    """What scripts call what was removed."""
    return _kinds[removed.what].name


async def laid_aside(session: AsyncSession, table: type[Base]) -> set[UUID]:
    """The ids of the rows of a table that may still come back, whoever removed them."""
    kept = await session.scalars(select(Removed.rows).where(Removed.what == table.__tablename__))
    return {UUID(row["id"]) for rows in kept for row in rows}


async def forget_of(session: AsyncSession, **value: UUID) -> None:
    """Forget the rows that say this of somebody who is being erased, as ``guest_id=…``."""
    said = {name: str(each) for name, each in value.items()}
    await session.execute(delete(Removed).where(Removed.rows.contains([said])))


async def forget(session: AsyncSession) -> None:
    """Remove for good what nobody can put back any more."""
    over = select(Removed).where(Removed.at < now() - KEPT).with_for_update(skip_locked=True)
    for removed in list(await session.scalars(over)):
        kind = _kinds.get(removed.what)
        if kind is not None:
            await kind.forgotten(session, removed)
        await session.delete(removed)
