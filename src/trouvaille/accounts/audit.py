"""The audit log: acts that matter for security, in the transaction of the act, with ids and nothing else."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.models import AuditEntry
from trouvaille.core.clock import now
from trouvaille.core.errors import N_
from trouvaille.core.paging import Key, Slice, slice_of

# The trigger lets nothing younger go, whatever the settings say; it is written in migration 0006.
LEAST_DAYS = 90
PAGE = 50


class Act(StrEnum):
    """What is noted."""

    SIGNED_IN = "sign_in.done"
    SIGN_IN_FAILED = "sign_in.failed"
    SIGN_IN_LOCKED = "sign_in.locked"
    SIGNED_OUT = "sign_out"
    SWITCHED = "account.switched"
    SESSION_REVOKED = "session.revoked"
    RESET_ASKED = "reset.asked"
    RESET_LINK_MADE = "reset.link_made"
    RESET_DONE = "reset.done"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105 - the name of an act
    EMAIL_CONFIRMED = "email.confirmed"
    EMAIL_CHANGED = "email.changed"
    TOKEN_MADE = "token.made"  # noqa: S105
    TOKEN_REVOKED = "token.revoked"  # noqa: S105
    IDENTITY_LINKED = "identity.linked"
    IDENTITY_UNLINKED = "identity.unlinked"
    STAFF_CREATED = "staff.created"
    ROLE_CHANGED = "staff.role_changed"
    STAFF_DELETED = "staff.deleted"
    INVITED = "invitation.made"
    INVITATION_REVOKED = "invitation.revoked"
    INVITATION_ACCEPTED = "invitation.accepted"
    PHOTOGRAPHER_REMOVED = "photographer.removed"
    QUOTA_CHANGED = "quota.changed"
    CAMERA_MADE = "camera.made"
    CAMERA_REVOKED = "camera.revoked"
    PHOTOS_DELETED = "photos.deleted"
    EVENT_OFFERED = "event.offered"
    OFFER_WITHDRAWN = "event.offer_withdrawn"
    OFFER_DECLINED = "event.offer_declined"
    EVENT_HANDED_OVER = "event.handed_over"
    EVENT_CREATED = "event.created"
    CODE_CHANGED = "event.code_changed"
    STATE_CHANGED = "event.state_changed"
    EVENT_DELETED = "event.deleted"
    FACES_ATTESTED = "faces.attested"
    GUESTS_INVITED = "guest_invitation.made"
    GUEST_LINK_MADE = "guest_invitation.link_made"
    GUEST_INVITATION_WITHDRAWN = "guest_invitation.withdrawn"
    GUEST_REGISTERED = "guest.registered"
    PASS_MADE = "pass.made"  # noqa: S105
    PASS_UPGRADED = "pass.upgraded"  # noqa: S105
    GUEST_DELETED = "guest.deleted"
    CONSENT_GIVEN = "consent.given"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    JOB_RETRIED = "job.retried"
    PUT_BACK = "removal.undone"


LABELS: dict[str, str] = {
    Act.SIGNED_IN: N_("Signed in"),
    Act.SIGN_IN_FAILED: N_("Wrong password"),
    Act.SIGN_IN_LOCKED: N_("Locked after wrong passwords"),
    Act.SIGNED_OUT: N_("Signed out"),
    Act.SWITCHED: N_("Changed to another account"),
    Act.SESSION_REVOKED: N_("Device signed out"),
    Act.RESET_ASKED: N_("Asked for a new password"),
    Act.RESET_LINK_MADE: N_("Link for a new password made"),
    Act.RESET_DONE: N_("New password set by link"),
    Act.PASSWORD_CHANGED: N_("Password changed"),
    Act.EMAIL_CONFIRMED: N_("E-mail confirmed"),
    Act.EMAIL_CHANGED: N_("E-mail changed"),
    Act.TOKEN_MADE: N_("Access token made"),
    Act.TOKEN_REVOKED: N_("Access token revoked"),
    Act.IDENTITY_LINKED: N_("Sign-on elsewhere linked"),
    Act.IDENTITY_UNLINKED: N_("Sign-on elsewhere unlinked"),
    Act.STAFF_CREATED: N_("Staff account made"),
    Act.ROLE_CHANGED: N_("Role changed"),
    Act.STAFF_DELETED: N_("Staff account deleted"),
    Act.INVITED: N_("Invitation made"),
    Act.INVITATION_REVOKED: N_("Invitation revoked"),
    Act.INVITATION_ACCEPTED: N_("Invitation accepted"),
    Act.PHOTOGRAPHER_REMOVED: N_("Photographer removed from the event"),
    Act.QUOTA_CHANGED: N_("Changed how much may be added"),
    Act.CAMERA_MADE: N_("Access for a camera made"),
    Act.CAMERA_REVOKED: N_("Access for a camera revoked"),
    Act.PHOTOS_DELETED: N_("All photos of a person deleted"),
    Act.EVENT_OFFERED: N_("Event offered to another organiser"),
    Act.OFFER_WITHDRAWN: N_("Offer of an event taken back"),
    Act.OFFER_DECLINED: N_("Offer of an event declined"),
    Act.EVENT_HANDED_OVER: N_("Event handed over"),
    Act.EVENT_CREATED: N_("Event created"),
    Act.CODE_CHANGED: N_("Code of an event changed"),
    Act.STATE_CHANGED: N_("Event opened, closed or archived"),
    Act.EVENT_DELETED: N_("Event deleted"),
    Act.FACES_ATTESTED: N_("Face finding switched on"),
    Act.GUESTS_INVITED: N_("Guests invited"),
    Act.GUEST_LINK_MADE: N_("New link for an invited guest"),
    Act.GUEST_INVITATION_WITHDRAWN: N_("Invitation of a guest withdrawn"),
    Act.GUEST_REGISTERED: N_("Guest registered"),
    Act.PASS_MADE: N_("Guest pass made"),
    Act.PASS_UPGRADED: N_("Guest pass turned into an account"),
    Act.GUEST_DELETED: N_("Guest deleted"),
    Act.CONSENT_GIVEN: N_("Consent given"),
    Act.CONSENT_WITHDRAWN: N_("Consent withdrawn"),
    Act.JOB_RETRIED: N_("Failed job tried again"),
    Act.PUT_BACK: N_("Removal undone"),
}


class Actor(Protocol):
    """Who did it: a viewer, or somebody who is becoming one."""

    @property
    def kind(self) -> str:
        """``staff`` or ``guest``."""

    @property
    def id(self) -> UUID:
        """Their id."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts before, or without, being a viewer."""

    kind: str
    id: UUID


