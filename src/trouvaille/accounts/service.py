"""Staff accounts, and what is known of everybody who can sign in, whichever slice they belong to."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Select, Text, delete, func, null, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act
from trouvaille.accounts.models import Link, PasswordRecipe, Role, Staff, StaffIdentity
from trouvaille.accounts.passwords import NO_PASSWORD, Passwords, check_password
from trouvaille.core.clock import now
from trouvaille.core.errors import N_, Conflict, Forbidden, Invalid, InvalidForm, SignInNeeded
from trouvaille.core.reading import Prepared, all_in, place

Kind = Literal["staff", "guest"]
# Whose events may be.
ORGANISERS = (Role.ADMINISTRATOR, Role.ORGANISER)
# While a new setting is rolled out, some processes still hash the old way.
RECIPES_OVERLAP = timedelta(days=7)
# A mail address is proved by a mail, not by a pattern; this only catches slips of the finger.
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


class EmailTaken(Conflict):
    """Another member of staff has this address."""

    message = N_("There is already an account with this e-mail address.")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. ``event_id`` and ``event_code`` are set for guests, who belong to one event; ``role`` for staff."""

    session_id: UUID
    kind: Kind
    id: UUID
    display_name: str
    role: Role | None = None
    event_id: UUID | None = None
    event_code: str | None = None
    email_confirmed: bool = True

    @property
    def is_administrator(self) -> bool:
        """Whether they run this server."""
        return self.role is Role.ADMINISTRATOR

    @property
    def may_organise(self) -> bool:
        """Whether events may belong to them."""
        return self.role in ORGANISERS


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody who can sign in, as their own slice describes them. ``names``: what they may type to sign in."""

    kind: Kind
    id: UUID
    display_name: str
    detail: str
    email: str
    names: tuple[str, ...]
    locale: str
    password_hash: str
    email_confirmed: bool
    role: Role | None = None
    event_id: UUID | None = None
    event_code: str | None = None

    @property
    def has_password(self) -> bool:
        """Whether they can sign in with one."""
        return self.password_hash != NO_PASSWORD


@dataclass(frozen=True, slots=True)
class Candidate:
    """An account that a typed name may mean."""

    kind: Kind
    id: UUID
    password_hash: str


@dataclass(frozen=True, slots=True)
class Subjects:
    """How a slice answers for its kind of people.

    ``table`` has the columns ``id``, ``email``, ``email_confirmed_at`` and ``password_hash``; ``identities`` is a
    ``LinkedIdentity``. ``briefly`` selects ``BRIEF`` of all of them: what every request asks about who sends it.
    """

    table: type[Any]
    identities: type[Any]
    by_id: Callable[[AsyncSession, UUID], Awaitable[Subject | None]]
    by_name: Callable[[AsyncSession, str], Awaitable[Sequence[Candidate]]]
    by_email: Callable[[AsyncSession, str], Awaitable[Sequence[Subject]]]
    by_identity: Callable[[AsyncSession, str, str], Awaitable[Sequence[Subject]]]
    briefly: Select[*tuple[Any, ...]]


# In this order: the fields of a ``Viewer`` but for the session and the kind.
BRIEF = ("id", "display_name", "role", "event_id", "event_code", "email_confirmed")
# Slices above register here, since an upward import is not allowed.
SUBJECTS: dict[Kind, Subjects] = {}
# What an event is called, for the sign-in page that its guests come to.
EVENT_NAMES: list[Callable[[AsyncSession, str], Awaitable[str | None]]] = []


def clean_email(email: str) -> str:
    """A trimmed address.

    Raises:
        Invalid: it can't be one.
    """
    email = email.strip()
    if len(email) > 254 or not EMAIL.fullmatch(email):
        raise Invalid(N_("Please enter a valid e-mail address."), field="email")
    return email


def clean_name(name: str, *, field: str = "display_name", longest: int = 80) -> str:
    """A name in one line, inner spaces folded.

    Raises:
        Invalid: it is empty or too long.
    """
    name = " ".join("".join(sign for sign in name if sign.isprintable()).split())
    if not name:
        raise Invalid(N_("Please fill this in."), field=field)
    if len(name) > longest:
        raise Invalid(N_("Please keep this under %(longest)s characters."), field=field, longest=longest)
    return name


def problems_of(*checks: Callable[[], object]) -> list[Invalid]:
    """What is wrong in a form, all at once: run each check and keep what it raised."""
    problems = []
    for check in checks:
        try:
            check()
        except Invalid as problem:
            problems.append(problem)
    return problems


async def create_staff(
    session: AsyncSession,
    passwords: Passwords,
    *,
    email: str,
    display_name: str,
    password: str | None,
    role: Role,
    locale: str = "en",
    by: Viewer | None = None,
) -> Staff:
    """Add a member of staff.

    Args:
        password: None for somebody who signs on elsewhere.

    Raises:
        InvalidForm: a field is wrong.
        EmailTaken: somebody has this address.
    """
    problems = problems_of(
        lambda: clean_name(display_name),
        lambda: clean_email(email),
        lambda: None if password is None else check_password(password),
    )
    if problems:
        raise InvalidForm(*problems)
    staff = Staff(
        email=clean_email(email),
        display_name=clean_name(display_name),
        password_hash=(
            NO_PASSWORD if password is None else await passwords.hash(session, password, [clean_email(email)])
        ),
        role=role,
        locale=locale,
    )
    try:
        async with session.begin_nested():
            session.add(staff)
    except IntegrityError as error:
        raise EmailTaken(field="email") from error
    await audit.note(session, Act.STAFF_CREATED, by=by, about_id=staff.id)
    return staff


async def has_staff(session: AsyncSession) -> bool:
    """Whether this server has been set up."""
    return await session.scalar(select(Staff.id).limit(1)) is not None


def _as_subject(staff: Staff) -> Subject:
    return Subject(
        kind="staff",
        id=staff.id,
        display_name=staff.display_name,
        detail=staff.email,
        email=staff.email,
        names=(staff.email,),
        locale=staff.locale,
        password_hash=staff.password_hash,
        email_confirmed=staff.email_confirmed_at is not None,
        role=staff.role,
    )


_BY_NAME = Prepared(
    select(Staff.id, Staff.password_hash).where(func.lower(Staff.email) == func.lower(place("name", Text())))
)


async def _staff_by_id(session: AsyncSession, staff_id: UUID) -> Subject | None:
    staff = await session.get(Staff, staff_id)
    return _as_subject(staff) if staff else None


async def _staff_by_name(session: AsyncSession, name: str) -> Sequence[Candidate]:
    found = await all_in(session, _BY_NAME, name=name)
    return [Candidate("staff", staff_id, password_hash) for staff_id, password_hash in found]


async def _staff_by_email(session: AsyncSession, email: str) -> Sequence[Subject]:
    found = await session.scalars(select(Staff).where(func.lower(Staff.email) == func.lower(email)))
    return [_as_subject(staff) for staff in found]


async def _staff_by_identity(session: AsyncSession, issuer: str, subject: str) -> Sequence[Subject]:
    found = await session.scalars(
        select(Staff)
        .join(StaffIdentity, StaffIdentity.account_id == Staff.id)
        .where(StaffIdentity.issuer == issuer, StaffIdentity.subject == subject)
    )
    return [_as_subject(staff) for staff in found]


SUBJECTS["staff"] = Subjects(
    Staff,
    StaffIdentity,
    _staff_by_id,
    _staff_by_name,
    _staff_by_email,
    _staff_by_identity,
    briefly=select(
        Staff.id,
        Staff.display_name,
        Staff.role,
        null().label("event_id"),
        null().label("event_code"),
        Staff.email_confirmed_at.is_not(None).label("email_confirmed"),
    ),
)


async def subject_of(session: AsyncSession, kind: str, subject_id: UUID) -> Subject | None:
    """Somebody by kind and id; None when they are gone."""
    subjects = SUBJECTS.get(kind)  # type: ignore[call-overload]
    return await subjects.by_id(session, subject_id) if subjects else None


async def subject_of_viewer(session: AsyncSession, viewer: Viewer) -> Subject:
    """Whoever asks, with all that is known of them.

    Raises:
        SignInNeeded: they are gone since the request began.
    """
    subject = await subject_of(session, viewer.kind, viewer.id)
    if subject is None:
        raise SignInNeeded
    return subject


async def event_name(session: AsyncSession, code: str) -> str | None:
    """The name of the event with this code; None when there is none."""
    for name_of in EVENT_NAMES if code else ():
        if (name := await name_of(session, code)) is not None:
            return name
    return None


def require_staff(viewer: Viewer | None) -> Viewer:
    """The viewer, who must be staff.

    Raises:
        SignInNeeded, Forbidden
    """
    if viewer is None:
        raise SignInNeeded
    if viewer.kind != "staff":
        raise Forbidden
    return viewer


def require_administrator(viewer: Viewer | None) -> Viewer:
    """The viewer, who must run this server.

    Raises:
        SignInNeeded, Forbidden
    """
    viewer = require_staff(viewer)
    if not viewer.is_administrator:
        raise Forbidden
    return viewer


def require_organiser(viewer: Viewer | None) -> Viewer:
    """The viewer, to whom events may belong.

    Raises:
        SignInNeeded, Forbidden
    """
    viewer = require_staff(viewer)
    if not viewer.may_organise:
        raise Forbidden
    return viewer


async def set_password(session: AsyncSession, passwords: Passwords, subject: Subject, password: str) -> None:
    """Give an account another password; its sessions are the caller's business."""
    table = SUBJECTS[subject.kind].table
    made = await passwords.hash(session, password, subject.names)
    await session.execute(update(table).where(table.id == subject.id).values(password_hash=made))
    # A wish for another address holds what was kept of the older password.
    theirs = Link.subjects.contains([[subject.kind, str(subject.id)]])
    await session.execute(delete(Link).where(Link.email.is_not(None), theirs))


async def confirm_email(session: AsyncSession, subject: Subject) -> None:
    """Keep that somebody can read mail at their address; a second time changes nothing."""
    table = SUBJECTS[subject.kind].table
    unconfirmed = (table.id == subject.id) & table.email_confirmed_at.is_(None)
    await session.execute(update(table).where(unconfirmed).values(email_confirmed_at=now()))


async def forget_old_recipes(session: AsyncSession) -> None:
    """Remove ways to hash that were replaced a week ago or more and that no password is kept by any longer."""
    recipes = list(await session.scalars(select(PasswordRecipe).order_by(PasswordRecipe.created_at.desc())))
    if not recipes or recipes[0].created_at > now() - RECIPES_OVERLAP:
        return
    for recipe in recipes[1:]:
        used = [
            select(kind.table.id).where(kind.table.password_hash.contains(recipe.id.hex)).exists()
            for kind in SUBJECTS.values()
        ]
        await session.execute(delete(PasswordRecipe).where(PasswordRecipe.id == recipe.id, ~or_(*used)))
