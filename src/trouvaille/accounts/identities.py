"""Identities of other places that open accounts here: found, linked, unlinked.

Issuer and subject alone decide. An e-mail that equals an account's links nothing: whoever can have a provider say so
would have that account (docs/decisions/0011).
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act
from trouvaille.accounts.models import LinkedIdentity
from trouvaille.accounts.service import SUBJECTS, Subject
from trouvaille.core.errors import N_, Conflict, NotFound
from trouvaille.core.openid import Identity

AT_MOST = 10


class LastWayIn(Conflict):
    """Without it, nobody could sign in to the account any more."""

    message = N_("This is your only way in. Set a password first: “Forgot your password?” does it by mail.")


async def who_has(session: AsyncSession, identity: Identity) -> list[Subject]:
    """Every account that this identity opens, in all events that go on."""
    return [
        who for kind in SUBJECTS.values() for who in await kind.by_identity(session, identity.issuer, identity.subject)
    ]


async def of(session: AsyncSession, subject: Subject) -> Sequence[LinkedIdentity]:
    """The identities that open an account, the oldest first."""
    table = SUBJECTS[subject.kind].identities
    rows = await session.scalars(select(table).where(table.account_id == subject.id).order_by(table.created_at))
    return rows.all()


async def link(session: AsyncSession, subject: Subject, identity: Identity, *, shown: str) -> None:
    """Let an identity open an account; a second time changes nothing. The caller has made sure that its owner wants it.

    Args:
        shown: what its owner tells it by.

    Raises:
        Conflict: there are too many.
    """
    table = SUBJECTS[subject.kind].identities
    count = await session.scalar(select(func.count()).where(table.account_id == subject.id))
    if (count or 0) >= AT_MOST:
        raise Conflict(N_("There are too many. Remove one that you no longer need."))
    fresh = insert(table).values(
        issuer=identity.issuer, subject=identity.subject, account_id=subject.id, shown=shown[:254]
    )
    made = await session.scalar(fresh.on_conflict_do_nothing().returning(table.id))
    if made is not None:
        await audit.note(session, Act.IDENTITY_LINKED, by=subject, about_id=made, event_id=subject.event_id)


async def unlink(session: AsyncSession, subject: Subject, identity_id: UUID) -> None:
    """Let an identity open an account no longer.

    Raises:
        NotFound: it is none of theirs.
        LastWayIn
    """
    present = await of(session, subject)
    row = next((each for each in present if each.id == identity_id), None)
    if row is None:
        raise NotFound
    if len(present) == 1 and not subject.has_password:
        raise LastWayIn
    await session.delete(row)
    await session.flush()
    await audit.note(session, Act.IDENTITY_UNLINKED, by=subject, about_id=identity_id, event_id=subject.event_id)


async def unlink_all(session: AsyncSession, subject: Subject) -> None:
    """Close every such way in: whoever sets a forgotten password may have lost the account to somebody."""
    table = SUBJECTS[subject.kind].identities
    gone = await session.scalars(delete(table).where(table.account_id == subject.id).returning(table.id))
    for identity_id in gone.all():
        await audit.note(session, Act.IDENTITY_UNLINKED, by=subject, about_id=identity_id, event_id=subject.event_id)
