"""Guests: registering, consenting, sending a selfie, and leaving again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act, Person
from trouvaille.accounts.passwords import Passwords, check_password
from trouvaille.accounts.service import (
    SUBJECTS,
    Candidate,
    Subject,
    Subjects,
    Viewer,
    clean_email,
    clean_name,
    problems_of,
)
from trouvaille.accounts.sessions import end_all
from trouvaille.core import live
from trouvaille.core.clock import now
from trouvaille.core.erase import erase
from trouvaille.core.errors import N_, Conflict, Forbidden, Invalid, InvalidForm, NotFound, SignInNeeded
from trouvaille.core.jobs import SELFIES, defer, unfinished
from trouvaille.core.secrets import Vault
from trouvaille.core.storage import Storage
from trouvaille.events import service as events
from trouvaille.events.models import Event, shown
from trouvaille.guests import consent
from trouvaille.guests.models import PUT_OFF, Consent, Enrolment, EnrolmentState, Guest, GuestIdentity

ENROL_JOB = "matching.enrol"
# Letters of any language, digits, and what people put between them; no @, so that it never looks like an address.
USERNAME = re.compile(r"[\w][\w.\-]{1,38}[\w]")


class UsernameTaken(Conflict):
    """Another guest of this event has it."""

    message = N_("This username is already taken at this event.")


class EmailTaken(Conflict):
    """Another guest of this event has it."""

    message = N_("There is already an account with this e-mail address at this event. You can sign in with it.")


class ConsentNeeded(Forbidden):
    """No selfie without consent."""

    message = N_("Please agree to face finding first.")


class FacesOff(Conflict):
    """The organiser has not switched face finding on."""

    message = N_("Face finding is not switched on for this event.")


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
        password_hash=await passwords.hash(
            session, form.password, [clean_username(form.username), clean_email(form.email)]
        ),
        locale=form.locale,
    )
    await add(session, guest)
    return guest


async def add(session: AsyncSession, guest: Guest) -> None:
    """Keep a new guest.

    Raises:
        UsernameTaken, EmailTaken: the database decides who was first.
    """
    try:
        async with session.begin_nested():
            session.add(guest)
    except IntegrityError as error:
        if "email" in str(error.orig):
            raise EmailTaken(field="email") from error
        raise UsernameTaken(field="username") from error
    await _note(session, Act.GUEST_REGISTERED, guest)


async def _note(session: AsyncSession, act: Act, guest: Guest, by: Viewer | None = None) -> None:
    who = by or Person("guest", guest.id)
    await audit.note(session, act, by=who, about_id=guest.id, event_id=guest.event_id)


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


async def consent_of(session: AsyncSession, guest: Guest) -> Consent | None:
    """The agreement that stands now."""
    return await session.scalar(
        select(Consent)
        .where(Consent.guest_id == guest.id, Consent.withdrawn_at.is_(None))
        .order_by(Consent.given_at.desc())
        .limit(1)
    )


async def give_consent(session: AsyncSession, guest: Guest, *, locale: str) -> None:
    """Keep that the guest agreed to the present text; a second time changes nothing."""
    standing = await consent_of(session, guest)
    if standing is None or standing.text_version != consent.VERSION:
        session.add(Consent(event_id=guest.event_id, guest_id=guest.id, text_version=consent.VERSION, locale=locale))
        await session.flush()
        await _note(session, Act.CONSENT_GIVEN, guest)


async def latest_enrolment(session: AsyncSession, guest: Guest) -> Enrolment | None:
    """The newest selfie, whatever became of it."""
    return await session.scalar(
        select(Enrolment).where(Enrolment.guest_id == guest.id).order_by(Enrolment.created_at.desc()).limit(1)
    )


async def accepted_enrolment(session: AsyncSession, guest_id: UUID) -> Enrolment | None:
    """The selfie that finds photos now."""
    return await session.scalar(
        select(Enrolment).where(Enrolment.guest_id == guest_id, Enrolment.state == EnrolmentState.ACCEPTED)
    )


async def check_may_send(session: AsyncSession, event: Event, guest: Guest) -> None:
    """Whether a selfie of this guest may be taken.

    Raises:
        FacesOff, ConsentNeeded
    """
    if not event.faces_on:
        raise FacesOff
    if await consent_of(session, guest) is None:
        raise ConsentNeeded


async def _hold(session: AsyncSession, guest: Guest) -> None:
    """Let sending a selfie and withdrawing consent happen one after the other."""
    await session.execute(select(Guest.id).where(Guest.id == guest.id).with_for_update(key_share=True))


async def submit_selfie(
    session: AsyncSession, storage: Storage, event: Event, guest: Guest, sealed: Sequence[bytes]
) -> Enrolment:
    """Keep a selfie and ask a worker to look at it. An older accepted one stays until this one is accepted.

    Args:
        sealed: one to four pictures of one moment, as the vault sealed them.

    Raises:
        FacesOff, ConsentNeeded
        Unavailable: the store is full or away.
    """
    await _hold(session, guest)
    await check_may_send(session, event, guest)
    enrolment = Enrolment(event_id=event.id, guest_id=guest.id)
    session.add(enrolment)
    await session.flush()
    for number, picture in enumerate(sealed):
        await storage.put(enrolment.frame_key(number), picture)
    await _ask_to_look(session, enrolment)
    return enrolment


async def _ask_to_look(session: AsyncSession, enrolment: Enrolment) -> None:
    await defer(
        session,
        ENROL_JOB,
        queue=SELFIES,
        lock=f"guest:{enrolment.guest_id}",
        enrolment_id=enrolment.id,
        guest_id=enrolment.guest_id,
        event_id=enrolment.event_id,
    )


async def frames_of(storage: Storage, enrolment: Enrolment) -> list[bytes]:
    """The sealed pictures of a selfie, the best first.

    Raises:
        NotFound: there are none any more.
    """
    numbers = sorted(
        int(name) for key in await storage.keys_under(enrolment.folder) if (name := key.rsplit("/", 1)[1]).isdigit()
    )
    if not numbers:
        raise NotFound
    return [await storage.get(enrolment.frame_key(number)) for number in numbers]


async def keep_frames(storage: Storage, enrolment: Enrolment, sealed: Sequence[bytes]) -> None:
    """Keep these pictures of a selfie, the best first, and no others."""
    for number, picture in enumerate(sealed):
        await storage.put(enrolment.frame_key(number), picture)
    kept = {enrolment.frame_key(number) for number in range(len(sealed))} | {enrolment.choice_key}
    await storage.delete([key for key in await storage.keys_under(enrolment.folder) if key not in kept])


async def ask_who(
    session: AsyncSession,
    enrolment: Enrolment,
    *,
    size_wh: tuple[int, int],
    boxes_xyxy: Sequence[tuple[float, float, float, float]],
) -> None:
    """Have the guest say which face is theirs. The picture lies in the store already.

    Args:
        size_wh: of the picture, pixels.
        boxes_xyxy: the faces in question, from left to right, as fractions of the picture.
    """
    enrolment.state = EnrolmentState.CHOOSING
    enrolment.candidates = {"size_wh": list(size_wh), "boxes_xyxy": [list(box) for box in boxes_xyxy]}
    await session.flush()
    await tell(session, enrolment)


async def choose(session: AsyncSession, guest: Guest, face: int) -> None:
    """The guest says which face is theirs; a worker looks at the selfie again. Saying it twice changes nothing.

    Args:
        face: its place among the candidates.

    Raises:
        ConsentNeeded: withdrawn meanwhile.
        Invalid: there is no such face.
    """
    await _hold(session, guest)
    if await consent_of(session, guest) is None:
        raise ConsentNeeded
    enrolment = await latest_enrolment(session, guest)
    if enrolment is None or enrolment.state is not EnrolmentState.CHOOSING or enrolment.candidates is None:
        return
    if not 0 <= face < len(enrolment.candidates["boxes_xyxy"]):
        raise Invalid(N_("Choose one of the faces."), field="face")
    enrolment.state, enrolment.chosen = EnrolmentState.WAITING, face
    await session.flush()
    await _ask_to_look(session, enrolment)


async def choice_picture(session: AsyncSession, storage: Storage, vault: Vault, guest: Guest) -> bytes:
    """The picture in which the guest has to say which face is theirs, JPEG.

    Raises:
        NotFound: nothing is asked.
    """
    enrolment = await latest_enrolment(session, guest)
    if enrolment is None or enrolment.state is not EnrolmentState.CHOOSING:
        raise NotFound
    return vault.unseal(await storage.get(enrolment.choice_key))


async def forget_undecided(session: AsyncSession, *, older_than_s: float = 24 * 3600) -> int:
    """Erase selfies whose guest did not say which face is theirs; returns how many."""
    undecided = await session.scalars(
        select(Enrolment)
        .where(
            Enrolment.state == EnrolmentState.CHOOSING,
            Enrolment.created_at < now() - timedelta(seconds=older_than_s),
        )
        .limit(500)
        .with_for_update(skip_locked=True)
    )
    rows = list(undecided)
    for enrolment in rows:
        await refuse(session, enrolment, "several_faces")
    return len(rows)


async def put_off(session: AsyncSession, enrolment: Enrolment) -> None:
    """Leave a selfie waiting, and tell its guest that nothing is lost; ``resume_put_off`` goes on with it."""
    enrolment.reason = PUT_OFF
    await session.flush()
    await tell(session, enrolment)


async def resume_put_off(session: AsyncSession, *, most: int) -> int:
    """Ask again for selfies whose face could not be looked for when their turn came; returns for how many."""
    query = select(Enrolment).where(Enrolment.state == EnrolmentState.WAITING, Enrolment.reason == PUT_OFF)
    waiting = list(await session.scalars(query.order_by(Enrolment.created_at).limit(most)))
    busy = await unfinished(session, ENROL_JOB, key="enrolment_id", values=[each.id for each in waiting])
    left = [each for each in waiting if each.id not in busy]
    for enrolment in left:
        await _ask_to_look(session, enrolment)
    return len(left)


async def refuse(session: AsyncSession, enrolment: Enrolment, reason: str) -> None:
    """Turn a selfie down, erase it and tell the open page."""
    enrolment.state = EnrolmentState.REFUSED
    enrolment.reason = reason
    enrolment.decided_at = now()
    await session.flush()
    await erase(session, prefix=enrolment.folder)
    await tell(session, enrolment)


async def tell(session: AsyncSession, enrolment: Enrolment) -> None:
    """Tell the guest's open pages what became of a selfie."""
    await live.publish(session, f"guest:{enrolment.guest_id}", "enrolment", state=enrolment.state.value)


