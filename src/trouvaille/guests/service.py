"""Guests: who they are, how many, where they stand with face finding, and leaving again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Text, Uuid, func, literal, null, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import undo
from trouvaille.accounts.audit import Act
from trouvaille.accounts.service import SUBJECTS, Candidate, Subject, Subjects, Viewer
from trouvaille.accounts.sessions import end_all
from trouvaille.core.clock import now
from trouvaille.core.errors import N_, Invalid, SignInNeeded
from trouvaille.core.reading import Prepared, all_in, first_in, place
from trouvaille.events import service as events
from trouvaille.events.models import Event, shown
from trouvaille.guests import consent, selfies
from trouvaille.guests.consent import note
from trouvaille.guests.models import Consent, Enrolment, EnrolmentState, Guest, GuestIdentity, GuestInvitation


async def of_viewer(session: AsyncSession, viewer: Viewer | None, event: Event, *, over_too: bool = False) -> Guest:
    """The viewer as a guest of this event, which must be shown to guests unless ``over_too`` is set.

    Raises:
        SignInNeeded: the viewer is nobody, staff, or a guest of another event.
        EventOver
    """
    if viewer is None or viewer.kind != "guest" or viewer.event_id != event.id:
        raise SignInNeeded
    if not event.is_shown and not over_too:
        raise events.EventOver
    guest = await session.get(Guest, viewer.id)
    if guest is None:
        raise SignInNeeded
    return guest


async def withdraw_consent(session: AsyncSession, guest: Guest, *, by: Viewer | None = None) -> None:
    """End the agreement and erase selfies and templates; the slices above erase what they derived from them.

    Args:
        by: who does it for the guest; None for the guest.
    """
    await selfies.hold(session, guest)
    standing = update(Consent).where(Consent.guest_id == guest.id, Consent.withdrawn_at.is_(None))
    ended = await session.execute(standing.values(withdrawn_at=now()).returning(Consent.id))
    if ended.all():
        await note(session, Act.CONSENT_WITHDRAWN, guest, by)
    await selfies.remove(session, list(await session.scalars(select(Enrolment).where(Enrolment.guest_id == guest.id))))


async def delete_account(session: AsyncSession, guest: Guest, *, username: str) -> None:
    """Remove a guest with everything derived from them, and sign them out everywhere.

    Raises:
        Invalid: the username typed to confirm is another; a pass has its name instead.
    """
    if username.strip().lower() != (guest.username or guest.display_name).lower():
        wrong = N_("Type your username exactly to confirm."), N_("Type your name exactly to confirm.")
        raise Invalid(wrong[guest.is_pass], field="username")
    await remove(session, guest)


async def remove(session: AsyncSession, guest: Guest, *, by: Viewer | None = None) -> None:
    """Erase a guest with everything derived from them, and sign them out everywhere.

    Args:
        by: who does it for the guest; None for the guest.
    """
    await withdraw_consent(session, guest, by=by)
    await end_all(session, guest.id)
    await note(session, Act.GUEST_DELETED, guest, by)
    await undo.forget_of(session, guest_id=guest.id)
    for invitation_id in await session.scalars(select(GuestInvitation.id).where(GuestInvitation.guest_id == guest.id)):
        await undo.forget_of(session, id=invitation_id)
    await session.delete(guest)
    await session.flush()


@dataclass(frozen=True, slots=True)
class Turnout:
    """How many guests an event has, and how many of them have an accepted selfie."""

    guests: int
    enrolled: int


async def turnout(session: AsyncSession, event_id: UUID) -> Turnout:
    """Count the guests of one event."""
    return (await turnouts(session, [event_id])).get(event_id, Turnout(0, 0))


async def turnouts(session: AsyncSession, event_ids: Sequence[UUID]) -> dict[UUID, Turnout]:
    """Count the guests of several events at once; events without guests are left out."""
    rows = await session.execute(
        select(Guest.event_id, func.count(), func.count(Enrolment.id))
        .outerjoin(Enrolment, (Enrolment.guest_id == Guest.id) & (Enrolment.state == EnrolmentState.ACCEPTED))
        .where(Guest.event_id.in_(event_ids))
        .group_by(Guest.event_id)
    )
    return {event_id: Turnout(guests, enrolled) for event_id, guests, enrolled in rows}


@dataclass(frozen=True, slots=True)
class FaceState:
    """What a page needs to know of a guest and face finding."""

    state: str
    reason: str | None
    consent_given_at: datetime | None
    agrees: bool
    """Whether the consent covers the engine in use."""
    candidates: dict[str, Any] | None


async def face_state(session: AsyncSession, guest: Guest) -> FaceState:
    """Where the guest stands: ``none``, ``waiting``, ``choosing``, ``refused`` or ``accepted``."""
    found = await first_in(session, _face_state(at_amazon=consent.is_at_amazon(session)), guest=guest.id)
    assert found is not None
    state, reason, candidates, given_at, agrees = found
    return FaceState(state.value if state else "none", reason, given_at, agrees, candidates)


@cache
def _face_state(*, at_amazon: bool) -> Prepared:
    """The newest selfie, whatever became of it, beside the agreement: every page of a guest asks it, and some again
    and again."""
    guest = place("guest", Uuid())
    newest = (
        select(Enrolment.state, Enrolment.reason, Enrolment.candidates)
        .where(Enrolment.guest_id == guest)
        .order_by(Enrolment.created_at.desc())
        .limit(1)
        .subquery()
    )
    given_at = consent.standing(guest).with_only_columns(Consent.given_at).scalar_subquery()
    return Prepared(
        select(
            newest.c.state, newest.c.reason, newest.c.candidates, given_at, consent.stands(guest, at_amazon=at_amazon)
        ).select_from(select(literal(1)).subquery().outerjoin(newest, true()))
    )


def as_subject(guest: Guest, event: Event) -> Subject:
    """A guest as whoever signs people in knows them."""
    return Subject(
        kind="guest",
        id=guest.id,
        display_name=guest.display_name,
        detail=event.name,
        email=guest.email or "",
        names=tuple(name for name in (guest.username, guest.email) if name is not None),
        locale=guest.locale,
        password_hash=guest.password_hash or "",
        email_confirmed=guest.is_pass or guest.email_confirmed_at is not None,
        event_id=event.id,
        event_code=event.code,
    )


# Asked by everybody who comes in; making these would take as long as asking them.
_BY_ID = select(Guest, Event).join(Event, Event.id == Guest.event_id).where(Guest.id == place("guest", Uuid()))
_NAME = func.lower(place("name", Text()))
_BY_NAME = Prepared(
    select(Guest.id, func.coalesce(Guest.password_hash, ""))
    .join(Event, Event.id == Guest.event_id)
    .where(or_(func.lower(Guest.username) == _NAME, func.lower(Guest.email) == _NAME))
    .where(shown(place("moment", DateTime(timezone=True))))
    .order_by(Event.starts_on.desc().nulls_last())
)


async def _by_id(session: AsyncSession, guest_id: UUID) -> Subject | None:
    row = (await session.execute(_BY_ID, {"guest": guest_id})).first()
    return as_subject(*row) if row else None


async def _by_name(session: AsyncSession, name: str) -> Sequence[Candidate]:
    # However many there are: all of them together cost one computation.
    rows = await all_in(session, _BY_NAME, name=name, moment=now())
    return [Candidate("guest", guest_id, password_hash) for guest_id, password_hash in rows]


async def _by_email(session: AsyncSession, email: str) -> Sequence[Subject]:
    rows = await session.execute(
        select(Guest, Event)
        .join(Event, Event.id == Guest.event_id)
        .where(func.lower(Guest.email) == func.lower(email), shown())
        .order_by(Event.starts_on.desc().nulls_last())
    )
    return [as_subject(guest, event) for guest, event in rows]


async def _by_identity(session: AsyncSession, issuer: str, subject: str) -> Sequence[Subject]:
    rows = await session.execute(
        select(Guest, Event)
        .join(Event, Event.id == Guest.event_id)
        .join(GuestIdentity, GuestIdentity.account_id == Guest.id)
        .where(GuestIdentity.issuer == issuer, GuestIdentity.subject == subject, shown())
        .order_by(Event.starts_on.desc().nulls_last())
    )
    return [as_subject(guest, event) for guest, event in rows]


SUBJECTS["guest"] = Subjects(
    Guest,
    GuestIdentity,
    _by_id,
    _by_name,
    _by_email,
    _by_identity,
    briefly=select(
        Guest.id,
        Guest.display_name,
        null().label("role"),
        Guest.event_id,
        Event.code.label("event_code"),
        # A pass has no address that could be confirmed.
        or_(Guest.username.is_(None), Guest.email_confirmed_at.is_not(None)).label("email_confirmed"),
    ).join(Event, Event.id == Guest.event_id),
)
