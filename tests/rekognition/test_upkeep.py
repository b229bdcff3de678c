"""Nothing stays in the account: photos, guests, events, consent, crashes, and an operator who leaves."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tests.rekognition.conftest import Party
from tests.rekognition.server import Account, picture
from trouvaille import serving, worker
from trouvaille.core import clock
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.jobs import UPKEEP
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import selfies
from trouvaille.guests import service as guests
from trouvaille.guests.models import Enrolment, EnrolmentState, Guest
from trouvaille.photos import service as photos
from trouvaille.photos.models import Photo
from trouvaille.rekognition import service, upkeep
from trouvaille.rekognition.errors import Away
from trouvaille.rekognition.models import RekognitionCollection, RekognitionFace, RekognitionPending
from trouvaille.rekognition.service import Rekognition
from trouvaille.rekognition.upkeep import Swept
from trouvaille.settings import Settings
from trouvaille.vision.engine import LocalEngine

pytestmark = pytest.mark.anyio


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets so much time pass that no call from before can still run."""

    def pass_time() -> None:
        monkeypatch.setattr(upkeep, "now", lambda: clock.now() + upkeep.IN_FLIGHT + timedelta(minutes=1))

    return pass_time


async def rows(sessions: Sessions, table: type) -> int:
    async with transaction(sessions) as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


def faces_of(account: Account) -> set[UUID]:
    return {UUID(face.face_id) for face in account.faces}


async def remove_photo(session: AsyncSession, photo_id: UUID) -> None:
    await photos.erase_photos(session, Photo.id == photo_id)


async def accept(sessions: Sessions, enrolment_id: UUID) -> None:
    """As matching does once a selfie is enrolled: older ones of the guest go."""
    async with transaction(sessions) as session:
        enrolment = await session.get_one(Enrolment, enrolment_id)
        await selfies.forget_other_enrolments(session, enrolment)
        enrolment.state = EnrolmentState.ACCEPTED


