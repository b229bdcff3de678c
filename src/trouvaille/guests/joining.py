"""Coming to another event with the account of one: the same names and password, a consent of its own, and the same
selfie if its owner says so. What crosses is the sealed picture, never a template."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit, throttle
from trouvaille.accounts.audit import Act, Person
from trouvaille.accounts.passwords import Passwords
from trouvaille.accounts.service import Subject, Viewer
from trouvaille.accounts.sessions import others_of
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import N_, Conflict, Invalid, NotFound, SignInNeeded
from trouvaille.core.secrets import Vault
from trouvaille.core.storage import Storage
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import invitations, registration, selfies
from trouvaille.guests.consent import note
from trouvaille.guests.models import Guest, GuestIdentity


class AlreadyGuest(Conflict):
    """They are a guest of the event, as whom they are signed in or as another of their accounts."""

    message = N_("You are a guest of this event already.")


class OnlyPass(Conflict):
    """There are no names and no password to take along."""

    message = N_("A guest pass is for one event. Make an account of it first.")


@dataclass(frozen=True, slots=True)
class Joining:
    """What somebody says who joins. The password is asked only where the username is another one there."""

    username: str
    password: str
    locale: str
    agrees: bool
    reuses_selfie: bool

    def check(self, event: Event) -> None:
        """Refuse what can't be meant.

        Raises:
            Invalid: the username, or a selfie without consent.
        """
        registration.clean_username(self.username)
        if self.reuses_selfie and event.faces_on and not self.agrees:
            raise Invalid(N_("Your selfie can be used only if you agree."), field="agree")


async def check_may_join(session: AsyncSession, viewer: Viewer, event: Event) -> None:
    """Whether somebody may join an event as who they are.

    Raises:
        AlreadyGuest, OnlyPass
        SignInNeeded: they are gone.
    """
    if viewer.event_id == event.id:
        raise AlreadyGuest
    guest = await session.get(Guest, viewer.id)
    if guest is None:
        raise SignInNeeded
    if guest.is_pass:
        raise OnlyPass
    if any(who.event_id == event.id for who in await others_of(session, viewer)):
        raise AlreadyGuest


async def hash_for(sessions: Sessions, vault: Vault, passwords: Passwords, who: Subject, form: Joining) -> str:
    """The password's hash in the other event: as it is, since it belongs to the names, or anew for another username.

    Who signs on elsewhere has none, and needs none for another username.

    Raises:
        Invalid: the password that a new username needs is not this one.
        TooOften: it was tried too often.
    """
    if form.username.strip().lower() == who.names[0].lower() or not who.has_password:
        return who.password_hash
    key = vault.fingerprint("attempts", f"own:{who.id}")
    await throttle.charge(sessions, {key: throttle.NAME})
    async with transaction(sessions) as session:
        recipes = await passwords.recipes(session)
    stretched = await passwords.stretch(recipes, who.names[0], form.password[:1000])
    if not stretched.fits(who.password_hash):
        raise Invalid(N_("This is not your present password."), field="password")
    async with transaction(sessions) as session:
        await throttle.give_back(session, [key])
    return await passwords.make(recipes[0], form.password, [registration.clean_username(form.username), who.email])


async def join(
    session: AsyncSession, storage: Storage, event: Event, guest: Guest, form: Joining, password_hash: str
) -> Guest:
    """Make a guest of one event one of another, with consent and selfie as they said: all of it or nothing.

    Args:
        guest: who they are where they are signed in.

    Raises:
        EventOver, EventClosed, Invalid, UsernameTaken, EmailTaken
    """
    events.check_open(event)
    form.check(event)
    joined = Guest(
        event_id=event.id,
        username=registration.clean_username(form.username),
        email=guest.email,
        email_confirmed_at=guest.email_confirmed_at,
        display_name=guest.display_name,
        password_hash=password_hash,
        locale=form.locale,
    )
    await registration.keep(session, joined)
    await note(session, Act.GUEST_REGISTERED, joined)
    await _open_with_identities(session, guest, joined)
    await invitations.join(session, joined, "")
    await registration.agree(session, event, joined, agrees=form.agrees, locale=form.locale)
    if form.reuses_selfie and event.faces_on:
        pictures = await _selfie_of(session, storage, guest)
        if pictures:
            await selfies.submit_selfie(session, storage, event, joined, pictures)
    return joined


async def _open_with_identities(session: AsyncSession, guest: Guest, joined: Guest) -> None:
    """Let what opens the one account elsewhere open the other too; it may be the only way in."""
    for identity in await session.scalars(select(GuestIdentity).where(GuestIdentity.account_id == guest.id)):
        copy = GuestIdentity(
            issuer=identity.issuer, subject=identity.subject, shown=identity.shown, account_id=joined.id
        )
        session.add(copy)
        await session.flush()
        by = Person("guest", joined.id)
        await audit.note(session, Act.IDENTITY_LINKED, by=by, about_id=copy.id, event_id=joined.event_id)


async def _selfie_of(session: AsyncSession, storage: Storage, guest: Guest) -> Sequence[bytes]:
    """The sealed pictures of an accepted selfie; none when it was withdrawn meanwhile."""
    enrolment = await selfies.accepted_enrolment(session, guest.id)
    if enrolment is None:
        return ()
    try:
        return await selfies.frames_of(storage, enrolment)
    except NotFound:
        return ()
