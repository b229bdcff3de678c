"""Handing an event over: its owner offers it, another organiser takes it. An administrator needs nobody's yes."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act
from trouvaille.accounts.models import Staff
from trouvaille.accounts.service import ORGANISERS, Viewer
from trouvaille.core.clock import now
from trouvaille.core.errors import N_, Invalid, NotFound
from trouvaille.events.models import Event, Handover, Photographer

LASTS = timedelta(days=14)


class OfferOver(NotFound):
    """Taken back, answered, or too old."""

    message = N_("This offer no longer stands.")


async def recipient(session: AsyncSession, event: Event, email: str) -> Staff:
    """Who may be given an event, by their address.

    Raises:
        Invalid: nobody, no organiser, or whoever has it already.
    """
    found = await session.scalar(
        select(Staff).where(func.lower(Staff.email) == email.strip().lower(), Staff.role.in_(ORGANISERS))
    )
    if found is None:
        raise Invalid(N_("No organiser of this server has this address."), field="email")
    if found.id == event.owner_id:
        raise Invalid(N_("The event belongs to them already."), field="email")
    return found


async def offer(session: AsyncSession, event: Event, to: Staff, *, by: Viewer) -> None:
    """Offer an event to an organiser, in place of any offer that stands; nothing changes until they take it."""
    await session.execute(delete(Handover).where(Handover.event_id == event.id))
    session.add(Handover(event_id=event.id, to_id=to.id, expires_at=now() + LASTS))
    await session.flush()
    await audit.note(session, Act.EVENT_OFFERED, by=by, about_id=to.id, event_id=event.id)


async def of_event(session: AsyncSession, event: Event) -> Staff | None:
    """To whom an event is offered at the moment."""
    standing = (Handover.event_id == event.id) & (Handover.expires_at > now())
    return await session.scalar(select(Staff).join(Handover, Handover.to_id == Staff.id).where(standing))


async def offered_to(session: AsyncSession, viewer: Viewer) -> Sequence[tuple[Event, str]]:
    """The events that are offered to somebody, each with the name of its owner."""
    if not viewer.may_organise:
        return ()
    rows = await session.execute(
        select(Event, Staff.display_name)
        .join(Handover, Handover.event_id == Event.id)
        .join(Staff, Staff.id == Event.owner_id)
        .where(Handover.to_id == viewer.id, Handover.expires_at > now())
        .order_by(Event.name)
    )
    return [(event, name) for event, name in rows]


async def withdraw(session: AsyncSession, event: Event, *, by: Viewer) -> None:
    """Take an offer back; when there is none, nothing happens."""
    gone = await session.execute(delete(Handover).where(Handover.event_id == event.id).returning(Handover.to_id))
    if (to_id := gone.scalar()) is not None:
        await audit.note(session, Act.OFFER_WITHDRAWN, by=by, about_id=to_id, event_id=event.id)


async def answer(session: AsyncSession, viewer: Viewer, event_id: UUID, *, take: bool) -> Event:
    """The organiser to whom an event is offered takes it, or declines.

    Raises:
        OfferOver: also for everybody else, and for events that do not exist.
    """
    row = await session.scalar(
        select(Handover)
        .where(Handover.event_id == event_id, Handover.to_id == viewer.id, Handover.expires_at > now())
        .with_for_update()
    )
    event = await session.get(Event, event_id) if row and viewer.may_organise else None
    if event is None:
        raise OfferOver
    if take:
        await give(session, event, viewer.id, by=viewer)
    else:
        await session.delete(row)
        await audit.note(session, Act.OFFER_DECLINED, by=viewer, about_id=event.owner_id, event_id=event.id)
    return event


async def give(session: AsyncSession, event: Event, to_id: UUID, *, by: Viewer) -> None:
    """Make an event somebody else's: all of it, at once. Its photos and photographers stay; its last owner goes.

    Args:
        to_id: somebody whose events may be.
    """
    event.owner_id = to_id
    await session.execute(delete(Handover).where(Handover.event_id == event.id))
    await session.execute(delete(Photographer).where(Photographer.event_id == event.id, Photographer.staff_id == to_id))
    await session.flush()
    await audit.note(session, Act.EVENT_HANDED_OVER, by=by, about_id=to_id, event_id=event.id)


async def forget_expired(session: AsyncSession) -> None:
    """Remove offers that nobody can take any more."""
    await session.execute(delete(Handover).where(Handover.expires_at < now()))
