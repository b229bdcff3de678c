"""What guests know of their photos, and how they want to hear of more."""

import base64
import hmac
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.clock import now
from trouvaille.core.errors import N_, NotFound
from trouvaille.core.secrets import Vault
from trouvaille.guests.models import Guest
from trouvaille.news.models import News, Stop

NOTED_EVERY = timedelta(minutes=2)
TOKEN_BYTES = 16


class NoSuchLink(NotFound):
    """The link of a letter was changed, or its guest is gone."""

    message = N_("This link leads nowhere any more: nothing is sent to you from here.")


async def seen(session: AsyncSession, event_id: UUID, guest_id: UUID, mine: int) -> None:
    """Note that a guest looks, and sees this many photos of themselves.

    A page never waits for this: while the round holds the guest's row, the next look notes it.
    """
    moment = now()
    known = await session.get(News, guest_id)
    if known is None:
        fresh = {"guest_id": guest_id, "event_id": event_id, "mail": True, "known": mine, "counted": mine}
        fresh |= {"seen_at": moment, "unanswered": 0, "check_at": moment}
        await session.execute(insert(News).values(fresh).on_conflict_do_nothing())
        return
    fresh_enough = known.seen_at is not None and known.seen_at > moment - NOTED_EVERY
    if fresh_enough and known.known == mine and known.stopped is not Stop.UNSEEN:
        return
    free = select(News.guest_id).where(News.guest_id == guest_id).with_for_update(skip_locked=True).scalar_subquery()
    noted = {"known": mine, "counted": mine, "seen_at": moment, "unanswered": 0}
    await session.execute(
        update(News)
        .where(News.guest_id == free)
        .values(**noted, pending_since=None, changed_at=None, check_at=moment)
        .execution_options(synchronize_session=False)
    )
    if known.stopped is Stop.UNSEEN:
        again = update(News).where(News.guest_id == free, News.stopped == Stop.UNSEEN).values(stopped=None)
        await session.execute(again.execution_options(synchronize_session=False))


@dataclass(frozen=True, slots=True)
class Ways:
    """How a guest is told, as a page shows it.

    ``can_mail``: there is a mailbox that is theirs; ``unconfirmed``: there may be one, which they have not confirmed.
    """

    mail: bool
    can_mail: bool
    unconfirmed: bool
    bounced: bool


async def ways_of(session: AsyncSession, guest: Guest, *, sends_mail: bool) -> Ways:
    """How this guest is told."""
    news = await session.get(News, guest.id)
    has_address = sends_mail and guest.email is not None
    confirmed = guest.email_confirmed_at is not None
    return Ways(
        mail=news.mail if news else True,
        can_mail=has_address and confirmed,
        unconfirmed=has_address and not confirmed,
        bounced=news is not None and news.stopped is Stop.BOUNCED,
    )


async def choose_mail(session: AsyncSession, guest: Guest, *, on: bool) -> None:
    """Switch mail on or off; what there is now counts as known, so that an old pile is not told of."""
    values = {"guest_id": guest.id, "event_id": guest.event_id, "mail": on, "known": 0, "counted": 0}
    values |= {"unanswered": 0, "check_at": now()}
    await session.execute(
        insert(News)
        .values(values)
        .on_conflict_do_update(
            index_elements=[News.guest_id], set_={"mail": on, "stopped": None, "unanswered": 0, "check_at": now()}
        )
    )


async def note_bounce(session: AsyncSession, guest_id: UUID) -> None:
    """Tell nobody by a mailbox that is not there."""
    await session.execute(update(News).where(News.guest_id == guest_id).values(stopped=Stop.BOUNCED))


def link_token(vault: Vault, guest_id: UUID) -> str:
    """What a letter's link is made of: it lets its holder stop or resume that guest's letters, and nothing else.

    It needs no row and never ends, since a letter may be opened years later.
    """
    signed = vault.fingerprint("news", guest_id.hex)[:TOKEN_BYTES]
    return base64.urlsafe_b64encode(guest_id.bytes + signed).decode().rstrip("=")


async def by_token(session: AsyncSession, vault: Vault, token: str) -> Guest:
    """The guest whose letter carries this link.

    Raises:
        NoSuchLink
    """
    try:
        held = base64.urlsafe_b64decode(token[:100] + "=" * (-len(token) % 4))
    except ValueError as error:
        raise NoSuchLink from error
    if len(held) != 16 + TOKEN_BYTES:
        raise NoSuchLink
    guest_id = UUID(bytes=held[:16])
    if not hmac.compare_digest(held[16:], vault.fingerprint("news", guest_id.hex)[:TOKEN_BYTES]):
        raise NoSuchLink
    guest = await session.get(Guest, guest_id)
    if guest is None:
        raise NoSuchLink
    return guest
