"""A file on this machine becomes a photo, in flat memory."""

from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from tests.people import Visitor
from trouvaille.core.clock import now
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.images import EmptyFile, NotAnImage, Truncated
from trouvaille.core.storage import Storage
from trouvaille.events.models import Event
from trouvaille.photos import intake
from trouvaille.photos.intake import Duplicate, Limits, Offer
from trouvaille.photos.models import Photo, Source, Standing
from trouvaille.settings import Settings

LIMITS = Limits(10**8, 10**8)

pytestmark = pytest.mark.anyio


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return Storage(settings.photos_url)


@pytest.fixture
def event_id(owner: Visitor) -> UUID:
    return UUID(owner.event_id)


async def _photo(sessions: Sessions, photo_id: UUID) -> Photo:
    async with transaction(sessions) as session:
        return (await session.scalars(select(Photo).where(Photo.id == photo_id))).one()


async def _count(sessions: Sessions) -> int:
    async with transaction(sessions) as session:
        return await session.scalar(select(func.count()).select_from(Photo)) or 0


async def test_a_file_is_kept_with_its_bytes_and_outlives_the_one_that_was_given(
    sessions: Sessions, storage: Storage, event_id: UUID, samples: dict[str, Path], tmp_path: Path
) -> None:
    staged = tmp_path / "staged"
    staged.write_bytes(samples["sample1.jpg"].read_bytes())
    taken = await intake.take_in_file(sessions, storage, LIMITS, Offer(event_id, None, "a.jpg", Source.CAMERA), staged)
    staged.unlink()
    photo = await _photo(sessions, taken.id)
    assert await storage.get(photo.original_key) == samples["sample1.jpg"].read_bytes()
    assert (photo.source, photo.standing, photo.in_general) == (Source.CAMERA, Standing.SHOWN, True)


async def test_the_same_file_is_a_duplicate_whichever_way_it_comes(
    sessions: Sessions, storage: Storage, event_id: UUID, samples: dict[str, Path]
) -> None:
    path = samples["sample1.jpg"]
    first = await intake.take_in(sessions, storage, LIMITS, Offer(event_id, None, "a.jpg"), path.read_bytes())
    with pytest.raises(Duplicate) as caught:
        await intake.take_in_file(sessions, storage, LIMITS, Offer(event_id, None, "b.jpg"), path)
    assert caught.value.photo_id == first.id
    assert path.exists()


async def test_a_deleted_photo_comes_back_when_its_file_is_sent_again(
    sessions: Sessions, storage: Storage, event_id: UUID, samples: dict[str, Path]
) -> None:
    offer = Offer(event_id, None, "a.jpg")
    first = await intake.take_in_file(sessions, storage, LIMITS, offer, samples["sample1.jpg"])
    async with transaction(sessions) as session:
        await session.execute(update(Photo).values(deleted_at=now()))
    assert (await intake.take_in_file(sessions, storage, LIMITS, offer, samples["sample1.jpg"])).id == first.id
    assert (await _photo(sessions, first.id)).deleted_at is None
    assert await _count(sessions) == 1


async def test_a_photo_stands_as_its_event_wants_new_ones_to(
    sessions: Sessions, storage: Storage, event_id: UUID, samples: dict[str, Path]
) -> None:
    async with transaction(sessions) as session:
        await session.execute(update(Event).values(review=True, general=False))
    offer = Offer(event_id, None, "a.jpg")
    taken = await intake.take_in_file(sessions, storage, LIMITS, offer, samples["sample1.jpg"])
    photo = await _photo(sessions, taken.id)
    assert (photo.standing, photo.in_general) == (Standing.HELD, False)


@pytest.mark.parametrize(("content", "problem"), [(b"", EmptyFile), (b"hello there, I am a text", NotAnImage)])
async def test_a_file_that_is_no_picture_is_refused(
    sessions: Sessions, storage: Storage, event_id: UUID, tmp_path: Path, content: bytes, problem: type[Exception]
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(content)
    with pytest.raises(problem):
        await intake.take_in_file(sessions, storage, LIMITS, Offer(event_id, None, "bad.jpg"), bad)
    assert await storage.keys_under("events") == []


async def test_a_file_without_its_end_is_refused(
    sessions: Sessions, storage: Storage, event_id: UUID, samples: dict[str, Path], tmp_path: Path
) -> None:
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(samples["sample1.jpg"].read_bytes()[:-2000])
    with pytest.raises(Truncated):
        await intake.take_in_file(sessions, storage, LIMITS, Offer(event_id, None, "cut.jpg"), cut)
