"""Settling an event: all its faces, selfies and answers are looked at together, and the matches corrected.

What photos and selfies find when they arrive is quick, and depends a little on their order: the thresholds rise with
the number of faces, and a face does not know yet whom it resembles. After settling, the order makes no difference.

Templates are read as one block of bytes, twenty thousand at a time, and compared outside any transaction. The event's
lock is held only while the difference is written.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live
from trouvaille.core.db import Sessions, transaction
from trouvaille.events.models import Event
from trouvaille.matching import people
from trouvaille.matching.models import KnownEngine, Match, Probe, Settlement, Verdict
from trouvaille.matching.people import Answers, Found, Gallery, Refined
from trouvaille.matching.service import POOR_QUALITY, Extent, extent, join_as_selfie
from trouvaille.photos.models import Photo

Compute = Callable[..., Awaitable[Any]]
Floats = NDArray[np.float32]
Halves = NDArray[np.float16]

_FACES_AT_ONCE: Final = 20_000
_ROWS_AT_ONCE: Final = 1_000
_NOWHERE: Final = UUID(int=0)
_NO_TEMPLATES: Final = np.empty((0, 0), np.float32)

# Ids, both templates and whether they are poor of many faces as one value: making an object of each would take most of
# the time. The four bytes that are left out of a template are its size.
_FACES = text("""
SELECT count(*), string_agg(uuid_send(id) || uuid_send(photo_id) || substr(halfvec_send(template), 5)
                            || substr(halfvec_send(coalesce(refined, template)), 5)
                            || CASE WHEN quality < :quality THEN '\\x01' ELSE '\\x00' END::bytea,
                            ''::bytea ORDER BY photo_id, id)
  FROM (SELECT id, photo_id, template, refined, quality
          FROM faces
         WHERE event_id = :event_id AND engine = :engine
           AND photo_id NOT IN (SELECT id FROM photos WHERE event_id = :event_id AND deleted_at IS NOT NULL)
           AND (photo_id, id) > (:photo_id, :id)
         ORDER BY photo_id, id
         LIMIT :limit) block
""")
_KEEP_FACES = text("""
UPDATE faces SET refined = CAST(new.refined AS halfvec)
  FROM unnest(CAST(:ids AS uuid[]), CAST(:refined AS text[])) AS new (id, refined)
 WHERE faces.event_id = :event_id AND faces.id = new.id
""")
_KEEP_PROBES = text("""
UPDATE probes SET refined = CAST(new.refined AS halfvec)
  FROM unnest(CAST(:ids AS uuid[]), CAST(:refined AS text[])) AS new (id, refined)
 WHERE probes.engine = :engine AND probes.enrolment_id = new.id
""")

_NOTES = (
    "CREATE TEMPORARY TABLE seen_faces (id uuid PRIMARY KEY) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE seen_selfies (id uuid PRIMARY KEY) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE found (enrolment_id uuid, photo_id uuid, face_id uuid, similarity real, sure bool)"
    " ON COMMIT DROP",
)
_NOTE_FACES = text("INSERT INTO seen_faces SELECT unnest(CAST(:ids AS uuid[]))")
_NOTE_SELFIES = text("INSERT INTO seen_selfies SELECT unnest(CAST(:ids AS uuid[]))")
_NOTE_FOUND = text("""
INSERT INTO found SELECT * FROM unnest(CAST(:enrolments AS uuid[]), CAST(:photos AS uuid[]), CAST(:faces AS uuid[]),
                                       CAST(:similarities AS real[]), CAST(:sure AS bool[]))
""")
_ANALYSE = text("ANALYZE found, seen_faces, seen_selfies")

# What a photo or a selfie that came meanwhile has found is left alone: its faces or its selfie were not seen.
_DROP = text("""
DELETE FROM matches
 USING probes
 WHERE matches.event_id = :event_id AND matches.verdict IS NULL
   AND probes.guest_id = matches.guest_id AND probes.engine = :engine
   AND probes.enrolment_id IN (SELECT id FROM seen_selfies)
   AND matches.face_id IN (SELECT id FROM seen_faces)
   AND NOT EXISTS (SELECT 1 FROM found
                    WHERE found.enrolment_id = probes.enrolment_id AND found.photo_id = matches.photo_id)
