"""What is counted once for many guests is as good as counted anew."""

import asyncio
from collections.abc import Callable

import pytest

from tests.delivery.test_walls import _change, _jpeg
from tests.people import Visitor
from tests.rows import party
from trouvaille.core.db import Sessions, transaction
from trouvaille.delivery import access, overview
from trouvaille.delivery.access import Totals
from trouvaille.delivery.overview import Overviews
from trouvaille.settings import Settings


@pytest.fixture
def guest(visitor: Callable[[], Visitor], run_jobs: Callable[[], None]) -> tuple[Visitor, Visitor, list[str]]:
    owner = visitor()
    owner.set_up_server()
    owner.make_event(gallery="guests")
    ids = [each["id"] for n in range(3) for each in owner.upload((f"{n}.jpg", _jpeg(40 * n)))["accepted"]]
    run_jobs()
    person = visitor()
    assert person.register("PARTY234", "rose").status_code == 303
    return owner, person, ids


def _count(person: Visitor) -> int:
    page = person.get("/e/PARTY234/photos?show=all").text
    return int(page.split('data-count="all"', 1)[1].split(">", 1)[1].split("<", 1)[0])


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows by one each time all photos of an event are counted."""
    times: list[object] = []
    count = access.totals

    async def noted(*given: object) -> object:
        times.append(given)
        return await count(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(access, "totals", noted)
    return times


def test_what_takes_long_to_count_is_kept_for_longer(
    guest: tuple[Visitor, Visitor, list[str]],
    counted: list[object],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, person, ids = guest
    monkeypatch.setattr(overview, "KEPT_S", 0)
    monkeypatch.setattr(overview, "KEPT_TIMES", 0)
    assert [_count(person), _count(person)] == [3, 3]
    assert len(counted) == 2
    monkeypatch.setattr(overview, "KEPT_TIMES", 1e9)
    assert [_count(person), _count(person), _count(person)] == [3, 3, 3]
    assert len(counted) == 3
    _change(settings, "standing = 'hidden'", ids[0])
    assert _count(person) == 2, "and no longer than until something changes"


def test_a_page_counts_what_there_is_now(
    guest: tuple[Visitor, Visitor, list[str]], counted: list[object], settings: Settings
) -> None:
    owner, person, ids = guest
    assert [_count(person), _count(person)] == [3, 3]
    assert len(counted) == 1
    _change(settings, "standing = 'hidden'", ids[0])
    assert _count(person) == 2
    _change(settings, "standing = 'shown'", ids[0])
    assert _count(person) == 3
    assert owner.change(gallery="nobody").status_code == 303
    assert 'data-count="all"' not in person.get("/e/PARTY234/photos?show=mine").text


def test_a_picture_goes_with_its_photo_its_event_and_its_viewer(
    guest: tuple[Visitor, Visitor, list[str]], visitor: Callable[[], Visitor], settings: Settings
) -> None:
    owner, person, ids = guest
    thumb = f"/e/PARTY234/p/{ids[0]}/thumb"
    assert person.get(thumb).status_code == 200
    assert person.get(thumb.replace("PARTY234", "party-234")).status_code == 200
    _change(settings, "standing = 'hidden'", ids[0])
    assert person.get(thumb).status_code == 404
    _change(settings, "standing = 'shown'", ids[0])
    owner.change(gallery="nobody")
    assert person.get(thumb).status_code == 404
    owner.change(gallery="guests")
    assert person.get(thumb).status_code == 200
    assert owner.move("archived").status_code == 303
    assert person.get(thumb).status_code in (403, 404, 410)
    assert visitor().get(thumb).status_code != 200


@pytest.mark.anyio
async def test_of_many_who_come_at_once_one_counts_and_who_only_looks_waits_for_nobody(
    sessions: Sessions, counted: list[object]
) -> None:
    (_, event), overviews = await party(sessions), Overviews()

    async def look() -> Totals:
        async with transaction(sessions) as session:
            return await overviews.totals(session, event)

    assert set(await asyncio.gather(*(look() for _ in range(8)))) == {Totals(0, 0, 0)}
    assert len(counted) == 1
    async with overviews._turns[event.id]:  # as if somebody counted
        assert await asyncio.wait_for(look(), 30) == Totals(0, 0, 0)
