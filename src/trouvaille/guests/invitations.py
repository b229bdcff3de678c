"""Invitations: a list of people whom an organiser expects, each with a link of their own."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit, undo
from trouvaille.accounts.audit import Act, Actor
from trouvaille.accounts.models import Removed
from trouvaille.accounts.service import Viewer, clean_email, clean_name
from trouvaille.core.errors import N_, Invalid, NotFound
from trouvaille.core.paging import Key, Slice, slice_of
from trouvaille.core.secrets import new_token, token_hash
from trouvaille.core.tables import from_csv
from trouvaille.events import rights
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.guests.models import Guest, GuestInvitation

AT_MOST = 5_000
HEADS = {"name", "nom", "prénom", "e-mail", "email", "mail", "courriel", "adresse", "address"}


class NoSuchInvitation(NotFound):
    """Its token is unknown: withdrawn, replaced, or never ours."""

    message = N_("This invitation is no longer valid. Ask the people who invited you for a new link.")


@dataclass(frozen=True, slots=True)
class Person:
    """One row of a list that an organiser has sent."""

    line: int
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that was not taken. ``error`` says why."""

    line: int
    row: str
    error: Invalid


@dataclass(frozen=True, slots=True)
class Fresh:
    """An invitation whose token is known for as long as this answer is shown, and never again."""

    invitation: GuestInvitation
    token: str
    undo: UUID | None = None
    """What ``undo.put_back`` takes, where the old link can be had back."""


# Who carries fresh invitations to their people, in their transaction: the place for mail.
CARRIERS: list[Callable[[AsyncSession, Event, Sequence[Fresh]], Awaitable[None]]] = []


def read(text: str) -> tuple[list[Person], list[Problem]]:
    """The people of a CSV text with a name and an e-mail address a row, in any order; a row of heads is left out.

    Raises:
        Invalid: the text as a whole can't be read, or names too many.
    """
    rows = from_csv(text)
    if rows and {cell.casefold() for cell in rows[0][1]} & HEADS:
        rows = rows[1:]
    if not rows:
        raise Invalid(N_("There is nobody in this list."), field="people")
    if len(rows) > AT_MOST:
        raise Invalid(N_("Please send at most %(most)s people at once."), field="people", most=AT_MOST)
    return _taken([(line, ", ".join(cells), partial(_person, line, cells)) for line, cells in rows])


def named(rows: Sequence[tuple[str, str]]) -> tuple[list[Person], list[Problem]]:
    """The people of a list of names and e-mail addresses, counted from 1."""

    def person(line: int, name: str, email: str) -> Person:
        return Person(line, clean_name(name), clean_email(email))

    lines = enumerate(rows, start=1)
    return _taken([(n, f"{name}, {email}", partial(person, n, name, email)) for n, (name, email) in lines])


def _taken(rows: Sequence[tuple[int, str, Callable[[], Person]]]) -> tuple[list[Person], list[Problem]]:
    people: list[Person] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for line, row, read_person in rows:
        try:
            person = read_person()
            if person.email.lower() in seen:
                raise Invalid(N_("This address stands in the list twice."))
            seen.add(person.email.lower())
            people.append(person)
        except Invalid as error:
            problems.append(Problem(line, row, error))
    return people, problems


def _person(line: int, cells: list[str]) -> Person:
    addresses = [cell for cell in cells if "@" in cell]
    if len(addresses) != 1:
        text = N_("There is no e-mail address.") if not addresses else N_("There is more than one e-mail address.")
        raise Invalid(text)
    name = " ".join(cell for cell in cells if cell and "@" not in cell)
    if not name:
        raise Invalid(N_("The name is missing."))
    return Person(line, clean_name(name), clean_email(addresses[0]))


async def invite(
    session: AsyncSession, event: Event, people: Sequence[Person], *, by: Actor
) -> tuple[list[Fresh], list[Problem]]:
    """Invite those who are neither invited nor here yet; the others are told by line."""
    addresses = [person.email.lower() for person in people]
    known = await session.scalars(
        select(func.lower(GuestInvitation.email)).where(
            GuestInvitation.event_id == event.id, func.lower(GuestInvitation.email).in_(addresses)
        )
    )
    here = await session.scalars(
        select(func.lower(Guest.email)).where(Guest.event_id == event.id, func.lower(Guest.email).in_(addresses))
    )
    invited, guests = set(known), set(here)
    fresh, problems = [], []
    for person in people:
        row = f"{person.name}, {person.email}"
        if person.email.lower() in guests:
            problems.append(Problem(person.line, row, Invalid(N_("This person is a guest already."))))
        elif person.email.lower() in invited:
            problems.append(Problem(person.line, row, Invalid(N_("This person is invited already."))))
        else:
            token = new_token()
            hashed = token_hash(token)
            invitation = GuestInvitation(event_id=event.id, name=person.name, email=person.email, token_hash=hashed)
            fresh.append(Fresh(invitation, token))
    session.add_all([each.invitation for each in fresh])
    await session.flush()
    if fresh:
        about = fresh[0].invitation.id if len(fresh) == 1 else None
        await audit.note(session, Act.GUESTS_INVITED, by=by, about_id=about, event_id=event.id)
    await _carry(session, event, fresh)
    return fresh, problems


async def _carry(session: AsyncSession, event: Event, fresh: Sequence[Fresh]) -> None:
    for carry in CARRIERS if fresh else ():
        await carry(session, event, fresh)


