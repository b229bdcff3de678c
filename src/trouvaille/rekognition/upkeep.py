"""Nothing stays in the account that has no photo, enrolment or event here any more.

``sweep`` follows the ledger: it deletes faces whose photo or enrolment is gone, users of guests who withdrew, whole
collections of deleted events. ``reconcile`` compares one collection with the ledger, face by face, after a call whose
end nobody noted. Both may run at any time, in several workers at once, and again after being killed: everything they
delete may be gone already.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.clock import now
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.jobs import UPKEEP, defer_again
from trouvaille.events.models import Event
from trouvaille.guests.models import Enrolment
from trouvaille.photos.models import Photo
from trouvaille.rekognition.answers import Belonging, StoredFace
from trouvaille.rekognition.models import (
    RekognitionCollection,
    RekognitionFace,
    RekognitionInstance,
    RekognitionPending,
)
from trouvaille.rekognition.service import Rekognition, live_enrolments, note_faces

log = structlog.get_logger()
SWEEP_JOB = "rekognition.sweep"

IN_FLIGHT: Final = timedelta(hours=1)
"""Longer than any verb of the client can take, with all its attempts, its wait for a slot and boto3's own slowing down
while the service throttles (at worst one attempt every two seconds a process): what is older has ended, well or not."""

_FACES_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True)
class Swept:
    """What was taken out of the account, or set right in the ledger."""

    collections: int = 0
    faces: int = 0
    users: int = 0
    adopted: int = 0
    lost: int = 0

    def __add__(self, other: "Swept") -> "Swept":
        return Swept(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


def _event_gone(event_id: Any) -> ColumnElement[bool]:
    return ~exists().where(Event.id == event_id)


def _orphaned() -> ColumnElement[bool]:
    """Faces that belong to nobody; None in all columns marks what was given up."""
    photo_lives = exists().where(Photo.id == RekognitionFace.photo_id)
    return and_(
        ~photo_lives,
        or_(RekognitionFace.enrolment_id.is_(None), RekognitionFace.enrolment_id.not_in(live_enrolments())),
    )


async def ask_if_needed(session: AsyncSession, instance: UUID) -> bool:
    """Ask for a sweep when there is something to do and none waits or runs; returns whether it did."""
    for wanted in (
        select(RekognitionFace.face_id).where(_orphaned()),
        select(RekognitionCollection.event_id).where(_due()),
        select(RekognitionPending.id).where(_overdue()),
    ):
        if await session.scalar(wanted.limit(1)) is not None:
            jobs = [{"instance": instance}]
            return await defer_again(session, SWEEP_JOB, key="instance", jobs=jobs, queue=UPKEEP) > 0
    return False


def _due() -> ColumnElement[bool]:
    """Collections of deleted events: at once, and again when no call from before can have made them anew."""
    again = RekognitionCollection.deleted_at < now() - IN_FLIGHT
    return and_(_event_gone(RekognitionCollection.event_id), or_(RekognitionCollection.deleted_at.is_(None), again))


def _overdue() -> ColumnElement[bool]:
    return RekognitionPending.created_at < now() - IN_FLIGHT


async def sweep(sessions: Sessions, rekognition: Rekognition) -> Swept:
    """Take out of the account what has no owner here any more.

    Raises:
        Away, Busy: try again later; what was done stays done.
        Misconfigured
    """
    swept = await _sweep_collections(sessions, rekognition)
    swept += await _sweep_faces(sessions, rekognition)
    async with transaction(sessions) as session:
        doubtful = set(await session.scalars(select(RekognitionPending.event_id).where(_overdue())))
    for event_id in doubtful:
        swept += await reconcile(sessions, rekognition, event_id)
    if swept != Swept():
        log.info("account swept", **{each.name: getattr(swept, each.name) for each in fields(swept)})
    return swept


async def _sweep_collections(sessions: Sessions, rekognition: Rekognition) -> Swept:
    async with transaction(sessions) as session:
        due = list(await session.scalars(select(RekognitionCollection.event_id).where(_due())))
    for event_id in due:
        asked_at = now()
        await rekognition.call(rekognition.collections.delete, event_id)
        async with transaction(sessions) as session:
            await _forget_event(session, event_id, asked_at)
    return Swept(collections=len(due))


async def _forget_event(session: AsyncSession, event_id: UUID, asked_at: datetime) -> None:
    """Note that a collection was deleted; the second time, when no call can still run, forget it."""
    await session.execute(delete(RekognitionFace).where(RekognitionFace.event_id == event_id))
    this = RekognitionCollection.event_id == event_id
    gone = delete(RekognitionCollection).where(this, RekognitionCollection.deleted_at < asked_at - IN_FLIGHT)
    if (await session.execute(gone.returning(RekognitionCollection.event_id))).first() is not None:
        await session.execute(delete(RekognitionPending).where(RekognitionPending.event_id == event_id))
        return
    first = update(RekognitionCollection).where(this, RekognitionCollection.deleted_at.is_(None))
    await session.execute(first.values(deleted_at=asked_at))


async def _sweep_faces(sessions: Sessions, rekognition: Rekognition) -> Swept:
    swept, last = Swept(), UUID(int=0)
    while True:
        query = select(RekognitionFace).where(_orphaned(), RekognitionFace.face_id > last)
        async with transaction(sessions) as session:
            faces = list(await session.scalars(query.order_by(RekognitionFace.face_id).limit(_FACES_AT_ONCE)))
        if not faces:
            return swept
        last = faces[-1].face_id  # those that could not be deleted must not be met again in this round
        by_event = defaultdict(list)
        for face in faces:
            by_event[face.event_id].append(face)
        for event_id, orphans in by_event.items():
            swept += await _delete_faces(sessions, rekognition, event_id, orphans)


async def _delete_faces(
    sessions: Sessions, rekognition: Rekognition, event_id: UUID, orphans: list[RekognitionFace]
) -> Swept:
    """Delete faces of one collection. A guest's user goes first when no face of theirs stays."""
    selfies = defaultdict(list)
    for face in orphans:
        if face.guest_id is not None:
            selfies[face.guest_id].append(face.face_id)
    users = 0
    for guest_id, face_ids in selfies.items():
        if await _has_other_face(sessions, guest_id, face_ids):
            await rekognition.call(rekognition.collections.disassociate, event_id, guest_id, face_ids)
        else:
            await rekognition.call(rekognition.collections.delete_user, event_id, guest_id)
            users += 1
    gone = await rekognition.call(rekognition.collections.delete_faces, event_id, [face.face_id for face in orphans])
    async with transaction(sessions) as session:
        await _strike(session, gone)
    return Swept(faces=len(gone), users=users)


