"""Links that work once: to set a new password, to confirm an address, and to come back without a password."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit, identities, sessions, throttle
from trouvaille.accounts.audit import Act
from trouvaille.accounts.entry import name_key
from trouvaille.accounts.models import Link, Purpose
from trouvaille.accounts.passwords import Passwords, check_password
from trouvaille.accounts.service import SUBJECTS, Subject, Viewer, confirm_email, set_password, subject_of
from trouvaille.core.clock import now
from trouvaille.core.errors import N_, Gone, Invalid
from trouvaille.core.secrets import Vault, new_token, token_hash

LASTS = {Purpose.RESET: timedelta(hours=1), Purpose.CONFIRM: timedelta(days=7), Purpose.RETURN: timedelta(days=30)}


class LinkOver(Gone):
    """Used, too old, or never ours."""

    message = N_("This link has been used, or is too old. Please ask for a new one.")


async def who_has(session: AsyncSession, email: str) -> list[Subject]:
    """Every account with this address, in all events."""
    return [who for kind in SUBJECTS.values() for who in await kind.by_email(session, email.strip()[:254])]


async def make(
    session: AsyncSession,
    purpose: Purpose,
    subjects: Sequence[Subject],
    *,
    mailed: bool,
    email: str | None = None,
    password_hash: str | None = None,
) -> str:
    """A link for these accounts; returns its token, which is kept nowhere else.

    Args:
        mailed: whether it goes to the address of the accounts, and so proves that somebody reads it.
        email, password_hash: what they have instead of the present ones once it is followed.
    """
    token = new_token()
    row = Link(
        token_hash=token_hash(token),
        purpose=purpose,
        subjects=[[who.kind, str(who.id)] for who in subjects],
        mailed=mailed,
        expires_at=now() + LASTS[purpose],
        email=email,
        password_hash=password_hash,
    )
    session.add(row)
    await session.flush()
    return token


async def make_reset(session: AsyncSession, email: str, *, by: Viewer | None) -> tuple[str, list[Subject]]:
    """A link for an administrator to hand over, where no mail is sent; by the console when nobody is given.

    Raises:
        Invalid: nobody has this address.
    """
    subjects = await who_has(session, email)
    if not subjects:
        raise Invalid(N_("No account has this address."), field="email")
    for who in subjects:
        await audit.note(session, Act.RESET_LINK_MADE, by=by, about_id=who.id, event_id=who.event_id)
    return await make(session, Purpose.RESET, subjects, mailed=False), subjects


async def opened(session: AsyncSession, purpose: Purpose, token: str) -> tuple[Link, list[Subject]]:
    """What a link is for, as long as it works. It is held for the rest of the transaction, so that one of two wins.

    Raises:
        LinkOver
    """
    row = await session.scalar(
        select(Link)
        .where(Link.token_hash == token_hash(token), Link.purpose == purpose, Link.expires_at > now())
        .with_for_update()
    )
    found = [await subject_of(session, kind, UUID(subject_id)) for kind, subject_id in (row.subjects if row else ())]
    subjects = [who for who in found if who is not None]
    if row is None or not subjects:
        raise LinkOver
    return row, subjects


async def reset(
    session: AsyncSession,
    vault: Vault,
    passwords: Passwords,
    token: str,
    *,
    password: str,
    chosen: Sequence[str],
) -> list[Subject]:
    """Set a new password by link. All sessions of these accounts end, and whoever locked them out has no more say.

    Args:
        chosen: ids of the accounts that it is for, where the link is for several.

    Returns:
        The accounts that have the new password.

    Raises:
        LinkOver
        Invalid: the password is too short, or none is chosen.
    """
    row, subjects = await opened(session, Purpose.RESET, token)
    check_password(password)
    meant = subjects if len(subjects) == 1 else [who for who in subjects if str(who.id) in chosen]
    if not meant:
        raise Invalid(N_("Choose at least one."), field="account")
    for who in meant:
        if who.has_password:
            await identities.unlink_all(session, who)
        await set_password(session, passwords, who, password)
        await sessions.end_all(session, who.id)
        if row.mailed:
            await confirm_email(session, who)
        await audit.note(session, Act.RESET_DONE, by=who, event_id=who.event_id)
    await throttle.clear(session, [name_key(vault, name) for who in meant for name in who.names])
    await session.delete(row)
    for who in meant:
        await drop(session, who, Purpose.RESET)
    return meant


async def drop(session: AsyncSession, subject: Subject, *purposes: Purpose) -> None:
    """End links of somebody whose password or address has just changed."""
    theirs = Link.subjects.contains([[subject.kind, str(subject.id)]])
    await session.execute(delete(Link).where(Link.purpose.in_(purposes), theirs))


async def confirm(session: AsyncSession, row: Link, subject: Subject) -> None:
    """Keep that an address is its owner's, and use the link up."""
    await confirm_email(session, subject)
    await audit.note(session, Act.EMAIL_CONFIRMED, by=subject, event_id=subject.event_id)
    await session.delete(row)


async def change_password(
    session: AsyncSession, passwords: Passwords, viewer: Viewer, subject: Subject, password: str
) -> None:
    """Set a new password of somebody who is signed in and has shown the old one; other sessions and links end.

    Raises:
        Invalid: it is too short or too long.
    """
    check_password(password, field="new_password")
    await set_password(session, passwords, subject, password)
    await sessions.end_all(session, subject.id, but=viewer.session_id)
    await drop(session, subject, Purpose.RESET)
    await audit.note(session, Act.PASSWORD_CHANGED, by=viewer, event_id=viewer.event_id)


async def forget_expired(session: AsyncSession) -> None:
    """Remove links that nobody can use any more."""
    await session.execute(delete(Link).where(Link.expires_at < now()))
