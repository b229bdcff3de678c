"""Mail: a letter is kept sealed until a worker has handed it to the relay, then forgotten.

A letter and the row it is about are committed together. Addresses and links are in no job's arguments and in no log.
"""

import asyncio
import smtplib
import ssl
from dataclasses import asdict, dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import LargeBinary, delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core import metrics
from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, transaction
from trouvaille.core.errors import Refused, Unavailable
from trouvaille.core.jobs import MAIL, Work, defer, job
from trouvaille.core.relay import Relay, Security
from trouvaille.core.secrets import Vault

log = structlog.get_logger()
TIMEOUT_S = 20
# Waits of 2, 4, 8 … seconds: after two and a half hours, nobody waits for this letter any more.
TRIES = 13
# Somebody looks at their mailbox while thousands of photos wait.
PRIORITY = 10


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to one person, in their language.

    Attributes:
        headers: further ones.
        bounce: a job of the mail queue and its arguments, asked for when there is no such mailbox.
    """

    to: str
    subject: str
    text: str
    html: str
    locale: str
    headers: dict[str, str] = field(default_factory=dict)
    bounce: tuple[str, dict[str, Any]] | None = None


class Outgoing(Identified, Base):
    """A letter that is on its way, sealed."""

    __tablename__ = "outgoing_mail"

    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=now)


# Not 552 and 554: a full mailbox and a spam filter are no reasons to believe that nobody lives there.
NO_MAILBOX = (550, 551, 553, 556)


class LetterRefused(Refused):
    """The relay will never take this letter, as when there is no such mailbox."""


class NoMailbox(LetterRefused):
    """The relay says so of this address, whatever the letter."""


async def post(session: AsyncSession, vault: Vault, letter: Letter) -> None:
    """Send a letter once this transaction is committed."""
    row = Outgoing(sealed=vault.seal_note("mail", asdict(letter)))
    session.add(row)
    await session.flush()
    await defer(session, "mail.send", queue=MAIL, priority=PRIORITY, letter_id=row.id)


async def _forget(session: AsyncSession, letter_id: str) -> None:
    await session.execute(delete(Outgoing).where(Outgoing.id == UUID(letter_id)))


async def _give_up(session: AsyncSession, args: dict[str, str], reason: str) -> None:
    await _forget(session, args["letter_id"])


@job("mail.send", queue=MAIL, abandon=_give_up, tries=TRIES)
async def _send(work: Work, *, letter_id: str) -> None:
    async with transaction(work.sessions) as session:
        row = await session.get(Outgoing, UUID(letter_id))
    if row is None:
        return
    if work.relay is None:
        raise LetterRefused("no mail server is set")
    letter, refused = Letter(**work.vault.open_note("mail", row.sealed)), False
    try:
        message = _message(letter, work.relay, row.id)
        await asyncio.to_thread(_hand_over, work.relay, message)
        metrics.MAIL.labels("sent").inc()
    except LetterRefused as error:
        refused = isinstance(error, NoMailbox)
        metrics.MAIL.labels("refused").inc()
        log.warning("letter refused", letter=letter_id)
    except Unavailable:
        metrics.MAIL.labels("put_off").inc()
        raise
    async with transaction(work.sessions) as session:
        await _forget(session, letter_id)
        if refused and letter.bounce is not None:
            name, args = letter.bounce
            await defer(session, name, queue=MAIL, **args)


class _Unfolded(EmailPolicy):
    """Leaves ``List-Unsubscribe`` in one line: a long address would be folded into encoded words, which mail programs
    don't read as an address."""

    def fold(self, name: str, value: Any) -> str:
        """As the library, but for that header."""
        whole = name.lower() == "list-unsubscribe"
        return f"{name}: {value}{self.linesep}" if whole else super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        """The same in bytes, as it is sent."""
        whole = name.lower() == "list-unsubscribe"
        return self.fold(name, value).encode() if whole else super().fold_binary(name, value)


def _message(letter: Letter, relay: Relay, letter_id: UUID) -> EmailMessage:
    message = EmailMessage(_Unfolded())
    message["Subject"], message["From"], message["To"] = letter.subject, relay.sender, _one_address(letter.to)
    message["Date"] = format_datetime(now())
    # The same at a second try, so that a mailbox can tell that it has the letter already.
    message["Message-ID"] = f"<{letter_id}@{parseaddr(relay.sender)[1].rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    for name, value in letter.headers.items():
        message[name] = value
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    # Last, since setting the content drops what is said about it.
    message["Content-Language"] = letter.locale
    return message


def _one_address(address: str) -> Address:
    """An address as a header holds it: one, whatever signs it is made of.

    Raises:
        LetterRefused: it is none.
    """
    try:
        return Address(addr_spec=address)
    except (ValueError, MessageError):
        pass  # the error's text holds the address
    raise LetterRefused("this is no address")


def _hand_over(relay: Relay, message: EmailMessage) -> None:
    """Speak SMTP. Errors are raised anew without their cause, whose text names addresses.

    Raises:
        Unavailable: the relay is away, or says that it may work later.
        LetterRefused: it says that it never will.
    """
    failure: Refused
    try:
        with _connected(relay) as smtp:
            smtp.send_message(message)
        return
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        code = min(codes, default=400)
        failure = NoMailbox(f"refused with {code}") if code in NO_MAILBOX else _by_code(code)
    except smtplib.SMTPAuthenticationError:
        failure = Unavailable("the mail server refuses our name and password")
    except smtplib.SMTPResponseException as error:
        failure = _by_code(error.smtp_code)
    except (smtplib.SMTPException, OSError) as error:
        failure = Unavailable(f"the mail server is away: {type(error).__name__}")
    raise failure from None


def _by_code(code: int) -> Refused:
    return LetterRefused(f"refused with {code}") if code >= 500 else Unavailable(f"put off with {code}")


def _connected(relay: Relay) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if relay.security is Security.TLS:
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(relay.host, relay.port, timeout=TIMEOUT_S, context=context)
    else:
        smtp = smtplib.SMTP(relay.host, relay.port, timeout=TIMEOUT_S)
    try:
        if relay.security is Security.STARTTLS:
            smtp.starttls(context=context)
        if relay.user is not None:
            smtp.login(relay.user, relay.password or "")
    except BaseException:
        smtp.close()
        raise
    return smtp