async def forget_other_enrolments(session: AsyncSession, keep: Enrolment) -> None:
    """Remove every other decided selfie of this guest, so that exactly one finds photos."""
    rows = await session.scalars(
        select(Enrolment).where(
            Enrolment.guest_id == keep.guest_id,
            Enrolment.id != keep.id,
            or_(
                Enrolment.state.in_((EnrolmentState.ACCEPTED, EnrolmentState.REFUSED)),
                Enrolment.created_at < keep.created_at,
            ),
        )
    )
    await _remove(session, list(rows))


async def withdraw_consent(session: AsyncSession, guest: Guest, *, by: Viewer | None = None) -> None:
    """End the agreement and erase selfies and templates; the slices above erase what they derived from them.

    Args:
        by: who does it for the guest; None for the guest.
    """
    await _hold(session, guest)
    standing = update(Consent).where(Consent.guest_id == guest.id, Consent.withdrawn_at.is_(None))
    ended = await session.execute(standing.values(withdrawn_at=now()).returning(Consent.id))
    if ended.all():
        await _note(session, Act.CONSENT_WITHDRAWN, guest, by)
    await _remove(session, list(await session.scalars(select(Enrolment).where(Enrolment.guest_id == guest.id))))


async def _remove(session: AsyncSession, enrolments: list[Enrolment]) -> None:
    if enrolments:
        await session.execute(delete(Enrolment).where(Enrolment.id.in_([enrolment.id for enrolment in enrolments])))
        for enrolment in enrolments:
            await erase(session, prefix=enrolment.folder)


