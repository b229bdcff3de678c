"""Who is in which photo: comparing templates inside one event, and what guests say about it.

Both directions run inside PostgreSQL on unit vectors, where the negative inner product ``<#>`` is the cosine similarity
with its sign turned. A new photo and a new selfie that arrive together can't miss each other: the one takes the event's
lock shared, the other alone, and each looks only once it holds it. What only shows once all are looked at together is
added by ``settling``, soon after.
"""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import ColumnElement, and_, bindparam, case, delete, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live
from trouvaille.core.db import lock_exclusive, lock_shared
from trouvaille.core.errors import N_, NotFound
from trouvaille.core.jobs import UPKEEP, defer_once
from trouvaille.guests.models import Enrolment
from trouvaille.matching.calibration import Tail, Thresholds, thresholds
from trouvaille.matching.models import KnownEngine, Match, Probe, Settlement, Tier, Verdict
from trouvaille.photos.models import Photo, PhotoState
from trouvaille.photos.service import SETTLE_JOB, SETTLE_PRIORITY

# A face below this quality starts a match only where it is very similar: from ``link`` on. The same value as in the
# face engine, whose package the web process, which loads this module, must not import; a check holds the two together.
POOR_QUALITY = 0.35


class NoSuchMatch(NotFound):
    """The guest has not been matched with this photo."""

    message = N_("We could not find this photo.")


