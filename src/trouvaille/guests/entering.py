"""Coming in as a guest: what pages and programs do alike, up to the browser that is signed in at the end."""

from dataclasses import dataclass
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from trouvaille.accounts import entry, identity, letters, service, sessions
from trouvaille.accounts.arrival import welcome
from trouvaille.accounts.entry import Attempt
from trouvaille.accounts.identity import known_browser
from trouvaille.accounts.passwords import Passwords
from trouvaille.accounts.service import Viewer
from trouvaille.core.db import transaction
from trouvaille.core.errors import Refused, SignInNeeded
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import door, invitations, joining, passes, registration
from trouvaille.guests.joining import Joining
from trouvaille.guests.models import Guest
from trouvaille.guests.registration import EmailTaken, Registration, UsernameTaken
from trouvaille.web import i18n
from trouvaille.web.site import address_of, sender_of, site_of


def next_step(event: Event, *, agrees: bool) -> str:
    """Where a new guest goes: to the selfie if they agreed to it, to the photos otherwise."""
    return f"/e/{event.code}/selfie" if agrees and event.faces_on else f"/e/{event.code}/photos"


@dataclass(frozen=True, slots=True)
class Door:
    """A request at an event's door, and the answer that will sign its browser in."""

    request: Request
    response: Response
    passwords: Passwords
    event: Event

    async def count(self) -> None:
        """Count that somebody comes.

        Raises:
            TooOften
        """
        site = site_of(self.request)
        address = sender_of(self.request)
        await door.count_coming(site.sessions, site.vault, address=address, event_id=self.event.id)


async def register(at: Door, wanted: Registration, invitation: str = "") -> UUID:
    """Account, consent and session, in one transaction: a browser that closes leaves all of them behind, or nothing.

    Whoever sends the same form twice, for its first answer got lost, is let in: all they typed fits the account. That
    is a sign-in, and counted as one.

    Returns:
        The guest's id.

    Raises:
        EventOver, EventClosed, InvalidForm, UsernameTaken, EmailTaken, TooOften
    """
    site, event = site_of(at.request), at.event
    await at.count()
    try:
        password_hash = await registration.hash_of(site.sessions, at.passwords, event, wanted)
        async with transaction(site.sessions) as session:
            event = await events.open_by_code(session, event.code)
            guest = await registration.register(session, event, wanted, password_hash)
            await invitations.join(session, guest, invitation)
            await welcome(at.request, session, at.response, "guest", guest.id)
            return guest.id
    except (UsernameTaken, EmailTaken):
        known = await _who_sent_it_twice(at, wanted)
        if known is None:
            raise
        return known


async def _who_sent_it_twice(at: Door, wanted: Registration) -> UUID | None:
    site, event = site_of(at.request), at.event
    async with transaction(site.sessions) as session:
        held = await registration.holder(session, event, wanted)
    if held is None:
        return None
    attempt = Attempt(wanted.username, wanted.password, sender_of(at.request), known_browser(at.request))
    try:
        fits = await entry.who_fits(site.sessions, site.vault, at.passwords, attempt)
    except Refused:
        return None
    who = next((each for each in fits if each.id == held.id), None)
    if who is None:
        return None
    async with transaction(site.sessions) as session:
        await registration.agree(session, event, held, agrees=wanted.agrees, locale=wanted.locale)
        await identity.sign_in(at.request, session, at.response, who, proved=fits)
    return who.id


async def take_pass(at: Door, *, display_name: str, agrees: bool) -> UUID:
    """Come in by name alone.

    Returns:
        The guest's id.

    Raises:
        EventOver, EventClosed, NoPasses, Invalid, TooOften
    """
    await at.count()
    async with transaction(site_of(at.request).sessions) as session:
        event = await events.open_by_code(session, at.event.code)
        guest = await passes.make(session, event, display_name=display_name, locale=i18n.current(), agrees=agrees)
        await welcome(at.request, session, at.response, "guest", guest.id)
        return guest.id


async def upgrade(at: Door, guest: Guest, wanted: Registration) -> None:
    """Make an account of a pass. Who had only a name before has a password now, so the browser gets another token.

    Raises:
        HasAccount, InvalidForm, UsernameTaken, EmailTaken, TooOften
    """
    site = site_of(at.request)
    await at.count()
    password_hash = await registration.hash_of(site.sessions, at.passwords, at.event, wanted)
    async with transaction(site.sessions) as session:
        await passes.upgrade(session, guest, wanted, password_hash)
        await welcome(at.request, session, at.response, "guest", guest.id)


async def join(at: Door, viewer: Viewer, wanted: Joining) -> UUID:
    """Account, consent, selfie and the way between both events, in one transaction.

    Returns:
        The guest's id in the event that they joined.

    Raises:
        AlreadyGuest, OnlyPass, EventOver, EventClosed, Invalid, UsernameTaken, EmailTaken, TooOften
        SignInNeeded: the viewer is gone.
    """
    site = site_of(at.request)
    wanted.check(at.event)
    async with transaction(site.sessions) as session:
        await joining.check_may_join(session, viewer, at.event)
    await at.count()
    async with transaction(site.sessions) as session:
        subject = await service.subject_of_viewer(session, viewer)
    password_hash = await joining.hash_for(site.sessions, site.vault, at.passwords, subject, wanted)
    async with transaction(site.sessions) as session:
        event = await events.open_by_code(session, at.event.code)
        guest = await session.get(Guest, viewer.id)
        if guest is None:
            raise SignInNeeded
        joined = await joining.join(session, site.storage, event, guest, wanted, password_hash)
        there = await service.subject_of(session, "guest", joined.id)
        assert there is not None
        await sessions.prove(session, viewer, there)
        await identity.switch(at.request, session, at.response, viewer, there)
        if site.sends_mail and not there.email_confirmed:
            await letters.send_confirmation(session, site.vault, there, public_url=address_of(at.request))
        return joined.id
