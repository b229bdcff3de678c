"""Browsers that are told of new photos by web push: their subscriptions, kept sealed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.devices import Device
from trouvaille.accounts.models import Proof
from trouvaille.core.errors import N_, Conflict, Invalid, NotFound, SignInNeeded
from trouvaille.core.push_services import check_endpoint
from trouvaille.core.secrets import Vault, token_hash
from trouvaille.core.webpush import BrowserKeys, from_text, to_text
from trouvaille.guests.models import Guest
from trouvaille.news.models import PushSubscription

AT_MOST = 10
"""Browsers of one guest."""
FAILURES_AT_MOST = 3
"""After so many times in a row in which a browser could not be told, nobody tries it any more."""
NOTE = "push"


class TooManyDevices(Conflict):
    """As many browsers are told as may be."""

    message = N_("So many of your devices are told already that you have to remove one first, under “Me”.")


class NoSubscription(Invalid):
    """What came is no subscription. Browsers send none such, so nobody needs more words."""


@dataclass(frozen=True, slots=True)
class Address:
    """How a browser is reached."""

    endpoint: str
    keys: BrowserKeys

    @classmethod
    async def read(cls, endpoint: str, p256dh: str, auth: str, *, private_networks: bool) -> "Address":
        """As a browser gives it.

        Raises:
            NoSubscription, NoPushService
        """
        try:
            keys = BrowserKeys.read(p256dh, auth)
        except ValueError as error:
            raise NoSubscription from error
        await check_endpoint(endpoint, private_networks=private_networks)
        return cls(endpoint, keys)

    def sealed(self, vault: Vault) -> bytes:
        """For keeping."""
        keys = {"p256dh": to_text(self.keys.p256dh), "auth": to_text(self.keys.auth)}
        return vault.seal_note(NOTE, {"endpoint": self.endpoint, **keys})

    @classmethod
    def opened(cls, vault: Vault, sealed: bytes) -> "Address":
        """Undo ``sealed``.

        Raises:
            Invalid: it was sealed with another key.
        """
        note = vault.open_note(NOTE, sealed)
        return cls(note["endpoint"], BrowserKeys(from_text(note["p256dh"]), from_text(note["auth"])))


@dataclass(frozen=True, slots=True)
class Listed:
    """One browser, as its owner sees it."""

    id: UUID
    browser: str | None
    system: str | None
    created_at: datetime
    is_this: bool


@dataclass(frozen=True, slots=True)
class Devices:
    """A guest's browsers that are told.

    Attributes:
        key: what browsers subscribe with.
        here: the row of the browser that asks, None when it is not told; ``mark``: the SHA-256 of its endpoint in
            base64, by which the page sees whether the browser still has that subscription.
    """

    key: str
    here: UUID | None
    mark: str
    listed: Sequence[Listed]


async def of_guest(session: AsyncSession, guest: Guest, key: str, session_id: UUID | None) -> Devices:
    """The guest's browsers, the one that asks first."""
    mine = select(PushSubscription).where(PushSubscription.guest_id == guest.id).order_by(PushSubscription.created_at)
    rows = sorted(await session.scalars(mine), key=lambda row: row.session_id != session_id)
    here = next((row for row in rows if row.session_id == session_id), None)
    return Devices(
        key=key,
        here=here.id if here else None,
        mark=to_text(here.endpoint_hash) if here else "",
        listed=[Listed(row.id, row.browser, row.system, row.created_at, row is here) for row in rows],
    )


async def subscribe(
    session: AsyncSession, vault: Vault, guest: Guest, address: Address, *, session_id: UUID, device: Device
) -> PushSubscription:
    """Have a signed-in browser told; what it had before is replaced.

    An endpoint is one browser's, and only it knows it: shown again in another session, the one before has ended, and
    whoever was signed in then is told there no more.

    Raises:
        TooManyDevices
        SignInNeeded: the browser was signed out meanwhile.
    """
    known = token_hash(address.endpoint)
    # Two at once would both find room.
    await session.execute(select(Guest.id).where(Guest.id == guest.id).with_for_update())
    proof = select(Proof.kind).where(Proof.session_id == session_id, Proof.subject_id == guest.id)
    if await session.scalar(proof.with_for_update(read=True)) is None:
        raise SignInNeeded
    own = and_(PushSubscription.session_id == session_id, PushSubscription.guest_id == guest.id)
    ended = and_(PushSubscription.endpoint_hash == known, PushSubscription.session_id != session_id)
    await session.execute(delete(PushSubscription).where(or_(own, ended)))
    mine = select(func.count()).select_from(PushSubscription).where(PushSubscription.guest_id == guest.id)
    if (await session.scalar(mine) or 0) >= AT_MOST:
        raise TooManyDevices
    row = PushSubscription(
        guest_id=guest.id,
        event_id=guest.event_id,
        session_id=session_id,
        endpoint_hash=known,
        sealed=address.sealed(vault),
        service=_service(address),
        browser=device.browser,
        system=device.system,
    )
    session.add(row)
    await session.flush()
    return row


