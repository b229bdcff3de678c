"""Faces of photos and selfies on Amazon Rekognition, and who is in which photo.

Whoever is new is published first and searches then: a photo's faces are in the collection before its guests are looked
up, a guest is associated before their photos are. So of a photo and a selfie that arrive together at least one finds
the other, once the service has caught up. It may take some seconds to show a new user to searches, which is why a
guest's photos are to be looked up a second time, ``SETTLE_AFTER_S`` later and whenever an event settles.

No verb holds a transaction while it calls the service. What a call leaves in the account is noted before and after it,
and ``upkeep`` takes away whatever has no photo, enrolment or event any more.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import CompoundSelect, Select, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.db import Sessions, transaction
from trouvaille.events.models import Event
from trouvaille.events.rights import NoSuchEvent
from trouvaille.guests.consent import ConsentNeeded, stands
from trouvaille.guests.models import Enrolment, EnrolmentState
from trouvaille.photos.models import Photo
from trouvaille.photos.service import NoSuchPhoto
from trouvaille.rekognition.answers import Belonging, FoundFace, IndexedFace
from trouvaille.rekognition.client import Collections
from trouvaille.rekognition.costs import Tariff
from trouvaille.rekognition.errors import Missing
from trouvaille.rekognition.models import (
    RekognitionCollection,
    RekognitionFace,
    RekognitionInstance,
    RekognitionPending,
)
from trouvaille.vision.types import POOR_QUALITY, SelfieProblem, SelfieRefused

Result = TypeVar("Result")
SETTLE_AFTER_S: Final = 30
_ROWS_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Rekognition:
    """The second engine as a worker holds it.

    Attributes:
        instance: who we are in the account.
        sure: 0-1, least similarity of a match that is shown.
        maybe: 0-1, least similarity of a match that is asked about.
        threads: calls mostly wait, so they have threads apart from those that compute.
    """

    collections: Collections
    instance: UUID
    tariff: Tariff
    sure: float
    maybe: float
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(30, thread_name_prefix="rekognition")
    )

    @property
    def identity(self) -> str:
        """What photos and enrolments keep of the engine: faces of another region or instance are not comparable."""
        return f"rekognition/{self.collections.region}/{self.instance}"

    async def call(self, act: Callable[..., Result], *given: Any, **named: Any) -> Result:
        """Run one of the collections' verbs beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, partial(act, *given, **named))

    def close(self) -> None:
        """End the connections."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.collections.close()


@dataclass(frozen=True, slots=True)
class PhotoMatch:
    """A guest in a photo, by the photo's face that resembles them most; ``similarity`` is 0-1."""

    guest_id: UUID
    face_id: UUID
    similarity: float


@dataclass(frozen=True, slots=True)
class GuestMatch:
    """A photo with a face that resembles a guest; ``similarity`` is 0-1."""

    photo_id: UUID
    face_id: UUID
    similarity: float


async def instance_id(sessions: Sessions) -> UUID:
    """Who this instance is in the account; made at the first call and then kept by the database."""
    async with transaction(sessions) as session:
        await session.execute(insert(RekognitionInstance).values(only=True, id=uuid4()).on_conflict_do_nothing())
        return (await session.execute(select(RekognitionInstance.id))).scalar_one()


async def photo_faces(
    sessions: Sessions, rekognition: Rekognition, *, event_id: UUID, photo_id: UUID, jpeg: bytes
) -> list[IndexedFace]:
    """Publish the faces of a photo, in place of those that were known of it before.

    Args:
        jpeg: at most 5 MiB; larger than about 2000 pixels gains nothing, since the service leaves out faces by their
            share of the picture (40 pixels in 1920).

    Raises:
        NoSuchEvent, NoSuchPhoto: deleted meanwhile.
        PictureRefused, PictureTooLarge: the picture is at fault.
        BudgetSpent, Away, Busy: try again later.
        Misconfigured, QuotaReached: the operator has to act.
    """
    belongs = Belonging(photo_id=photo_id)
    async with transaction(sessions) as session:
        await _check_event(session, event_id)
        if await session.get(Photo, photo_id) is None:
            raise NoSuchPhoto
        pending = await _begin(session, event_id, belongs)
    faces = await rekognition.call(rekognition.collections.index_photo, event_id, photo_id, jpeg)
    async with transaction(sessions) as session:
        await _replace_faces(session, event_id, belongs, [face.id for face in faces])
        await _end(session, event_id, pending)
    return faces


