"""Registering with an account from elsewhere."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.audit import Act
from trouvaille.accounts.passwords import NO_PASSWORD
from trouvaille.accounts.service import clean_email, clean_name, problems_of
from trouvaille.core.clock import now
from trouvaille.core.errors import Invalid, InvalidForm
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import invitations, registration
from trouvaille.guests.consent import note
from trouvaille.guests.models import Guest


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What a guest types who signs on elsewhere, without a password. ``agrees``: that their face is looked for."""

    display_name: str
    username: str
    email: str
    locale: str = "en"
    agrees: bool = False

    def problems(self) -> list[Invalid]:
        """What is wrong with it, by field; empty when all is well."""
        return problems_of(
            lambda: clean_name(self.display_name),
            lambda: registration.clean_username(self.username),
            lambda: clean_email(self.email),
        )


async def register(session: AsyncSession, event: Event, form: Newcomer, *, verified: str | None) -> Guest:
    """Make the account of a guest who signs on elsewhere, with their consent if they gave it; it has no password.

    Args:
        verified: an address that is theirs beyond doubt.

    Raises:
        EventOver, EventClosed, InvalidForm, UsernameTaken, EmailTaken
    """
    events.check_open(event)
    if problems := form.problems():
        raise InvalidForm(*problems)
    email = clean_email(form.email)
    guest = Guest(
        event_id=event.id,
        username=registration.clean_username(form.username),
        email=email,
        email_confirmed_at=now() if verified is not None and email.lower() == verified.lower() else None,
        display_name=clean_name(form.display_name),
        password_hash=NO_PASSWORD,
        locale=form.locale,
    )
    await registration.keep(session, guest)
    await note(session, Act.GUEST_REGISTERED, guest)
    await registration.agree(session, event, guest, agrees=form.agrees, locale=form.locale)
    await invitations.join(session, guest, "")
    return guest
