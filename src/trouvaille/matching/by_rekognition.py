"""Amazon Rekognition behind the seam: templates lie there, and here are the ids of its faces.

Pixels stay with the local engine: it decodes, makes renditions and judges selfies. A guest's photos are searched for
in a job of its own, after the selfie is known and its acceptance committed, so that photos which come in meanwhile find
the guest. What fails because the service is away, throttles, or may not be paid any more is put off and not lost.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from trouvaille.core.db import Sessions, transaction
from trouvaille.core.jobs import SELFIES, Work, defer
from trouvaille.faces.service import FoundFace, replace_faces
from trouvaille.guests.models import Enrolment
from trouvaille.matching import found, settling
from trouvaille.matching import service as matching
from trouvaille.matching.calibration import Tail
from trouvaille.matching.engine import Likeness, PutOff, SeenPhoto
from trouvaille.matching.models import Probe
from trouvaille.photos.models import Photo
from trouvaille.rekognition import service, trouble
from trouvaille.rekognition.costs import calls_left
from trouvaille.rekognition.errors import OPERATORS, Away, BudgetSpent, Busy, PictureRefused, PictureTooLarge
from trouvaille.rekognition.models import RekognitionFace
from trouvaille.rekognition.service import Rekognition
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.selfie import Box
from trouvaille.vision.types import PhotoAnalysis, SelfieAnalysis, Unreadable, UnreadableReason

log = structlog.get_logger()
FIND_JOB: Final = "matching.find_photos"

AT_ONCE: Final = 500
AGAIN: Final = timedelta(hours=1)
"""A new photo looks for its guests itself. That a search for them also runs so often makes good what the service was
late with, for little: it costs one call a guest and hour in which photos came."""


def _has_face() -> ColumnElement[bool]:
    theirs = RekognitionFace.event_id == Probe.event_id, RekognitionFace.guest_id == Probe.guest_id
    return exists().where(*theirs, RekognitionFace.enrolment_id == Probe.enrolment_id).correlate(Probe)


class ByRekognition:
    """Faces as ids of a service that compares them."""

    def __init__(self, pixels: LocalEngine, rekognition: Rekognition) -> None:
        self._pixels = pixels
        self._rekognition = rekognition

    @property
    def identity(self) -> str:
        return self._rekognition.identity

    @property
    def tail(self) -> Tail | None:
        return None

    def look_at_photo(self, data: bytes, *, faces: bool) -> PhotoAnalysis:
        return self._pixels.analyse_photo(data, faces=False)

    def look_at_selfie(self, frames: Sequence[bytes], *, chosen: Box | None = None) -> SelfieAnalysis:
        return self._pixels.analyse_selfie(frames, chosen=chosen)

    async def learn_photo(self, work: Work, photo: Photo, seen: PhotoAnalysis) -> SeenPhoto:
        jpeg = next(made.jpeg for made in seen.renditions if made.name == "view")
        async with self._asking(work.sessions, bulk=True):
            faces = await service.photo_faces(
                work.sessions, self._rekognition, event_id=photo.event_id, photo_id=photo.id, jpeg=jpeg
            )
            guests = await service.matches_of_photo(
                work.sessions, self._rekognition, event_id=photo.event_id, faces=faces
            )
        return SeenPhoto(
            [FoundFace(face.box_xyxy, face.score, face.quality, None, face.id) for face in faces],
            [Likeness(each.guest_id, each.face_id, each.similarity) for each in guests],
        )

    async def keep_photo(self, session: AsyncSession, photo: Photo, seen: SeenPhoto) -> None:
        await replace_faces(session, event_id=photo.event_id, photo_id=photo.id, faces=seen.faces, engine=self.identity)
        await found.keep_of_photo(
            session, photo, seen.faces, seen.guests, engine=self.identity, sure=self._rekognition.sure
        )

    async def learn_selfie(self, work: Work, enrolment: Enrolment, seen: SelfieAnalysis) -> None:
        async with self._asking(work.sessions):
            await service.enrol(
                work.sessions,
                self._rekognition,
                event_id=enrolment.event_id,
                guest_id=enrolment.guest_id,
                enrolment_id=enrolment.id,
                jpeg=seen.jpegs[0],
            )

    async def keep_selfie(
        self, session: AsyncSession, enrolment: Enrolment, seen: SelfieAnalysis, *, new: bool
    ) -> None:
        await matching.keep_probe(session, enrolment, template=None, quality=seen.quality, engine=self.identity)
        if new:
            await matching.forget_undecided(session, enrolment.guest_id, except_of=self.identity)
        await defer(session, FIND_JOB, queue=SELFIES, enrolment_id=enrolment.id)

    async def find_photos(self, work: Work, enrolment_id: UUID) -> None:
        async with transaction(work.sessions) as session:
            seen = await session.scalar(self._known(enrolment_id))
            asked_at: datetime = (await session.execute(select(func.now()))).scalar_one()
        if seen is None:
            return
        async with self._asking(work.sessions):
            photos = await service.matches_of_guest(
                work.sessions, self._rekognition, event_id=seen.event_id, enrolment_id=enrolment_id
            )
        async with transaction(work.sessions) as session:
            await matching.join_as_selfie(session, seen.event_id)
            probe = await session.scalar(self._known(enrolment_id))
            if probe is not None:  # otherwise consent was withdrawn, or the selfie replaced, while we searched
                await found.keep_of_guest(session, probe, photos, asked_at=asked_at, sure=self._rekognition.sure)

    async def settle(self, work: Work, event_id: UUID) -> None:
        await settling.settle(work.sessions, work.compute, event_id)  # of photos that a local engine has read
        async with transaction(work.sessions) as session:
            due = list(await session.scalars(self._due(Probe.enrolment_id).where(Probe.event_id == event_id)))
        for enrolment_id in due:
            await self.find_photos(work, enrolment_id)

    async def room(self, session: AsyncSession) -> int:
        left = await calls_left(session, self._rekognition.tariff)
        since = await trouble.since(session)
        if left and since is not None:
            return 1 if since >= trouble.TRY_AGAIN else 0
        return min(AT_ONCE, left)

    def _known(self, enrolment_id: UUID) -> Select[Probe]:
        """A guest's selfie, as long as its face lies in the account: a search without it would find nothing, and so
        take away what it has found."""
        return select(Probe).where(Probe.enrolment_id == enrolment_id, Probe.engine == self.identity, _has_face())

    async def catch_up(self, session: AsyncSession) -> None:
        await self._forget_swept(session)
        for event_id in set(await session.scalars(self._due(Probe.event_id))):
            await matching.ask_to_settle(session, event_id)

    async def _forget_swept(self, session: AsyncSession) -> None:
        """Let selfies be asked for again whose face is not in the account any more: it was swept because its guest had
        not agreed to that, or the account has lost it. Without a consent nobody asks; what was found stays."""
        gone = await session.scalars(
            delete(Probe).where(Probe.engine == self.identity, ~_has_face()).returning(Probe.enrolment_id)
        )
        asked = update(Enrolment).where(Enrolment.id.in_(list(gone)), Enrolment.asked_engine == self.identity)
        await session.execute(asked.values(asked_engine=None))

    async def take_over(self, session: AsyncSession) -> None:
        """Others keep what they know in our database alone."""

    def _due(self, column: InstrumentedAttribute[UUID]) -> Select[UUID]:
        """A column of the guests who are to be searched for again."""
        newest = (
            select(RekognitionFace.event_id, func.max(RekognitionFace.created_at).label("at"))
            .where(RekognitionFace.photo_id.is_not(None))
            .group_by(RekognitionFace.event_id)
            .subquery()
        )
        due = found.is_due(self.identity, newest.c.at, again=AGAIN)
        return select(column).outerjoin(newest, newest.c.event_id == Probe.event_id).where(due)

    @asynccontextmanager
    async def _asking(self, sessions: Sessions, *, bulk: bool = False) -> AsyncIterator[None]:
        """Ask the service in this block; its refusals come out in the seam's terms, and the operator is told.

        Args:
            bulk: don't even ask right after it refused another; every attempt counts, also one that fails.

        Raises:
            PutOff, Unreadable
        """
        if bulk:
            async with transaction(sessions) as session:
                since = await trouble.since(session)
            if since is not None and since < trouble.PAUSE:
                raise PutOff(soon=True)
        try:
            yield
        except (PictureRefused, PictureTooLarge) as error:
            raise Unreadable(UnreadableReason(getattr(error, "reason", "too_many_pixels"))) from error
        except OPERATORS as error:
            log.warning("put off", kind=type(error).__name__)
            if not isinstance(error, BudgetSpent):  # the page tells that by itself
                async with transaction(sessions) as session:
                    await trouble.note(session, str(error))
            raise PutOff(soon=isinstance(error, Away | Busy)) from error
        async with transaction(sessions) as session:
            await trouble.forget(session)
