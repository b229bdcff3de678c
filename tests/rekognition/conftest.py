"""An AWS account on this machine, and events with photos and guests in a real database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.rekognition.eyes import Eyes
from tests.rekognition.server import Account, picture, running
from trouvaille import engines, worker
from trouvaille.accounts.models import Role, Staff
from trouvaille.core.clock import now
from trouvaille.core.db import Sessions, transaction
from trouvaille.events.models import Event
from trouvaille.guests.consent import AMAZON
from trouvaille.guests.models import Consent, Enrolment, Guest
from trouvaille.photos.models import Photo
from trouvaille.rekognition import service
from trouvaille.rekognition.answers import IndexedFace
from trouvaille.rekognition.client import Collections
from trouvaille.rekognition.costs import Tariff
from trouvaille.rekognition.meter import Meter
from trouvaille.rekognition.service import Rekognition
from trouvaille.rekognition.slots import Slots
from trouvaille.settings import Settings
from trouvaille.vision.engine import LocalEngine

PRICE = Decimal(1)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials that open nothing, and no others, whatever this machine has."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE00")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-no-use")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def account() -> Iterator[Account]:
    """The account; at the end, nothing that was sent may have been against the service's model."""
    account = Account()
    yield account
    assert account.wrong == []


@pytest.fixture
def endpoint(account: Account) -> Iterator[str]:
    with running(account) as url:
        yield url


MakeCollections = Callable[..., Collections]


@pytest.fixture
def make_collections(database_url: str, endpoint: str) -> Iterator[MakeCollections]:
    """Makes clients of the account that give up soon."""
    made: list[Collections] = []

    def make(
        *,
        instance: UUID | None = None,
        limit: int = 30,
        ceiling: float = 50,
        wait_s: float = 20,
        read_timeout_s: float = 10,
        attempts: int = 4,
        url: str | None = None,
    ) -> Collections:
        made.append(
            Collections(
                instance=instance or uuid4(),
                slots=Slots(database_url, limit=limit, timeout_s=wait_s),
                meter=Meter(database_url, Tariff(PRICE, Decimal(str(ceiling)))),
                region="us-east-1",
                endpoint_url=url or endpoint,
                calls_at_once=limit,
                connect_timeout_s=2,
                read_timeout_s=read_timeout_s,
                attempts=attempts,
            )
        )
        return made[-1]

    yield make
    for collections in made:
        collections.close()


@pytest.fixture
def collections(make_collections: MakeCollections) -> Collections:
    return make_collections()


@pytest.fixture
def with_rekognition(settings: Settings, endpoint: str) -> Settings:
    """Settings of an instance whose second engine is the account."""
    chosen = {
        "engine": "rekognition",
        "rekognition_region": "us-east-1",
        "rekognition_endpoint_url": endpoint,
    }
    return Settings.model_validate({**settings.model_dump(), "DATABASE_URL": settings.database_url, **chosen})


@pytest.fixture
async def rekognition(with_rekognition: Settings, sessions: Sessions) -> AsyncIterator[Rekognition]:
    made = await engines.rekognition(with_rekognition, sessions)
    yield made
    made.close()


@dataclass
class Party:
    """An event in the database, and what can be added to it."""

    sessions: Sessions
    id: UUID
    rekognition: Rekognition

    async def enrol(self, who: float) -> tuple[UUID, UUID]:
        """A guest with an enrolled selfie: their id and the enrolment's."""
        guest_id = await self.guest()
        return guest_id, await self.send_selfie(guest_id, who)

    async def send_selfie(self, guest_id: UUID, who: float) -> UUID:
        """Enrol one more selfie of a guest; returns the enrolment's id."""
        enrolment_id = await self.selfie(guest_id)
        given = {"event_id": self.id, "guest_id": guest_id, "enrolment_id": enrolment_id}
        await service.enrol(self.sessions, self.rekognition, **given, jpeg=picture(who))
        return enrolment_id

    async def index(self, *people: float | dict[str, Any]) -> tuple[UUID, list[IndexedFace]]:
        """A photo of these people, and the faces that were found in it."""
        photo_id = await self.photo()
        return photo_id, await service.photo_faces(
            self.sessions, self.rekognition, event_id=self.id, photo_id=photo_id, jpeg=picture(*people)
        )

    async def photo(self) -> UUID:
        async with transaction(self.sessions) as session:
            photo = Photo(event_id=self.id, file_name="a.jpg", sha256=uuid4().bytes * 2, size_bytes=1)
            photo.media_type = "image/jpeg"
            session.add(photo)
            await session.flush()
            return photo.id

    async def guest(self) -> UUID:
        """A guest who has consented."""
        async with transaction(self.sessions) as session:
            name = f"g{uuid4().hex[:8]}"
            guest = Guest(event_id=self.id, username=name, email=f"{name}@example.org", display_name=name)
            guest.password_hash = "x"
            session.add(guest)
            await session.flush()
            session.add(Consent(event_id=self.id, guest_id=guest.id, text_version=f"1{AMAZON}", locale="en"))
            return guest.id

    async def selfie(self, guest_id: UUID) -> UUID:
        """An enrolment that waits."""
        async with transaction(self.sessions) as session:
            enrolment = Enrolment(event_id=self.id, guest_id=guest_id)
            session.add(enrolment)
            await session.flush()
            return enrolment.id


@pytest.fixture
async def party(sessions: Sessions, rekognition: Rekognition) -> Party:
    return await _party(sessions, rekognition)


async def _party(sessions: Sessions, rekognition: Rekognition) -> Party:
    async with transaction(sessions) as session:
        staff = Staff(email=f"{uuid4().hex}@example.org", display_name="O", password_hash="x", role=Role.ADMINISTRATOR)
        session.add(staff)
        await session.flush()
        event = Event(code=uuid4().hex[:8].upper(), name="Party", owner_id=staff.id, accent="#ffb224")
        event.faces_attested_at = now()
        session.add(event)
        await session.flush()
        return Party(sessions, event.id, rekognition)


@pytest.fixture
def another_party(sessions: Sessions, rekognition: Rekognition) -> Callable[[], Awaitable[Party]]:
    """Makes further events."""
    return lambda: _party(sessions, rekognition)


@pytest.fixture(scope="session")
def eyes_that_know(engine: LocalEngine, samples: dict[str, Path]) -> Eyes:
    return Eyes(engine, samples)


@pytest.fixture
def eyes(account: Account, eyes_that_know: Eyes) -> Eyes:
    """The account sees the sample guests in real photos."""
    eyes_that_know.off, eyes_that_know.poor = 0.0, False
    account.eyes = eyes_that_know
    return eyes_that_know


def work_off(settings: Settings, engine: LocalEngine) -> None:
    """Work off every job that waits, as a worker process with these settings does."""
    asyncio.run(worker.run(settings, worker.QUEUES, concurrency=2, forever=False, engine=engine))
