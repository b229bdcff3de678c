"""Coming in as a guest: what is typed, who has it already, and the account that is made of it."""

import re
from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.audit import Act
from trouvaille.accounts.passwords import Passwords, check_password
from trouvaille.accounts.service import clean_email, clean_name, problems_of
from trouvaille.core.errors import N_, Conflict, Invalid, InvalidForm
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests.consent import note
from trouvaille.guests.models import Guest

# Letters of any language, digits, and what people put between them; no @, so that it never looks like an address.
USERNAME = re.compile(r"[\w][\w.\-]{1,38}[\w]")


class UsernameTaken(Conflict):
    """Another guest of this event has it."""

    message = N_("This username is already taken at this event.")


class EmailTaken(Conflict):
    """Another guest of this event has it."""

    message = N_("There is already an account with this e-mail address at this event. You can sign in with it.")


@dataclass(frozen=True, slots=True)
class Registration:
    """What a guest types to register."""

    display_name: str
    username: str
    email: str
    password: str
    locale: str = "en"

    def problems(self) -> list[Invalid]:
        """What is wrong with it, by field; empty when all is well."""
        return problems_of(
            lambda: clean_name(self.display_name),
            lambda: clean_username(self.username),
            lambda: clean_email(self.email),
            lambda: check_password(self.password),
        )


def clean_username(username: str) -> str:
    """A trimmed username.

    Raises:
        Invalid: it has signs or a length that we don't take.
    """
    username = username.strip()
    if not USERNAME.fullmatch(username):
        raise Invalid(N_("Use 3 to 40 letters, digits, dots, hyphens or underscores."), field="username")
    return username


async def register(session: AsyncSession, passwords: Passwords, event: Event, form: Registration) -> Guest:
    """Make a guest's account in an event.

    Raises:
        EventOver, InvalidForm, UsernameTaken, EmailTaken: the database decides who was first.
    """
    if not event.is_open:
        raise events.EventOver
    if problems := form.problems():
        raise InvalidForm(*problems)
    guest = Guest(
        event_id=event.id,
        username=clean_username(form.username),
        email=clean_email(form.email),
        display_name=clean_name(form.display_name),
        password_hash=await passwords.hash(
            session, form.password, [clean_username(form.username), clean_email(form.email)]
        ),
        locale=form.locale,
    )
    try:
        async with session.begin_nested():
            session.add(guest)
    except IntegrityError as error:
        if "email" in str(error.orig):
            raise EmailTaken(field="email") from error
        raise UsernameTaken(field="username") from error
    await note(session, Act.GUEST_REGISTERED, guest)
    return guest