def _service(address: Address) -> str:
    return address.endpoint.split("/", 3)[2][:253]


async def at(session: AsyncSession, endpoint: str) -> Sequence[PushSubscription]:
    """What a browser is told of at an endpoint, which nobody else knows.

    Raises:
        NotFound: nobody is told there.
    """
    query = select(PushSubscription).where(PushSubscription.endpoint_hash == token_hash(endpoint))
    rows = (await session.scalars(query.order_by(PushSubscription.id).with_for_update())).all()
    if not rows:
        raise NotFound
    return rows


async def renew(session: AsyncSession, vault: Vault, rows: Sequence[PushSubscription], address: Address) -> None:
    """A browser was given another endpoint; that it was another's before is as good as impossible, and ends that."""
    known = token_hash(address.endpoint)
    others = PushSubscription.id.not_in([row.id for row in rows])
    await session.execute(delete(PushSubscription).where(PushSubscription.endpoint_hash == known, others))
    for row in rows:
        row.endpoint_hash, row.sealed, row.service = known, address.sealed(vault), _service(address)
        row.failures = 0
    await session.flush()


async def remove(session: AsyncSession, guest: Guest, subscription_id: UUID) -> bool:
    """Tell one of the guest's browsers no more; returns whether it is told of nothing else either.

    Raises:
        NotFound: it is none of theirs.
    """
    row = await session.get(PushSubscription, subscription_id)
    if row is None or row.guest_id != guest.id:
        raise NotFound
    return await _forget(session, row)


async def forget(session: AsyncSession, subscription_id: UUID) -> bool:
    """As ``remove``, for whoever may; a browser that is not told is no error."""
    row = await session.get(PushSubscription, subscription_id)
    return row is None or await _forget(session, row)


async def _forget(session: AsyncSession, row: PushSubscription) -> bool:
    # Two at once do no harm, as a second ORM delete would: it complains of a row that is gone.
    await session.execute(delete(PushSubscription).where(PushSubscription.id == row.id))
    others = select(PushSubscription.id).where(PushSubscription.endpoint_hash == row.endpoint_hash)
    return await session.scalar(others.limit(1)) is None


async def drop_gone(session: AsyncSession, endpoint: str) -> None:
    """A browser has given an endpoint up, and with it all that it was told of there."""
    await session.execute(delete(PushSubscription).where(PushSubscription.endpoint_hash == token_hash(endpoint)))


async def note_success(session: AsyncSession, subscription_id: UUID) -> None:
    """It was told, so what went wrong before counts no more."""
    told = update(PushSubscription).where(PushSubscription.id == subscription_id, PushSubscription.failures > 0)
    await session.execute(told.values(failures=0))


async def note_failure(session: AsyncSession, subscription_id: UUID) -> None:
    """It could not be told of something; after several times in a row it is given up."""
    here = PushSubscription.id == subscription_id
    await session.execute(update(PushSubscription).where(here).values(failures=PushSubscription.failures + 1))
    await session.execute(delete(PushSubscription).where(here, PushSubscription.failures >= FAILURES_AT_MOST))


def stop_token(vault: Vault, subscription_id: UUID) -> str:
    """What a notification's button shows: it lets its holder end that browser's notifications, and nothing else."""
    return vault.link("push-stop", subscription_id)


def by_stop_token(vault: Vault, token: str) -> UUID:
    """The subscription that a notification's button is about; it may be gone.

    Raises:
        NotFound: the token was changed.
    """
    return vault.linked("push-stop", token)