# The best face of each photo for one guest. Templates of other engines may be of another size, so they are never
# compared, whichever condition the planner asks first.
_MATCH_GUEST = text("""
INSERT INTO matches (guest_id, photo_id, event_id, face_id, similarity, tier, created_at)
SELECT DISTINCT ON (photo_id)
       :guest_id, photo_id, :event_id, id, similarity,
       CASE WHEN similarity >= :sure THEN 'sure' ELSE 'maybe' END, now()
  FROM (SELECT photo_id, id, quality,
               CASE WHEN engine = :engine
                    THEN -(coalesce(refined, template) <#> CAST(:probe AS halfvec)) END AS similarity
          FROM faces
         WHERE event_id = :event_id
           AND photo_id NOT IN (SELECT id FROM photos WHERE event_id = :event_id AND deleted_at IS NOT NULL)
        OFFSET 0) compared
 WHERE similarity >= CASE WHEN quality < :quality THEN :link ELSE :maybe END
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
  FROM (SELECT probes.guest_id, faces.id, faces.quality,
               CASE WHEN faces.engine = probes.engine
                    THEN -(faces.template <#> coalesce(probes.refined, probes.template)) END AS similarity
          FROM faces
          JOIN probes ON probes.event_id = faces.event_id AND probes.engine = faces.engine
         WHERE faces.event_id = :event_id AND faces.photo_id = :photo_id
        OFFSET 0) compared
 WHERE similarity >= CASE WHEN quality < :quality THEN :link ELSE :maybe END
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


@dataclass(frozen=True, slots=True)
class Extent:
    """What the thresholds of an event follow from: how many faces it has now, and how its engine compares them."""

    faces: int
    tail: Tail

    def thresholds(self, *, people: float | None = None) -> Thresholds:
        """Those for this event; once it is known of how many people the faces are, *sure* follows them."""
        return thresholds(self.faces, self.tail, people=people)


async def extent(session: AsyncSession, event_id: UUID, engine: str) -> Extent:
    """The event as it is now, for an engine that compares templates."""
    total = select(func.coalesce(func.sum(Photo.faces), 0)).where(
        Photo.event_id == event_id, Photo.deleted_at.is_(None)
    )
    asked = select(total.scalar_subquery(), KnownEngine.tail_offset, KnownEngine.tail_slope).where(
        KnownEngine.identity == engine
    )
    faces, offset, slope = (await session.execute(asked)).one()
    return Extent(int(faces), Tail(offset, slope))


async def present_thresholds(session: AsyncSession, event_id: UUID, engine: str) -> Thresholds:
    """What holds until the event is settled: by faces, which is on the careful side."""
    return (await extent(session, event_id, engine)).thresholds()


async def keep_probe(
    session: AsyncSession, enrolment: Enrolment, *, template: NDArray[np.float32] | None, quality: float, engine: str
) -> None:
    """Keep what an engine made of an accepted selfie.

    Args:
        template: (d,) unit length; None where the engine keeps it.
        quality: 0-1.
    """
    row = {"template": None if template is None else HalfVector(template), "refined": None, "quality": quality}
    whose = {"event_id": enrolment.event_id, "guest_id": enrolment.guest_id}
    new = insert(Probe).values(enrolment_id=enrolment.id, engine=engine, **whose, **row)
    await session.execute(new.on_conflict_do_update(index_elements=[Probe.enrolment_id, Probe.engine], set_=row))


async def match_guest(
    session: AsyncSession, *, event_id: UUID, guest_id: UUID, template: NDArray[np.float32], engine: str
) -> None:
    """Compare one guest with all faces of the event that the same engine found.

    The guest's verdicts stand, and so do matches with photos that only another engine has looked at; everything else is
    decided anew.

    Args:
        template: (d,) unit length.
    """
    limits = await present_thresholds(session, event_id, engine)
    # What lies in the bin is not compared, so what is known of it stands until it comes back or goes.
    looked_at = select(Photo.id).where(Photo.event_id == event_id, Photo.engine == engine, Photo.deleted_at.is_(None))
    await session.execute(
        delete(Match).where(Match.guest_id == guest_id, Match.verdict.is_(None), Match.photo_id.in_(looked_at))
    )
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
            "link": limits.link,
        },
    )
    await live.publish(session, f"guest:{guest_id}", "photos")


async def match_photo(session: AsyncSession, *, event_id: UUID, photo_id: UUID, engine: str) -> None:
    """Compare the faces of one photo with all enrolled guests of its event, and tell those who are in it.

    Guests whom this engine does not know yet keep the match that they have.
    """
    limits = await present_thresholds(session, event_id, engine)
    known = select(Probe.guest_id).where(Probe.event_id == event_id, Probe.engine == engine)
    await session.execute(
        delete(Match).where(Match.photo_id == photo_id, Match.verdict.is_(None), Match.guest_id.in_(known))
    )
    matched = await session.scalars(
        _MATCH_PHOTO,
        {
            "event_id": event_id,
            "photo_id": photo_id,
            "quality": POOR_QUALITY,
            "sure": limits.sure,
            "maybe": limits.maybe,
            "link": limits.link,
        },
    )
    await live.publish_all(session, [f"guest:{guest_id}" for guest_id in matched], "photos")


async def ask_to_settle(session: AsyncSession, event_id: UUID) -> None:
    """Have all faces, selfies and answers of the event looked at together, soon after the last change.

    While photos or guests come this is done now and then, for a tenth of the time at most.
    """
    waits = select(Photo.id).where(
        Photo.event_id == event_id, Photo.state == PhotoState.WAITING, Photo.deleted_at.is_(None)
    )
    busy = await session.scalar(waits.limit(1)) is not None
    taken_s = await session.scalar(select(func.max(Settlement.seconds)).where(Settlement.event_id == event_id)) or 0
    await defer_once(
        session,
        SETTLE_JOB,
        key="event_id",
        queue=UPKEEP,
        priority=SETTLE_PRIORITY,
        after_s=max(5 if busy else 1, 10 * taken_s),
        event_id=event_id,
    )


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
    # Without an answer of the guest, the word of whoever gave them the photo holds.
    otherwise = case((Match.given_at.is_not(None), literal(Verdict.YES, Match.verdict.type)), else_=None)
    changed = await session.execute(
        update(Match)
        .where(Match.guest_id == guest_id, Match.photo_id == photo_id)
        .values(verdict=otherwise if verdict is None else verdict)
        .returning(Match.event_id)
    )
    event_id = changed.scalar()
    if event_id is None:
        raise NoSuchMatch
    await ask_to_settle(session, event_id)
    await live.publish(session, f"guest:{guest_id}", "photos")


async def forget_undecided(session: AsyncSession, guest_id: UUID, *, except_of: str | None = None) -> None:
    """Erase what an older selfie found, except what the guest said of it.

    Args:
        except_of: an engine that decides itself what stays of the photos that it has read.
    """
    gone = delete(Match).where(Match.guest_id == guest_id, Match.verdict.is_(None))
    if except_of is not None:
        gone = gone.where(Match.photo_id.not_in(select(Photo.id).where(Photo.engine == except_of)))
    await session.execute(gone)


async def forget_guest(session: AsyncSession, guest_id: UUID) -> int:
    """Erase every match of a guest's face, their verdicts included; returns how many there were.

    A photo that the organiser gave them by hand stays theirs, without what was compared.
    """
    found = delete(Match).where(Match.guest_id == guest_id, Match.given_at.is_(None))
    gone = await session.execute(found.returning(Match.photo_id))
    await session.execute(
        update(Match).where(Match.guest_id == guest_id).values(face_id=None, similarity=0, tier=Tier.SURE)
    )
    await live.publish(session, f"guest:{guest_id}", "photos")
    return len(gone.all())
