"""What changed among an event's photos since somebody looked, without asking for all of them anew.

Every photo carries the transaction that changed it last. Whoever looks is told the oldest transaction that was still
under way then: whatever was not seen belongs to it or to a later one, so asking from there on misses nothing. The same
change may be told twice, which does no harm. Photos that are removed for good leave nothing behind; the number of those
that fit tells that some are gone.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BigInteger, Cast, and_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text

from trouvaille.photos.listing import Wanted
from trouvaille.photos.models import Photo

MOST = 2_000


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different. ``seen``: from where to ask the next time; ``too_many``: better look at everything anew."""

    fitting: list[Photo]
    others: list[UUID]
    seen: int
    too_many: bool


def _under_way() -> Cast[int]:
    return cast(cast(func.pg_snapshot_xmin(func.pg_current_snapshot()), Text), BigInteger)


async def present(session: AsyncSession) -> int:
    """From where to ask for changes later; to be asked before what is looked at now."""
    return int(await session.scalar(select(_under_way())) or 0)


async def since(session: AsyncSession, wanted: Wanted, seen: int) -> Changes:
    """The photos that changed, those that fit the filter apart from those that do not."""
    fits = and_(*wanted.conditions())
    changed = (*wanted.anything().conditions(), Photo.changed_in >= seen)
    now = await present(session)
    rows = (await session.execute(select(Photo, fits).where(*changed).limit(MOST + 1))).all()
    if len(rows) > MOST:
        return Changes([], [], now, too_many=True)
    fitting = [photo for photo, yes in rows if yes]
    return Changes(fitting, [photo.id for photo, yes in rows if not yes], now, too_many=False)
