"""Who is in which photo: comparing templates inside one event, and what guests say about it.

Both directions run inside PostgreSQL on unit vectors, where the negative inner product ``<#>`` is the cosine similarity
with its sign turned. A new photo and a new selfie that arrive together can't miss each other: the one takes the event's
lock shared, the other alone, and each looks only once it holds it.
"""

from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live
from trouvaille.core.db import lock_exclusive, lock_shared
from trouvaille.core.errors import N_, NotFound
from trouvaille.matching.calibration import Thresholds, thresholds
from trouvaille.matching.models import Match, Tier, Verdict
from trouvaille.photos.models import Photo, PhotoState

# Below this quality a face never starts a match on its own. The same value as in the face engine, whose package the
# web process, which loads this module, must not import; a check holds the two together.
POOR_QUALITY = 0.35


class NoSuchMatch(NotFound):
    """The guest has not been matched with this photo."""

    message = N_("We could not find this photo.")


# The best face of each photo for one guest. `similarity` is computed once a face, in the inner query.
_MATCH_GUEST = text("""
INSERT INTO matches (guest_id, photo_id, event_id, face_id, similarity, tier, created_at)
SELECT DISTINCT ON (photo_id)
       :guest_id, photo_id, :event_id, id, similarity,
       CASE WHEN similarity >= :sure THEN 'sure' ELSE 'maybe' END, now()
  FROM (SELECT photo_id, id, -(template <#> CAST(:probe AS halfvec)) AS similarity
          FROM faces
         WHERE event_id = :event_id AND engine = :engine AND quality >= :quality) compared
 WHERE similarity >= :maybe
 ORDER BY photo_id, similarity DESC, id
ON CONFLICT (guest_id, photo_id) DO UPDATE
   SET face_id = excluded.face_id, similarity = excluded.similarity, tier = excluded.tier
""").bindparams(bindparam("guest_id"), bindparam("event_id"))

# The best face of one photo for each enrolled guest, in one query however many there are.
_MATCH_PHOTO = text("""
INSERT INTO matches (guest_id, photo_id, event_id, face_id, similarity, tier, created_at)
SELECT DISTINCT ON (guest_id)
       guest_id, :photo_id, :event_id, id, similarity,
       CASE WHEN similarity >= :sure THEN 'sure' ELSE 'maybe' END, now()
  FROM (SELECT enrolments.guest_id, faces.id, -(faces.template <#> enrolments.template) AS similarity
          FROM faces
          JOIN enrolments ON enrolments.event_id = faces.event_id
                         AND enrolments.state = 'accepted' AND enrolments.engine = faces.engine
         WHERE faces.event_id = :event_id AND faces.photo_id = :photo_id AND faces.quality >= :quality) compared
 WHERE similarity >= :maybe
 ORDER BY guest_id, similarity DESC, id
ON CONFLICT (guest_id, photo_id) DO UPDATE
   SET face_id = excluded.face_id, similarity = excluded.similarity, tier = excluded.tier
RETURNING guest_id
""")


async def join_as_photo(session: AsyncSession, event_id: UUID) -> None:
    """Before a photo's faces are written: many photos may come in at once, but no selfie between them."""
    await lock_shared(session, f"matching:{event_id}")


async def join_as_selfie(session: AsyncSession, event_id: UUID) -> None:
    """Before a selfie's template is written: no photo's faces may be written meanwhile."""
    await lock_exclusive(session, f"matching:{event_id}")


async def present_thresholds(session: AsyncSession, event_id: UUID) -> Thresholds:
    """The thresholds for as many faces as the event has now."""
    total = await session.scalar(select(func.coalesce(func.sum(Photo.faces), 0)).where(Photo.event_id == event_id))
    return thresholds(int(total or 0))