async def _strike(session: AsyncSession, face_ids: Iterable[UUID]) -> None:
    """Take faces out of the ledger; in pieces, since a statement takes no more than 65,535 values."""
    left = list(face_ids)
    for start in range(0, len(left), _FACES_AT_ONCE):
        piece = left[start : start + _FACES_AT_ONCE]
        await session.execute(delete(RekognitionFace).where(RekognitionFace.face_id.in_(piece)))


async def _has_other_face(sessions: Sessions, guest_id: UUID, face_ids: Iterable[UUID]) -> bool:
    other = select(RekognitionFace.face_id).where(
        RekognitionFace.guest_id == guest_id,
        RekognitionFace.face_id.not_in(list(face_ids)),
        RekognitionFace.enrolment_id.in_(live_enrolments()),
    )
    async with transaction(sessions) as session:
        return await session.scalar(other.limit(1)) is not None


async def reconcile(sessions: Sessions, rekognition: Rekognition, event_id: UUID) -> Swept:
    """Make one collection and the ledger agree, leaving alone what a call that may still run is about.

    A face that the ledger does not know is adopted when its photo or enrolment is there and has no face yet, as after a
    crash between the call and the ledger; otherwise it is deleted. Faces of the ledger that the service does not have
    are struck out.
    """
    asked_at = now()
    stored = await rekognition.call(rekognition.collections.faces, event_id)
    users = await rekognition.call(rekognition.collections.users, event_id)
    async with transaction(sessions) as session:
        finding = await _compare(session, event_id, stored, users, asked_at)
        for belongs, face_ids in finding.adopt.items():
            await note_faces(session, event_id, belongs, face_ids)
    for user in finding.users:
        await rekognition.call(rekognition.collections.delete_user, event_id, user)
    gone = await rekognition.call(rekognition.collections.delete_faces, event_id, finding.unknown)
    async with transaction(sessions) as session:
        await _strike(session, finding.lost)
        for pending in finding.settled:
            await session.execute(delete(RekognitionPending).where(RekognitionPending.id == pending))
    if finding.lost:
        log.warning("faces of the ledger are not in the account", event_id=str(event_id), faces=len(finding.lost))
    adopted = sum(len(face_ids) for face_ids in finding.adopt.values())
    return Swept(faces=len(gone), users=len(finding.users), adopted=adopted, lost=len(finding.lost))


