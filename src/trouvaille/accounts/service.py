"""Staff accounts, and signing in for everybody: who a browser is, decided in one place."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.models import Role, SignedIn, Staff
from trouvaille.accounts.passwords import Passwords, check_password
from trouvaille.core.clock import now
from trouvaille.core.errors import N_, Conflict, Forbidden, Invalid, InvalidForm, SignInNeeded
from trouvaille.core.secrets import new_token, token_hash

Kind = Literal["staff", "guest"]
SEEN_EVERY = timedelta(minutes=5)
# A mail address is proved by a mail, not by a pattern; this only catches slips of the finger.
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


class EmailTaken(Conflict):
    """Another member of staff has this address."""

    message = N_("There is already an account with this e-mail address.")


class WrongCredentials(Invalid):
    """No account fits; which part is wrong is not told."""

    message = N_("These details do not fit any account. Please check them and try again.")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. ``event_id`` and ``event_code`` are set for guests, who belong to one event."""

    session_id: UUID
    kind: Kind
    id: UUID
    display_name: str
    is_administrator: bool = False
    event_id: UUID | None = None
    event_code: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody who can sign in, as their own slice describes them."""

    kind: Kind
    id: UUID
    display_name: str
    detail: str
    password_hash: str
    is_administrator: bool = False
    event_id: UUID | None = None
    event_code: str | None = None


@dataclass(frozen=True, slots=True)
class Subjects:
    """How a slice answers for its kind of people: by id, and by what they type to sign in."""

    by_id: Callable[[AsyncSession, UUID], Awaitable[Subject | None]]
    by_identifier: Callable[[AsyncSession, str], Awaitable[Sequence[Subject]]]


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
    session: AsyncSession, passwords: Passwords, *, email: str, display_name: str, password: str, role: Role
) -> Staff:
    """Add a member of staff.

    Raises:
        InvalidForm: a field is wrong.
        EmailTaken: somebody has this address.
    """
    problems = problems_of(
        lambda: clean_name(display_name), lambda: clean_email(email), lambda: check_password(password)
    )
    if problems:
        raise InvalidForm(*problems)
    staff = Staff(
        email=clean_email(email),
        display_name=clean_name(display_name),
        password_hash=await passwords.hash(password),
        role=role,
    )
    try:
        async with session.begin_nested():
            session.add(staff)
    except IntegrityError as error:
        raise EmailTaken(field="email") from error
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
        password_hash=staff.password_hash,
        is_administrator=staff.role is Role.ADMINISTRATOR,
    )


async def _staff_by_id(session: AsyncSession, staff_id: UUID) -> Subject | None:
    staff = await session.get(Staff, staff_id)
    return _as_subject(staff) if staff else None


async def _staff_by_identifier(session: AsyncSession, identifier: str) -> Sequence[Subject]:
    found = await session.scalars(select(Staff).where(func.lower(Staff.email) == func.lower(identifier)))
    return [_as_subject(staff) for staff in found]


SUBJECTS["staff"] = Subjects(_staff_by_id, _staff_by_identifier)


async def who_fits(
    session: AsyncSession, passwords: Passwords, identifier: str, password: str, *, event_id: UUID | None = None
) -> list[Subject]:
    """Everybody with this username or e-mail whose password is this one; equal hashes are verified once.

    Args:
        event_id: prefer the guest of this event, when there is one.

    Raises:
        WrongCredentials: nobody.
    """
    identifier = identifier.strip()[:254]
    candidates = [who for kind in SUBJECTS.values() for who in await kind.by_identifier(session, identifier)]
    right = await passwords.verify({who.password_hash for who in candidates}, password[:1000])
    fits = [who for who in candidates if who.password_hash in right]
    if not fits:
        raise WrongCredentials
    here = [who for who in fits if event_id is not None and who.event_id == event_id]
    return here or fits


async def event_name(session: AsyncSession, code: str) -> str | None:
    """The name of the event with this code; None when there is none."""
    for name_of in EVENT_NAMES if code else ():
        if (name := await name_of(session, code)) is not None:
            return name
    return None


async def start_session(session: AsyncSession, kind: Kind, subject_id: UUID, *, absolute_days: int) -> str:
    """Sign somebody in; returns the token for their cookie, which is kept nowhere else."""
    token = new_token()
    expires_at = now() + timedelta(days=absolute_days)
    session.add(SignedIn(token_hash=token_hash(token), kind=kind, subject_id=subject_id, expires_at=expires_at))
    await session.flush()
    return token


async def viewer_of(session: AsyncSession, token: str | None, *, idle_days: int) -> Viewer | None:
    """Who holds this token, or None when it is unknown, expired, idle too long, or its person is gone."""
    if not token:
        return None
    signed_in = await session.scalar(select(SignedIn).where(SignedIn.token_hash == token_hash(token)))
    moment = now()
    if (
        signed_in is None
        or signed_in.expires_at <= moment
        or signed_in.last_seen_at <= moment - timedelta(days=idle_days)
    ):
        return None
    subject = await SUBJECTS[signed_in.kind].by_id(session, signed_in.subject_id)  # type: ignore[index]
    if subject is None:
        return None
    if signed_in.last_seen_at < moment - SEEN_EVERY:
        await session.execute(update(SignedIn).where(SignedIn.id == signed_in.id).values(last_seen_at=moment))
    return Viewer(
        session_id=signed_in.id,
        kind=subject.kind,
        id=subject.id,
        display_name=subject.display_name,
        is_administrator=subject.is_administrator,
        event_id=subject.event_id,
        event_code=subject.event_code,
    )


async def end_session(session: AsyncSession, token: str | None) -> None:
    """Sign this browser out; an unknown token is no error."""
    if token:
        await session.execute(delete(SignedIn).where(SignedIn.token_hash == token_hash(token)))


async def end_all_sessions(session: AsyncSession, subject_id: UUID) -> None:
    """Sign a person out everywhere."""
    await session.execute(delete(SignedIn).where(SignedIn.subject_id == subject_id))


async def forget_expired_sessions(session: AsyncSession) -> None:
    """Remove sessions that nobody can use any more."""
    await session.execute(delete(SignedIn).where(SignedIn.expires_at < now()))


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
    """The viewer, who must be an administrator.

    Raises:
        SignInNeeded, Forbidden
    """
    staff = require_staff(viewer)
    if not staff.is_administrator:
        raise Forbidden
    return staff
