"""Photos that the organiser says a guest is in: found by hand, and the guest's to refuse."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import and_, case, delete, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live
from trouvaille.core.clock import now
from trouvaille.matching.models import Match, Tier, Verdict


async def give(
    session: AsyncSession, event_id: UUID, guest_id: UUID, chosen: Collection[UUID], *, among: Collection[UUID]
) -> int:
    """Say that a guest is in the chosen photos, and take back what was given of the others; returns how many are new.

    What the guest said stands: a photo that they refused is not given again. A photo that their face was found in for
    sure is theirs already.

    Args:
        among: the photos that were looked at, all of the event; the chosen ones are some of them.
    """
    gone = and_(
        Match.guest_id == guest_id,
        Match.given_at.is_not(None),
        Match.photo_id.in_(set(among) - set(chosen)),
        or_(Match.verdict.is_(None), Match.verdict != Verdict.NO),
    )
    await session.execute(delete(Match).where(gone, Match.face_id.is_(None)))
    await session.execute(update(Match).where(gone).values(verdict=None, given_at=None))
    new = 0
    if theirs_now := sorted(set(chosen) & set(among)):
        row = {"event_id": event_id, "guest_id": guest_id, "similarity": 0.0, "tier": Tier.SURE}
        row |= {"verdict": Verdict.YES, "given_at": now()}
        given = insert(Match).values([{**row, "photo_id": photo_id} for photo_id in theirs_now])
        theirs = case((Match.verdict.is_(None), Match.tier == Tier.SURE), else_=True)
        there = given.on_conflict_do_update(
            index_elements=[Match.guest_id, Match.photo_id],
            set_={"verdict": Verdict.YES, "given_at": row["given_at"]},
            where=~theirs,
        )
        new = len((await session.execute(there.returning(Match.photo_id))).all())
    await live.publish(session, f"guest:{guest_id}", "photos")
    return new
