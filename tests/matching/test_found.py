"""Matches that are found elsewhere: searches overtake each other, and nothing that one of them knows gets lost."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, literal, select, update

from tests.matching.conftest import Party
from trouvaille.core.db import Sessions, transaction
from trouvaille.faces import service as faces
from trouvaille.faces.service import FoundFace
from trouvaille.guests.models import Enrolment, EnrolmentState, Guest
from trouvaille.matching import found, service
from trouvaille.matching.engine import Likeness
from trouvaille.matching.models import Match, Probe, Verdict
from trouvaille.photos.models import Photo, PhotoState
from trouvaille.rekognition.service import GuestMatch

pytestmark = pytest.mark.anyio
HERE, ELSEWHERE = "there/1", "test/1"
SURE = 0.99
MINUTE = timedelta(minutes=1)


def face(quality: float = 0.9) -> FoundFace:
    return FoundFace((0.1, 0.1, 0.2, 0.2), 0.9, quality, None)


class Event:
    """One event whose faces are compared elsewhere."""

    def __init__(self, sessions: Sessions, event_id: UUID) -> None:
        self.sessions, self.id = sessions, event_id

    async def guest(self, *, age: timedelta = 2 * MINUTE, searched: bool = True, engine: str = HERE) -> Probe:
        """A guest who was enrolled some time ago, and whose photos were looked for just now, unless they never were."""
        async with transaction(self.sessions) as session:
            name = uuid4().hex[:8]
            guest = Guest(event_id=self.id, username=name, email=f"{name}@example.org", display_name=name)
            guest.password_hash = "x"
            session.add(guest)
            await session.flush()
            enrolment = Enrolment(event_id=self.id, guest_id=guest.id, state=EnrolmentState.ACCEPTED)
            session.add(enrolment)
            await session.flush()
            await service.keep_probe(session, enrolment, template=None, quality=0.9, engine=engine)
            when = {"created_at": func.now() - age, "searched_at": func.now() if searched else None}
            probe = await session.get_one(Probe, (enrolment.id, engine))
            await session.execute(update(Probe).where(Probe.enrolment_id == enrolment.id).values(when))
            await session.refresh(probe)
            return probe

    async def photo(
        self, *people: FoundFace, finds: Sequence[Likeness] = (), engine: str | None = HERE, of: UUID | None = None
    ) -> UUID:
        """A photo that is kept with what its search found; ``of`` reads one again."""
        await faces.ensure_partition(self.sessions, self.id)
        async with transaction(self.sessions) as session:
            photo = await session.get(Photo, of) if of else None
            if photo is None:
                photo = Photo(event_id=self.id, file_name="a.jpg", sha256=uuid4().bytes * 2, size_bytes=1)
                photo.media_type, photo.state = "image/jpeg", PhotoState.READY
                session.add(photo)
            photo.engine = engine
            await session.flush()
            if engine == HERE:
                await faces.replace_faces(session, event_id=self.id, photo_id=photo.id, faces=people, engine=HERE)
                await found.keep_of_photo(session, photo, people, finds, engine=HERE, sure=SURE)
            return photo.id

    async def search(self, probe: Probe, *finds: GuestMatch, asked_at: datetime | None = None) -> None:
        """A guest's search that found these."""
        async with transaction(self.sessions) as session:
            asked_at = asked_at or (await session.execute(select(func.now()))).scalar_one()
            kept = await session.get_one(Probe, (probe.enrolment_id, probe.engine))
            await found.keep_of_guest(session, kept, finds, asked_at=asked_at, sure=SURE)

    async def matches(self, probe: Probe) -> dict[UUID, tuple[str, UUID | None]]:
        """The guest's photos: how certain, and by which face."""
        async with transaction(self.sessions) as session:
            rows = await session.scalars(select(Match).where(Match.guest_id == probe.guest_id))
            return {row.photo_id: (row.tier.value, row.face_id) for row in rows}


@pytest.fixture
async def event(party: Callable[[], Awaitable[Party]], sessions: Sessions) -> Event:
    return Event(sessions, (await party()).id)


async def test_tiers_follow_the_services_similarity(event: Event) -> None:
    one, other = await event.guest(), await event.guest()
    first, second = face(), face()
    finds = [Likeness(one.guest_id, first.id, 0.995), Likeness(other.guest_id, second.id, 0.95)]
    photo = await event.photo(first, second, finds=finds)
    assert await event.matches(one) == {photo: ("sure", first.id)}
    assert await event.matches(other) == {photo: ("maybe", second.id)}


async def test_a_guest_who_withdrew_while_a_photo_was_searched_does_not_come_back(event: Event) -> None:
    guest = await event.guest()
    async with transaction(event.sessions) as session:
        await session.delete(await session.get_one(Enrolment, guest.enrolment_id))
    here = face()
    await event.photo(here, finds=[Likeness(guest.guest_id, here.id, 0.995)])
    assert await event.matches(guest) == {}