async def delete_account(session: AsyncSession, guest: Guest, *, username: str) -> None:
    """Remove a guest with everything derived from them, and sign them out everywhere.

    Raises:
        Invalid: the username typed to confirm is another.
    """
    if username.strip().lower() != guest.username.lower():
        raise Invalid(N_("Type your username exactly to confirm."), field="username")
    await remove(session, guest)


async def remove(session: AsyncSession, guest: Guest, *, by: Viewer | None = None) -> None:
    """Remove a guest's account, selfies and messages, and sign them out everywhere.

    Args:
        by: who does it for the guest; None for the guest.
    """
    await withdraw_consent(session, guest, by=by)
    await end_all(session, guest.id)
    await _note(session, Act.GUEST_DELETED, guest, by)
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


async def remove_enrolment(session: AsyncSession, enrolment: Enrolment) -> None:
    """Remove one selfie and everything of it."""
    await _remove(session, [enrolment])


async def selfie_of(session: AsyncSession, storage: Storage, vault: Vault, guest: Guest) -> bytes:
    """The guest's own accepted selfie, JPEG.

    Raises:
        NotFound: there is none.
    """
    enrolment = await accepted_enrolment(session, guest.id)
    if enrolment is None:
        raise NotFound
    return vault.unseal((await frames_of(storage, enrolment))[0])