@dataclass(frozen=True, slots=True)
class _Finding:
    adopt: dict[Belonging, list[UUID]]
    unknown: list[UUID]
    lost: list[UUID]
    users: list[str]
    settled: list[UUID]


async def _compare(
    session: AsyncSession, event_id: UUID, stored: list[StoredFace], users: list[str], asked_at: datetime
) -> _Finding:
    """What differs. The ledger is read after the service was asked, so a call that still runs is pending in it."""
    of_event = RekognitionFace.event_id == event_id
    ledger = {face.face_id: face for face in await session.scalars(select(RekognitionFace).where(of_event))}
    pending = list(await session.scalars(select(RekognitionPending).where(RekognitionPending.event_id == event_id)))
    ended = {each.id for each in pending if each.created_at < asked_at - IN_FLIGHT}
    running = {_belonging(each) for each in pending if each.id not in ended}
    owned = {_belonging(face) for face in ledger.values()}
    strangers = defaultdict(list)
    for face in stored:
        if face.id not in ledger and face.belongs not in running:
            strangers[face.belongs].append(face.id)
    alive = await _alive(session, event_id, [belongs for belongs in strangers if belongs is not None])
    adopt = {each: strangers[each] for each in alive if each not in owned}
    at_home = {face.id for face in stored}
    guests = {str(each.guest_id) for each in owned | running | set(adopt) if each.guest_id}
    return _Finding(
        adopt=adopt,
        unknown=[face_id for each, face_ids in strangers.items() if each not in adopt for face_id in face_ids],
        lost=[key for key, face in ledger.items() if key not in at_home and face.created_at < asked_at - IN_FLIGHT],
        users=[user for user in users if user not in guests],
        settled=[each.id for each in pending if each.id in ended and _belonging(each) not in running],
    )


def _belonging(row: RekognitionFace | RekognitionPending) -> Belonging:
    return Belonging(photo_id=row.photo_id, guest_id=row.guest_id, enrolment_id=row.enrolment_id)


async def _alive(session: AsyncSession, event_id: UUID, owners: list[Belonging]) -> list[Belonging]:
    """Those whose photo or enrolment is there."""
    if not owners:
        return []
    photos = set(await session.scalars(select(Photo.id).where(Photo.event_id == event_id)))
    enrolments = set(await session.scalars(live_enrolments().where(Enrolment.event_id == event_id)))
    return [each for each in owners if each.photo_id in photos or each.enrolment_id in enrolments]


async def sweep_account(sessions: Sessions, rekognition: Rekognition) -> Swept:
    """Delete the collections that carry this instance's id and belong to no event, whatever the ledger says."""
    in_account = await rekognition.call(rekognition.collections.events)
    async with transaction(sessions) as session:
        here = set(await session.scalars(select(Event.id).where(Event.id.in_(in_account))))
    strays = [event_id for event_id in in_account if event_id not in here]
    for event_id in strays:
        await rekognition.call(rekognition.collections.delete, event_id)
    return Swept(collections=len(strays))


async def leave(sessions: Sessions, rekognition: Rekognition) -> Swept:
    """Delete every collection of this instance, also those of events that go on, when the engine is changed."""
    in_account = await rekognition.call(rekognition.collections.events)
    for event_id in in_account:
        await rekognition.call(rekognition.collections.delete, event_id)
    async with transaction(sessions) as session:
        # Without the instance's id too: whoever comes back is somebody else, and indexes everything anew.
        for table in (RekognitionFace, RekognitionCollection, RekognitionPending, RekognitionInstance):
            await session.execute(delete(table))
    return Swept(collections=len(in_account))
