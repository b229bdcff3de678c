"""A guest says "I'm near here" of a photo; the organiser looks for them in the photos around it, by eye."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live
from trouvaille.core.clock import now
from trouvaille.core.errors import N_, Conflict, Invalid, NotFound, TooMany
from trouvaille.delivery.models import Near, NearState
from trouvaille.guests.models import Guest
from trouvaille.matching import given
from trouvaille.matching.models import Match
from trouvaille.matching.service import is_mine
from trouvaille.photos.models import Photo
from trouvaille.photos.models import shown as photos_shown

LONGEST = 300
AT_MOST, WITHIN = 10, timedelta(hours=1)
EACH_WAY = 40
"""How many photos before and after the one in question are looked at."""


class TooManyAsked(TooMany):
    """More than ``AT_MOST`` from one guest within ``WITHIN``."""

    retry_after_s = 3600
    message = N_("You have asked for a lot already. Please wait an hour before the next one.")


class AlreadyTheirs(Conflict):
    """A photo of the guest's own needs nobody to look for them."""

    message = N_("This photo is among yours already.")


async def ask(session: AsyncSession, guest_id: UUID, photo: Photo, text: str) -> None:
    """Ask to be looked for around a photo; asking again after an answer opens it anew, with the new words.

    Raises:
        Invalid, TooManyAsked
    """
    text = text.replace("\r\n", "\n").strip()
    if len(text) > LONGEST:
        raise Invalid(N_("Please keep this under %(longest)s characters."), field="near", longest=LONGEST)
    # Two at the same moment are counted one after the other.
    await session.execute(select(Guest.id).where(Guest.id == guest_id).with_for_update(key_share=True))
    recent = select(func.count()).where(Near.guest_id == guest_id, Near.created_at > now() - WITHIN)
    if (await session.scalar(recent) or 0) >= AT_MOST:
        raise TooManyAsked
    row = {"event_id": photo.event_id, "photo_id": photo.id, "guest_id": guest_id}
    fresh = {"text": text, "state": NearState.OPEN, "created_at": now(), "decided_at": None}
    new = insert(Near).values(**row, **fresh)
    await session.execute(new.on_conflict_do_update(index_elements=[Near.guest_id, Near.photo_id], set_=fresh))
    await live.publish(session, f"event:{photo.event_id}", "requests")


async def of_guest(session: AsyncSession, guest_id: UUID, photo_id: UUID) -> Near | None:
    """What a guest has asked about a photo."""
    return await session.scalar(select(Near).where(Near.guest_id == guest_id, Near.photo_id == photo_id))


async def get(session: AsyncSession, event_id: UUID, near_id: UUID) -> tuple[Near, Guest]:
    """What was asked, and by whom.

    Raises:
        NotFound: also for another event's.
    """
    query = select(Near, Guest).join(Guest, Guest.id == Near.guest_id).where(Near.id == near_id)
    row = (await session.execute(query.where(Near.event_id == event_id))).first()
    if row is None:
        raise NotFound
    near, guest = row
    return near, guest


@dataclass(frozen=True, slots=True)
class Around:
    """A photo to look at. ``is_given``: by hand, and may be taken back; ``is_found``: by their face."""

    photo: Photo
    is_given: bool
    is_found: bool


async def around(session: AsyncSession, near: Near) -> list[Around]:
    """The photos before and after the one in question, in the order of the event."""
    here = (await session.execute(select(Photo.shown_at, Photo.id).where(Photo.id == near.photo_id))).one()
    place = tuple_(Photo.shown_at, Photo.id)
    there = select(Photo.id).where(Photo.event_id == near.event_id, photos_shown())
    before = there.where(place <= here).order_by(Photo.shown_at.desc(), Photo.id.desc()).limit(EACH_WAY + 1)
    after = there.where(place > here).order_by(Photo.shown_at, Photo.id).limit(EACH_WAY)
    ids = {*await session.scalars(before), *await session.scalars(after)}
    mine = is_mine().label("mine")
    rows = await session.execute(
        select(Photo, Match.given_at, mine)
        .outerjoin(Match, (Match.photo_id == Photo.id) & (Match.guest_id == near.guest_id))
        .where(Photo.id.in_(ids))
        .order_by(Photo.shown_at, Photo.id)
    )
    return [
        Around(photo, bool(theirs) and given_at is not None, bool(theirs) and given_at is None)
        for photo, given_at, theirs in rows
    ]


async def answer(session: AsyncSession, near: Near, chosen: Collection[UUID]) -> int:
    """Give the guest the chosen ones of the photos around; returns how many are new to them."""
    looked_at = [each.photo.id for each in await around(session, near) if not each.is_found]
    new = await given.give(session, near.event_id, near.guest_id, chosen, among=looked_at)
    near.state, near.decided_at = NearState.ANSWERED if set(chosen) & set(looked_at) else NearState.DISMISSED, now()
    await session.flush()
    await live.publish(session, f"event:{near.event_id}", "requests")
    return new
