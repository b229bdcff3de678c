"""Words from a guest to the people who run their event. Nobody's address is shown to the other side."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.clock import now
from trouvaille.core.errors import N_, Conflict, Invalid, NotFound, TooMany
from trouvaille.core.paging import Key, Slice, slice_of
from trouvaille.guests.models import Guest, Message

LONGEST = 2_000
AT_MOST, WITHIN = 5, timedelta(hours=1)

# Who carries a new message, or an answer, to its people beside the pages, in its transaction: the place for mail.
Carrier = Callable[[AsyncSession, Guest, Message], Awaitable[None]]
CARRIERS: list[Carrier] = []
ANSWER_CARRIERS: list[Carrier] = []


class Answered(Conflict):
    """Somebody answered already, and the guest may have read it."""

    message = N_("This message has an answer already.")


class TooManyMessages(TooMany):
    """More than ``AT_MOST`` from one guest within ``WITHIN``."""

    message = N_("You have sent several messages already. Please wait an hour before the next one.")


def clean_text(text: str) -> str:
    """A message without empty ends.

    Raises:
        Invalid: nothing is left, or it is too long.
    """
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise Invalid(N_("Please write something first."), field="text")
    if len(text) > LONGEST:
        raise Invalid(N_("Please keep this under %(longest)s characters."), field="text", longest=LONGEST)
    return text


async def send(session: AsyncSession, guest: Guest, text: str) -> Message:
    """Keep a message for the event's staff.

    Raises:
        Invalid, TooManyMessages
    """
    text = clean_text(text)
    # Two at the same moment are counted one after the other.
    await session.execute(select(Guest.id).where(Guest.id == guest.id).with_for_update(key_share=True))
    recent = select(func.count()).where(Message.guest_id == guest.id, Message.created_at > now() - WITHIN)
    if (await session.scalar(recent) or 0) >= AT_MOST:
        raise TooManyMessages
    message = Message(event_id=guest.event_id, guest_id=guest.id, text=text)
    session.add(message)
    await session.flush()
    for carry in CARRIERS:
        await carry(session, guest, message)
    return message


async def answer(session: AsyncSession, event_id: UUID, message_id: UUID, text: str, *, by: UUID) -> Message:
    """Answer a guest, who reads it where they wrote; that the message was read goes without saying.

    Args:
        by: the member of staff.

    Raises:
        NotFound, Invalid, Answered
    """
    query = select(Message).where(Message.event_id == event_id, Message.id == message_id)
    message = await session.scalar(query.with_for_update())
    if message is None:
        raise NotFound
    if message.answer is not None:
        raise Answered
    message.answer, message.answered_at, message.answered_by = clean_text(text), now(), by
    message.read_at = message.read_at or now()
    await session.flush()
    guest = await session.get_one(Guest, message.guest_id)
    for carry in ANSWER_CARRIERS:
        await carry(session, guest, message)
    return message


@dataclass(frozen=True, slots=True)
class Page:
    """Some messages with who wrote them, newest first, and where the next ones begin."""

    messages: list[tuple[Message, str]]
    next_after: UUID | None


async def of_event(session: AsyncSession, event_id: UUID, *, limit: int, after: UUID | None = None) -> Page:
    """The messages of an event, newest first."""
    query = (
        select(Message, Guest.display_name)
        .join(Guest, Guest.id == Message.guest_id)
        .where(Message.event_id == event_id)
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        there = select(Message.created_at, Message.id).where(Message.id == after).scalar_subquery()
        query = query.where(tuple_(Message.created_at, Message.id) < there)
    rows = [(message, name) for message, name in await session.execute(query)]
    return Page(rows[:limit], rows[limit - 1][0].id if len(rows) > limit else None)


async def slice_of_event(
    session: AsyncSession, event_id: UUID, *, unread: bool, limit: int, cursor: str
) -> Slice[tuple[Message, str]]:
    """The messages of an event with who wrote them, newest first.

    Raises:
        NoCursor
    """
    query = (
        select(Message, Guest.display_name)
        .join(Guest, Guest.id == Message.guest_id)
        .where(Message.event_id == event_id)
    )
    if unread:
        query = query.where(Message.read_at.is_(None))
    keys = (Key(Message.created_at, datetime), Key(Message.id, UUID))
    return await slice_of(session, query, keys, limit=limit, cursor=cursor, newest_first=True)


async def of_guest(session: AsyncSession, guest: Guest) -> list[Message]:
    """What a guest has written, newest first."""
    query = select(Message).where(Message.guest_id == guest.id).order_by(Message.created_at.desc()).limit(20)
    return list(await session.scalars(query))


async def unread(session: AsyncSession, event_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many messages nobody has read yet, by event; events without any are left out."""
    rows = await session.execute(
        select(Message.event_id, func.count())
        .where(Message.event_id.in_(event_ids), Message.read_at.is_(None))
        .group_by(Message.event_id)
    )
    return {event_id: count for event_id, count in rows.all()}  # noqa: C416 - rows are no pairs to mypy


async def mark(session: AsyncSession, event_id: UUID, message_id: UUID, *, read: bool) -> None:
    """Say that a message of this event was read, or take that back.

    Raises:
        NotFound
    """
    changed = await session.execute(
        update(Message)
        .where(Message.event_id == event_id, Message.id == message_id)
        .values(read_at=now() if read else None)
        .returning(Message.id)
    )
    if changed.first() is None:
        raise NotFound


async def mark_all(session: AsyncSession, event_id: UUID) -> None:
    """Say that all messages of an event were read."""
    await session.execute(
        update(Message).where(Message.event_id == event_id, Message.read_at.is_(None)).values(read_at=now())
    )