async def test_a_photo_that_is_being_read_is_kept_for_the_guest_who_found_it_first(event: Event) -> None:
    guest = await event.guest()
    here = face()
    photo = await event.photo(engine=None)
    await event.search(guest, GuestMatch(photo, here.id, 0.995))
    assert await event.matches(guest) == {photo: ("sure", here.id)}
    await event.photo(here, of=photo)  # its own search came too early to find the guest
    assert await event.matches(guest) == {photo: ("sure", here.id)}


async def test_a_poor_face_of_a_photo_that_was_being_read_is_dropped_when_that_is_known(event: Event) -> None:
    guest = await event.guest(age=timedelta(0))
    poor = face(quality=0.1)
    photo = await event.photo(engine=None)
    await event.search(guest, GuestMatch(photo, poor.id, 0.995))
    await event.photo(poor, of=photo)
    assert await event.matches(guest) == {}


async def test_poor_faces_and_faces_of_an_earlier_reading_are_passed_over(event: Event) -> None:
    guest = await event.guest()
    good, poor, gone = face(), face(quality=0.1), uuid4()
    photo = await event.photo(good, poor)
    finds = (GuestMatch(photo, gone, 1.0), GuestMatch(photo, poor.id, 0.999), GuestMatch(photo, good.id, 0.95))
    await event.search(guest, *finds)
    assert await event.matches(guest) == {photo: ("maybe", good.id)}


async def test_a_search_drops_what_is_older_and_not_found_but_nothing_younger(event: Event) -> None:
    guest = await event.guest()
    here = face()
    async with transaction(event.sessions) as session:
        before = (await session.execute(select(func.now()))).scalar_one()
    photo = await event.photo(here, finds=[Likeness(guest.guest_id, here.id, 0.995)])
    await event.search(guest, asked_at=before)
    assert set(await event.matches(guest)) == {photo}
    await event.search(guest)
    assert await event.matches(guest) == {}


async def test_a_verdict_stays_whatever_is_found(event: Event) -> None:
    guest = await event.guest()
    here = face()
    finds = [Likeness(guest.guest_id, here.id, 0.995)]
    photo = await event.photo(here, finds=finds)
    async with transaction(event.sessions) as session:
        await service.answer(session, guest.guest_id, photo, Verdict.NO)
    await event.search(guest)
    await event.search(guest, GuestMatch(photo, here.id, 0.999))
    await event.photo(face(), of=photo)
    async with transaction(event.sessions) as session:
        assert list(await session.scalars(select(Match.verdict))) == [Verdict.NO]


@pytest.mark.parametrize("age", [timedelta(seconds=1), 2 * MINUTE])
async def test_another_engines_match_stays_until_the_service_has_caught_up(event: Event, age: timedelta) -> None:
    guest = await event.guest(age=age)
    photo = await event.photo(engine=ELSEWHERE)
    async with transaction(event.sessions) as session:
        enrolment = await session.get_one(Enrolment, guest.enrolment_id)
        await service.keep_probe(session, enrolment, template=None, quality=0.9, engine=ELSEWHERE)
        row = {"guest_id": guest.guest_id, "photo_id": photo, "event_id": event.id, "face_id": uuid4()}
        session.add(Match(**row, similarity=0.9, tier="sure", created_at=func.now() - MINUTE))
    caught_up = age > found.CAUGHT_UP
    await event.search(guest)
    assert set(await event.matches(guest)) == {photo}, "the photo is still the other engine's"
    await event.photo(face(), of=photo)
    assert (await event.matches(guest) == {}) is caught_up
    await event.search(guest)
    assert (await event.matches(guest) == {}) is caught_up


@pytest.mark.parametrize(
    ("age", "searched", "newest", "due"),
    [
        (timedelta(seconds=1), None, None, False),
        (MINUTE, None, None, True),
        (MINUTE, timedelta(seconds=59), None, True),
        (MINUTE, timedelta(seconds=2), timedelta(seconds=1), False),
        (4 * 60 * MINUTE, 2 * 60 * MINUTE, None, False),
        (4 * 60 * MINUTE, 2 * 60 * MINUTE, 3 * 60 * MINUTE, False),
        (4 * 60 * MINUTE, 2 * 60 * MINUTE, MINUTE, True),
    ],
)
async def test_guests_are_searched_again_once_soon_and_then_seldom(
    event: Event, age: timedelta, searched: timedelta | None, newest: timedelta | None, due: bool
) -> None:
    guest = await event.guest(age=age)
    async with transaction(event.sessions) as session:
        before = None if searched is None else func.now() - searched
        await session.execute(update(Probe).values(searched_at=before))
        face_at = literal(None) if newest is None else func.now() - newest
        query = select(Probe.enrolment_id).where(found.is_due(HERE, face_at, again=60 * MINUTE))
        assert list(await session.scalars(query)) == ([guest.enrolment_id] if due else [])
