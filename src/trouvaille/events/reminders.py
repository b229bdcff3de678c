"""Telling organisers in time that an event's photos will go, and giving it more time."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.clock import now
from trouvaille.events import zones
from trouvaille.events.models import Event, EventState, Reminder

DAYS_BEFORE = (30, 7, 1)
"""How many days before its last day is over an event's organiser is told."""

LONGEST_EXTENSION_DAYS = 366

# Who carries a new reminder to its people beside the studio, in its transaction: the place for mail.
CARRIERS: list[Callable[[AsyncSession, Event, Reminder], Awaitable[None]]] = []


async def remind(session: AsyncSession) -> int:
    """Note a reminder for every event whose end has come near; returns how many are new.

    An event that is past several distances at once, as one made for next week, gets the nearest only.
    """
    moment = now()
    near = await session.scalars(
        select(Event).where(
            Event.expires_at > moment,
            Event.expires_at <= moment + timedelta(days=max(DAYS_BEFORE)),
            Event.state != EventState.DRAFT,
        )
    )
    made = 0
    for event in near:
        assert event.expires_at is not None
        days = min(each for each in DAYS_BEFORE if event.expires_at <= moment + timedelta(days=each))
        row = {"event_id": event.id, "expires_at": event.expires_at, "days_before": days}
        new = insert(Reminder).values(**row).on_conflict_do_nothing().returning(Reminder)
        if (reminder := await session.scalar(new)) is not None:
            made += 1
            for carry in CARRIERS:
                await carry(session, event, reminder)
    return made


async def standing(session: AsyncSession, event: Event) -> Reminder | None:
    """The newest reminder of the present end that nobody has put away."""
    if event.expires_at is None:
        return None
    return await session.scalar(
        select(Reminder)
        .where(Reminder.event_id == event.id, Reminder.expires_at == event.expires_at, Reminder.dismissed_at.is_(None))
        .order_by(Reminder.days_before)
        .limit(1)
    )


async def dismiss(session: AsyncSession, event_id: UUID) -> None:
    """Put an event's reminders away until the next one."""
    await session.execute(
        update(Reminder)
        .where(Reminder.event_id == event_id, Reminder.dismissed_at.is_(None))
        .values(dismissed_at=now())
    )


def days_left(event: Event) -> int | None:
    """Whole days until the photos go, today not counted; 0 on the last day, None without an end."""
    last_day = zones.day_before(event.expires_at, event.time_zone)
    return (last_day - zones.today(event.time_zone, now())).days if last_day else None


async def extend(session: AsyncSession, event: Event, days: int) -> date:
    """Give an event more days, counted from its last day, or from today where that is past; returns the new last day.

    Args:
        days: 1 to ``LONGEST_EXTENSION_DAYS``.
    """
    today = zones.today(event.time_zone, now())
    last_day = max(zones.day_before(event.expires_at, event.time_zone) or today, today) + timedelta(days=days)
    event.expires_at = zones.end_of(last_day, event.time_zone)
    await session.flush()
    await dismiss(session, event.id)
    return last_day