async def renew(session: AsyncSession, event: Event, invitation_id: UUID, *, by: Actor, carried: bool = False) -> Fresh:
    """Give an invitation a new link; the old one leads nowhere from now on.

    Args:
        carried: it goes to its person as a new invitation does, rather than being handed over.

    Raises:
        NoSuchInvitation
    """
    invitation = await session.get(GuestInvitation, invitation_id, with_for_update=True)
    if invitation is None or invitation.event_id != event.id or invitation.guest_id is not None:
        raise NoSuchInvitation
    before = None
    if not carried:  # A letter can't be taken back.
        before = await undo.keep(session, [invitation], by=by.id, event_id=event.id, note={"renewed": True})
    token = new_token()
    invitation.token_hash, invitation.unsent = token_hash(token), None
    await session.flush()
    fresh = Fresh(invitation, token, before)
    await audit.note(session, Act.GUEST_LINK_MADE, by=by, about_id=invitation.id, event_id=event.id)
    if carried:
        await _carry(session, event, [fresh])
    return fresh


async def withdraw(session: AsyncSession, event_id: UUID, invitation_id: UUID, *, by: Actor) -> UUID:
    """Take an invitation back; one who has come stays a guest.

    Returns:
        What ``undo.put_back`` takes.

    Raises:
        NoSuchInvitation
    """
    row = await session.get(GuestInvitation, invitation_id, with_for_update=True)
    if row is None or row.event_id != event_id:
        raise NoSuchInvitation
    removed = await undo.remove(session, [row], by=by.id, event_id=event_id)
    await audit.note(session, Act.GUEST_INVITATION_WITHDRAWN, by=by, about_id=invitation_id, event_id=event_id)
    return removed


async def _manages(session: AsyncSession, viewer: Viewer, removed: Removed) -> None:
    assert removed.event_id is not None
    await rights.to_change(session, viewer, removed.event_id, Right.MANAGE)


async def _make_room(session: AsyncSession, removed: Removed) -> None:
    """The old link takes the place of the new one, unless somebody has come with that."""
    if removed.note.get("renewed"):
        still = GuestInvitation.id == UUID(removed.rows[0]["id"]), GuestInvitation.guest_id.is_(None)
        await session.execute(delete(GuestInvitation).where(*still))


undo.offer(
    undo.Kind(
        "guest_invitation",
        GuestInvitation,
        may=_manages,
        before=_make_room,
        page=lambda removed: f"/studio/{removed.event_id}/invitations?done=back",
    )
)


async def by_token(session: AsyncSession, token: str) -> tuple[GuestInvitation, Event]:
    """The invitation with this link, and its event.

    Raises:
        NoSuchInvitation
    """
    row = (
        await session.execute(
            select(GuestInvitation, Event)
            .join(Event, Event.id == GuestInvitation.event_id)
            .where(GuestInvitation.token_hash == token_hash(token))
        )
    ).first()
    if row is None:
        raise NoSuchInvitation
    return row[0], row[1]


async def join(session: AsyncSession, guest: Guest, token: str) -> None:
    """Note that somebody whom we expect has come: by their link, else by their address; unknown ones are no error."""
    open_ones = update(GuestInvitation).where(
        GuestInvitation.event_id == guest.event_id, GuestInvitation.guest_id.is_(None)
    )
    for condition in (
        GuestInvitation.token_hash == token_hash(token),
        func.lower(GuestInvitation.email) == func.lower(guest.email),
    ):
        done = await session.execute(open_ones.where(condition).values(guest_id=guest.id).returning(GuestInvitation.id))
        if done.first() is not None:
            return


@dataclass(frozen=True, slots=True)
class Page:
    """Some invitations from A to Z, and where the next ones begin."""

    invitations: list[GuestInvitation]
    next_after: UUID | None


async def of_event(session: AsyncSession, event_id: UUID, *, limit: int, after: UUID | None = None) -> Page:
    """The invitations of an event: those who have not come first, each part from A to Z."""
    order = (GuestInvitation.guest_id.is_not(None), func.lower(GuestInvitation.name), GuestInvitation.id)
    query = select(GuestInvitation).where(GuestInvitation.event_id == event_id).order_by(*order).limit(limit + 1)
    if after is not None:
        there = select(*order).where(GuestInvitation.id == after).scalar_subquery()
        query = query.where(tuple_(*order) > there)
    found = list(await session.scalars(query))
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


async def slice_of_event(session: AsyncSession, event_id: UUID, *, limit: int, cursor: str) -> Slice[GuestInvitation]:
    """A part of the same list behind a cursor, which goes on where an invitation has been withdrawn meanwhile."""
    keys = (
        Key(GuestInvitation.guest_id.is_not(None), bool),
        Key(func.lower(GuestInvitation.name), str),
        Key(GuestInvitation.id, UUID),
    )
    query = select(GuestInvitation).where(GuestInvitation.event_id == event_id)
    shown = await slice_of(session, query, keys, limit=limit, cursor=cursor)
    return Slice([invitation for (invitation,) in shown.items], shown.cursor)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many were invited, and how many of them have come."""

    invited: int
    joined: int


async def tally(session: AsyncSession, event_id: UUID) -> Tally:
    """Count the invitations of an event."""
    row = await session.execute(
        select(func.count(), func.count(GuestInvitation.guest_id)).where(GuestInvitation.event_id == event_id)
    )
    return Tally(*row.one())
