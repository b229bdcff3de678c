"""What the jobs want of a face engine, whichever runs: templates in our database, or face ids in somebody else's.

An engine does its work in three steps. It *looks* at pixels, which needs neither network nor database. It *learns* the
faces, outside any transaction: that may take calls which cost time and money, and may have to be put off. It *keeps*
what it learnt in the transaction in which the photo or the selfie is kept, and there finds who is in which photo, or
asks for the search. The order is what matters: who is new is known before anybody is searched for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.errors import Unavailable
from trouvaille.core.jobs import Work
from trouvaille.faces.service import FoundFace
from trouvaille.guests.models import Enrolment
from trouvaille.matching.calibration import Tail
from trouvaille.photos.models import Photo
from trouvaille.vision.selfie import Box
from trouvaille.vision.types import PhotoAnalysis, SelfieAnalysis


class PutOff(Unavailable):
    """Nothing can be learnt of faces now; it is to be tried again later, and nothing is lost.

    ``soon`` says that the queue's own retries may be early enough; otherwise somebody has to act first.
    """

    message = "Faces can't be looked for right now."

    def __init__(self, *, soon: bool) -> None:
        self.soon = soon
        super().__init__()


@dataclass(frozen=True, slots=True)
class Likeness:
    """A guest whom a photo's face resembles most; ``similarity`` is the engine's own, at most 1."""

    guest_id: UUID
    face_id: UUID
    similarity: float


@dataclass(frozen=True, slots=True)
class SeenPhoto:
    """What an engine learnt of a photo. ``guests`` only where the engine itself compares, each guest once."""

    faces: Sequence[FoundFace]
    guests: Sequence[Likeness] = ()


class FaceEngine(Protocol):
    """One way of telling faces apart."""

    @property
    def identity(self) -> str:
        """What photos and selfies keep of the engine: faces are comparable exactly within one identity."""

    @property
    def tail(self) -> Tail | None:
        """How rare similar strangers are to its templates; None where it compares faces itself."""

    def look_at_photo(self, data: bytes, *, faces: bool) -> PhotoAnalysis:
        """Renditions of a photo, and its faces where they are found in pixels. It blocks.

        Raises:
            Unreadable
        """

    def look_at_selfie(self, frames: Sequence[bytes], *, chosen: Box | None = None) -> SelfieAnalysis:
        """Judge the pictures of one selfie. It blocks.

        Raises:
            Unreadable, SeveralFaces, SelfieRefused
        """

    async def learn_photo(self, work: Work, photo: Photo, seen: PhotoAnalysis) -> SeenPhoto:
        """Know the faces of a photo from now on.

        Raises:
            PutOff
            Unreadable: this picture never will be.
            NotFound: it was deleted meanwhile.
        """

    async def keep_photo(self, session: AsyncSession, photo: Photo, seen: SeenPhoto) -> None:
        """Write a photo's faces, and tell the enrolled guests who are in it."""

    async def learn_selfie(self, work: Work, enrolment: Enrolment, seen: SelfieAnalysis) -> None:
        """Know a guest by a selfie from now on.

        Raises:
            PutOff
            Unreadable, SelfieRefused: this picture won't do.
            NotFound, ConsentNeeded: deleted or withdrawn meanwhile.
        """

    async def keep_selfie(
        self, session: AsyncSession, enrolment: Enrolment, seen: SelfieAnalysis, *, new: bool
    ) -> None:
        """Write that a selfie finds photos, and find them or ask for it.

        Args:
            new: it takes an older selfie's place; otherwise it is the same one, which another engine knows already.
        """

    async def find_photos(self, work: Work, enrolment_id: UUID) -> None:
        """Search for the photos of an enrolled guest again.

        Raises:
            PutOff
        """

    async def settle(self, work: Work, event_id: UUID) -> None:
        """Bring an event's matches to what follows from its faces, selfies and answers as they are now.

        Raises:
            PutOff
        """

    async def room(self, session: AsyncSession) -> int:
        """How much of what can wait may be asked for now; 0 when nothing would come of it."""

    async def catch_up(self, session: AsyncSession) -> None:
        """Ask for what has become due by time alone."""

    async def take_over(self, session: AsyncSession) -> None:
        """Give up what other engines keep elsewhere of photos and selfies that this one knows."""
