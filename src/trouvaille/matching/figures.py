"""How many matches are found and how alike they are, for drift to show: counts alone, of nobody in particular."""

from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import metrics
from trouvaille.matching.models import Match


async def note_photo(session: AsyncSession, photo_id: UUID) -> None:
    """Note what a photo's search has just found."""
    await _note(session, "photo", Match.photo_id == photo_id)


async def note_guest(session: AsyncSession, guest_id: UUID) -> None:
    """Note what a selfie's search has just found."""
    await _note(session, "selfie", Match.guest_id == guest_id)


async def _note(session: AsyncSession, of: str, which: ColumnElement[bool]) -> None:
    rows = (await session.execute(select(Match.tier, Match.similarity).where(which))).all()
    metrics.FOUND.labels(of).observe(len(rows))
    for tier, similarity in rows:
        metrics.SIMILARITY.labels(str(tier)).observe(similarity)
