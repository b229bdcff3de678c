"""Guest passes: guests with a name and no password, who live in one browser until they make an account of it.

A pass that no browser is signed in with, and to which neither a link nor an account elsewhere leads, can never be used
again; it is erased.
"""

from datetime import timedelta

from sqlalchemy import Text, cast, delete, exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import links, throttle
from trouvaille.accounts.audit import Act
from trouvaille.accounts.models import Link, Proof, Purpose
from trouvaille.accounts.service import Subject, clean_email, clean_name
from trouvaille.core import mail
from trouvaille.core.clock import now
from trouvaille.core.db import Sessions
from trouvaille.core.errors import N_, Conflict, Forbidden
from trouvaille.core.secrets import Vault
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import invitations, registration, service
from trouvaille.guests.consent import note
from trouvaille.guests.models import Guest, GuestIdentity
from trouvaille.guests.registration import Registration
from trouvaille.web import letters
from trouvaille.web.letters import Draft

LOST_AFTER = timedelta(days=1)
RETURN = Draft(
    subject=N_("Your way back to the photos of %(where)s"),
    paragraphs=(N_("Hello,"), N_("with this link you come back to your photos, on this or another device.")),
    link=(N_("See my photos"), ""),
    after=(
        N_("The link works once, for 30 days."),
        N_("If you did not ask for it, there is nothing to do."),
    ),
)


class NoPasses(Forbidden):
    """The organiser wants accounts."""

    message = N_("This event asks for an account.")


class HasAccount(Conflict):
    """Only a pass can become an account."""

    message = N_("You have an account already.")


async def make(session: AsyncSession, event: Event, *, display_name: str, locale: str, agrees: bool) -> Guest:
    """Let somebody in by name alone, with their consent if they gave it.

    Raises:
        EventOver, EventClosed, NoPasses
        Invalid: no name.
    """
    events.check_open(event)
    if not event.guest_pass:
        raise NoPasses
    guest = Guest(event_id=event.id, display_name=clean_name(display_name), locale=locale)
    session.add(guest)
    await session.flush()
    await note(session, Act.PASS_MADE, guest)
    await registration.agree(session, event, guest, agrees=agrees, locale=locale)
    return guest


async def upgrade(session: AsyncSession, guest: Guest, form: Registration, password_hash: str) -> None:
    """Make an account of a pass; photos, verdicts, selfie and consent are the guest's and stay.

    Args:
        password_hash: of the form's password, for its names.

    Raises:
        HasAccount, UsernameTaken, EmailTaken
    """
    held = await session.get_one(Guest, guest.id, with_for_update=True, populate_existing=True)
    if not held.is_pass:
        raise HasAccount
    try:
        async with session.begin_nested():
            held.username, held.email = form.names
            held.password_hash = password_hash
    except IntegrityError as error:
        raise registration.taken_in(error) from error
    # A link that stood for the pass must not stand for the password.
    ways_back = Link.subjects.contains([["guest", str(held.id)]])
    await session.execute(delete(Link).where(Link.purpose == Purpose.RETURN, ways_back))
    await invitations.join(session, held, "")
    await note(session, Act.PASS_UPGRADED, held)


async def count_letter(sessions: Sessions, vault: Vault, guest: Guest, *, email: str, address: str) -> None:
    """Count a letter that is asked for, by its address, by the pass and by the sender.

    Raises:
        TooOften
    """
    charges = {
        vault.fingerprint("attempts", f"letters:{email.strip().lower()}"): throttle.LETTERS,
        vault.fingerprint("attempts", f"return:{guest.id}"): throttle.LETTERS,
        vault.fingerprint("attempts", f"asking:{throttle.network_of(address)}"): throttle.ASKING,
    }
    await throttle.charge(sessions, charges)


async def send_way_back(
    session: AsyncSession, vault: Vault, guest: Guest, event: Event, *, email: str, public_url: str
) -> None:
    """Send a link that signs in with a pass. The address is in the sealed letter and kept nowhere.

    Raises:
        Invalid: it is no address.
    """
    subject = service.as_subject(guest, event)
    token = await links.make(session, Purpose.RETURN, [subject], mailed=True)
    link = (N_("See my photos"), f"{public_url}/return/{token}")
    addressed = Draft(RETURN.subject, RETURN.paragraphs, link, RETURN.after)
    # Without the guest's name: it is whatever somebody typed, and the letter goes to whomever they like.
    letter = letters.write(addressed, to=clean_email(email), locale=subject.locale, where=subject.detail)
    await mail.post(session, vault, letter)


async def come_back(session: AsyncSession, token: str) -> Subject:
    """Whose pass a link is; it is used up.

    Raises:
        LinkOver
    """
    row, (subject, *_) = await links.opened(session, Purpose.RETURN, token)
    await session.delete(row)
    return subject


async def forget_lost(session: AsyncSession) -> int:
    """Erase passes that nobody can come back to; returns how many."""
    signed_in = exists().where(Proof.subject_id == Guest.id)
    itself = func.jsonb_build_array(func.jsonb_build_array("guest", cast(Guest.id, Text)))
    leads_here = exists().where(Link.subjects.contains(itself)) | exists().where(GuestIdentity.account_id == Guest.id)
    lost = await session.scalars(
        select(Guest)
        .where(Guest.username.is_(None), Guest.created_at < now() - LOST_AFTER, ~signed_in, ~leads_here)
        .limit(100)
        .with_for_update(skip_locked=True)
    )
    guests = list(lost)
    for guest in guests:
        await service.remove(session, guest)
    return len(guests)
