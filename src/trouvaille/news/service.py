"""What guests know of their photos, and how they want to hear of more."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Uuid, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.clock import now
from trouvaille.core.errors import N_, NotFound
from trouvaille.core.reading import Prepared, first_in, place
from trouvaille.core.secrets import Vault
from trouvaille.core.webpush import Sender
from trouvaille.guests.models import Guest
from trouvaille.news import devices
from trouvaille.news.devices import Devices
from trouvaille.news.models import News, Stop

NOTED_EVERY = timedelta(minutes=2)
# Asked with every page of photos.
_OF_GUEST = News.guest_id == place("guest", Uuid())
_SEEN = Prepared(select(News.seen_at, News.known, News.stopped).where(_OF_GUEST))
_MAIL = Prepared(select(News.mail, News.bounced).where(_OF_GUEST))


class NoSuchLink(NotFound):
    """The link of a letter was changed, or its guest is gone."""

    message = N_("This link leads nowhere any more: nothing is sent to you from here.")


async def seen(session: AsyncSession, event_id: UUID, guest_id: UUID, mine: int) -> None:
    """Note that a guest looks, and sees this many photos of themselves.

    A page never waits for this: while the round holds the guest's row, the next look notes it.
    """
    moment = now()
    row = await first_in(session, _SEEN, guest=guest_id)
    if row is None:
        fresh = {"guest_id": guest_id, "event_id": event_id, "mail": True, "known": mine, "counted": mine}
        fresh |= {"seen_at": moment, "unanswered": 0, "check_at": moment}
        await session.execute(insert(News).values(fresh).on_conflict_do_nothing())
        return
    seen_at, known, stopped = row
    fresh_enough = seen_at is not None and seen_at > moment - NOTED_EVERY
    if fresh_enough and known == mine and stopped is not Stop.UNSEEN:
        return
    free = select(News.guest_id).where(News.guest_id == guest_id).with_for_update(skip_locked=True).scalar_subquery()
    noted = {"known": mine, "counted": mine, "seen_at": moment, "unanswered": 0}
    await session.execute(
        update(News)
        .where(News.guest_id == free)
        .values(**noted, pending_since=None, changed_at=None, check_at=moment)
        .execution_options(synchronize_session=False)
    )
    if stopped is Stop.UNSEEN:
        again = update(News).where(News.guest_id == free, News.stopped == Stop.UNSEEN).values(stopped=None)
        await session.execute(again.execution_options(synchronize_session=False))


@dataclass(frozen=True, slots=True)
class Ways:
    """How a guest is told, as a page shows it.

    ``can_mail``: there is a mailbox that is theirs; ``unconfirmed``: there may be one, which they have not confirmed.
    ``push``: None where browsers are not told.
    """

    mail: bool
    can_mail: bool
    unconfirmed: bool
    bounced: bool
    push: Devices | None = None

    @property
    def any(self) -> bool:
        """Whether there is anything to say about them."""
        return self.can_mail or self.unconfirmed or self.push is not None


async def ways_of(
    session: AsyncSession,
    guest: Guest,
    *,
    sends_mail: bool,
    push: Sender | None = None,
    session_id: UUID | None = None,
) -> Ways:
    """How this guest is told.

    Args:
        push: who we are to push services; None where browsers are not told.
        session_id: of the browser that asks.
    """
    mail, bounced = await first_in(session, _MAIL, guest=guest.id) or (True, False)
    has_address = sends_mail and guest.email is not None
    confirmed = guest.email_confirmed_at is not None
    return Ways(
        mail=mail,
        can_mail=has_address and confirmed,
        unconfirmed=has_address and not confirmed,
        bounced=bounced,
        push=await devices.of_guest(session, guest, push.public_key, session_id) if push is not None else None,
    )


async def choose_mail(session: AsyncSession, guest: Guest, *, on: bool) -> None:
    """Switch mail on or off."""
    await begin(session, guest, mail=on, bounced=False)


async def begin(session: AsyncSession, guest: Guest, **chosen: bool) -> None:
    """A guest chose how they are told, so they are told again, if they were no more. Who was never told of anything
    is told of what there is."""
    values = {"guest_id": guest.id, "event_id": guest.event_id, "mail": True, "known": 0, "counted": 0}
    again = {"stopped": None, "unanswered": 0, "check_at": now()} | chosen
    await session.execute(
        insert(News).values(values | again).on_conflict_do_update(index_elements=[News.guest_id], set_=again)
    )


async def note_bounce(session: AsyncSession, guest_id: UUID) -> None:
    """Write to no mailbox that is not there."""
    await session.execute(update(News).where(News.guest_id == guest_id).values(bounced=True))


def link_token(vault: Vault, guest_id: UUID) -> str:
    """What a letter's link is made of: it lets its holder stop or resume that guest's letters, and nothing else.

    It needs no row and never ends, since a letter may be opened years later.
    """
    return vault.link("news", guest_id)


async def by_token(session: AsyncSession, vault: Vault, token: str) -> Guest:
    """The guest whose letter carries this link.

    Raises:
        NoSuchLink
    """
    try:
        guest_id = vault.linked("news", token)
    except NotFound as error:
        raise NoSuchLink from error
    guest = await session.get(Guest, guest_id)
    if guest is None:
        raise NoSuchLink
    return guest
