"""An event whose faces and selfies are given as templates, so that the truth is known."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from trouvaille.accounts.models import Role, Staff
from trouvaille.core.clock import now
from trouvaille.core.db import Sessions, transaction
from trouvaille.events.models import Event
from trouvaille.faces import service as faces
from trouvaille.faces.service import FoundFace
from trouvaille.guests.models import Enrolment, EnrolmentState, Guest
from trouvaille.matching import reindex, service, settling
from trouvaille.matching.calibration import SFACE_TAIL
from trouvaille.matching.models import Match, Tier
from trouvaille.photos.models import Photo, PhotoState

Vector = NDArray[np.float32]
Compute = Callable[..., Awaitable[Any]]
ENGINE = "test/1"


async def at_once(act: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """Compute where we stand."""
    return act(*given, **named)


@dataclass
class Party:
    """One event, and the two ways in that the jobs take."""

    sessions: Sessions
    id: UUID
    people: dict[UUID, str] = field(default_factory=dict)
    pictures: dict[UUID, str] = field(default_factory=dict)

    async def photo(
        self, name: str, *templates: Vector, engine: str = ENGINE, photo_id: UUID | None = None, quality: float = 0.9
    ) -> UUID:
        """A photo comes in, or is looked at again."""
        await faces.ensure_partition(self.sessions, self.id)
        found = [FoundFace((0.1, 0.1, 0.2, 0.2), 0.9, quality, template) for template in templates]
        async with transaction(self.sessions) as session:
            await service.join_as_photo(session, self.id)
            photo = await session.get(Photo, photo_id) if photo_id else None
            if photo is None:
                photo = Photo(id=uuid4(), event_id=self.id, file_name=name, sha256=uuid4().bytes * 2, size_bytes=1)
                photo.media_type, photo.state = "image/jpeg", PhotoState.READY
                session.add(photo)
            photo.faces, photo.engine = len(found), engine
            await session.flush()
            await faces.replace_faces(session, event_id=self.id, photo_id=photo.id, faces=found, engine=engine)
            await service.match_photo(session, event_id=self.id, photo_id=photo.id, engine=engine)
        self.pictures[photo.id] = name
        return photo.id

    async def guest(self, name: str, template: Vector, *, engine: str = ENGINE) -> UUID:
        """A guest comes with a selfie."""
        async with transaction(self.sessions) as session:
            guest = Guest(event_id=self.id, username=name, email=f"{name}@example.org", display_name=name)
            guest.password_hash = "x"
            session.add(guest)
            await session.flush()
            enrolment = Enrolment(event_id=self.id, guest_id=guest.id, state=EnrolmentState.ACCEPTED)
            session.add(enrolment)
        self.people[guest.id] = name
        await self.look(guest.id, template, engine=engine)
        return guest.id

    async def look(self, guest_id: UUID, template: Vector, *, engine: str) -> None:
        """An engine looks at the guest's selfie."""
        async with transaction(self.sessions) as session:
            await service.join_as_selfie(session, self.id)
            enrolment = await session.scalar(select(Enrolment).where(Enrolment.guest_id == guest_id))
            assert enrolment is not None
            await service.keep_probe(session, enrolment, template=template, quality=0.9, engine=engine)
            await service.match_guest(session, event_id=self.id, guest_id=guest_id, template=template, engine=engine)

    async def settle(self, compute: Compute = at_once) -> None:
        """What the job does."""
        await settling.settle(self.sessions, compute, self.id)

    async def result(self) -> dict[tuple[str, str], Tier]:
        """Who is in what, by name."""
        async with transaction(self.sessions) as session:
            rows = await session.execute(select(Match.guest_id, Match.photo_id, Match.tier))
            return {(self.people[guest_id], self.pictures[photo_id]): tier for guest_id, photo_id, tier in rows}


@pytest.fixture
def party(sessions: Sessions) -> Callable[[], Awaitable[Party]]:
    """Makes events."""

    async def make() -> Party:
        async with transaction(sessions) as session:
            staff = Staff(email=f"{uuid4().hex}@example.org", display_name="O", password_hash="x", role=Role.ORGANISER)
            session.add(staff)
            await session.flush()
            event = Event(code=uuid4().hex[:8].upper(), name="Party", owner_id=staff.id, accent="#ffb224")
            event.faces_attested_at = now()
            session.add(event)
            for engine in (ENGINE, "test/2"):
                await reindex.register(session, engine, SFACE_TAIL)
            await session.flush()
            return Party(sessions, event.id)

    return make
