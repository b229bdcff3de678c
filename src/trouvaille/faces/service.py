"""Faces found in photos, kept in one partition an event."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.db import Sessions, lock_exclusive, transaction
from trouvaille.faces.models import Face


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face as an engine describes it.

    Attributes:
        box_xyxy: left, top, right, bottom as fractions of the upright photo.
        score: 0-1.
        quality: 0-1.
        template: (d,) unit length; None where the engine keeps it and knows the face by ``id``.
    """

    box_xyxy: tuple[float, float, float, float]
    score: float
    quality: float
    template: NDArray[np.float32] | None
    id: UUID = field(default_factory=uuid4)


def partition_of(event_id: UUID) -> str:
    """The name of an event's partition; made of hex digits only, so it may stand in SQL."""
    return f"faces_{event_id.hex}"


async def _is_there(session: AsyncSession, partition: str) -> bool:
    """Asked of the catalogue's table: ``to_regclass`` remembers a "no" from before a lock was waited for."""
    query = text("SELECT 1 FROM pg_class WHERE relname = :name AND relnamespace = to_regnamespace(current_schema())")
    return await session.scalar(query, {"name": partition}) is not None


async def ensure_partition(sessions: Sessions, event_id: UUID) -> None:
    """Make the event's partition unless it is there.

    It runs in a transaction of its own, before any other lock is taken, because attaching a partition locks ``photos``
    for a moment. ``ATTACH`` lets searches in other events go on, where ``CREATE … PARTITION OF`` would stop them.
    """
    name = partition_of(event_id)
    async with transaction(sessions) as session:
        if await _is_there(session, name):
            return
        await lock_exclusive(session, f"partition:{event_id}")
        if await _is_there(session, name):
            return
        if await session.scalar(text("SELECT 1 FROM events WHERE id = :id"), {"id": event_id}) is None:
            return
        for statement in (
            f"CREATE TABLE {name} (LIKE faces INCLUDING ALL, CONSTRAINT of_event CHECK (event_id = '{event_id}'))",
            f"ALTER TABLE faces ATTACH PARTITION {name} FOR VALUES IN ('{event_id}')",
            f"ALTER TABLE {name} DROP CONSTRAINT of_event",
        ):
            await session.execute(text(statement))


async def drop_partition(session: AsyncSession, event_id: UUID) -> None:
    """Remove a deleted event's partition; one that was never made is no error."""
    await session.execute(text("SET LOCAL lock_timeout = '10s'"))
    await session.execute(text(f"DROP TABLE IF EXISTS {partition_of(event_id)}"))


async def replace_faces(
    session: AsyncSession, *, event_id: UUID, photo_id: UUID, faces: Sequence[FoundFace], engine: str
) -> None:
    """Keep what was found in a photo, in place of what was known of it before. The partition must be there."""
    await session.execute(delete(Face).where(Face.event_id == event_id, Face.photo_id == photo_id))
    if faces:
        rows = [
            {
                "event_id": event_id,
                "id": face.id,
                "photo_id": photo_id,
                "box_xyxy": list(face.box_xyxy),
                "score": face.score,
                "quality": face.quality,
                "template": face.template,
                "engine": engine,
            }
            for face in faces
        ]
        await session.execute(insert(Face), rows)


async def count(session: AsyncSession, event_id: UUID) -> int:
    """How many faces an event has."""
    return await session.scalar(select(func.count()).select_from(Face).where(Face.event_id == event_id)) or 0
