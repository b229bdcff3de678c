"""Another engine, or other weights: all is looked at anew in the background, and nobody loses sight of a photo.

A photo's old faces, and the matches that they gave, stay until the new ones are written in the same transaction. A
guest has a template of each engine meanwhile, made from the selfie that is kept. Selfies go first; photos give way to
new ones.
"""

from typing import Final

from sqlalchemy import delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from trouvaille.core.clock import now
from trouvaille.core.jobs import PHOTOS, SELFIES, defer_again
from trouvaille.events.models import Event
from trouvaille.guests import selfies
from trouvaille.guests.consent import stands_for_engine
from trouvaille.guests.models import Enrolment, EnrolmentState
from trouvaille.matching.calibration import Tail
from trouvaille.matching.engine import FaceEngine
from trouvaille.matching.models import KnownEngine, Probe, Settlement
from trouvaille.photos import service as photos
from trouvaille.photos.models import Photo, PhotoState
from trouvaille.photos.service import INDEX_JOB

_LAST: Final = -1  # Priority of jobs that give way to new photos and selfies.


async def register(session: AsyncSession, identity: str, tail: Tail | None) -> None:
    """A worker starts with this engine, which is the instance's from now on.

    Args:
        tail: None where the engine compares faces itself.
    """
    offset, slope = (tail.offset, tail.slope) if tail else (None, None)
    row = {"tail_offset": offset, "tail_slope": slope, "started_at": now()}
    new = insert(KnownEngine).values(identity=identity, **row)
    await session.execute(new.on_conflict_do_update(index_elements=[KnownEngine.identity], set_=row))


async def ask(session: AsyncSession, engine: FaceEngine) -> int:
    """Ask for some of what was put off, and of what this engine has not seen; returns how many photos and selfies.

    A worker whose engine is not the one that was started last asks for nothing.
    """
    newest = await session.scalar(select(KnownEngine.identity).order_by(KnownEngine.started_at.desc()).limit(1))
    most = await engine.room(session) if newest == engine.identity else 0
    if not most:
        return 0
    await engine.catch_up(session)
    asked = await selfies.resume_put_off(session, most=most) + await photos.resume_put_off(session, most=most)
    asked += await _ask_for_selfies(session, engine.identity, most) + await _ask_for_photos(
        session, engine.identity, most
    )
    if not asked:
        await _forget_others(session, engine.identity)
        await engine.take_over(session)
    return asked


async def put_off(session: AsyncSession, photo: Photo) -> None:
    """Let a photo that another engine has read be asked for again."""
    await session.execute(update(Photo).where(Photo.id == photo.id).values(asked_engine=None))


async def put_off_selfie(session: AsyncSession, enrolment: Enrolment) -> None:
    """Let a selfie that another engine knows be asked for again."""
    await session.execute(update(Enrolment).where(Enrolment.id == enrolment.id).values(asked_engine=None))


async def _ask_for_selfies(session: AsyncSession, identity: str, most: int) -> int:
    seen = exists().where(Probe.enrolment_id == Enrolment.id, Probe.engine == identity)
    wanted = (
        select(Enrolment.id)
        .where(
            Enrolment.state == EnrolmentState.ACCEPTED,
            Enrolment.asked_engine.is_distinct_from(identity),
            ~seen,
            stands_for_engine(session, Enrolment.guest_id),
        )
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    ids = list(
        await session.scalars(
            update(Enrolment).where(Enrolment.id.in_(wanted)).values(asked_engine=identity).returning(Enrolment.id)
        )
    )
    jobs = [{"enrolment_id": each} for each in ids]
    await defer_again(session, "matching.look_again", key="enrolment_id", jobs=jobs, queue=SELFIES, priority=_LAST)
    return len(ids)


async def _ask_for_photos(session: AsyncSession, identity: str, most: int) -> int:
    wanted = (
        select(Photo.id)
        .join(Event, Event.id == Photo.event_id)
        .where(
            Photo.state == PhotoState.READY,
            Photo.deleted_at.is_(None),
            Photo.engine != identity,
            Photo.asked_engine.is_distinct_from(identity),
            Event.faces_attested_at.is_not(None),
        )
        .limit(most)
        .with_for_update(skip_locked=True, of=Photo)
    )
    rows = (
        await session.execute(
            update(Photo).where(Photo.id.in_(wanted)).values(asked_engine=identity).returning(Photo.id, Photo.event_id)
        )
    ).all()
    jobs = [{"photo_id": photo_id, "event_id": event_id} for photo_id, event_id in rows]
    await defer_again(session, INDEX_JOB, key="photo_id", jobs=jobs, queue=PHOTOS, priority=_LAST)
    return len(rows)


async def _forget_others(session: AsyncSession, identity: str) -> None:
    """Erase templates of other engines where no photo is left that they could be compared with."""
    still = exists().where(Photo.event_id == Probe.event_id, Photo.engine == Probe.engine)
    newer = aliased(Probe)
    known = exists().where(newer.enrolment_id == Probe.enrolment_id, newer.engine == identity)
    await session.execute(delete(Probe).where(Probe.engine != identity, known, ~still))
    settled = exists().where(Photo.event_id == Settlement.event_id, Photo.engine == Settlement.engine)
    await session.execute(delete(Settlement).where(Settlement.engine != identity, ~settled))
