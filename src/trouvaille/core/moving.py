"""Moving an instance from one object store to another while it works.

The old store stays whole until the end, so that a move can be called off at any moment:

1. ``copying``: every process writes to both, the old one first, and reads the old one. Once all do, what lies in the
   old store is copied, until a pass finds nothing to do.
2. ``switching``: every process reads the new one, and still writes to both.
3. ``done``: the new one alone. The old one is left as it is, for its owner to remove.

Each step waits until every process that is alive has said that it follows and has ended what it wrote before. A
process that does not know the phase for ``LOST_S`` counts as dead: without the database it can acknowledge nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Text, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, Sessions, lock_exclusive, transaction, words
from trouvaille.core.errors import Conflict, NotFound
from trouvaille.core.storage import Entry, Storage, copy, delete_from, head, listed

log = structlog.get_logger()
LOOK_EVERY_S: Final = 1.0
LOST_S: Final = 30.0
COPIES_AT_ONCE: Final = 4


class Phase(StrEnum):
    """How far a move is."""

    COPYING = "copying"
    SWITCHING = "switching"
    DONE = "done"


class CannotMove(Conflict):
    """Its text is for the operator."""


class StoreMove(Identified, Base):
    """The last move, under way or done; there is one row at most. No URL holds a secret."""

    __tablename__ = "store_moves"

    source: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    phase: Mapped[Phase] = mapped_column(words(Phase))
    begun_at: Mapped[datetime] = mapped_column(default=now)


class StoreUser(Identified, Base):
    """A process that uses the stores, and how."""

    __tablename__ = "store_users"

    arrangement: Mapped[str] = mapped_column(Text)
    seen_at: Mapped[datetime] = mapped_column(default=now)


async def last_move(session: AsyncSession) -> StoreMove | None:
    """The move under way, or the last one."""
    found: StoreMove | None = await session.scalar(select(StoreMove))
    return found


def arrangement_of(move: StoreMove | None, url: str) -> tuple[str, ...]:
    """Which store is read, and which are written to.

    Args:
        url: the store that the settings name. One that neither is the move's source nor its target stands alone.
    """
    if move is None or url not in (move.source, move.target):
        return (url, url)
    return {
        Phase.COPYING: (move.source, move.source, move.target),
        Phase.SWITCHING: (move.target, move.source, move.target),
        Phase.DONE: (move.target, move.target),
    }[move.phase]


async def settle(sessions: Sessions, storage: Storage) -> None:
    """Use the stores as the move asks for at this moment, for a command that ends soon."""
    async with transaction(sessions) as session:
        storage.arrange(*arrangement_of(await last_move(session), storage.url))


@asynccontextmanager
async def following(sessions: Sessions, storage: Storage) -> AsyncIterator[None]:
    """Follow moves for as long as this process works.

    While the database is away at the start, nobody knows which store counts: the storage is unavailable until the
    first look.
    """
    me = uuid4()
    try:
        await _join(sessions, storage, me)
    except SQLAlchemyError as error:
        storage.hold()
        log.warning("stores not looked at", kind=type(error).__name__)
    task = asyncio.create_task(_keep_following(sessions, storage, me))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(Exception):  # the database may be gone already; the row is forgotten by itself
            async with transaction(sessions) as session:
                await session.execute(delete(StoreUser).where(StoreUser.id == me))


async def _join(sessions: Sessions, storage: Storage, me: UUID) -> None:
    async with transaction(sessions) as session:  # before the first look, so that a move that begins now waits
        await session.execute(insert(StoreUser).values(id=me, arrangement="").on_conflict_do_nothing())
    await _follow(sessions, storage, me)


async def _keep_following(sessions: Sessions, storage: Storage, me: UUID) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            await (_join if storage.held else _follow)(sessions, storage, me)
        except Exception as error:  # the database is away: the next look tries again
            log.warning("stores not looked at", kind=type(error).__name__)


async def _follow(sessions: Sessions, storage: Storage, me: UUID) -> None:
    async with transaction(sessions) as session:
        move = await last_move(session)
        wanted = arrangement_of(move, storage.url)
        known = await session.get(StoreUser, me)
        # Said again well before it counts as lost, and at once where something changes.
        if (
            known is not None
            and storage.arrangement == wanted
            and known.arrangement == " ".join(wanted)
            and known.seen_at > now() - timedelta(seconds=LOST_S / 4)
        ):
            return
    storage.arrange(*wanted)
    await storage.settled()
    async with transaction(sessions) as session:
        row = {"arrangement": " ".join(wanted), "seen_at": now()}
        new = insert(StoreUser).values(id=me, **row)
        await session.execute(new.on_conflict_do_update(index_elements=[StoreUser.id], set_=row))


@dataclass(slots=True)
class Moved:
    """What a move has done so far."""

    copied: int = 0
    copied_bytes: int = 0
    removed: int = 0
    passes: int = 0


Say = Callable[[str, Moved], None]


async def move(sessions: Sessions, storage: Storage, target: str, say: Say = lambda *_: None) -> Moved:
    """Move the instance; begun again after it was interrupted, it goes on where it was.

    Raises:
        CannotMove
        Unavailable: a store is away; nothing is lost, and the move may be begun again.
    """
    done = Moved()
    phase = await _begin(sessions, storage, target)
    if phase is Phase.COPYING:
        say("waiting", done)
        await _all_follow(sessions)
        away = Storage(target)
        while await _pass(storage, away, done, say):
            pass
        await _set_phase(sessions, Phase.SWITCHING)
    say("switching", done)
    await _all_follow(sessions)
    await _set_phase(sessions, Phase.DONE)
    await _all_follow(sessions)
    await settle(sessions, storage)
    say("done", done)
    return done


async def call_off(sessions: Sessions) -> None:
    """Stay with the old store, which is whole. What was copied stays in the new one, for its owner to remove.

    Raises:
        CannotMove: there is no move under way.
    """
    async with transaction(sessions) as session:
        await lock_exclusive(session, "store_moves")
        under_way = await last_move(session)
        if under_way is None or under_way.phase is Phase.DONE:
            raise CannotMove("no move is under way")
        await session.delete(under_way)


async def _begin(sessions: Sessions, storage: Storage, target: str) -> Phase:
    await settle(sessions, storage)
    async with transaction(sessions) as session:
        await lock_exclusive(session, "store_moves")
        before = await last_move(session)
        if before is not None and before.phase is not Phase.DONE:
            if before.target != target or storage.url not in (before.source, before.target):
                raise CannotMove(f"a move to {before.target} is under way; call it off first")
            return before.phase
        if before is not None and storage.url == before.source:
            raise CannotMove(f"set TROUVAILLE_STORAGE_URL to {before.target} everywhere and restart first")
        if target == storage.url:
            raise CannotMove("this is the store in use")
        if before is not None:
            await session.delete(before)
            await session.flush()
        session.add(StoreMove(source=storage.url, target=target, phase=Phase.COPYING))
        storage.arrange(storage.url, storage.url, target)
        return Phase.COPYING


async def _set_phase(sessions: Sessions, phase: Phase) -> None:
    async with transaction(sessions) as session:
        await lock_exclusive(session, "store_moves")
        under_way = await last_move(session)
        if under_way is None:
            raise CannotMove("the move was called off")
        under_way.phase = phase


async def _all_follow(sessions: Sessions) -> None:
    """Wait until every process that is alive has come to the present phase."""
    while True:
        async with transaction(sessions) as session:
            under_way = await last_move(session)
            if under_way is None:
                raise CannotMove("the move was called off")
            wanted = " ".join(arrangement_of(under_way, under_way.source))
            await session.execute(delete(StoreUser).where(StoreUser.seen_at < now() - timedelta(seconds=LOST_S)))
            users = list(await session.scalars(select(StoreUser.arrangement)))
        if all(each == wanted for each in users):
            return
        await asyncio.sleep(LOOK_EVERY_S / 2)


async def _pass(storage: Storage, away: Storage, done: Moved, say: Say) -> int:
    """Make the new store like the old one; returns how much there was to do."""
    done.passes += 1
    changed = 0
    async for batch in listed(storage.store):
        for start in range(0, len(batch), COPIES_AT_ONCE):
            some = batch[start : start + COPIES_AT_ONCE]
            sizes = await asyncio.gather(*(_copy_one(storage, away, each, first=done.passes == 1) for each in some))
            changed += sum(size is not None for size in sizes)
            done.copied += sum(size is not None for size in sizes)
            done.copied_bytes += sum(size or 0 for size in sizes)
        say("copying", done)
    async for batch in listed(away.store):
        gone = [each.key for each in batch if await _is_gone(storage, each.key)]
        await delete_from(away.store, gone)
        changed += len(gone)
        done.removed += len(gone)
    return changed


async def _copy_one(storage: Storage, away: Storage, entry: Entry, *, first: bool) -> int | None:
    """Copy what the new store lacks; None where there was nothing to do.

    Whoever writes meanwhile writes to the old store first: a copy that was overtaken shows there.

    Args:
        first: what lies in the new store may be of an earlier move that was called off. Later passes trust in sizes,
            since the clocks of two stores may differ.
    """
    key = entry.key
    with suppress(NotFound):
        there = await head(away.store, key)
        if there.size_bytes == entry.size_bytes and (not first or there.modified_at >= entry.modified_at):
            return None
    while True:
        try:
            before = await head(storage.store, key)
            await copy(storage.store, away.store, key)
            if await head(storage.store, key) == before:
                return before.size_bytes
        except NotFound:  # deleted meanwhile
            await delete_from(away.store, [key])
            return None


async def _is_gone(storage: Storage, key: str) -> bool:
    try:
        await storage.size(key)
    except NotFound:
        return True
    return False
