"""Settling an event on a real database: the order of arrival, answers, and what comes in between."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, func, select, text, update

from tests.matching.conftest import Party, at_once
from tests.matching.vectors import Vector, like, random
from trouvaille.core.clock import now
from trouvaille.core.db import transaction
from trouvaille.core.jobs import UPKEEP, defer_once, hold_askers
from trouvaille.faces.models import Face
from trouvaille.guests.models import Guest
from trouvaille.matching import service
from trouvaille.matching.calibration import thresholds
from trouvaille.matching.models import Match, Probe, Tier, Verdict
from trouvaille.photos.models import Photo
from trouvaille.privacy.service import withdraw

pytestmark = pytest.mark.anyio
Parties = Callable[[], Awaitable[Party]]


def _wedding() -> tuple[dict[str, Vector], dict[str, list[Vector]]]:
    """Selfies of 6 guests, and 24 photos of two faces each; some faces are hard to tell."""
    selfies = random(1, 6)
    rng = np.random.default_rng(2)
    photos = {}
    for number, asides in enumerate(random(3, 48).reshape(24, 2, -1)):
        pair = rng.choice(6, 2, replace=False)
        photos[f"p{number}"] = [
            like(selfies[who], rng.uniform(0.25, 0.8), aside) for who, aside in zip(pair, asides, strict=True)
        ]
    return {f"g{number}": selfie for number, selfie in enumerate(selfies)}, photos


async def test_the_order_of_arrival_makes_no_difference(party: Parties) -> None:
    selfies, photos = _wedding()
    results = []
    for order in ("photos first", "guests first", "mixed, settled between"):
        event = await party()
        names = list(photos) if order == "photos first" else list(reversed(photos))
        if order != "photos first":
            for name in list(selfies)[: None if order == "guests first" else 3]:
                await event.guest(name, selfies[name])
        for number, name in enumerate(names):
            await event.photo(name, *photos[name])
            if order.startswith("mixed") and number == 10:
                await event.settle()
        for name in selfies:
            if name not in event.people.values():
                await event.guest(name, selfies[name])
        await event.settle()
        results.append(await event.result())
        async with transaction(event.sessions) as session:
            await session.execute(delete(Match))
    assert results[0] == results[1] == results[2]
    assert len(results[0]) > 20
    assert set(results[0].values()) == {Tier.SURE, Tier.MAYBE}


async def test_settling_twice_changes_nothing(party: Parties) -> None:
    selfies, photos = _wedding()
    event = await party()
    for name, templates in photos.items():
        await event.photo(name, *templates)
    for name, template in selfies.items():
        await event.guest(name, template)
    versions = text("SELECT 'm', xmin::text FROM matches UNION ALL SELECT 'f', xmin::text FROM faces ORDER BY 1, 2")
    await event.settle()
    async with transaction(event.sessions) as session:
        before = (await session.execute(versions)).all()
    await event.settle()
    async with transaction(event.sessions) as session:
        assert (await session.execute(versions)).all() == before


async def test_a_photo_is_found_by_others_of_the_same_person(party: Parties) -> None:
    selfie, turned, *asides = random(4, 5)
    person = like(selfie, 0.62, turned)  # in the photos, all taken from one side
    event = await party()
    for number, aside in enumerate(asides):
        await event.photo(f"p{number}", like(person, 0.85, aside))
    await event.photo("hard", like(person, 0.78, like(selfie, 0.0, random(5, 1)[0])))
    await event.guest("g", selfie)
    before = await event.result()
    await event.settle()
    after = await event.result()
    assert set(before) <= set(after)
    assert list(after.values()).count(Tier.SURE) >= list(before.values()).count(Tier.SURE)
    async with transaction(event.sessions) as session:
        similarities = (await session.scalars(select(Match.similarity))).all()
        assert await session.scalar(select(func.count()).where(Face.refined.is_not(None))) == 4
    assert min(similarities) > 0.5


async def test_a_yes_finds_more_and_its_undoing_takes_it_back(party: Parties) -> None:
    limits = thresholds(2)
    selfie, older, aside = random(6, 3)
    asked = like(selfie, (limits.sure + limits.maybe) / 2, older)
    event = await party()
    photo_id = await event.photo("asked", asked)
    await event.photo("alike", like(asked, 0.35, aside))
    guest_id = await event.guest("g", selfie)
    await event.settle()
    assert await event.result() == {("g", "asked"): Tier.MAYBE}
    async with transaction(event.sessions) as session:
        await service.answer(session, guest_id, photo_id, Verdict.YES)
    await event.settle()
    assert set(await event.result()) == {("g", "asked"), ("g", "alike")}
    async with transaction(event.sessions) as session:
        await service.answer(session, guest_id, photo_id, None)
    await event.settle()
    assert await event.result() == {("g", "asked"): Tier.MAYBE}


async def test_a_no_stops_asking_about_nearly_the_same_picture_and_its_undoing_asks_again(party: Parties) -> None:
    limits = thresholds(3)
    selfie, stranger, *asides = random(21, 4)
    burst = like(selfie, limits.maybe + 0.03, stranger)
    event = await party()
    photo_id = await event.photo("first", burst)
    await event.photo("second", like(burst, 0.9, asides[0]))
    await event.photo("mine", like(selfie, 0.9, asides[1]))
    guest_id = await event.guest("g", selfie)
    await event.settle()
    asked = {("g", "first"): Tier.MAYBE, ("g", "second"): Tier.MAYBE, ("g", "mine"): Tier.SURE}
    assert await event.result() == asked
    async with transaction(event.sessions) as session:
        await service.answer(session, guest_id, photo_id, Verdict.NO)
    await event.settle()
    assert set(await event.result()) == {("g", "first"), ("g", "mine")}
    async with transaction(event.sessions) as session:
        await service.answer(session, guest_id, photo_id, None)
    await event.settle()
    assert await event.result() == asked


async def test_a_poor_face_is_found_where_it_is_very_similar_in_whatever_order_it_comes(party: Parties) -> None:
    limits = thresholds(2)
    selfie, one, two = random(22, 3)
    results = []
    for guest_first in (True, False):
        event = await party()
        if guest_first:
            await event.guest("g", selfie)
        await event.photo("blurred", like(selfie, limits.link + 0.02, one), quality=0.2)
        await event.photo("unlike", like(selfie, limits.link - 0.02, two), quality=0.2)
        if not guest_first:
            await event.guest("g", selfie)
        assert await event.result() == {("g", "blurred"): Tier.SURE}
        await event.settle()
        results.append(await event.result())
        async with transaction(event.sessions) as session:
            await session.execute(delete(Match))
    assert results == [{("g", "blurred"): Tier.SURE}] * 2


async def test_an_event_without_faces_is_settled(party: Parties) -> None:
    event = await party()
    await event.guest("g", random(23, 1)[0])
    await event.photo("nobody")
    await event.settle()
    assert await event.result() == {}


async def test_answers_stay_whatever_is_settled(party: Parties) -> None:
    selfie, stranger = random(7, 2)
    event = await party()
    wrong = await event.photo("wrong", like(selfie, 0.9, stranger))
    guest_id = await event.guest("g", selfie)
    async with transaction(event.sessions) as session:
        await service.answer(session, guest_id, wrong, Verdict.NO)
    await event.photo("wrong", stranger, photo_id=wrong)  # looked at again, and now it is somebody else
    await event.settle()
    async with transaction(event.sessions) as session:
        assert await session.scalar(select(Match.verdict)) is Verdict.NO


async def test_a_photo_that_comes_while_settling_keeps_its_guests(party: Parties) -> None:
    selfie, one, two = random(8, 3)
    event = await party()
    await event.photo("early", like(selfie, 0.8, one))
    await event.guest("g", selfie)

    async def meanwhile(act: Callable[..., Any], *given: Any, **named: Any) -> Any:
        await event.photo("late", like(selfie, 0.8, two))
        return act(*given, **named)

    await event.settle(meanwhile)
    assert set(await event.result()) == {("g", "early"), ("g", "late")}


async def test_who_withdraws_while_settling_is_not_brought_back(party: Parties) -> None:
    selfie, one = random(9, 2)
    event = await party()
    await event.photo("p", like(selfie, 0.8, one))
    guest_id = await event.guest("g", selfie)
    async with transaction(event.sessions) as session:
        await session.execute(delete(Match))  # so that settling has something to add

    async def meanwhile(act: Callable[..., Any], *given: Any, **named: Any) -> Any:
        async with transaction(event.sessions) as session:
            guest = await session.get(Guest, guest_id)
            assert guest is not None
            await withdraw(session, guest)
        return act(*given, **named)

    await event.settle(meanwhile)
    assert await event.result() == {}


async def test_a_photo_or_event_deleted_while_settling_is_no_error(party: Parties) -> None:
    selfie, one = random(10, 2)
    event = await party()
    await event.photo("p", like(selfie, 0.8, one))
    await event.guest("g", selfie)
    for doomed in ("photos WHERE event_id", "events WHERE id"):

        async def meanwhile(act: Callable[..., Any], *given: Any, doomed: str = doomed, **named: Any) -> Any:
            async with transaction(event.sessions) as session:
                await session.execute(text(f"DELETE FROM {doomed} = :id"), {"id": event.id})
            return act(*given, **named)

        await event.settle(meanwhile)
        assert await event.result() == {}


async def test_templates_of_another_engine_and_size_are_never_compared(party: Parties) -> None:
    (selfie, one), (small, other) = random(11, 2), random(12, 2, size=64)
    event = await party()
    old = await event.photo("old", like(selfie, 0.8, one))
    guest_id = await event.guest("g", selfie)
    await event.photo("new", like(small, 0.8, other), engine="test/2")
    assert set(await event.result()) == {("g", "old")}
    await event.look(guest_id, small, engine="test/2")
    await event.settle()
    assert set(await event.result()) == {("g", "old"), ("g", "new")}
    await event.photo("old", like(small, 0.8, other), engine="test/2", photo_id=old)
    await event.settle()
    assert set(await event.result()) == {("g", "old"), ("g", "new")}


async def test_a_guest_whom_the_new_engine_does_not_know_keeps_their_photos(party: Parties) -> None:
    (selfie, one), (small, other) = random(13, 2), random(14, 2, size=64)
    event = await party()
    photo = await event.photo("p", like(selfie, 0.8, one))
    await event.guest("g", selfie)
    await event.photo("p", like(small, 0.8, other), engine="test/2", photo_id=photo)
    await event.settle()
    assert set(await event.result()) == {("g", "p")}


async def test_the_job_is_asked_for_once_and_brought_forward(party: Parties) -> None:
    event = await party()
    asked = {"key": "event_id", "queue": UPKEEP, "event_id": event.id}
    waiting = text("SELECT scheduled_at FROM procrastinate_jobs WHERE task_name = 'matching.settle'")
    for after_s in (60, 90):
        async with transaction(event.sessions) as session:
            await defer_once(session, "matching.settle", after_s=after_s, **asked)
    async with transaction(event.sessions) as session:
        (later,) = (await session.scalars(waiting)).all()
        await service.ask_to_settle(session, event.id)
    async with transaction(event.sessions) as session:
        (sooner,) = (await session.scalars(waiting)).all()
        assert (sooner - now()).total_seconds() < 5 < (later - now()).total_seconds()
        await session.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
        await service.ask_to_settle(session, event.id)
        assert len((await session.scalars(waiting)).all()) == 2


async def test_the_job_waits_for_those_who_rely_on_it(party: Parties) -> None:
    event = await party()
    held = asyncio.Event()

    async def job() -> None:
        async with transaction(event.sessions) as session:
            await hold_askers(session, "matching.settle", str(event.id))
        held.set()

    async with transaction(event.sessions) as session:
        await service.ask_to_settle(session, event.id)
        running = asyncio.create_task(job())
        await asyncio.sleep(0.2)
        assert not held.is_set()
    await asyncio.wait_for(running, 5)


async def test_many_faces_are_read_in_blocks(party: Parties, monkeypatch: pytest.MonkeyPatch) -> None:
    selfies, photos = _wedding()
    event = await party()
    for name, templates in photos.items():
        await event.photo(name, *templates)
    for name, template in selfies.items():
        await event.guest(name, template)
    await event.settle()
    whole = await event.result()
    async with transaction(event.sessions) as session:
        await session.execute(delete(Match))
        await session.execute(update(Face).values(refined=None))
        await session.execute(text("DELETE FROM settlements"))
    monkeypatch.setattr("trouvaille.matching.settling._FACES_AT_ONCE", 7)
    monkeypatch.setattr("trouvaille.matching.settling._ROWS_AT_ONCE", 3)
    await event.settle(at_once)
    assert await event.result() == whole
    async with transaction(event.sessions) as session:
        assert await session.scalar(select(func.count()).select_from(Photo)) == 24
        assert await session.scalar(select(func.count()).select_from(Probe)) == 6
