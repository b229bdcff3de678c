"""Filling an event with made-up photos, faces and guests at once: random templates stand for people."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.clock import now
from trouvaille.core.db import Sessions, raw_connection, transaction
from trouvaille.faces.service import ensure_partition, partition_of
from trouvaille.matching.calibration import SFACE_TAIL
from trouvaille.matching.reindex import register

Vectors = NDArray[np.float32]
FACES_PER_PHOTO = 4
SIZE = 128


def unit(rows: Vectors) -> Vectors:
    """The same rows at unit length."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def strangers(count: int, seed: int) -> Vectors:
    """(count, 128) templates in all directions: people who look like nobody else."""
    return unit(np.random.default_rng(seed).standard_normal((count, SIZE), np.float32))


def lookalikes(of: Vectors, each: int, similarity: float, seed: int) -> Vectors:
    """(len(of) * each, 128): other pictures of the same people, about so similar to the given ones."""
    noise = strangers(len(of) * each, seed)
    return unit(similarity * np.repeat(of, each, axis=0) + (1 - similarity**2) ** 0.5 * noise)


async def add_faces(sessions: Sessions, event_id: UUID, templates: Vectors, engine: str) -> list[UUID]:
    """Photos that have been looked at, with four faces each; returns their ids."""
    await ensure_partition(sessions, event_id)
    await _register(sessions, engine)
    starts = range(0, len(templates), FACES_PER_PHOTO)
    groups = [templates[start : start + FACES_PER_PHOTO] for start in starts]
    ids, made = [uuid4() for _ in groups], now()
    photo_columns = (
        "id, event_id, file_name, sha256, size_bytes, media_type, state, faces, engine, shown_at, created_at,"
        " source, standing, in_general"
    )
    photo_rows = (
        (
            id_,
            event_id,
            f"{id_.hex}.jpg",
            id_.bytes * 2,
            1,
            "image/jpeg",
            "ready",
            len(group),
            engine,
            made,
            made,
            "browser",
            "shown",
            True,
        )
        for id_, group in zip(ids, groups, strict=True)
    )
    face_columns = "event_id, id, photo_id, box_xyxy, score, quality, template, engine"
    face_rows = (
        (event_id, uuid4(), id_, [0.1, 0.1, 0.2, 0.2], 0.9, 0.9, HalfVector(template).to_text(), engine)
        for id_, group in zip(ids, groups, strict=True)
        for template in group
    )
    async with transaction(sessions) as session:
        await _copy(session, "photos", photo_columns, photo_rows)
        await _copy(session, partition_of(event_id), face_columns, face_rows)
    await _analyse(sessions, "photos", partition_of(event_id))
    return ids


async def add_enrolled(sessions: Sessions, event_id: UUID, templates: Vectors, engine: str) -> None:
    """Guests whose selfies were accepted, one a template."""
    await _register(sessions, engine)
    people, made = [(uuid4(), uuid4()) for _ in templates], now()
    guest_columns = "id, event_id, username, email, display_name, password_hash, locale, created_at"
    guest_rows = (
        (guest, event_id, guest.hex, f"{guest.hex}@example.org", "Guest", "x", "en", made) for guest, _ in people
    )
    selfie_rows = ((selfie, event_id, guest, "accepted", made) for guest, selfie in people)
    probe_rows = (
        (selfie, engine, event_id, guest, 0.9, HalfVector(template).to_text())
        for (guest, selfie), template in zip(people, templates, strict=True)
    )
    async with transaction(sessions) as session:
        await _copy(session, "guests", guest_columns, guest_rows)
        await _copy(session, "enrolments", "id, event_id, guest_id, state, created_at", selfie_rows)
        await _copy(session, "probes", "enrolment_id, engine, event_id, guest_id, quality, template", probe_rows)
    await _analyse(sessions, "guests", "enrolments", "probes")


async def _register(sessions: Sessions, engine: str) -> None:
    async with transaction(sessions) as session:
        await register(session, engine, SFACE_TAIL)


async def _copy(session: AsyncSession, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
    connection = await raw_connection(session)
    async with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in rows:
            await copy.write_row(row)


async def _analyse(sessions: Sessions, *tables: str) -> None:
    """What autovacuum would do a little later."""
    async with transaction(sessions) as session:
        for table in tables:
            await session.execute(text(f"ANALYZE {table}"))
