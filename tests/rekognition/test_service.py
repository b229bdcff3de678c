"""Photos and guests meet through the service, in whatever order they come, and nothing is done twice."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, func, select

from tests.rekognition.conftest import Party
from tests.rekognition.server import Account, picture
from trouvaille.core.db import Sessions, transaction
from trouvaille.events.models import Event
from trouvaille.events.rights import NoSuchEvent
from trouvaille.guests import service as guests
from trouvaille.guests.consent import ConsentNeeded
from trouvaille.guests.models import Enrolment, Guest
from trouvaille.photos.models import Photo
from trouvaille.photos.service import NoSuchPhoto
from trouvaille.rekognition import service, upkeep
from trouvaille.rekognition.errors import Away, BudgetSpent
from trouvaille.rekognition.models import RekognitionFace, RekognitionPending
from trouvaille.rekognition.service import Rekognition
from trouvaille.vision.types import SelfieRefused

pytestmark = pytest.mark.anyio


async def pendings(sessions: Sessions) -> int:
    async with transaction(sessions) as session:
        return await session.scalar(select(func.count()).select_from(RekognitionPending)) or 0


async def ledger(sessions: Sessions) -> set[UUID]:
    async with transaction(sessions) as session:
        return set(await session.scalars(select(RekognitionFace.face_id)))


async def test_a_photo_finds_the_guests_who_are_in_it(
    party: Party, rekognition: Rekognition, sessions: Sessions
) -> None:
    anna, _ = await party.enrol(50)
    bea, _ = await party.enrol(80)
    await party.enrol(150)
    _, faces = await party.index(55, 50.5, 83, 200)
    found = await service.matches_of_photo(sessions, rekognition, event_id=party.id, faces=faces)
    assert {(match.guest_id, match.face_id, round(match.similarity, 3)) for match in found} == {
        (anna, faces[1].id, 0.995),
        (bea, faces[2].id, 0.97),
    }
    assert await pendings(sessions) == 0
    assert len(await ledger(sessions)) == 7


async def test_a_guest_finds_the_photos_they_are_in(party: Party, rekognition: Rekognition, sessions: Sessions) -> None:
    first, first_faces = await party.index(50, 51)
    second, second_faces = await party.index(57)
    await party.index(70)
    _, enrolment_id = await party.enrol(50)
    found = await service.matches_of_guest(sessions, rekognition, event_id=party.id, enrolment_id=enrolment_id)
    assert {(match.photo_id, match.face_id, round(match.similarity, 3)) for match in found} == {
        (first, first_faces[0].id, 1.0),
        (first, first_faces[1].id, 0.99),
        (second, second_faces[0].id, 0.93),
    }


async def test_events_do_not_see_each_other(
    party: Party, another_party: Callable[[], Awaitable[Party]], rekognition: Rekognition, sessions: Sessions
) -> None:
    other = await another_party()
    await other.index(50)
    _, enrolment_id = await party.enrol(50)
    found = await service.matches_of_guest(sessions, rekognition, event_id=party.id, enrolment_id=enrolment_id)
    assert found == []


async def test_photos_and_selfies_that_come_together_never_miss_each_other(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    account.seconds = 0.002
    seen: set[tuple[UUID, UUID]] = set()

    async def photo() -> UUID:
        photo_id, faces = await party.index(50)
        for match in await service.matches_of_photo(sessions, rekognition, event_id=party.id, faces=faces):
            seen.add((photo_id, match.guest_id))
        return photo_id

    async def guest() -> UUID:
        guest_id, enrolment_id = await party.enrol(50)
        matches = await service.matches_of_guest(sessions, rekognition, event_id=party.id, enrolment_id=enrolment_id)
        seen.update((match.photo_id, guest_id) for match in matches)
        return guest_id

    done = await asyncio.gather(*(photo() if number % 2 else guest() for number in range(12)))
    photos, people = done[1::2], done[0::2]
    assert seen == {(photo_id, guest_id) for photo_id in photos for guest_id in people}


async def test_no_search_is_paid_for_when_nobody_is_enrolled(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    _, faces = await party.index(50, 60)
    assert await service.matches_of_photo(sessions, rekognition, event_id=party.id, faces=faces) == []
    assert account.counts["SearchUsers"] == 0


async def test_a_poor_face_starts_no_search_but_can_be_found(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    _, enrolment_id = await party.enrol(50)
    photo_id, faces = await party.index({"who": 50, "sharpness": 1.0})
    assert await service.matches_of_photo(sessions, rekognition, event_id=party.id, faces=faces) == []
    assert account.counts["SearchUsers"] == 0
    found = await service.matches_of_guest(sessions, rekognition, event_id=party.id, enrolment_id=enrolment_id)
    assert [match.photo_id for match in found] == [photo_id]


async def test_a_user_that_comes_late_is_made_good_by_a_second_search(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    account.slow_users = True
    _, enrolment_id = await party.enrol(50)
    photo_id, faces = await party.index(50)
    assert await service.matches_of_photo(sessions, rekognition, event_id=party.id, faces=faces) == []
    found = await service.matches_of_guest(sessions, rekognition, event_id=party.id, enrolment_id=enrolment_id)
    assert [match.photo_id for match in found] == [photo_id]


@pytest.mark.parametrize("keeps_doubles", [False, True])
async def test_a_job_that_runs_again_leaves_the_faces_of_one_run(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account, keeps_doubles: bool
) -> None:
    account.keeps_doubles = keeps_doubles
    photo_id = await party.photo()
    guest_id = await party.guest()
    enrolment_id = await party.selfie(guest_id)
    for _ in range(2):
        faces = await service.photo_faces(
            sessions, rekognition, event_id=party.id, photo_id=photo_id, jpeg=picture(50, 60)
        )
        selfie = await service.enrol(
            sessions,
            rekognition,
            event_id=party.id,
            guest_id=guest_id,
            enrolment_id=enrolment_id,
            jpeg=picture(50),
        )
    await upkeep.sweep(sessions, rekognition)
    assert {UUID(face.face_id) for face in account.faces} == {selfie, *(face.id for face in faces)}
    assert await ledger(sessions) == {selfie, *(face.id for face in faces)}
    assert account.users == {str(guest_id)}
    assert [UUID(face.face_id) for face in account.faces if face.user] == [selfie]


async def test_a_deleted_photo_or_event_is_not_sent(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    with pytest.raises(NoSuchPhoto):
        await service.photo_faces(sessions, rekognition, event_id=party.id, photo_id=uuid4(), jpeg=picture(1))
    with pytest.raises(NoSuchEvent):
        await service.photo_faces(sessions, rekognition, event_id=uuid4(), photo_id=uuid4(), jpeg=picture(1))
    assert account.requests == []


async def test_without_consent_no_selfie_is_sent(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    guest_id = await party.guest()
    enrolment_id = await party.selfie(guest_id)
    async with transaction(sessions) as session:
        guest = await session.get_one(Guest, guest_id)
        await guests.withdraw_consent(session, guest)
    given = {"event_id": party.id, "guest_id": guest_id, "enrolment_id": enrolment_id}
    with pytest.raises(ConsentNeeded):
        await service.enrol(sessions, rekognition, **given, jpeg=picture(1))  # type: ignore[arg-type]
    assert account.requests == []


async def test_a_selfie_without_a_face_for_the_service_is_refused(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    guest_id = await party.guest()
    given = {"event_id": party.id, "guest_id": guest_id, "enrolment_id": await party.selfie(guest_id)}
    with pytest.raises(SelfieRefused):
        await service.enrol(sessions, rekognition, **given, jpeg=picture())  # type: ignore[arg-type]
    assert account.users == set()
    assert await pendings(sessions) == 0


async def test_when_one_search_fails_none_runs_on(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    await party.enrol(50)
    _, faces = await party.index(50, 60, 70)
    account.trouble("SearchUsers", "AccessDeniedException", times=1)
    with pytest.raises(Exception, match="AccessDenied"):
        await service.matches_of_photo(sessions, rekognition, event_id=party.id, faces=faces)
    assert account.counts["SearchUsers"] == 3
    assert account.now == 0


async def test_faces_that_are_deleted_meanwhile_find_nobody(
    party: Party, rekognition: Rekognition, sessions: Sessions
) -> None:
    _, enrolment_id = await party.enrol(50)
    _, faces = await party.index(50)
    rekognition.collections.delete_faces(party.id, await ledger(sessions))
    assert await service.matches_of_photo(sessions, rekognition, event_id=party.id, faces=faces) == []
    found = await service.matches_of_guest(sessions, rekognition, event_id=party.id, enrolment_id=enrolment_id)
    assert found == []


async def test_a_failed_call_leaves_a_mark_that_it_was_begun(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    photo_id = await party.photo()
    account.trouble("CreateCollection", "QuotaExceeded")
    with pytest.raises(Exception, match="QuotaExceeded"):
        await service.photo_faces(sessions, rekognition, event_id=party.id, photo_id=photo_id, jpeg=picture(1))
    assert await pendings(sessions) == 1


async def test_over_the_ceiling_photos_and_selfies_are_for_later(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    rekognition.collections._meter._tariff = service.Tariff(rekognition.tariff.per_1000, rekognition.tariff.ceiling * 0)
    with pytest.raises(BudgetSpent):
        await party.index(50)
    with pytest.raises(BudgetSpent):
        await party.enrol(50)
    assert account.counts["IndexFaces"] == 0


async def test_ids_of_the_instance_stay(sessions: Sessions) -> None:
    made = await asyncio.gather(*(service.instance_id(sessions) for _ in range(5)))
    assert len(set(made)) == 1


async def test_a_photo_deleted_while_it_is_indexed_is_in_the_ledger_for_the_sweep(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    photo_id = await party.photo()
    account.seconds = 0.3
    looking = asyncio.create_task(
        service.photo_faces(sessions, rekognition, event_id=party.id, photo_id=photo_id, jpeg=picture(1))
    )
    await asyncio.sleep(0.15)
    async with transaction(sessions) as session:
        await session.execute(delete(Photo).where(Photo.id == photo_id))
    [face] = await looking
    assert await ledger(sessions) == {face.id}


async def test_a_selfie_withdrawn_while_it_is_enrolled_is_not_reported_as_enrolled(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    guest_id = await party.guest()
    enrolment_id = await party.selfie(guest_id)
    given = {"event_id": party.id, "guest_id": guest_id, "enrolment_id": enrolment_id}
    account.seconds = 0.3
    looking = asyncio.create_task(
        service.enrol(sessions, rekognition, **given, jpeg=picture(1))  # type: ignore[arg-type]
    )
    await asyncio.sleep(0.15)
    async with transaction(sessions) as session:
        await session.execute(delete(Enrolment).where(Enrolment.id == enrolment_id))
    with pytest.raises(ConsentNeeded):
        await looking
    assert await pendings(sessions) == 1


async def test_an_event_deleted_while_a_photo_is_indexed_leaves_the_collection_noted(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    photo_id = await party.photo()
    account.seconds = 0.3
    looking = asyncio.create_task(
        service.photo_faces(sessions, rekognition, event_id=party.id, photo_id=photo_id, jpeg=picture(1))
    )
    await asyncio.sleep(0.15)
    async with transaction(sessions) as session:
        await session.execute(delete(Event).where(Event.id == party.id))
    await looking
    await upkeep.sweep(sessions, rekognition)
    assert account.collections == {}


async def test_a_service_that_is_away_is_left_to_the_queue(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    await party.index(1)
    account.trouble("IndexFaces", "500", times=9)
    with pytest.raises(Away):
        await party.index(50)
