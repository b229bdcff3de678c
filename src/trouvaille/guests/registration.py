"""Coming in as a guest: what is typed, who has it already, and the account that is made of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.audit import Act
from trouvaille.accounts.passwords import Passwords, check_password
from trouvaille.accounts.service import clean_email, clean_name, problems_of
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import N_, Conflict, Invalid, InvalidForm, Refused
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests.consent import give_consent, note
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
    """What a guest types to register. ``agrees``: that their face is looked for, asked on its own."""

    display_name: str
    username: str
    email: str
    password: str
    locale: str = "en"
    agrees: bool = False

    def problems(self) -> list[Invalid]:
        """What is wrong with it, by field; empty when all is well."""
        return problems_of(
            lambda: clean_name(self.display_name),
            lambda: clean_username(self.username),
            lambda: clean_email(self.email),
            lambda: check_password(self.password),
        )

    @property
    def names(self) -> list[str]:
        """What signs in; only of a registration without problems."""
        return [clean_username(self.username), clean_email(self.email)]


def clean_username(username: str) -> str:
    """A trimmed username.

    Raises:
        Invalid: it has signs or a length that we don't take.
    """
    username = username.strip()
    if not USERNAME.fullmatch(username):
        raise Invalid(N_("Use 3 to 40 letters, digits, dots, hyphens or underscores."), field="username")
    return username


async def unavailable(
    session: AsyncSession, event_id: UUID, *, username: str | None = None, email: str | None = None
) -> dict[str, Refused]:
    """Why one can't register with a username or an address at this moment, by field; one query, two index look-ups."""
    problems: dict[str, Refused] = {}
    checks: tuple[tuple[str, str | None, Callable[[str], str]], ...] = (
        ("username", username, clean_username),
        ("email", email, clean_email),
    )
    clean: dict[str, str] = {}
    for field, value, check in checks:
        try:
            if value is not None:
                clean[field] = check(value)
        except Invalid as problem:
            problems[field] = problem
    columns = {"username": Guest.username, "email": Guest.email}
    taken: dict[str, type[Conflict]] = {"username": UsernameTaken, "email": EmailTaken}
    held = [
        select(Guest.id).where(Guest.event_id == event_id, func.lower(columns[field]) == func.lower(value)).exists()
        for field, value in clean.items()
    ]
    if held:
        row = (await session.execute(select(*held))).one()
        problems |= {field: taken[field](field=field) for field, is_held in zip(clean, row, strict=True) if is_held}
    return problems


async def hash_of(sessions: Sessions, passwords: Passwords, event: Event, form: Registration) -> str:
    """The hash to register with. No transaction is open while it is computed, so that a rush can't hold them all.

    Raises:
        InvalidForm, UsernameTaken, EmailTaken: known before anything is computed.
    """
    if problems := form.problems():
        raise InvalidForm(*problems)
    async with transaction(sessions) as session:
        taken = await unavailable(session, event.id, username=form.username, email=form.email)
        recipes = await passwords.recipes(session)
    if taken:
        raise next(iter(taken.values()))
    return await passwords.make(recipes[0], form.password, form.names)


async def register(session: AsyncSession, event: Event, form: Registration, password_hash: str) -> Guest:
    """Make a guest's account in an event, with their consent if they gave it: all of it or nothing.

    Args:
        password_hash: of the form's password, for its names.

    Raises:
        EventOver, EventClosed, InvalidForm, UsernameTaken, EmailTaken: the database decides who was first.
    """
    events.check_open(event)
    if problems := form.problems():
        raise InvalidForm(*problems)
    guest = Guest(
        event_id=event.id,
        username=clean_username(form.username),
        email=clean_email(form.email),
        display_name=clean_name(form.display_name),
        password_hash=password_hash,
        locale=form.locale,
    )
    await keep(session, guest)
    await note(session, Act.GUEST_REGISTERED, guest)
    await agree(session, event, guest, agrees=form.agrees, locale=form.locale)
    return guest


async def agree(session: AsyncSession, event: Event, guest: Guest, *, agrees: bool, locale: str) -> None:
    """Keep the consent of somebody who comes in, where faces are looked for and they said yes."""
    if agrees and event.faces_on:
        await give_consent(session, guest, locale=locale)


async def keep(session: AsyncSession, guest: Guest) -> None:
    """Write a guest with their names, which the database holds unique in the event.

    Raises:
        UsernameTaken, EmailTaken
    """
    try:
        async with session.begin_nested():
            session.add(guest)
    except IntegrityError as error:
        raise taken_in(error) from error


def taken_in(error: IntegrityError) -> Conflict:
    """Which name the database found taken."""
    return EmailTaken(field="email") if "email" in str(error.orig) else UsernameTaken(field="username")


async def holder(session: AsyncSession, event: Event, form: Registration) -> Guest | None:
    """The guest who has both names of a form: most likely its sender, who never saw the first answer."""
    username, email = func.lower(form.username.strip()), func.lower(form.email.strip())
    return await session.scalar(
        select(Guest).where(
            Guest.event_id == event.id, func.lower(Guest.username) == username, func.lower(Guest.email) == email
        )
    )