async def test_a_sweep_leaves_what_has_an_owner(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    await party.index(50, 60)
    _, waiting = await party.enrol(50)
    _, accepted = await party.enrol(80)
    await accept(sessions, accepted)
    before = account.counts
    assert await upkeep.sweep(sessions, rekognition) == Swept()
    assert account.counts == before
    assert len(account.faces) == 4
    assert waiting


async def test_the_faces_of_a_deleted_photo_go(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    gone, _ = await party.index(50, 60)
    _, kept = await party.index(70)
    async with transaction(sessions) as session:
        await remove_photo(session, gone)
    assert await upkeep.sweep(sessions, rekognition) == Swept(faces=2)
    assert faces_of(account) == {kept[0].id}
    assert await rows(sessions, RekognitionFace) == 1


@pytest.mark.parametrize("how", ["withdraws", "deletes the account", "is removed"])
async def test_a_guest_who_leaves_goes_from_the_account_too(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account, how: str
) -> None:
    _, kept = await party.index(50)
    guest_id, enrolment_id = await party.enrol(50)
    stays, stays_enrolment = await party.enrol(80)
    await accept(sessions, enrolment_id)
    await accept(sessions, stays_enrolment)
    async with transaction(sessions) as session:
        guest = await session.get_one(Guest, guest_id)
        if how == "withdraws":
            await guests.withdraw_consent(session, guest)
        elif how == "deletes the account":
            await guests.delete_account(session, guest, username=guest.username)
        else:
            await session.delete(guest)
    assert await upkeep.sweep(sessions, rekognition) == Swept(faces=1, users=1)
    assert account.users == {str(stays)}
    assert {face.who for face in account.faces} == {50, 80}
    assert kept[0].id in faces_of(account)


async def test_a_new_selfie_takes_the_old_ones_place(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    guest_id, first = await party.enrol(50)
    await accept(sessions, first)
    second = await party.send_selfie(guest_id, 90)
    await accept(sessions, second)
    assert await upkeep.sweep(sessions, rekognition) == Swept(faces=1)
    [face] = account.faces
    assert (face.who, face.user) == (90, str(guest_id))


async def test_a_new_selfie_that_is_given_up_leaves_the_old_one_findable(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    guest_id, first = await party.enrol(50)
    await accept(sessions, first)
    second = await party.send_selfie(guest_id, 90)
    async with transaction(sessions) as session:
        await selfies.refuse(session, await session.get_one(Enrolment, second), "internal")
    await upkeep.sweep(sessions, rekognition)
    [face] = account.faces
    assert (face.who, face.user) == (50, str(guest_id))


async def test_a_deleted_event_takes_its_collection_with_it(
    party: Party,
    another_party: Callable[[], Awaitable[Party]],
    rekognition: Rekognition,
    sessions: Sessions,
    account: Account,
    later: Callable[[], None],
) -> None:
    other = await another_party()
    await other.index(1)
    await party.index(50)
    await party.enrol(50)
    async with transaction(sessions) as session:
        await events.delete(session, await session.get_one(Event, party.id))
    assert await upkeep.sweep(sessions, rekognition) == Swept(collections=1)
    assert list(account.collections) == [rekognition.collections.name_of(other.id)]
    assert await upkeep.sweep(sessions, rekognition) == Swept()
    # A call that was under way may have made it anew.
    rekognition.collections.create(party.id)
    later()
    await upkeep.sweep(sessions, rekognition)
    assert list(account.collections) == [rekognition.collections.name_of(other.id)]
    assert await rows(sessions, RekognitionCollection) == 1


async def test_a_collection_without_a_face_goes_with_its_event(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    await party.index()
    async with transaction(sessions) as session:
        await events.delete(session, await session.get_one(Event, party.id))
    await upkeep.sweep(sessions, rekognition)
    assert account.collections == {}


async def test_what_could_not_be_deleted_is_tried_again(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    gone, faces = await party.index(50, 60, 70)
    async with transaction(sessions) as session:
        await remove_photo(session, gone)
    account.undeletable.add(str(faces[1].id))
    assert await upkeep.sweep(sessions, rekognition) == Swept(faces=2)
    assert faces_of(account) == {faces[1].id}
    account.undeletable.clear()
    assert await upkeep.sweep(sessions, rekognition) == Swept(faces=1)
    assert account.faces == []


async def test_a_sweep_that_breaks_off_is_finished_by_the_next(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    guest_id, enrolment_id = await party.enrol(50)
    async with transaction(sessions) as session:
        await guests.withdraw_consent(session, await session.get_one(Guest, guest_id))
    account.trouble("DeleteFaces", "500", times=9)
    with pytest.raises(Away):
        await upkeep.sweep(sessions, rekognition)
    account.troubles.clear()
    await upkeep.sweep(sessions, rekognition)
    assert (account.faces, account.users) == ([], set())
    assert await rows(sessions, RekognitionFace) == 0
    assert enrolment_id


async def test_two_sweeps_at_once_do_no_harm(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    gone, _ = await party.index(*range(20))
    await party.index(50)
    async with transaction(sessions) as session:
        await remove_photo(session, gone)
    await asyncio.gather(upkeep.sweep(sessions, rekognition), upkeep.sweep(sessions, rekognition))
    assert len(account.faces) == 1
    assert await rows(sessions, RekognitionFace) == 1


async def crash_between_call_and_ledger(sessions: Sessions, keep: set[UUID]) -> None:
    """As a worker that was killed right after the call: faces are in the account, the mark says that it was begun."""
    async with transaction(sessions) as session:
        lost = list(await session.scalars(select(RekognitionFace).where(RekognitionFace.face_id.not_in(keep))))
        for face in lost:
            session.add(
                RekognitionPending(
                    event_id=face.event_id,
                    photo_id=face.photo_id,
                    guest_id=face.guest_id,
                    enrolment_id=face.enrolment_id,
                )
            )
            await session.delete(face)


async def test_after_a_crash_faces_without_an_owner_are_found_and_deleted(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account, later: Callable[[], None]
) -> None:
    _, kept = await party.index(70)
    photo_id, _ = await party.index(50, 60)
    guest_id, _ = await party.enrol(50)
    await crash_between_call_and_ledger(sessions, {kept[0].id})
    async with transaction(sessions) as session:
        await remove_photo(session, photo_id)
        await guests.withdraw_consent(session, await session.get_one(Guest, guest_id))
    assert await upkeep.sweep(sessions, rekognition) == Swept()  # the calls might still be running
    later()
    assert await upkeep.sweep(sessions, rekognition) == Swept(faces=3, users=1)
    assert faces_of(account) == {kept[0].id}
    assert account.users == set()
    assert await rows(sessions, RekognitionPending) == 0


async def test_after_a_crash_faces_with_an_owner_are_adopted(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account, later: Callable[[], None]
) -> None:
    photo_id, faces = await party.index(50, 60)
    guest_id, enrolment_id = await party.enrol(50)
    await crash_between_call_and_ledger(sessions, set())
    later()
    assert await upkeep.sweep(sessions, rekognition) == Swept(adopted=3)
    assert account.users == {str(guest_id)}
    found = await service.matches_of_guest(sessions, rekognition, event_id=party.id, enrolment_id=enrolment_id)
    assert [(match.photo_id, match.face_id) for match in found] == [(photo_id, face.id) for face in faces]
    async with transaction(sessions) as session:
        await remove_photo(session, photo_id)
    assert await upkeep.sweep(sessions, rekognition) == Swept(faces=2)


@pytest.mark.parametrize("photo_stays", [True, False])
async def test_a_worker_killed_after_the_call_leaves_nothing(
    party: Party,
    rekognition: Rekognition,
    with_rekognition: Settings,
    sessions: Sessions,
    account: Account,
    later: Callable[[], None],
    photo_stays: bool,
) -> None:
    photo_id = await party.photo()
    rekognition.collections.create(party.id)
    account.trouble("IndexFaces", "hang", seconds=5)
    environment = {**os.environ, **serving.environment(with_rekognition)}
    argv = [sys.executable, "-m", "tests.rekognition.victim", str(party.id), str(photo_id)]
    with subprocess.Popen(argv, env=environment, cwd=Path(__file__).parents[2]) as victim:
        while not account.faces:
            assert victim.poll() is None
            await asyncio.sleep(0.02)
        victim.kill()
    assert await rows(sessions, RekognitionFace) == 0
    if not photo_stays:
        async with transaction(sessions) as session:
            await remove_photo(session, photo_id)
    later()
    assert await upkeep.sweep(sessions, rekognition) == (Swept(adopted=1) if photo_stays else Swept(faces=1))
    assert await rows(sessions, RekognitionFace) == len(account.faces) == int(photo_stays)
    assert await rows(sessions, RekognitionPending) == 0


async def test_a_job_that_runs_again_after_a_crash_is_all_that_is_needed_for_a_photo(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account, later: Callable[[], None]
) -> None:
    photo_id, _ = await party.index(50)
    await crash_between_call_and_ledger(sessions, set())
    account.keeps_doubles = True
    [again] = await service.photo_faces(sessions, rekognition, event_id=party.id, photo_id=photo_id, jpeg=picture(50))
    assert len(account.faces) == 2
    later()
    assert await upkeep.sweep(sessions, rekognition) == Swept(faces=1)
    assert faces_of(account) == {again.id}


async def test_a_user_made_after_the_guest_was_swept_goes_too(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account, later: Callable[[], None]
) -> None:
    await party.index(70)
    stray = uuid4()
    account.collections[rekognition.collections.name_of(party.id)].users[str(stray)] = "CREATED"
    async with transaction(sessions) as session:
        session.add(RekognitionPending(event_id=party.id, guest_id=stray, enrolment_id=uuid4()))
    later()
    assert await upkeep.sweep(sessions, rekognition) == Swept(users=1)
    assert account.users == set()


async def test_faces_of_a_foreign_hand_in_our_collection_are_deleted(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    await party.index(70)
    collection = rekognition.collections.name_of(party.id)
    account.index_faces(collection, {"Bytes": picture(1)}, "holiday.jpg", 1, "NONE")
    assert await upkeep.reconcile(sessions, rekognition, party.id) == Swept(faces=1)
    assert [face.who for face in account.faces] == [70]


async def test_a_call_that_still_runs_is_left_alone(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    await party.index(70)
    photo_id = await party.photo()
    account.trouble("IndexFaces", "hang", seconds=0.6)
    looking = asyncio.create_task(
        service.photo_faces(sessions, rekognition, event_id=party.id, photo_id=photo_id, jpeg=picture(50))
    )
    while len(account.faces) < 2:
        await asyncio.sleep(0.01)
    assert await upkeep.reconcile(sessions, rekognition, party.id) == Swept()
    [face] = await looking
    assert face.id in faces_of(account)
    assert await rows(sessions, RekognitionFace) == 2


async def test_faces_that_the_account_has_lost_are_struck_out(
    party: Party, rekognition: Rekognition, sessions: Sessions, later: Callable[[], None]
) -> None:
    _, faces = await party.index(50, 60)
    rekognition.collections.delete_faces(party.id, [faces[0].id])
    assert await upkeep.reconcile(sessions, rekognition, party.id) == Swept()  # it may only not be listed yet
    later()
    assert await upkeep.reconcile(sessions, rekognition, party.id) == Swept(lost=1)
    assert await rows(sessions, RekognitionFace) == 1


async def test_collections_of_no_event_go_when_the_account_is_swept(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    await party.index(50)
    rekognition.collections.create(uuid4())
    account.create_collection("somebody-elses")
    account.create_collection(f"trouvaille-{uuid4().hex}-{party.id}")
    assert await upkeep.sweep_account(sessions, rekognition) == Swept(collections=1)
    assert len(account.collections) == 3
    assert rekognition.collections.name_of(party.id) in account.collections


async def test_who_leaves_leaves_nothing(
    party: Party, rekognition: Rekognition, sessions: Sessions, account: Account
) -> None:
    await party.index(50)
    await party.enrol(50)
    account.create_collection("somebody-elses")
    assert await upkeep.leave(sessions, rekognition) == Swept(collections=1)
    assert list(account.collections) == ["somebody-elses"]
    for table in (RekognitionFace, RekognitionCollection, RekognitionPending):
        assert await rows(sessions, table) == 0
    assert await service.instance_id(sessions) != rekognition.instance


async def test_housekeeping_asks_for_one_sweep_and_only_when_there_is_something_to_do(
    party: Party, rekognition: Rekognition, sessions: Sessions
) -> None:
    photo_id, _ = await party.index(50)
    async with transaction(sessions) as session:
        assert not await upkeep.ask_if_needed(session, rekognition.instance)
        await remove_photo(session, photo_id)
    async with transaction(sessions) as session:
        assert await upkeep.ask_if_needed(session, rekognition.instance)
    async with transaction(sessions) as session:
        assert not await upkeep.ask_if_needed(session, rekognition.instance)


async def test_a_worker_cleans_the_account_by_itself(
    party: Party,
    sessions: Sessions,
    account: Account,
    with_rekognition: Settings,
    engine: LocalEngine,
) -> None:
    photo_id, _ = await party.index(50)
    guest_id, _ = await party.enrol(50)
    async with transaction(sessions) as session:
        await remove_photo(session, photo_id)
        await guests.withdraw_consent(session, await session.get_one(Guest, guest_id))
    await worker.run(with_rekognition, [UPKEEP], concurrency=1, forever=False, engine=engine)
    assert (account.faces, account.users) == ([], set())


async def test_a_mark_of_an_event_that_is_gone_is_not_looked_at_for_ever(
    party: Party, rekognition: Rekognition, sessions: Sessions, later: Callable[[], None]
) -> None:
    async with transaction(sessions) as session:
        session.add(RekognitionPending(event_id=uuid4(), photo_id=uuid4()))
        await session.execute(update(RekognitionFace).values(photo_id=None))
        await session.execute(delete(Event).where(Event.id == party.id))
    later()
    await upkeep.sweep(sessions, rekognition)
    assert await rows(sessions, RekognitionPending) == 0