async def matches_of_photo(
    sessions: Sessions, rekognition: Rekognition, *, event_id: UUID, faces: Sequence[IndexedFace]
) -> list[PhotoMatch]:
    """The guests that a photo's faces resemble at least ``maybe``, each once.

    Every search costs money, so poor faces are left out, and so is everything while nobody is enrolled: who enrols
    later finds the photo.

    Args:
        faces: what ``photo_faces`` returned.
    """
    worthy = [face.id for face in faces if face.quality >= POOR_QUALITY]
    async with transaction(sessions) as session:
        if not worthy or not await _anybody_enrolled(session, event_id):
            return []

    async def search(face_id: UUID) -> list[PhotoMatch]:
        search = partial(rekognition.collections.search_photo_face, threshold=rekognition.maybe)
        try:
            found = await rekognition.call(search, event_id, face_id)
        except Missing:  # the photo was deleted meanwhile
            return []
        return [PhotoMatch(guest.guest_id, face_id, guest.similarity) for guest in found]

    best: dict[UUID, PhotoMatch] = {}
    for matches in await _together(search, worthy):
        for match in matches:
            if match.guest_id not in best or match.similarity > best[match.guest_id].similarity:
                best[match.guest_id] = match
    return list(best.values())


async def enrol(
    sessions: Sessions, rekognition: Rekognition, *, event_id: UUID, guest_id: UUID, enrolment_id: UUID, jpeg: bytes
) -> UUID:
    """Publish a selfie that was accepted here, and make the guest findable by it. It can run twice without harm.

    Args:
        jpeg: the portrait, with the guest's face as the largest.

    Returns:
        The id of the selfie's face, to search with.

    Raises:
        NoSuchEvent, ConsentNeeded: deleted or withdrawn meanwhile; nothing stays in the account.
        SelfieRefused: the service sees no face.
        BudgetSpent, Away, Busy, Misconfigured, QuotaReached: as with photos.
    """
    belongs = Belonging(guest_id=guest_id, enrolment_id=enrolment_id)
    async with transaction(sessions) as session:
        await _check_event(session, event_id)
        if not await _is_live(session, enrolment_id):
            raise ConsentNeeded
        pending = await _begin(session, event_id, belongs)
    face_id = await rekognition.call(rekognition.collections.index_selfie, event_id, guest_id, enrolment_id, jpeg)
    async with transaction(sessions) as session:
        await _replace_faces(session, event_id, belongs, [] if face_id is None else [face_id])
    if face_id is not None:
        await rekognition.call(rekognition.collections.enrol, event_id, guest_id, face_id)
    async with transaction(sessions) as session:
        live = await _is_live(session, enrolment_id)
        if live:
            await _end(session, event_id, pending)
        # Otherwise the mark stays: the user may have been made after the sweep, which only sees faces.
    if face_id is None:
        raise SelfieRefused(SelfieProblem.no_face)
    if not live:
        raise ConsentNeeded
    return face_id


async def matches_of_guest(
    sessions: Sessions, rekognition: Rekognition, *, event_id: UUID, enrolment_id: UUID
) -> list[GuestMatch]:
    """The faces in the event's photos that resemble an enrolled guest at least ``maybe``, each once.

    Several may be of one photo; one that was deleted at this moment may be among them.
    """
    async with transaction(sessions) as session:
        query = select(RekognitionFace.face_id).where(RekognitionFace.enrolment_id == enrolment_id)
        faces = list(await session.scalars(query.order_by(RekognitionFace.created_at)))

    async def search(face_id: UUID) -> list[FoundFace]:
        search = partial(rekognition.collections.search_guest, threshold=rekognition.maybe)
        try:
            return await rekognition.call(search, event_id, face_id)
        except Missing:  # consent was withdrawn meanwhile
            return []

    best: dict[UUID, GuestMatch] = {}
    for found in await _together(search, faces):
        for face in found:
            photo_id = face.belongs.photo_id
            if photo_id and (face.id not in best or face.similarity > best[face.id].similarity):
                best[face.id] = GuestMatch(photo_id, face.id, face.similarity)
    return list(best.values())


