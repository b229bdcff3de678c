"""The jobs that the product exists for: looking at a photo, at a selfie, and at all of an event together.

None holds a transaction while it computes, and each may run twice without harm. None asks which engine runs.
"""

from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live, metrics
from trouvaille.core.clock import now
from trouvaille.core.db import transaction
from trouvaille.core.erase import erase
from trouvaille.core.errors import NotFound
from trouvaille.core.jobs import AWAY, PHOTOS, SELFIES, UPKEEP, Work, hold_askers, job
from trouvaille.core.rush import PHOTO_WAITS_S, SETTLING_WAITS_S
from trouvaille.events.models import Event
from trouvaille.events.rights import NoSuchEvent
from trouvaille.faces import service as faces
from trouvaille.guests import selfies
from trouvaille.guests.consent import ConsentNeeded, agrees
from trouvaille.guests.models import PUT_OFF as SELFIE_PUT_OFF
from trouvaille.guests.models import Enrolment, EnrolmentState, Guest
from trouvaille.matching import figures, reindex, service
from trouvaille.matching.engine import FaceEngine, PutOff, SeenPhoto
from trouvaille.photos import clocks, marking, marks, renditions
from trouvaille.photos import service as photos
from trouvaille.photos.finding import blanks_of
from trouvaille.photos.models import PUT_OFF, Photo, PhotoState
from trouvaille.photos.renditions import Fresh
from trouvaille.photos.service import NoSuchPhoto
from trouvaille.vision.selfie import Box
from trouvaille.vision.types import PhotoAnalysis, SelfieAnalysis, SelfieRefused, SeveralFaces, Unreadable

log = structlog.get_logger()


async def _give_up_photo(session: AsyncSession, args: dict[str, Any], reason: str) -> None:
    photo = await session.get(Photo, UUID(args["photo_id"]))
    if photo is not None and reason == AWAY:
        # Nothing is wrong with it: it waits, and is asked for again (``photos.requeue_forgotten``, ``reindex.ask``).
        await reindex.put_off(session, photo)
    elif photo is not None and not _is_shown_already(photo):
        await photos.set_failed(session, photo.id, reason)


def _is_shown_already(photo: Photo) -> bool:
    """Whether another engine has read it, or its faces were put off: then it stays, whatever comes of them now."""
    return photo.state is PhotoState.READY and (photo.engine is not None or photo.reason == PUT_OFF)


@job("matching.index_photo", queue=PHOTOS, abandon=_give_up_photo)
async def index_photo(work: Work, *, photo_id: str, event_id: str) -> None:
    """Read a photo: renditions, faces, and the matches of everybody who is enrolled, in one commit."""
    engine: FaceEngine = work.engine
    await work.rush.let_by(PHOTO_WAITS_S)
    async with transaction(work.sessions) as session:
        photo = await session.get(Photo, UUID(photo_id))
        event = await session.get(Event, photo.event_id) if photo else None
    if photo is None or event is None:
        # Deleted, perhaps after a worker that died here had put renditions.
        await work.storage.delete_under(Photo(id=UUID(photo_id), event_id=UUID(event_id)).folder)
        return
    if _is_done(photo, event, engine.identity):
        return
    try:
        data = await work.storage.get(photo.original_key)
        looked = await work.compute(engine.look_at_photo, data, faces=event.faces_on)
        fresh = await renditions.put(work.storage, photo, await marking.of_new(work, event, data, looked))
        photo.blanks = await work.compute(blanks_of, data, photo.media_type)
        seen = await engine.learn_photo(work, photo, looked) if event.faces_on else None
    except (NoSuchPhoto, NoSuchEvent):  # deleted while we looked
        await work.storage.delete_under(photo.folder)
    except (Unreadable, NotFound) as error:
        await _fail(work, photo, error)
    except PutOff as later:
        await _keep(work, photo, event, looked, fresh, None)
        if later.soon:
            raise
    else:
        await _keep(work, photo, event, looked, fresh, seen)


def _is_done(photo: Photo, event: Event, engine: str) -> bool:
    if photo.deleted_at is not None:  # it is asked for again when it comes back
        return True
    return photo.state is PhotoState.READY and (photo.engine == engine or not event.faces_on)


async def _fail(work: Work, photo: Photo, error: Unreadable | NotFound) -> None:
    reason = _reason_of(error)
    metrics.PHOTOS.labels("failed").inc()
    if photo.state is PhotoState.READY and photo.engine is not None:
        log.warning("photo can't be read anew", photo=str(photo.id), reason=reason)
        return
    async with transaction(work.sessions) as session:
        await photos.set_failed(session, photo.id, reason)
        await service.ask_to_settle(session, photo.event_id)  # it may have been the last


async def _keep(
    work: Work, photo: Photo, event: Event, looked: PhotoAnalysis, fresh: Fresh, seen: SeenPhoto | None
) -> None:
    if event.faces_on:
        await faces.ensure_partition(work.sessions, event.id)
    async with transaction(work.sessions) as session:
        await _keep_photo(session, work, photo, event, looked, fresh, seen)