RETURNING matches.guest_id
""")
_KEEP = text("""
INSERT INTO matches (guest_id, photo_id, event_id, face_id, similarity, tier, created_at)
SELECT probes.guest_id, found.photo_id, :event_id, found.face_id, found.similarity,
       CASE WHEN found.sure THEN 'sure' ELSE 'maybe' END, now()
  FROM found
  JOIN probes ON probes.enrolment_id = found.enrolment_id AND probes.engine = :engine
  JOIN faces ON faces.event_id = :event_id AND faces.id = found.face_id
ON CONFLICT (guest_id, photo_id) DO UPDATE
   SET face_id = excluded.face_id, similarity = excluded.similarity, tier = excluded.tier
 WHERE matches.tier <> excluded.tier OR matches.face_id IS DISTINCT FROM excluded.face_id
    OR abs(matches.similarity - excluded.similarity) > 0.0001
RETURNING guest_id
""")


@dataclass
class _Faces:
    """The faces of the event, by photo and id. ``ids`` and ``photo_ids``: (n, 16) bytes."""

    ids: NDArray[np.uint8]
    photo_ids: NDArray[np.uint8]
    gallery: Gallery
    kept: Halves  # refined when the event was settled before, as it is stored

    @property
    def digest(self) -> bytes:
        return hashlib.blake2b(self.ids.tobytes(), digest_size=28).digest()


@dataclass
class _Probes:
    """The accepted selfies, by id."""

    enrolments: list[UUID]
    templates: Floats
    kept: Floats
    answers: Answers


@dataclass
class _Settled:
    faces: Floats
    people: float
    probes: Floats
    found: Found


async def settle(sessions: Sessions, compute: Compute, event_id: UUID) -> None:
    """Bring the matches of an event to what follows from its faces, selfies and answers as they are now.

    Faces whose templates lie elsewhere are left to the engine that keeps them.

    Args:
        compute: runs a function in a thread.
    """
    async with transaction(sessions) as session:
        engines = await session.scalars(
            select(Photo.engine)
            .join(KnownEngine, KnownEngine.identity == Photo.engine)
            .where(Photo.event_id == event_id, KnownEngine.tail_slope.is_not(None))
            .distinct()
        )
    for engine in sorted(filter(None, engines)):
        await _settle_engine(sessions, compute, event_id, engine)


async def _settle_engine(sessions: Sessions, compute: Compute, event_id: UUID, engine: str) -> None:
    started = time.monotonic()
    async with transaction(sessions) as session:
        now = await extent(session, event_id, engine)
        faces = await _read_faces(session, event_id, engine)
        probes = await _read_probes(session, event_id, engine, faces)
        before = await session.get(Settlement, (event_id, engine))
    refined_from = faces.digest + np.float32(now.thresholds().link).tobytes()
    known = before.people if before is not None and before.refined_from == refined_from else None
    settled: _Settled = await compute(_looked_at_together, faces, probes, now, known)
    if known is None:
        await _keep_refined(sessions, event_id, faces, settled.faces)
    async with transaction(sessions) as session:
        await _correct(session, event_id, engine, faces, probes, settled)
        if await session.get(Event, event_id, with_for_update={"read": True}) is not None:
            row = {
                "refined_from": refined_from,
                "people": settled.people,
                "seconds": time.monotonic() - started,
            }
            keep = insert(Settlement).values(event_id=event_id, engine=engine, **row)
            await session.execute(
                keep.on_conflict_do_update(index_elements=[Settlement.event_id, Settlement.engine], set_=row)
            )


def _looked_at_together(faces: _Faces, probes: _Probes, now: Extent, known: float | None) -> _Settled:
    """Args:
    known: of how many people the faces are, if they have been refined already.
    """
    gallery = faces.gallery
    refined = (
        Refined(faces.kept.astype(np.float32), known)
        if known is not None
        else people.refined(gallery, now.thresholds().link)
    )
    guests = people.refined_probes(probes.templates, gallery, probes.answers)
    limits = now.thresholds(people=refined.people)
    found = people.found(guests, gallery, refined.templates, limits, probes.answers)
    return _Settled(refined.templates, refined.people, guests, found)


async def _read_faces(session: AsyncSession, event_id: UUID, engine: str) -> _Faces:
    after = {"photo_id": _NOWHERE, "id": _NOWHERE}
    given = {"event_id": event_id, "engine": engine, "quality": POOR_QUALITY, "limit": _FACES_AT_ONCE}
    # Columns apart, and each block's bytes let go of: of 300,000 faces the bytes alone are 160 MB.
    columns: tuple[list[Any], ...] = ([], [], [], [], [])
    while True:
        count, block = (await session.execute(_FACES, given | after)).one()
        if count:
            for column, part in zip(columns, _columns(count, block), strict=True):
                column.append(part)
            last, last_photo = columns[0][-1][-1], columns[1][-1][-1]
            after = {"id": UUID(bytes=last.tobytes()), "photo_id": UUID(bytes=last_photo.tobytes())}
        if count < _FACES_AT_ONCE:
            break
    ids, photo_ids = (_joined(column, np.empty((0, 16), np.uint8)) for column in columns[:2])
    templates, kept = _joined(columns[2], _NO_TEMPLATES), _joined(columns[3], _NO_TEMPLATES.astype(np.float16))
    poor = _joined(columns[4], np.empty(0, bool))
    starts = np.ones(len(ids), np.intp)
    starts[1:] = (photo_ids[1:] != photo_ids[:-1]).any(axis=1)
    return _Faces(ids, photo_ids, Gallery(templates, np.cumsum(starts) - 1, poor), kept)


def _columns(
    count: int, block: bytes
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Floats, Halves, NDArray[np.bool_]]:
    """Ids of faces and of photos, templates, refined ones, and whether they are poor, as ``_FACES`` packs them: numbers
    big end first."""
    rows = np.frombuffer(block, np.uint8).reshape(count, -1)
    half = (rows.shape[1] - 33) // 2
    ids, photo_ids, templates, kept, poor = (
        np.ascontiguousarray(part) for part in np.split(rows, (16, 32, 32 + half, 32 + 2 * half), axis=1)
    )
    return ids, photo_ids, templates.view(">f2").astype(np.float32), kept.view(">f2").astype(np.float16), poor[:, 0] > 0


def _joined(parts: list[Any], nothing: NDArray[Any]) -> Any:
    """The blocks of one column, which are let go of."""
    whole = np.concatenate(parts) if parts else nothing
    parts.clear()
    return whole


async def _read_probes(session: AsyncSession, event_id: UUID, engine: str, faces: _Faces) -> _Probes:
    rows = (
        await session.execute(
            select(
                Probe.enrolment_id,
                Probe.guest_id,
                func.halfvec_send(Probe.template),
                func.halfvec_send(func.coalesce(Probe.refined, Probe.template)),
            )
            .where(Probe.event_id == event_id, Probe.engine == engine)
            .order_by(Probe.enrolment_id)
        )
    ).all()
    verdicts = await session.execute(
        select(Match.guest_id, Match.photo_id, Match.verdict == Verdict.YES).where(
            Match.event_id == event_id, Match.verdict.is_not(None), Match.given_at.is_(None)
        )
    )
    places = {guest_id: place for place, (_, guest_id, _, _) in enumerate(rows)}
    first_faces = np.flatnonzero(np.diff(faces.gallery.photos, prepend=-1))
    numbers = {faces.photo_ids[face].tobytes(): number for number, face in enumerate(first_faces)}
    said = sorted(
        (places[guest_id], numbers[photo_id.bytes], yes)
        for guest_id, photo_id, yes in verdicts
        if guest_id in places and photo_id.bytes in numbers
    )
    size = faces.gallery.templates.shape[1]
    return _Probes(
        [enrolment_id for enrolment_id, *_ in rows],
        _vectors([template for _, _, template, _ in rows], size),
        _vectors([refined for *_, refined in rows], size),
        Answers(
            np.array([place for place, _, _ in said], np.intp),
            np.array([number for _, number, _ in said], np.intp),
            np.array([yes for _, _, yes in said], bool),
        ),
    )


def _vectors(sent: Sequence[bytes], size: int) -> Floats:
    """(n, d) of vectors as ``halfvec_send`` writes them: four bytes, then the numbers, big end first."""
    if not sent:
        return np.empty((0, size), np.float32)
    return np.stack([np.frombuffer(each, ">f2", offset=4) for each in sent]).astype(np.float32)


def _differ(new: Floats, kept: Floats | Halves) -> NDArray[np.intp]:
    """The rows that would be stored differently."""
    blocks = [slice(start, start + _FACES_AT_ONCE) for start in range(0, len(new), _FACES_AT_ONCE)]
    differ = [
        (new[each].astype(np.float16) != kept[each].astype(np.float16, copy=False)).any(axis=1) for each in blocks
    ]
    return np.flatnonzero(np.concatenate(differ)) if differ else np.empty(0, np.intp)


def _as_text(vectors: Floats) -> list[str]:
    return [HalfVector(vector).to_text() for vector in vectors]


def _ids(packed: NDArray[np.uint8]) -> list[UUID]:
    return [UUID(bytes=bytes(row)) for row in packed]


async def _keep_refined(sessions: Sessions, event_id: UUID, faces: _Faces, refined: Floats) -> None:
    """For photos and selfies that come before the next settling. Few at a time, so that nobody waits for long."""
    changed = _differ(refined, faces.kept)
    for start in range(0, len(changed), _ROWS_AT_ONCE):
        rows = changed[start : start + _ROWS_AT_ONCE]
        new = {"ids": _ids(faces.ids[rows]), "refined": _as_text(refined[rows])}
        async with transaction(sessions) as session:
            await session.execute(_KEEP_FACES, {"event_id": event_id, **new})


async def _correct(
    session: AsyncSession,
    event_id: UUID,
    engine: str,
    faces: _Faces,
    probes: _Probes,
    settled: _Settled,
) -> None:
    for statement in _NOTES:
        await session.execute(text(statement))
    found = settled.found
    for start in range(0, len(faces.ids), _FACES_AT_ONCE):
        await session.execute(_NOTE_FACES, {"ids": _ids(faces.ids[start : start + _FACES_AT_ONCE])})
    await session.execute(_NOTE_SELFIES, {"ids": probes.enrolments})
    for start in range(0, len(found.guests), _FACES_AT_ONCE):
        some = slice(start, start + _FACES_AT_ONCE)
        rows = {
            "enrolments": [probes.enrolments[place] for place in found.guests[some]],
            "photos": _ids(faces.photo_ids[found.faces[some]]),
            "faces": _ids(faces.ids[found.faces[some]]),
            "similarities": found.similarities[some].tolist(),
            "sure": found.sure[some].tolist(),
        }
        await session.execute(_NOTE_FOUND, rows)
    await session.execute(_ANALYSE)
    await join_as_selfie(session, event_id)
    changed = _differ(settled.probes, probes.kept)
    new = {"ids": [probes.enrolments[place] for place in changed], "refined": _as_text(settled.probes[changed])}
    await session.execute(_KEEP_PROBES, {"engine": engine, **new})
    told = set(await session.scalars(_DROP, {"event_id": event_id, "engine": engine}))
    told.update(await session.scalars(_KEEP, {"event_id": event_id, "engine": engine}))
    await live.publish_all(session, [f"guest:{guest_id}" for guest_id in sorted(told)], "photos")