async def give_up(session: AsyncSession, *, photos: Select[UUID], selfies: Select[UUID] | CompoundSelect[UUID]) -> None:
    """Have faces swept away that nobody needs any more, although their photo or selfie is there.

    Args:
        photos: selects ids of photos.
        selfies: selects ids of enrolments.
    """
    faces = update(RekognitionFace)
    await session.execute(faces.where(RekognitionFace.photo_id.in_(photos)).values(photo_id=None))
    await session.execute(faces.where(RekognitionFace.enrolment_id.in_(selfies)).values(enrolment_id=None))


async def anything_left(sessions: Sessions) -> bool:
    """Whether something of ours may lie in the account."""
    async with transaction(sessions) as session:
        return await session.scalar(select(RekognitionCollection.event_id).limit(1)) is not None


async def _together(act: Callable[[UUID], Any], ids: Iterable[UUID]) -> list[Any]:
    """One call for each id, at the same time. All are waited for, also when one fails: none may run on unseen."""
    done = await asyncio.gather(*(act(each) for each in ids), return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
    return done


async def _check_event(session: AsyncSession, event_id: UUID) -> None:
    """The event is there, and its collection is noted before it can be made.

    Raises:
        NoSuchEvent
    """
    there = select(Event.id).where(Event.id == event_id).with_for_update(key_share=True, read=True)
    if await session.scalar(there) is None:
        raise NoSuchEvent
    await session.execute(insert(RekognitionCollection).values(event_id=event_id).on_conflict_do_nothing())


async def _begin(session: AsyncSession, event_id: UUID, belongs: Belonging) -> UUID:
    pending = RekognitionPending(event_id=event_id, **_columns(belongs))
    session.add(pending)
    await session.flush()
    return pending.id


async def _end(session: AsyncSession, event_id: UUID, pending: UUID) -> None:
    await session.execute(delete(RekognitionPending).where(RekognitionPending.id == pending))
    # The event and its collection may have been deleted, and the collection made anew by our call.
    await session.execute(insert(RekognitionCollection).values(event_id=event_id).on_conflict_do_nothing())


async def _replace_faces(session: AsyncSession, event_id: UUID, belongs: Belonging, face_ids: list[UUID]) -> None:
    """Keep what was found, and give up what an earlier look had found and this one did not: it is swept away."""
    stale = update(RekognitionFace).where(RekognitionFace.face_id.not_in(face_ids))
    if belongs.photo_id is not None:
        await session.execute(stale.where(RekognitionFace.photo_id == belongs.photo_id).values(photo_id=None))
    else:
        same = RekognitionFace.guest_id == belongs.guest_id, RekognitionFace.enrolment_id == belongs.enrolment_id
        await session.execute(stale.where(RekognitionFace.event_id == event_id, *same).values(enrolment_id=None))
    await note_faces(session, event_id, belongs, face_ids)


async def note_faces(session: AsyncSession, event_id: UUID, belongs: Belonging, face_ids: Sequence[UUID]) -> None:
    """Write faces into the ledger; one that is there already is given to whom it belongs."""
    if not face_ids:
        return
    rows = [{"face_id": face_id, "event_id": event_id, **_columns(belongs)} for face_id in face_ids]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        new = insert(RekognitionFace).values(rows[start : start + _ROWS_AT_ONCE])
        await session.execute(
            new.on_conflict_do_update(
                index_elements=[RekognitionFace.face_id],
                set_={name: getattr(new.excluded, name) for name in ("photo_id", "guest_id", "enrolment_id")},
            )
        )


def _columns(belongs: Belonging) -> dict[str, UUID | None]:
    return {"photo_id": belongs.photo_id, "guest_id": belongs.guest_id, "enrolment_id": belongs.enrolment_id}


async def _anybody_enrolled(session: AsyncSession, event_id: UUID) -> bool:
    selfies = select(RekognitionFace.face_id).where(
        RekognitionFace.event_id == event_id, RekognitionFace.guest_id.is_not(None)
    )
    return await session.scalar(selfies.limit(1)) is not None


async def _is_live(session: AsyncSession, enrolment_id: UUID) -> bool:
    """Whether an enrolment may have a face in the account: it is not refused, and its guest agreed to that."""
    return await session.scalar(select(live_enrolments().where(Enrolment.id == enrolment_id).exists())) is True


def live_enrolments() -> Any:
    """Enrolments whose face may lie in the account."""
    agreed = stands(Enrolment.guest_id, at_amazon=True)
    return select(Enrolment.id).where(Enrolment.state != EnrolmentState.REFUSED, agreed)
