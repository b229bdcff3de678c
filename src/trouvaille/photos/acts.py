"""What staff do with photos, many at a time: showing, hiding, publishing, the general gallery, the bin.

Each verb takes the photos that are *wanted*, changes those that it is about, and says what would take it back. What a
verb is not about stays as it is: publishing publishes what was held and shows nothing that was hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live
from trouvaille.core.clock import now
from trouvaille.photos import service
from trouvaille.photos.listing import Wanted
from trouvaille.photos.models import Photo, PhotoState, Standing


class Act(StrEnum):
    """A verb of the desk."""

    SHOW = "show"
    HIDE = "hide"
    HOLD = "hold"
    PUBLISH = "publish"
    GENERAL = "general"
    NOT_GENERAL = "not_general"
    DELETE = "delete"
    UNDELETE = "undelete"
    ERASE = "erase"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Done:
    """How many photos were changed, and which acts take that back."""

    changed: int
    undo: dict[Act, list[UUID]]


_STANDINGS = {Act.SHOW: Standing.SHOWN, Act.HIDE: Standing.HIDDEN, Act.HOLD: Standing.HELD}
_BACK = {Standing.SHOWN: Act.SHOW, Standing.HIDDEN: Act.HIDE, Standing.HELD: Act.HOLD}
_IDS_AT_ONCE = 5_000


async def act(session: AsyncSession, what: Act, wanted: Wanted, *, bin_days: int) -> Done:
    """Do something with photos, in this transaction; one that is gone, or not theirs, is left out.

    Args:
        bin_days: how long what is deleted may be brought back; 0 means not at all.
    """
    if what is Act.DELETE and bin_days == 0:
        what = Act.ERASE
    done = await _VERBS[what](session, what, wanted)
    if done.changed:
        await live.publish(session, f"event:{wanted.event_id}")
    return done


async def _changed(
    session: AsyncSession,
    wanted: Wanted,
    condition: ColumnElement[bool],
    values: dict[str, Any],
    before: Any = Photo.id,
) -> list[tuple[UUID, Any]]:
    """Change the photos that a condition holds for; returns their ids and what was in a column before."""
    found = select(Photo.id, before).where(*wanted.conditions(), condition).order_by(Photo.id).with_for_update()
    rows = [(photo_id, value) for photo_id, value in await session.execute(found)]
    for start in range(0, len(rows), _IDS_AT_ONCE):
        ids = [photo_id for photo_id, _ in rows[start : start + _IDS_AT_ONCE]]
        await session.execute(
            update(Photo).where(Photo.id.in_(ids)).values(values).execution_options(synchronize_session=False)
        )
    return rows


def _here(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return condition & Photo.deleted_at.is_(None)


async def _stand(session: AsyncSession, what: Act, wanted: Wanted) -> Done:
    standing = _STANDINGS[what]
    condition = _here(Photo.standing != standing)
    rows = await _changed(session, wanted, condition, {"standing": standing}, Photo.standing)
    undo: dict[Act, list[UUID]] = {}
    for photo_id, before in rows:
        undo.setdefault(_BACK[before], []).append(photo_id)
    return Done(len(rows), undo)


async def _publish(session: AsyncSession, what: Act, wanted: Wanted) -> Done:
    rows = await _changed(session, wanted, _here(Photo.standing == Standing.HELD), {"standing": Standing.SHOWN})
    return Done(len(rows), {Act.HOLD: _ids(rows)})


async def _put_in_general(session: AsyncSession, what: Act, wanted: Wanted) -> Done:
    wish = what is Act.GENERAL
    rows = await _changed(session, wanted, _here(Photo.in_general.is_not(wish)), {"in_general": wish})
    return Done(len(rows), {Act.NOT_GENERAL if wish else Act.GENERAL: _ids(rows)})


async def _delete(session: AsyncSession, what: Act, wanted: Wanted) -> Done:
    rows = await _changed(session, wanted, Photo.deleted_at.is_(None), {"deleted_at": now()}, Photo.engine)
    if any(engine is not None for _, engine in rows):  # what other faces learnt from these goes too
        await service.ask_to_settle(session, wanted.event_id)
    return Done(len(rows), {Act.UNDELETE: _ids(rows)})


async def _undelete(session: AsyncSession, what: Act, wanted: Wanted) -> Done:
    rows = await _changed(session, wanted, Photo.deleted_at.is_not(None), {"deleted_at": None})
    await service.catch_up(session, wanted.event_id, _ids(rows))
    return Done(len(rows), {Act.DELETE: _ids(rows)})


async def _erase(session: AsyncSession, what: Act, wanted: Wanted) -> Done:
    return Done(await service.erase_photos(session, *wanted.conditions()), {})


async def _retry(session: AsyncSession, what: Act, wanted: Wanted) -> Done:
    failed = _here(Photo.state == PhotoState.FAILED)
    rows = await _changed(session, wanted, failed, {"state": PhotoState.WAITING, "reason": None})
    for start in range(0, len(rows), _IDS_AT_ONCE):
        ids = _ids(rows[start : start + _IDS_AT_ONCE])
        await service.ask_for_index(session, select(Photo.id, Photo.event_id).where(Photo.id.in_(ids)))
    return Done(len(rows), {})


def _ids(rows: Sequence[tuple[UUID, Any]]) -> list[UUID]:
    return [photo_id for photo_id, _ in rows]


_VERBS = {
    **dict.fromkeys(_STANDINGS, _stand),
    **dict.fromkeys((Act.GENERAL, Act.NOT_GENERAL), _put_in_general),
    Act.PUBLISH: _publish,
    Act.DELETE: _delete,
    Act.UNDELETE: _undelete,
    Act.ERASE: _erase,
    Act.RETRY: _retry,
}