async def _keep_photo(
    session: AsyncSession,
    work: Work,
    photo: Photo,
    event: Event,
    looked: PhotoAnalysis,
    fresh: Fresh,
    seen: SeenPhoto | None,
) -> None:
    engine: FaceEngine = work.engine
    await service.join_as_photo(session, event.id)
    # The event before the photo, as deleting an event does: the other way round each could wait for the other.
    present = await session.get(Event, event.id, with_for_update={"read": True})
    kept = await session.get(Photo, photo.id, with_for_update=True)
    if present is None or kept is None:  # deleted while we looked
        await erase(session, prefix=photo.folder)
        return
    if present.faces_on and not event.faces_on:
        # Face finding was switched on while we looked without it.
        await photos.ask_again(session, kept)
    _describe(kept, looked)
    kept.body = clocks.body_of(work.vault, event.id, looked.exposure.serial)
    kept.blanks = photo.blanks
    await renditions.switch(session, work.storage, kept, fresh, without=marks.without(event.mark))
    kept.mark = event.mark
    if present.mark != event.mark:  # it was changed while we looked
        await marks.ask_once_more(session, kept)
    if seen is not None:
        kept.faces, kept.engine = len(seen.faces), engine.identity
        await session.flush()
        await engine.keep_photo(session, kept, seen)
        await figures.note_photo(session, kept.id)
    elif event.faces_on and kept.engine is not None:
        await reindex.put_off(session, kept)
    elif event.faces_on:
        kept.reason = PUT_OFF
    await session.flush()
    await clocks.set_right(session, event.id, Photo.id == kept.id)
    if event.faces_on:
        await service.ask_to_settle(session, event.id)
    await live.publish(session, f"event:{event.id}", live.ARRIVED)
    metrics.PHOTOS.labels("ready").inc()


def _describe(photo: Photo, looked: PhotoAnalysis) -> None:
    photo.state, photo.reason = PhotoState.READY, None
    photo.width_px, photo.height_px = looked.width_px, looked.height_px
    photo.taken_at, photo.taken_offset_minutes = looked.exposure.taken_at, looked.exposure.offset_minutes
    photo.camera = looked.exposure.camera
    photo.placeholder = looked.placeholder


async def _give_up_selfie(session: AsyncSession, args: dict[str, Any], reason: str) -> None:
    enrolment = await session.get(Enrolment, UUID(args["enrolment_id"]))
    if enrolment is None or enrolment.state is not EnrolmentState.WAITING:
        return
    if reason != "worker_died" and enrolment.reason == SELFIE_PUT_OFF:
        return  # it is asked for again
    await selfies.refuse(session, enrolment, "internal" if reason == AWAY else reason)


@job("matching.enrol", queue=SELFIES, abandon=_give_up_selfie)
async def enrol(work: Work, *, enrolment_id: str, guest_id: str, event_id: str) -> None:
    """Look at a selfie: refuse it with a reason, or keep its template and find the guest's photos, in one commit."""
    async with transaction(work.sessions) as session:
        enrolment = await session.get(Enrolment, UUID(enrolment_id))
    if enrolment is None:
        # Withdrawn, perhaps after a worker that died here had kept the pictures.
        gone = Enrolment(id=UUID(enrolment_id), guest_id=UUID(guest_id), event_id=UUID(event_id))
        await work.storage.delete_under(gone.folder)
        return
    if enrolment.state is not EnrolmentState.WAITING:
        return
    engine: FaceEngine = work.engine
    work.rush.note()
    try:
        frames = await _frames(work, enrolment)
        looked = await work.compute(engine.look_at_selfie, frames, chosen=_chosen(enrolment))
        await engine.learn_selfie(work, enrolment, looked)
    except SeveralFaces as error:
        await _ask_who(work, enrolment, frames[error.frame], error)
    except (NoSuchEvent, ConsentNeeded):
        await _remove_selfie(work, enrolment)
    except (SelfieRefused, Unreadable, NotFound) as error:
        await _refuse(work, enrolment.id, _reason_of(error))
    except PutOff as later:
        await _put_off_selfie(work, enrolment.id)
        if later.soon:
            raise
    else:
        await selfies.keep_frames(work.storage, enrolment, [work.vault.seal(jpeg) for jpeg in looked.jpegs])
        await work.storage.delete([enrolment.choice_key])
        async with transaction(work.sessions) as session:
            await _keep_selfie(session, engine, enrolment, looked)


async def _frames(work: Work, enrolment: Enrolment) -> list[bytes]:
    return [work.vault.unseal(sealed) for sealed in await selfies.frames_of(work.storage, enrolment)]


def _chosen(enrolment: Enrolment) -> Box | None:
    if enrolment.chosen is None or enrolment.candidates is None:
        return None
    left, top, right, bottom = enrolment.candidates["boxes_xyxy"][enrolment.chosen]
    return left, top, right, bottom