@dataclass(frozen=True, slots=True)
class FaceState:
    """What a page needs to know of a guest and face finding."""

    state: str
    reason: str | None
    consent_given_at: datetime | None
    candidates: dict[str, Any] | None


async def face_state(session: AsyncSession, guest: Guest) -> FaceState:
    """Where the guest stands: ``none``, ``waiting``, ``choosing``, ``refused`` or ``accepted``."""
    enrolment = await latest_enrolment(session, guest)
    standing = await consent_of(session, guest)
    return FaceState(
        state=enrolment.state.value if enrolment else "none",
        reason=enrolment.reason if enrolment else None,
        consent_given_at=standing.given_at if standing else None,
        candidates=enrolment.candidates if enrolment else None,
    )


def _as_subject(guest: Guest, event: Event) -> Subject:
    return Subject(
        kind="guest",
        id=guest.id,
        display_name=guest.display_name,
        detail=event.name,
        email=guest.email,
        names=(guest.username, guest.email),
        locale=guest.locale,
        password_hash=guest.password_hash,
        email_confirmed=guest.email_confirmed_at is not None,
        event_id=event.id,
        event_code=event.code,
    )


async def _by_id(session: AsyncSession, guest_id: UUID) -> Subject | None:
    row = (
        await session.execute(select(Guest, Event).join(Event, Event.id == Guest.event_id).where(Guest.id == guest_id))
    ).first()
    return _as_subject(*row) if row else None


async def _by_name(session: AsyncSession, name: str) -> Sequence[Candidate]:
    # However many there are: all of them together cost one computation.
    rows = await session.execute(
        select(Guest.id, Guest.password_hash)
        .join(Event, Event.id == Guest.event_id)
        .where(or_(func.lower(Guest.username) == func.lower(name), func.lower(Guest.email) == func.lower(name)))
        .where(shown())
        .order_by(Event.starts_on.desc().nulls_last())
    )
    return [Candidate("guest", guest_id, password_hash) for guest_id, password_hash in rows]


async def _by_email(session: AsyncSession, email: str) -> Sequence[Subject]:
    rows = await session.execute(
        select(Guest, Event)
        .join(Event, Event.id == Guest.event_id)
        .where(func.lower(Guest.email) == func.lower(email), shown())
        .order_by(Event.starts_on.desc().nulls_last())
    )
    return [_as_subject(guest, event) for guest, event in rows]


async def _by_identity(session: AsyncSession, issuer: str, subject: str) -> Sequence[Subject]:
    rows = await session.execute(
        select(Guest, Event)
        .join(Event, Event.id == Guest.event_id)
        .join(GuestIdentity, GuestIdentity.account_id == Guest.id)
        .where(GuestIdentity.issuer == issuer, GuestIdentity.subject == subject, shown())
        .order_by(Event.starts_on.desc().nulls_last())
    )
    return [_as_subject(guest, event) for guest, event in rows]


SUBJECTS["guest"] = Subjects(Guest, GuestIdentity, _by_id, _by_name, _by_email, _by_identity)
