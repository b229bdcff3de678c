"""What the accounts slice writes to people, and when."""

from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit, links, throttle
from trouvaille.accounts.audit import Act
from trouvaille.accounts.models import Purpose
from trouvaille.accounts.service import Subject
from trouvaille.core import mail
from trouvaille.core.db import Sessions
from trouvaille.core.errors import N_
from trouvaille.core.jobs import MAIL, defer
from trouvaille.core.secrets import Vault
from trouvaille.web import letters
from trouvaille.web.letters import Draft

RESET = Draft(
    subject=N_("A new password for Trouvaille"),
    paragraphs=(
        N_("Hello,"),
        N_("somebody, most likely you, asked for a new password for the account with this address."),
    ),
    link=(N_("Choose a new password"), ""),
    after=(
        N_("The link works once, for one hour."),
        N_("If it was not you, there is nothing to do: your password stays as it is."),
    ),
)
CONFIRM = Draft(
    subject=N_("Please confirm your address"),
    paragraphs=(
        N_("Hello,"),
        N_("this address was used for an account of %(where)s. Please confirm that it is yours."),
    ),
    link=(N_("Confirm my address"), ""),
    after=(
        N_("The link works once, for seven days."),
        N_("If you have no such account, there is nothing to do."),
    ),
)
NEW_ADDRESS = Draft(
    subject=N_("Please confirm your new address"),
    paragraphs=(
        N_("Hello,"),
        N_("somebody, most likely you, wants an account of %(where)s to have this address from now on."),
    ),
    link=(N_("Use this address"), ""),
    after=(
        N_("The link works once, for seven days. Until then everything stays as it is."),
        N_("If you have no such account, there is nothing to do."),
    ),
)
OLD_ADDRESS = Draft(
    subject=N_("Your account has another address now"),
    paragraphs=(
        N_("Hello,"),
        N_("your account of %(where)s had this address. From now on it has another one, which you asked for."),
        N_("If it was not you, please write to the people who run this server."),
    ),
)


async def ask_for_reset(sessions: Sessions, session: AsyncSession, vault: Vault, *, email: str, address: str) -> None:
    """Have a link sent to an address, if it has an account; a worker looks, so that the answer can't tell.

    Args:
        address: of the sender, for counting.

    Raises:
        TooOften: links for this address, or from this sender, were asked for too often.
    """
    charges = {
        vault.fingerprint("attempts", f"letters:{email.strip().lower()}"): throttle.LETTERS,
        vault.fingerprint("attempts", f"asking:{throttle.network_of(address)}"): throttle.ASKING,
    }
    await throttle.charge(sessions, charges)
    asked = vault.seal_note("reset", {"email": email}).decode()
    await defer(session, "accounts.send_reset", queue=MAIL, priority=mail.PRIORITY, asked=asked)


async def send_reset(session: AsyncSession, vault: Vault, *, email: str, public_url: str) -> None:
    """Write to an address that asked for a new password; to an address without account, nothing is written."""
    subjects = await links.who_has(session, email)
    if not subjects:
        return
    token = await links.make(session, Purpose.RESET, subjects, mailed=True)
    for who in subjects:
        await audit.note(session, Act.RESET_ASKED, about_id=who.id, event_id=who.event_id)
    await _send(session, vault, RESET, subjects[0], f"{public_url}/reset/{token}")


async def send_confirmation(session: AsyncSession, vault: Vault, subject: Subject, *, public_url: str) -> None:
    """Ask somebody to show that an address is theirs."""
    token = await links.make(session, Purpose.CONFIRM, [subject], mailed=True)
    await _send(session, vault, CONFIRM, subject, f"{public_url}/confirm/{token}")


async def send_new_address(session: AsyncSession, vault: Vault, subject: Subject, email: str, link: str) -> None:
    """Ask at an address that somebody wants to have whether it is theirs."""
    await _send(session, vault, NEW_ADDRESS, subject, link, email=email)


async def tell_old_address(session: AsyncSession, vault: Vault, subject: Subject, email: str) -> None:
    """Say at somebody's address that they have another one now, unless that differs in capitals alone."""
    if subject.email.lower() != email.lower():
        await _send(session, vault, OLD_ADDRESS, subject)


async def _send(
    session: AsyncSession, vault: Vault, draft: Draft, to: Subject, address: str = "", *, email: str = ""
) -> None:
    link = (draft.link[0], address) if draft.link else None
    addressed = Draft(draft.subject, draft.paragraphs, link, draft.after)
    where = to.detail if to.kind == "guest" else "Trouvaille"
    letter = letters.write(addressed, to=email or to.email, locale=to.locale, where=where)
    await mail.post(session, vault, letter)