async def _ask_who(work: Work, seen: Enrolment, frame: bytes, error: SeveralFaces) -> None:
    """Keep the one picture that the question is about, and put the question."""
    await work.storage.put(seen.choice_key, work.vault.seal(error.jpeg))
    await selfies.keep_frames(work.storage, seen, [work.vault.seal(frame)])
    async with transaction(work.sessions) as session:
        enrolment = await session.get(Enrolment, seen.id, with_for_update=True)
        if enrolment is None:  # consent was withdrawn while we looked
            await erase(session, prefix=seen.folder)
            return
        await selfies.ask_who(session, enrolment, size_wh=error.size_wh, boxes_xyxy=error.boxes_xyxy)


def _reason_of(error: SelfieRefused | Unreadable | NotFound | ConsentNeeded) -> str:
    if isinstance(error, SelfieRefused):
        return error.problem.value
    return error.reason.value if isinstance(error, Unreadable) else "internal"


async def _refuse(work: Work, enrolment_id: UUID, reason: str) -> None:
    async with transaction(work.sessions) as session:
        enrolment = await session.get(Enrolment, enrolment_id, with_for_update=True)
        if enrolment is not None:
            await selfies.refuse(session, enrolment, reason)


async def _remove_selfie(work: Work, seen: Enrolment) -> None:
    """Consent was withdrawn, or the event deleted, while we looked."""
    async with transaction(work.sessions) as session:
        enrolment = await session.get(Enrolment, seen.id, with_for_update=True)
        if enrolment is None:
            await erase(session, prefix=seen.folder)
        else:
            await selfies.remove(session, [enrolment])


async def _put_off_selfie(work: Work, enrolment_id: UUID) -> None:
    async with transaction(work.sessions) as session:
        enrolment = await session.get(Enrolment, enrolment_id, with_for_update=True)
        if enrolment is not None and enrolment.state is EnrolmentState.WAITING:
            await selfies.put_off(session, enrolment)


async def _keep_selfie(session: AsyncSession, engine: FaceEngine, seen: Enrolment, looked: SelfieAnalysis) -> None:
    await service.join_as_selfie(session, seen.event_id)
    enrolment = await session.get(Enrolment, seen.id, with_for_update=True)
    if enrolment is None:  # consent was withdrawn while we looked
        await erase(session, prefix=seen.folder)
        return
    guest = await session.get(Guest, enrolment.guest_id)
    if guest is None or not await agrees(session, guest.id):
        await selfies.remove(session, [enrolment])
        return
    await selfies.forget_other_enrolments(session, enrolment)
    enrolment.state, enrolment.reason, enrolment.decided_at = EnrolmentState.ACCEPTED, None, now()
    await session.flush()
    await engine.keep_selfie(session, enrolment, looked, new=True)
    await figures.note_guest(session, enrolment.guest_id)
    await service.ask_to_settle(session, enrolment.event_id)
    await selfies.tell(session, enrolment)


@job("matching.look_again", queue=SELFIES)
async def look_again(work: Work, *, enrolment_id: str) -> None:
    """Know an accepted selfie by this engine too. What others made of it stays, and so do the matches."""
    engine: FaceEngine = work.engine
    async with transaction(work.sessions) as session:
        seen = await session.get(Enrolment, UUID(enrolment_id))
        if seen is None or seen.state is not EnrolmentState.ACCEPTED:
            return
        if not await agrees(session, seen.guest_id):  # asked for again once they have read who compares it now
            await reindex.put_off_selfie(session, seen)
            return
    try:
        looked = await work.compute(engine.look_at_selfie, await _frames(work, seen))
        await engine.learn_selfie(work, seen, looked)
    except (SelfieRefused, Unreadable, NotFound, ConsentNeeded) as error:
        log.warning("selfie can't be read anew", enrolment=enrolment_id, reason=_reason_of(error))
        return
    except PutOff as later:
        async with transaction(work.sessions) as session:
            await reindex.put_off_selfie(session, seen)
        if later.soon:
            raise
        return
    async with transaction(work.sessions) as session:
        await service.join_as_selfie(session, seen.event_id)
        enrolment = await session.get(Enrolment, seen.id, with_for_update=True)
        if enrolment is None:  # consent was withdrawn while we looked
            return
        await engine.keep_selfie(session, enrolment, looked, new=False)
        await service.ask_to_settle(session, enrolment.event_id)


@job("matching.find_photos", queue=SELFIES)
async def find_photos(work: Work, *, enrolment_id: str) -> None:
    """Search for a guest's photos, where that is not done in the commit that accepts the selfie."""
    engine: FaceEngine = work.engine
    try:
        await engine.find_photos(work, UUID(enrolment_id))
    except PutOff as later:
        if later.soon:
            raise


@job("matching.settle", queue=UPKEEP)
async def settle(work: Work, *, event_id: str) -> None:
    """Look at all faces, selfies and answers of an event together, and correct the matches."""
    engine: FaceEngine = work.engine
    await work.rush.let_by(SETTLING_WAITS_S)
    async with transaction(work.sessions) as session:
        await hold_askers(session, photos.SETTLE_JOB, event_id)
    try:
        await engine.settle(work, UUID(event_id))
    except PutOff as later:
        if later.soon:
            raise
