"""The jobs that the product exists for: looking at a photo, at a selfie, and at all of an event together.

None holds a transaction while it computes, and each may run twice without harm.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live
from trouvaille.core.clock import now
from trouvaille.core.db import transaction
from trouvaille.core.erase import erase
from trouvaille.core.errors import NotFound
from trouvaille.core.jobs import PHOTOS, SELFIES, UPKEEP, Work, hold_askers, job
from trouvaille.events.models import Event
from trouvaille.faces import service as faces
from trouvaille.faces.service import FoundFace
from trouvaille.guests import service as guests
from trouvaille.guests.models import Enrolment, EnrolmentState, Guest
from trouvaille.matching import service, settling
from trouvaille.photos import service as photos
from trouvaille.photos.models import Photo, PhotoState
from trouvaille.vision.types import Face, PhotoAnalysis, SelfieAnalysis, SelfieRefused, SeveralFaces, Unreadable

log = structlog.get_logger()


async def _give_up_photo(session: AsyncSession, args: dict[str, Any], reason: str) -> None:
    photo = await session.get(Photo, UUID(args["photo_id"]))
    if photo is not None and not _is_shown_already(photo):
        await photos.set_failed(session, photo.id, reason)


def _is_shown_already(photo: Photo) -> bool:
    """Whether another engine has read it: then guests keep what they have, whatever this one makes of it."""
    return photo.state is PhotoState.READY and photo.engine is not None


@job("matching.index_photo", queue=PHOTOS, abandon=_give_up_photo)
async def index_photo(work: Work, *, photo_id: str, event_id: str) -> None:
    """Read a photo: renditions, faces, and the matches of everybody who is enrolled, in one commit."""
    async with transaction(work.sessions) as session:
        photo = await session.get(Photo, UUID(photo_id))
        event = await session.get(Event, photo.event_id) if photo else None
    if photo is None or event is None:
        # Deleted, perhaps after a worker that died here had put renditions.
        await work.storage.delete_under(Photo(id=UUID(photo_id), event_id=UUID(event_id)).folder)
        return
    if _is_done(photo, event, work.engine.identity):
        return
    try:
        data = await work.storage.get(photo.original_key)
        analysis = await work.compute(work.engine.analyse_photo, data, faces=event.faces_on)
    except (Unreadable, NotFound) as error:
        reason = error.reason.value if isinstance(error, Unreadable) else "internal"
        if _is_shown_already(photo):
            log.warning("photo can't be read anew", photo=str(photo.id), reason=reason)
            return
        async with transaction(work.sessions) as session:
            await photos.set_failed(session, photo.id, reason)
            await service.ask_to_settle(session, event.id)  # it may have been the last
    else:
        await asyncio.gather(
            *(work.storage.put(photo.rendition_key(made.name), made.jpeg) for made in analysis.renditions)
        )
        if event.faces_on:
            await faces.ensure_partition(work.sessions, event.id)
        async with transaction(work.sessions) as session:
            await _keep_photo(session, work, photo, event, analysis)


def _is_done(photo: Photo, event: Event, engine: str) -> bool:
    return photo.state is PhotoState.READY and (photo.engine == engine or not event.faces_on)


async def _keep_photo(session: AsyncSession, work: Work, photo: Photo, event: Event, analysis: PhotoAnalysis) -> None:
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
    kept.state, kept.reason = PhotoState.READY, None
    kept.width_px, kept.height_px = analysis.width_px, analysis.height_px
    kept.taken_at = analysis.taken_at
    if analysis.taken_at is not None:
        kept.shown_at = analysis.taken_at.replace(tzinfo=kept.created_at.tzinfo)
    if event.faces_on:
        kept.faces, kept.engine = len(analysis.faces), work.engine.identity
        await session.flush()
        await faces.replace_faces(
            session, event_id=event.id, photo_id=kept.id, faces=_found(analysis.faces), engine=work.engine.identity
        )
        await service.match_photo(session, event_id=event.id, photo_id=kept.id, engine=work.engine.identity)
    await session.flush()
    if event.faces_on:
        await service.ask_to_settle(session, event.id)
    await live.publish(session, f"event:{event.id}")


def _found(found: Sequence[Face]) -> list[FoundFace]:
    return [FoundFace(face.box_xyxy, face.score, face.quality, face.template) for face in found]


async def _give_up_selfie(session: AsyncSession, args: dict[str, Any], reason: str) -> None:
    enrolment = await session.get(Enrolment, UUID(args["enrolment_id"]))
    if enrolment is not None and enrolment.state is EnrolmentState.WAITING:
        await guests.refuse(session, enrolment, reason)


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
    try:
        frames = await _frames(work, enrolment)
        analysis = await work.compute(work.engine.analyse_selfie, frames, chosen=_chosen(enrolment))
    except SeveralFaces as error:
        await _ask_who(work, enrolment, frames[error.frame], error)
        return
    except (SelfieRefused, Unreadable, NotFound) as error:
        await _refuse(work, enrolment.id, _reason_of(error))
        return
    await guests.keep_frames(work.storage, enrolment, [work.vault.seal(jpeg) for jpeg in analysis.jpegs])
    await work.storage.delete([enrolment.choice_key])
    async with transaction(work.sessions) as session:
        await _keep_selfie(session, work, enrolment, analysis)


async def _frames(work: Work, enrolment: Enrolment) -> list[bytes]:
    return [work.vault.unseal(sealed) for sealed in await guests.frames_of(work.storage, enrolment)]


def _chosen(enrolment: Enrolment) -> tuple[float, ...] | None:
    if enrolment.chosen is None or enrolment.candidates is None:
        return None
    return tuple(enrolment.candidates["boxes_xyxy"][enrolment.chosen])


async def _ask_who(work: Work, seen: Enrolment, frame: bytes, error: SeveralFaces) -> None:
    """Keep the one picture that the question is about, and put the question."""
    await work.storage.put(seen.choice_key, work.vault.seal(error.jpeg))
    await guests.keep_frames(work.storage, seen, [work.vault.seal(frame)])
    async with transaction(work.sessions) as session:
        enrolment = await session.get(Enrolment, seen.id, with_for_update=True)
        if enrolment is None:  # consent was withdrawn while we looked
            await erase(session, prefix=seen.folder)
            return
        await guests.ask_who(session, enrolment, size_wh=error.size_wh, boxes_xyxy=error.boxes_xyxy)


def _reason_of(error: SelfieRefused | Unreadable | NotFound) -> str:
    if isinstance(error, SelfieRefused):
        return error.problem.value
    return error.reason.value if isinstance(error, Unreadable) else "internal"


async def _refuse(work: Work, enrolment_id: UUID, reason: str) -> None:
    async with transaction(work.sessions) as session:
        enrolment = await session.get(Enrolment, enrolment_id, with_for_update=True)
        if enrolment is not None:
            await guests.refuse(session, enrolment, reason)


async def _keep_selfie(session: AsyncSession, work: Work, seen: Enrolment, analysis: SelfieAnalysis) -> None:
    await service.join_as_selfie(session, seen.event_id)
    enrolment = await session.get(Enrolment, seen.id, with_for_update=True)
    if enrolment is None:  # consent was withdrawn while we looked
        await erase(session, prefix=seen.folder)
        return
    guest = await session.get(Guest, enrolment.guest_id)
    if guest is None or await guests.consent_of(session, guest) is None:
        await guests.remove_enrolment(session, enrolment)
        return
    await guests.forget_other_enrolments(session, enrolment)
    enrolment.state, enrolment.decided_at = EnrolmentState.ACCEPTED, now()
    await session.flush()
    template, engine = analysis.template, work.engine.identity
    await service.keep_probe(session, enrolment, template=template, quality=analysis.quality, engine=engine)
    await service.forget_undecided(session, enrolment.guest_id)
    await service.match_guest(
        session,
        event_id=enrolment.event_id,
        guest_id=enrolment.guest_id,
        template=template,
        engine=engine,
    )
    await service.ask_to_settle(session, enrolment.event_id)
    await guests.tell(session, enrolment)


@job("matching.look_again", queue=SELFIES)
async def look_again(work: Work, *, enrolment_id: str) -> None:
    """Make a template of an accepted selfie as this engine sees it. The others stay, and so do the matches."""
    async with transaction(work.sessions) as session:
        seen = await session.get(Enrolment, UUID(enrolment_id))
    if seen is None or seen.state is not EnrolmentState.ACCEPTED:
        return
    try:
        analysis = await work.compute(work.engine.analyse_selfie, await _frames(work, seen))
    except (SelfieRefused, Unreadable, NotFound) as error:
        log.warning("selfie can't be read anew", enrolment=enrolment_id, reason=_reason_of(error))
        return
    engine = work.engine.identity
    async with transaction(work.sessions) as session:
        await service.join_as_selfie(session, seen.event_id)
        enrolment = await session.get(Enrolment, seen.id, with_for_update=True)
        if enrolment is None:  # consent was withdrawn while we looked
            return
        await service.keep_probe(
            session, enrolment, template=analysis.template, quality=analysis.quality, engine=engine
        )
        await service.match_guest(
            session,
            event_id=enrolment.event_id,
            guest_id=enrolment.guest_id,
            template=analysis.template,
            engine=engine,
        )
        await service.ask_to_settle(session, enrolment.event_id)


@job("matching.settle", queue=UPKEEP)
async def settle(work: Work, *, event_id: str) -> None:
    """Look at all faces, selfies and answers of an event together, and correct the matches."""
    async with transaction(work.sessions) as session:
        await hold_askers(session, photos.SETTLE_JOB, event_id)
    await settling.settle(work.sessions, work.compute, UUID(event_id))
