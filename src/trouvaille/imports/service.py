"""Imports: starting, holding and ending them, and how far they are."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live
from trouvaille.core.clock import now
from trouvaille.core.erase import erase
from trouvaille.core.errors import N_, Conflict, NotFound
from trouvaille.core.jobs import UPKEEP, defer, unfinished
from trouvaille.core.secrets import Vault
from trouvaille.imports.models import UNFINISHED, FileState, Import, ImportFile, ImportState, Kind

RUN_JOB: Final = "imports.run"
AT_ONCE: Final = 3
FORGOTTEN_AFTER_S: Final = 120.0


class NoSuchImport(NotFound):
    """It never was, or is not the viewer's."""

    message = N_("This import is not here any more.")


class Over(Conflict):
    """It has ended."""

    message = N_("This import has ended.")


class Busy(Conflict):
    """An event has enough to do."""

    message = N_("%(most)s imports of this event are not finished. Please wait for one of them, or cancel it.")


@dataclass(frozen=True, slots=True)
class Progress:
    """How many files of an import there are, and what became of them."""

    found: int = 0
    waiting: int = 0
    added: int = 0
    known: int = 0
    refused: int = 0
    left_out: int = 0

    @property
    def done(self) -> int:
        """Files that are dealt with, of those that look like photos."""
        return self.added + self.known + self.refused

    def figures(self) -> dict[str, int]:
        """For pages that are told live."""
        return asdict(self) | {"done": self.done}


async def start(
    session: AsyncSession,
    vault: Vault,
    *,
    event_id: UUID,
    started_by: UUID | None,
    kind: Kind,
    title: str,
    where: dict[str, Any],
    import_id: UUID | None = None,
    run: bool = True,
) -> Import:
    """Begin an import.

    Args:
        where: what `running.open_source` reads; it may hold secrets, and is sealed.
        import_id: an id of its own; an import that has it already is left as it is.
        run: False where the caller does the work.

    Raises:
        Busy
    """
    if import_id is not None and (known := await session.get(Import, import_id)) is not None:
        return known
    going = select(func.count()).where(Import.event_id == event_id, Import.state.in_(UNFINISHED))
    if (await session.scalar(going) or 0) >= AT_ONCE:
        raise Busy(most=AT_ONCE)
    made = Import(
        id=import_id or uuid4(),
        event_id=event_id,
        started_by=started_by,
        kind=kind,
        title=title[:400],
        sealed=vault.seal_note("import", where),
    )
    session.add(made)
    await session.flush()
    if run:
        await ask(session, made)
    await tell(session, made)
    return made


async def ask(session: AsyncSession, one: Import) -> None:
    """Have a worker go on with it."""
    await defer(session, RUN_JOB, queue=UPKEEP, lock=f"{RUN_JOB}:{one.id}", import_id=one.id, event_id=one.event_id)


async def tell(session: AsyncSession, one: Import) -> None:
    """Let open pages look again."""
    await live.publish(session, f"event:{one.event_id}")


async def of_event(session: AsyncSession, event_id: UUID, *, by: UUID | None, limit: int = 20) -> list[Import]:
    """The newest imports of an event; only those that ``by`` started, where it is given."""
    query = select(Import).where(Import.event_id == event_id)
    if by is not None:
        query = query.where(Import.started_by == by)
    return list(await session.scalars(query.order_by(Import.created_at.desc()).limit(limit)))


async def get(session: AsyncSession, event_id: UUID, import_id: UUID, *, by: UUID | None) -> Import:
    """One import of an event, held until the transaction ends.

    Raises:
        NoSuchImport
    """
    one = await session.get(Import, import_id, with_for_update=True)
    if one is None or one.event_id != event_id or (by is not None and one.started_by != by):
        raise NoSuchImport
    return one


async def progresses(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, Progress]:
    """How far imports are, in one query."""

    def of(state: FileState) -> Any:
        return func.count().filter(ImportFile.state == state)

    rows = await session.execute(
        select(ImportFile.import_id, func.count(), *(of(state) for state in FileState))
        .where(ImportFile.import_id.in_(ids))
        .group_by(ImportFile.import_id)
    )
    return {import_id: Progress(*counts) for import_id, *counts in rows}


async def refused(session: AsyncSession, import_id: UUID, *, limit: int) -> list[ImportFile]:
    """Files that were refused, in the order in which they came."""
    query = select(ImportFile).where(ImportFile.import_id == import_id, ImportFile.state == FileState.REFUSED)
    return list(await session.scalars(query.order_by(ImportFile.place).limit(limit)))


async def pause(session: AsyncSession, one: Import, reason: str | None = None) -> None:
    """Let it rest; what is on its way is finished first.

    Raises:
        Over
    """
    if one.state not in UNFINISHED:
        raise Over
    one.state, one.reason = ImportState.PAUSED, reason
    await session.flush()
    await tell(session, one)


async def resume(session: AsyncSession, one: Import) -> None:
    """Go on where it was.

    Raises:
        Over
    """
    if one.state is not ImportState.PAUSED:
        raise Over
    one.state, one.reason, one.touched_at = ImportState.WAITING, None, now()
    await session.flush()
    await ask(session, one)
    await tell(session, one)


async def end(session: AsyncSession, one: Import, state: ImportState, reason: str | None = None) -> None:
    """Finish it in one way or another: its secrets, and a ZIP that was sent, are gone with it."""
    if one.state not in UNFINISHED:
        raise Over
    one.state, one.reason, one.sealed, one.finished_at = state, reason, None, now()
    if one.kind is Kind.ARCHIVE:
        await erase(session, keys=[one.archive_key])
    await session.flush()
    if state is ImportState.CANCELLED:
        await ask(session, one)  # to remove what lies on the worker's machine
    await tell(session, one)


async def requeue_forgotten(session: AsyncSession) -> int:
    """Go on with imports that nobody works on, as after a worker or a command that was stopped hard."""
    before = now() - timedelta(seconds=FORGOTTEN_AFTER_S)
    query = select(Import).where(
        Import.state.in_((ImportState.WAITING, ImportState.RUNNING)), Import.touched_at < before
    )
    found = list(await session.scalars(query.limit(100)))
    busy = await unfinished(session, RUN_JOB, key="import_id", values=[one.id for one in found])
    forgotten = [one for one in found if one.id not in busy]
    for one in forgotten:
        await session.execute(update(Import).where(Import.id == one.id).values(touched_at=now()))
        await ask(session, one)
    return len(forgotten)
