"""Writing matches that an engine elsewhere found, by the ids of its faces.

Its searches run outside our transactions, so what they found may be older than what is here. A photo's search and a
guest's may overtake each other, and either may not know yet who came a moment before. Therefore nothing is dropped that
another search may just have found, and nobody is dropped whom the service may not show yet: every guest is searched for
a second time, ``CAUGHT_UP`` later.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from trouvaille.core import live
from trouvaille.faces.service import FoundFace
from trouvaille.matching.engine import Likeness
from trouvaille.matching.models import Probe
from trouvaille.matching.service import POOR_QUALITY
from trouvaille.photos.models import Photo
from trouvaille.rekognition.service import SETTLE_AFTER_S, GuestMatch

CAUGHT_UP: Final = timedelta(seconds=SETTLE_AFTER_S)

_DROP_OF_PHOTO = text("""
DELETE FROM matches
 USING probes
 WHERE matches.photo_id = :photo_id AND matches.verdict IS NULL
   AND probes.guest_id = matches.guest_id AND probes.engine = :engine
   AND (matches.face_id = ANY(:poor)
        OR (NOT coalesce(matches.face_id = ANY(:worthy), false)
            AND probes.searched_at >= probes.created_at + :caught_up))
RETURNING matches.guest_id
""")
# Only guests whose selfie stands: one who withdrew while the service searched must not come back.
_KEEP_OF_PHOTO = text("""
INSERT INTO matches (guest_id, photo_id, event_id, face_id, similarity, tier, created_at)
SELECT found.guest_id, :photo_id, :event_id, found.face_id, found.similarity,
       CASE WHEN found.similarity >= :sure THEN 'sure' ELSE 'maybe' END, now()
  FROM unnest(CAST(:guests AS uuid[]), CAST(:faces AS uuid[]), CAST(:similarities AS real[]))
       AS found (guest_id, face_id, similarity)
 WHERE EXISTS (SELECT 1 FROM probes WHERE probes.guest_id = found.guest_id AND probes.engine = :engine)
ON CONFLICT (guest_id, photo_id) DO UPDATE
   SET face_id = excluded.face_id, similarity = excluded.similarity, tier = excluded.tier
RETURNING guest_id
""")
# A photo that this engine has read has all its faces here: others are left from an earlier reading. Of a photo that is
# being read at this moment they are not here yet.
_KEEP_OF_GUEST = text("""
INSERT INTO matches (guest_id, photo_id, event_id, face_id, similarity, tier, created_at)
SELECT DISTINCT ON (found.photo_id)
       :guest_id, found.photo_id, :event_id, found.face_id, found.similarity,
       CASE WHEN found.similarity >= :sure THEN 'sure' ELSE 'maybe' END, now()
  FROM unnest(CAST(:photos AS uuid[]), CAST(:faces AS uuid[]), CAST(:similarities AS real[]))
       AS found (photo_id, face_id, similarity)
  JOIN photos ON photos.id = found.photo_id AND photos.event_id = :event_id
  LEFT JOIN faces ON faces.event_id = :event_id AND faces.id = found.face_id
 WHERE photos.engine IS DISTINCT FROM :engine OR faces.quality >= :quality
 ORDER BY found.photo_id, found.similarity DESC, found.face_id
ON CONFLICT (guest_id, photo_id) DO UPDATE
   SET face_id = excluded.face_id, similarity = excluded.similarity, tier = excluded.tier
RETURNING photo_id
""")
_DROP_OF_GUEST = text("""
DELETE FROM matches
 USING photos
 WHERE matches.guest_id = :guest_id AND matches.verdict IS NULL AND matches.created_at < :asked_at
   AND photos.id = matches.photo_id AND photos.engine = :engine
   AND NOT matches.photo_id = ANY(:kept)
""")


async def keep_of_photo(
    session: AsyncSession,
    photo: Photo,
    faces: Sequence[FoundFace],
    guests: Sequence[Likeness],
    *,
    engine: str,
    sure: float,
) -> None:
    """Write whom a photo's search found, and tell them. The guests' verdicts stand.

    Args:
        faces: all of the photo.
        guests: each once.
        sure: least similarity of a match that is shown.
    """
    ids: dict[bool, list[UUID]] = {True: [], False: []}
    for face in faces:
        ids[face.quality >= POOR_QUALITY].append(face.id)
    where = {"photo_id": photo.id, "engine": engine}
    told = set(
        await session.scalars(
            _DROP_OF_PHOTO, {**where, "worthy": ids[True], "poor": ids[False], "caught_up": CAUGHT_UP}
        )
    )
    rows = {
        "guests": [each.guest_id for each in guests],
        "faces": [each.face_id for each in guests],
        "similarities": [each.similarity for each in guests],
    }
    told.update(await session.scalars(_KEEP_OF_PHOTO, {**where, **rows, "event_id": photo.event_id, "sure": sure}))
    await live.publish_all(session, [f"guest:{guest_id}" for guest_id in sorted(told)], "photos")


async def keep_of_guest(
    session: AsyncSession, probe: Probe, found: Sequence[GuestMatch], *, asked_at: datetime, sure: float
) -> None:
    """Write what a guest's search found in the photos of their event. The guest's verdicts stand.

    Args:
        found: all faces that resemble the guest's enough.
        asked_at: before the search began, by the database's clock; matches that are younger may know better.
        sure: least similarity of a match that is shown.
    """
    where = {"guest_id": probe.guest_id, "engine": probe.engine}
    rows = {
        "photos": [each.photo_id for each in found],
        "faces": [each.face_id for each in found],
        "similarities": [each.similarity for each in found],
    }
    keep = {**where, **rows, "event_id": probe.event_id, "quality": POOR_QUALITY, "sure": sure}
    kept = list(await session.scalars(_KEEP_OF_GUEST, keep))
    # Another engine's matches stay until this one can know everything: the selfie is the same.
    if asked_at >= probe.created_at + CAUGHT_UP or not await _known_elsewhere(session, probe):
        await session.execute(_DROP_OF_GUEST, {**where, "asked_at": asked_at, "kept": kept})
    probe.searched_at = asked_at
    await session.flush()
    await live.publish(session, f"guest:{probe.guest_id}", "photos")


async def _known_elsewhere(session: AsyncSession, probe: Probe) -> bool:
    other = aliased(Probe)
    known = exists().where(other.enrolment_id == probe.enrolment_id, other.engine != probe.engine)
    return await session.scalar(select(known)) is True


def is_due(engine: str, newest_face: ColumnElement[datetime], *, again: timedelta) -> ColumnElement[bool]:
    """Guests who are to be searched for again: once the service has caught up with them, and from time to time.

    Args:
        newest_face: when the latest face of a photo of the guest's event became known; NULL if there is none.
        again: how long a search holds, although photos have come since.
    """
    never = Probe.searched_at.is_(None) | (Probe.searched_at < Probe.created_at + CAUGHT_UP)
    first = never & (Probe.created_at < func.now() - CAUGHT_UP)
    later = (Probe.searched_at < func.now() - again) & (Probe.searched_at < newest_face)
    return (Probe.engine == engine) & (first | later)
