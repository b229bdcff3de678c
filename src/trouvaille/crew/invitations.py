"""Invitations: made, listed, taken back, accepted. One is worth what whoever made it may still do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit, undo
from trouvaille.accounts.audit import Act
from trouvaille.accounts.models import Removed, Role, Staff
from trouvaille.accounts.service import Viewer, clean_email
from trouvaille.core.clock import now
from trouvaille.core.errors import N_, Forbidden, Gone, NotFound
from trouvaille.core.secrets import new_token, token_hash
from trouvaille.crew.models import Invitation
from trouvaille.events import rights
from trouvaille.events.models import Event, Photographer
from trouvaille.events.rights import Right

LASTS = timedelta(days=14)


class InvitationOver(Gone):
    """Used, taken back, too old, or never ours."""

    message = N_("This invitation has been used, taken back, or is too old. Please ask for a new one.")


@dataclass(frozen=True, slots=True)
class Opened:
    """An invitation that stands, with what its page says of it. ``event`` is None for organisers."""

    row: Invitation
    event: Event | None
    invited_by: str


async def invite(session: AsyncSession, *, event: Event | None, email: str = "", by: Viewer) -> tuple[Invitation, str]:
    """Invite a photographer to an event, or an organiser to this server where no event is given.

    Args:
        email: where the link will be sent; empty for one that is handed over.
        by: may do so, as the caller has made sure.

    Returns:
        What is kept, and the token, which is kept nowhere.

    Raises:
        Invalid: the address can't be one.
    """
    token = new_token()
    row = Invitation(
        token_hash=token_hash(token),
        role=Role.PHOTOGRAPHER if event else Role.ORGANISER,
        event_id=event.id if event else None,
        invited_by=by.id,
        email=clean_email(email) if email.strip() else None,
        expires_at=now() + LASTS,
    )
    session.add(row)
    await session.flush()
    await audit.note(session, Act.INVITED, by=by, about_id=row.id, event_id=row.event_id)
    return row, token


async def standing(session: AsyncSession, event: Event | None) -> list[Invitation]:
    """The invitations to an event, or to this server, that somebody may still accept, the newest first."""
    of = Invitation.event_id == event.id if event else Invitation.event_id.is_(None)
    rows = await session.scalars(
        select(Invitation).where(of, Invitation.expires_at > now()).order_by(Invitation.created_at.desc())
    )
    return [row for row in rows if await _still_worth(session, row, event)]


async def revoke(session: AsyncSession, invitation_id: UUID, event: Event | None, *, by: Viewer) -> UUID:
    """Take an invitation back.

    Returns:
        What ``undo.put_back`` takes.

    Raises:
        NotFound: there is none, or it is to another event.
    """
    row = await session.get(Invitation, invitation_id)
    if row is None or row.event_id != (event.id if event else None):
        raise NotFound
    removed = await undo.remove(session, [row], by=by.id, event_id=row.event_id)
    await audit.note(session, Act.INVITATION_REVOKED, by=by, about_id=invitation_id, event_id=row.event_id)
    return removed


async def opened(session: AsyncSession, token: str) -> Opened:
    """An invitation by its link. It is held for the rest of the transaction, so that one of two wins.

    Raises:
        InvitationOver
    """
    row = await session.scalar(
        select(Invitation)
        .where(Invitation.token_hash == token_hash(token), Invitation.expires_at > now())
        .with_for_update()
    )
    event = await session.get(Event, row.event_id) if row and row.event_id else None
    if row is None or not await _still_worth(session, row, event):
        raise InvitationOver
    inviter = await session.get_one(Staff, row.invited_by)
    return Opened(row, event, inviter.display_name)


async def _still_worth(session: AsyncSession, row: Invitation, event: Event | None) -> bool:
    """Whether whoever invited might do so today."""
    inviter = await session.get_one(Staff, row.invited_by)
    as_viewer = Viewer(row.id, "staff", inviter.id, inviter.display_name, role=inviter.role)
    if row.event_id is None:
        return as_viewer.is_administrator
    return event is not None and Right.MANAGE in await rights.of(session, as_viewer, event)


async def accept(session: AsyncSession, invitation: Opened, staff: Staff) -> None:
    """Make somebody what an invitation says, and use it up; nobody loses a role that is more."""
    row, event = invitation.row, invitation.event
    if event is None:
        staff.role = Role.ORGANISER if staff.role is Role.PHOTOGRAPHER else staff.role
    elif event.owner_id != staff.id and await session.get(Photographer, (event.id, staff.id)) is None:
        session.add(Photographer(event_id=event.id, staff_id=staff.id))
    if row.email is not None and row.email.lower() == staff.email.lower() and staff.email_confirmed_at is None:
        staff.email_confirmed_at = now()
    await session.delete(row)
    await session.flush()
    person = audit.Person("staff", staff.id)
    await audit.note(session, Act.INVITATION_ACCEPTED, by=person, about_id=row.id, event_id=row.event_id)


async def photographers(session: AsyncSession, event: Event) -> Sequence[Staff]:
    """Who may add photos to an event besides those who run it."""
    rows = await session.scalars(
        select(Staff)
        .join(Photographer, Photographer.staff_id == Staff.id)
        .where(Photographer.event_id == event.id)
        .order_by(Staff.display_name, Staff.id)
    )
    return rows.all()


async def remove_photographer(session: AsyncSession, event: Event, staff_id: UUID, *, by: Viewer) -> UUID:
    """Let somebody add no more photos to an event; those that they have added stay.

    Returns:
        What ``undo.put_back`` takes.

    Raises:
        NotFound: they were no photographer of it.
    """
    row = await session.get(Photographer, (event.id, staff_id))
    if row is None:
        raise NotFound
    removed = await undo.remove(session, [row], by=by.id, event_id=event.id)
    await audit.note(session, Act.PHOTOGRAPHER_REMOVED, by=by, about_id=staff_id, event_id=event.id)
    return removed


async def forget_expired(session: AsyncSession) -> None:
    """Remove invitations that nobody can accept any more."""
    await session.execute(delete(Invitation).where(Invitation.expires_at < now()))


async def _manages(session: AsyncSession, viewer: Viewer, removed: Removed) -> None:
    if removed.event_id is not None:
        await rights.for_staff(session, viewer, removed.event_id, Right.MANAGE)
    elif not viewer.is_administrator:
        raise Forbidden


def _page(removed: Removed) -> str:
    return f"/studio/{removed.event_id}/people?done=back" if removed.event_id else "/server/staff?done=back"


undo.offer(undo.Kind("invitation", Invitation, may=_manages, page=_page))
undo.offer(undo.Kind("photographer", Photographer, may=_manages, page=_page))
