"""The engine of this machine behind the seam: templates lie in our database, and PostgreSQL compares them."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import not_, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.jobs import Work
from trouvaille.faces.service import FoundFace, replace_faces
from trouvaille.guests.consent import stands_for_engine
from trouvaille.guests.models import Enrolment
from trouvaille.matching import service, settling
from trouvaille.matching.calibration import Tail
from trouvaille.matching.engine import SeenPhoto
from trouvaille.matching.models import Probe
from trouvaille.photos.models import Photo
from trouvaille.rekognition import service as rekognition
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.selfie import Box
from trouvaille.vision.types import PhotoAnalysis, SelfieAnalysis

AT_ONCE: Final = 500


class ByTemplate:
    """Faces as numbers that we compare."""

    def __init__(self, pixels: LocalEngine, tail: Tail) -> None:
        self._pixels = pixels
        self._tail = tail

    @property
    def identity(self) -> str:
        return self._pixels.identity

    @property
    def tail(self) -> Tail | None:
        return self._tail

    def look_at_photo(self, data: bytes, *, faces: bool) -> PhotoAnalysis:
        return self._pixels.analyse_photo(data, faces=faces)

    def look_at_selfie(self, frames: Sequence[bytes], *, chosen: Box | None = None) -> SelfieAnalysis:
        return self._pixels.analyse_selfie(frames, chosen=chosen)

    async def learn_photo(self, work: Work, photo: Photo, seen: PhotoAnalysis) -> SeenPhoto:
        return SeenPhoto([FoundFace(face.box_xyxy, face.score, face.quality, face.template) for face in seen.faces])

    async def keep_photo(self, session: AsyncSession, photo: Photo, seen: SeenPhoto) -> None:
        await replace_faces(session, event_id=photo.event_id, photo_id=photo.id, faces=seen.faces, engine=self.identity)
        await service.match_photo(session, event_id=photo.event_id, photo_id=photo.id, engine=self.identity)

    async def learn_selfie(self, work: Work, enrolment: Enrolment, seen: SelfieAnalysis) -> None:
        """The template is all that has to be known."""

    async def keep_selfie(
        self, session: AsyncSession, enrolment: Enrolment, seen: SelfieAnalysis, *, new: bool
    ) -> None:
        await service.keep_probe(session, enrolment, template=seen.template, quality=seen.quality, engine=self.identity)
        if new:
            await service.forget_undecided(session, enrolment.guest_id)
        await service.match_guest(
            session,
            event_id=enrolment.event_id,
            guest_id=enrolment.guest_id,
            template=seen.template,
            engine=self.identity,
        )

    async def find_photos(self, work: Work, enrolment_id: UUID) -> None:
        """A selfie is compared when it is kept, and whenever its event settles."""

    async def settle(self, work: Work, event_id: UUID) -> None:
        await settling.settle(work.sessions, work.compute, event_id)

    async def room(self, session: AsyncSession) -> int:
        return AT_ONCE

    async def catch_up(self, session: AsyncSession) -> None:
        """Nothing becomes due here."""

    async def take_over(self, session: AsyncSession) -> None:
        known = select(Probe.enrolment_id).where(Probe.engine == self.identity)
        # Elsewhere nobody compares any more, and here nobody may before the guest has agreed anew.
        asked = select(Enrolment.id).where(not_(stands_for_engine(session, Enrolment.guest_id)))
        photos = select(Photo.id).where(Photo.engine == self.identity)
        await rekognition.give_up(session, photos=photos, selfies=known.union(asked))
