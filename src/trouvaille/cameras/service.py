"""Access for cameras: made for one photographer and one event, shown once, and judged anew at each photo."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit, undo
from trouvaille.accounts.audit import Act
from trouvaille.accounts.models import Removed, Staff
from trouvaille.accounts.service import Viewer, subject_of
from trouvaille.accounts.sessions import as_viewer
from trouvaille.cameras.models import CameraCredential
from trouvaille.core.clock import now
from trouvaille.core.errors import N_, Conflict, NotFound
from trouvaille.core.secrets import Vault, new_code
from trouvaille.events import rights
from trouvaille.events.models import Event
from trouvaille.events.rights import NoSuchEvent, Right

# Typed on a camera with four arrow keys, so they are short; 15 signs of 31 are 74 bits.
NAME_LENGTH, PASSWORD_LENGTH = 8, 15
USED_EVERY = timedelta(minutes=1)


class EventIsOver(Conflict):
    """Its last day is past."""

    message = N_("This event is over. It takes no more photos.")


class NoAccess(NotFound):
    """The access was revoked, or its owner may add photos here no longer."""

    message = N_("This camera may not add photos any more.")


@dataclass(frozen=True, slots=True)
class Access:
    """What is typed on the camera; the password is kept nowhere."""

    user_name: str
    password: str


@dataclass(frozen=True, slots=True)
class Entrance:
    """Whose photos go where, for a camera that was let in."""

    credential_id: UUID
    event_id: UUID
    staff_id: UUID


def _print_of(vault: Vault, user_name: str, password: str) -> bytes:
    return vault.fingerprint("camera", f"{user_name}:{password}")


async def make(session: AsyncSession, vault: Vault, event: Event, staff_id: UUID, *, by: Viewer) -> Access:
    """Let the cameras of somebody send photos to an event; what they had before works no longer.

    Raises:
        NoAccess: they may not add photos to it.
    """
    staff = await session.get(Staff, staff_id)
    if staff is None or not await _may_add(session, event, staff):
        raise NoAccess
    access = Access(new_code(NAME_LENGTH).lower(), new_code(PASSWORD_LENGTH).lower())
    values = {
        "user_name": access.user_name,
        "secret_print": _print_of(vault, access.user_name, access.password),
        "created_at": now(),
        "last_used_at": None,
    }
    fresh = insert(CameraCredential).values(event_id=event.id, staff_id=staff_id, **values)
    keys = [CameraCredential.event_id, CameraCredential.staff_id]
    await session.execute(fresh.on_conflict_do_update(index_elements=keys, set_=values))
    await audit.note(session, Act.CAMERA_MADE, by=by, about_id=staff_id, event_id=event.id)
    return access


async def _may_add(session: AsyncSession, event: Event, staff: Staff) -> bool:
    viewer = Viewer(staff.id, "staff", staff.id, staff.display_name, role=staff.role)
    return Right.UPLOAD in await rights.of(session, viewer, event)


async def of_event(session: AsyncSession, event: Event, *, by: UUID | None) -> Sequence[tuple[CameraCredential, Staff]]:
    """Who has access for cameras; only one's own where ``by`` is given."""
    query = (
        select(CameraCredential, Staff)
        .join(Staff, Staff.id == CameraCredential.staff_id)
        .where(CameraCredential.event_id == event.id)
        .order_by(Staff.display_name, Staff.id)
    )
    if by is not None:
        query = query.where(CameraCredential.staff_id == by)
    return [(credential, staff) for credential, staff in await session.execute(query)]


async def revoke(
    session: AsyncSession, event: Event, credential_id: UUID, *, viewer: Viewer, shown: UUID | None
) -> UUID:
    """End an access at once, also for a camera that is connected.

    Args:
        shown: only this one's; None for everybody's.

    Returns:
        What ``undo.put_back`` takes.

    Raises:
        NotFound
    """
    row = await session.get(CameraCredential, credential_id)
    if row is None or row.event_id != event.id or (shown is not None and row.staff_id != shown):
        raise NotFound
    staff_id = row.staff_id
    removed = await undo.remove(session, [row], by=viewer.id, event_id=event.id)
    await audit.note(session, Act.CAMERA_REVOKED, by=viewer, about_id=staff_id, event_id=event.id)
    return removed


async def _adds(session: AsyncSession, viewer: Viewer, removed: Removed) -> None:
    assert removed.event_id is not None
    await rights.for_staff(session, viewer, removed.event_id, Right.UPLOAD)


undo.offer(
    undo.Kind(
        "camera", CameraCredential, may=_adds, page=lambda removed: f"/studio/{removed.event_id}/camera?done=back"
    )
)


async def by_password(session: AsyncSession, vault: Vault, user_name: str, password: str) -> Entrance | None:
    """Whose access this is; None when nobody's."""
    name = user_name.strip().lower()
    row = await session.scalar(select(CameraCredential).where(CameraCredential.user_name == name))
    given = _print_of(vault, name, password.strip().lower())
    if row is None or not hmac.compare_digest(given, row.secret_print):
        return None
    return Entrance(row.id, row.event_id, row.staff_id)


async def check(session: AsyncSession, entrance: Entrance) -> None:
    """Whether a camera may still add photos, as of now.

    Raises:
        NoAccess, Archived, EventIsOver
    """
    row = await session.get(CameraCredential, entrance.credential_id)
    subject = await subject_of(session, "staff", entrance.staff_id)
    if row is None or subject is None:
        raise NoAccess
    try:
        event = await rights.to_change(session, as_viewer(subject, row.id), entrance.event_id, Right.UPLOAD)
    except NoSuchEvent as error:
        raise NoAccess from error
    if event.has_expired:
        raise EventIsOver
    moment = now()
    if row.last_used_at is None or row.last_used_at < moment - USED_EVERY:
        await session.execute(update(CameraCredential).where(CameraCredential.id == row.id).values(last_used_at=moment))
