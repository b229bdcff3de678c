"""What people change about themselves: their name, the language of their letters, their address, their password."""

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit, entry, letters, links, throttle
from trouvaille.accounts.audit import Act
from trouvaille.accounts.models import Link, Purpose
from trouvaille.accounts.passwords import Passwords
from trouvaille.accounts.service import SUBJECTS, EmailTaken, Subject, clean_email, clean_name
from trouvaille.core.clock import now
from trouvaille.core.db import Sessions
from trouvaille.core.errors import N_, Conflict, Invalid
from trouvaille.core.secrets import Vault
from trouvaille.web.i18n import LANGUAGES


class NoAddress(Conflict):
    """A guest pass has neither address nor password."""

    message = N_("A guest pass has no address. Turn it into an account first.")


class NotYourPassword(Invalid):
    """Somebody who is signed in typed another password than theirs."""

    message = N_("This is not your present password.")


async def rename(session: AsyncSession, subject: Subject, name: str) -> None:
    """Be called something else from now on.

    Raises:
        Invalid
    """
    await _set(session, subject, display_name=clean_name(name))


async def speak(session: AsyncSession, subject: Subject, locale: str) -> None:
    """Get letters in another language from now on.

    Raises:
        Invalid
    """
    if locale not in LANGUAGES:
        raise Invalid(N_("Please choose a language."), field="locale")
    await _set(session, subject, locale=locale)


async def _set(session: AsyncSession, subject: Subject, **values: object) -> None:
    table = SUBJECTS[subject.kind].table
    await session.execute(update(table).where(table.id == subject.id).values(**values))


async def prove(
    sessions: Sessions,
    session: AsyncSession,
    vault: Vault,
    passwords: Passwords,
    subject: Subject,
    typed: str,
    *,
    field: str,
) -> None:
    """Let somebody who is signed in show that they know their password, so that who finds their browser can't go on.

    Raises:
        NotYourPassword
        TooOften: they must not be able to try passwords here either.
    """
    key = vault.fingerprint("attempts", f"own:{subject.id}")
    await throttle.charge(sessions, {key: throttle.NAME})
    if not await entry.is_own_password(session, passwords, subject, typed):
        raise NotYourPassword(field=field)
    await throttle.clear(session, [key])


async def ask_to_confirm(
    sessions: Sessions, session: AsyncSession, vault: Vault, subject: Subject, *, public_url: str
) -> None:
    """Send the letter that confirms somebody's present address once more.

    Raises:
        TooOften
    """
    await _count_letter(sessions, vault, subject)
    await letters.send_confirmation(session, vault, subject, public_url=public_url)


async def _count_letter(sessions: Sessions, vault: Vault, subject: Subject, *also: str) -> None:
    keys = [f"confirming:{subject.id}", *(f"letters:{email.lower()}" for email in also)]
    await throttle.charge(sessions, {vault.fingerprint("attempts", key): throttle.LETTERS for key in keys})


async def change_email(
    sessions: Sessions,
    session: AsyncSession,
    vault: Vault,
    passwords: Passwords,
    subject: Subject,
    *,
    email: str,
    password: str,
    public_url: str | None,
) -> bool:
    """Have another address. A letter goes there, and the new one counts from when its link is followed.

    Args:
        password: theirs, as ``prove`` has made sure: what is kept of it depends on the names one signs in with.
        public_url: where the link leads; None where no mail is sent, and the address changes at once, unconfirmed.

    Returns:
        Whether it has changed already.

    Raises:
        Invalid, EmailTaken, TooOften, NoAddress
    """
    if not subject.email:
        raise NoAddress
    email = clean_email(email)
    if email == subject.email:
        await _forget_wishes(session, subject)
        return True
    await _check_free(session, subject, email)
    names = [*(name for name in subject.names if name != subject.email), email]
    kept = await passwords.hash(session, password, names)
    await _forget_wishes(session, subject)
    if public_url is None:
        await take(session, subject, email, kept, confirmed=False)
        return True
    await _count_letter(sessions, vault, subject, email)
    token = await links.make(session, Purpose.CONFIRM, [subject], mailed=True, email=email, password_hash=kept)
    await letters.send_new_address(session, vault, subject, email, f"{public_url}/confirm/{token}")
    return False


async def _check_free(session: AsyncSession, subject: Subject, email: str) -> None:
    """Raises EmailTaken where somebody else of the same kind, in the same event, has this address."""
    for other in await SUBJECTS[subject.kind].by_email(session, email):
        if other.id != subject.id and other.event_id == subject.event_id:
            raise EmailTaken(field="email")


async def _forget_wishes(session: AsyncSession, subject: Subject) -> None:
    theirs = Link.subjects.contains([[subject.kind, str(subject.id)]])
    await session.execute(delete(Link).where(Link.email.is_not(None), theirs))


async def wished(session: AsyncSession, subject: Subject) -> str | None:
    """The address that waits to be confirmed."""
    theirs = Link.subjects.contains([[subject.kind, str(subject.id)]])
    return await session.scalar(
        select(Link.email).where(Link.email.is_not(None), theirs, Link.expires_at > now()).limit(1)
    )


async def take(session: AsyncSession, subject: Subject, email: str, password_hash: str, *, confirmed: bool) -> None:
    """Give somebody their new address; links to the old one end.

    Args:
        password_hash: of their present password, for the names with the new address.

    Raises:
        EmailTaken: somebody was quicker.
    """
    try:
        async with session.begin_nested():
            at = now() if confirmed else None
            await _set(session, subject, email=email, email_confirmed_at=at, password_hash=password_hash)
    except IntegrityError as error:
        raise EmailTaken(field="email") from error
    await links.drop(session, subject, Purpose.RESET, Purpose.CONFIRM)
    await audit.note(session, Act.EMAIL_CHANGED, by=subject, about_id=subject.id, event_id=subject.event_id)


async def confirm(session: AsyncSession, vault: Vault, token: str) -> tuple[Subject, str]:
    """Keep that an address is its owner's: the one they have, or the one they asked for; returns them and it.

    Raises:
        LinkOver, EmailTaken
    """
    row, (subject, *_) = await links.opened(session, Purpose.CONFIRM, token)
    if row.email is None or row.password_hash is None:
        await links.confirm(session, row, subject)
        return subject, subject.email
    email = row.email
    await take(session, subject, email, row.password_hash, confirmed=True)
    await letters.tell_old_address(session, vault, subject, email)
    return subject, email