async def match_guest(
    session: AsyncSession, *, event_id: UUID, guest_id: UUID, template: NDArray[np.float32], engine: str
) -> None:
    """Compare one guest with all faces of the event. The guest's verdicts stand; everything else is decided anew.

    Args:
        template: (128,) unit length, of the same engine as the faces that are compared.
    """
    limits = await present_thresholds(session, event_id)
    await session.execute(delete(Match).where(Match.guest_id == guest_id, Match.verdict.is_(None)))
    await session.execute(
        _MATCH_GUEST,
        {
            "guest_id": guest_id,
            "event_id": event_id,
            "probe": HalfVector(template).to_text(),
            "engine": engine,
            "quality": POOR_QUALITY,
            "sure": limits.sure,
            "maybe": limits.maybe,
        },
    )
    await live.publish(session, f"guest:{guest_id}", "photos")


async def match_photo(session: AsyncSession, *, event_id: UUID, photo_id: UUID) -> None:
    """Compare the faces of one photo with all enrolled guests of its event, and tell those who are in it."""
    limits = await present_thresholds(session, event_id)
    await session.execute(delete(Match).where(Match.photo_id == photo_id, Match.verdict.is_(None)))
    matched = await session.execute(
        _MATCH_PHOTO,
        {
            "event_id": event_id,
            "photo_id": photo_id,
            "quality": POOR_QUALITY,
            "sure": limits.sure,
            "maybe": limits.maybe,
        },
    )
    for guest_id in matched.scalars():
        await live.publish(session, f"guest:{guest_id}", "photos")


async def settle(session: AsyncSession, event_id: UUID) -> bool:
    """Once no photo waits, hold all matches to the thresholds of the event's final number of faces.

    The thresholds rise with the number of faces, so the first photos of an upload were judged too mildly. What the
    order of arrival was makes no difference after this.

    Returns:
        Whether the event was ready to settle.
    """
    waits = select(Photo.id).where(Photo.event_id == event_id, Photo.state == PhotoState.WAITING).limit(1)
    if await session.scalar(waits) is not None:  # asked before the lock too, which would hold up the other photos
        return False
    await join_as_selfie(session, event_id)
    if await session.scalar(waits) is not None:
        return False
    limits = await present_thresholds(session, event_id)
    undecided = and_(Match.event_id == event_id, Match.verdict.is_(None))
    gone = await session.scalars(
        delete(Match).where(undecided, Match.similarity < limits.maybe).returning(Match.guest_id)
    )
    demoted = await session.scalars(
        update(Match)
        .where(undecided, Match.tier == Tier.SURE, Match.similarity < limits.sure)
        .values(tier=Tier.MAYBE)
        .returning(Match.guest_id)
    )
    for guest_id in {*gone, *demoted}:
        await live.publish(session, f"guest:{guest_id}", "photos")
    return True


def is_mine() -> ColumnElement[bool]:
    """Matches that a guest sees as theirs."""
    return or_(Match.verdict == Verdict.YES, and_(Match.verdict.is_(None), Match.tier == Tier.SURE))


def is_asked() -> ColumnElement[bool]:
    """Matches that a guest is asked about."""
    return and_(Match.verdict.is_(None), Match.tier == Tier.MAYBE)


async def answer(session: AsyncSession, guest_id: UUID, photo_id: UUID, verdict: Verdict | None) -> None:
    """Keep what a guest says of a match; None takes an answer back.

    Raises:
        NoSuchMatch
    """
    changed = await session.execute(
        update(Match)
        .where(Match.guest_id == guest_id, Match.photo_id == photo_id)
        .values(verdict=verdict)
        .returning(Match.photo_id)
    )
    if changed.first() is None:
        raise NoSuchMatch
    await live.publish(session, f"guest:{guest_id}", "photos")


async def forget_guest(session: AsyncSession, guest_id: UUID) -> int:
    """Erase every match of a guest, their verdicts included; returns how many there were."""
    gone = await session.execute(delete(Match).where(Match.guest_id == guest_id).returning(Match.photo_id))
    await live.publish(session, f"guest:{guest_id}", "photos")
    return len(gone.all())