async def note(
    session: AsyncSession,
    act: Act,
    *,
    by: Actor | None = None,
    about_id: UUID | None = None,
    event_id: UUID | None = None,
) -> None:
    """Write down an act; it stays if and only if the act does.

    Args:
        by: None when it is nobody's: a job's, the console's, a stranger's.
        about_id: whom or what it was done to.
    """
    session.add(
        AuditEntry(
            act=act.value,
            actor_kind=by.kind if by else None,
            actor_id=by.id if by else None,
            about_id=about_id,
            event_id=event_id,
        )
    )
    await session.flush()


async def entries(
    session: AsyncSession, *, act: str = "", about: UUID | None = None, limit: int = PAGE, cursor: str = ""
) -> Slice[AuditEntry]:
    """One page of the log, the newest first.

    Args:
        act: only this act.
        about: only what this person or event did or had done to it.
        cursor: of the page before.

    Raises:
        NoCursor
    """
    wanted = select(AuditEntry)
    if act:
        wanted = wanted.where(AuditEntry.act == act)
    if about is not None:
        wanted = wanted.where(
            (AuditEntry.actor_id == about) | (AuditEntry.about_id == about) | (AuditEntry.event_id == about)
        )
    keys = (Key(AuditEntry.at, datetime), Key(AuditEntry.id, UUID))
    shown = await slice_of(session, wanted, keys, limit=limit, cursor=cursor, newest_first=True)
    return Slice([entry for (entry,) in shown.items], shown.cursor)


async def forget(session: AsyncSession, *, older_than_days: int) -> int:
    """Remove what is older than the retention: the one change that the trigger allows, and only when asked like this.

    Args:
        older_than_days: at least ``LEAST_DAYS``.

    Returns:
        How many entries went.
    """
    await session.execute(text("SELECT set_config('trouvaille.audit_purge', 'on', true)"))
    gone = await session.execute(
        delete(AuditEntry).where(AuditEntry.at < now() - timedelta(days=older_than_days)).returning(AuditEntry.id)
    )
    removed = len(gone.all())
    await session.execute(text("SELECT set_config('trouvaille.audit_purge', 'off', true)"))
    return removed
