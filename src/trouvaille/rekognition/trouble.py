"""What the service answers instead of working: kept for the operator, and so that nobody asks it in vain meanwhile."""

from datetime import timedelta
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.rekognition.models import RekognitionInstance

PAUSE: Final = timedelta(seconds=10)
"""So long bulk work leaves the service alone after a refusal."""

TRY_AGAIN: Final = timedelta(minutes=1)
"""So long after the last refusal one piece of the work that was put off tries whether it is over."""


async def note(session: AsyncSession, message: str) -> None:
    """Keep the service's newest refusal."""
    await session.execute(update(RekognitionInstance).values(trouble=message[:500], trouble_at=func.now()))


async def forget(session: AsyncSession) -> None:
    """It works again."""
    troubled = update(RekognitionInstance).where(RekognitionInstance.trouble_at.is_not(None))
    await session.execute(troubled.values(trouble=None, trouble_at=None))


async def since(session: AsyncSession) -> timedelta | None:
    """How long ago it last refused; None while it works."""
    return await session.scalar(select(func.now() - RekognitionInstance.trouble_at))
