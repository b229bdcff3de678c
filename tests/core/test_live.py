"""What is told without hurry waits, and never keeps what is urgent waiting."""

import json

import pytest

from trouvaille.core.live import ARRIVED, LONGEST_S, PAGES_TOLD_PER_S, PLACE, Hub, Listener

pytestmark = pytest.mark.anyio


async def test_what_has_time_comes_with_what_has_none() -> None:
    listener = Listener()
    listener.offer(ARRIVED, {"n": 1}, within_s=60)
    assert not listener._wake.is_set()
    listener.offer("photos", {})
    assert await listener.take(0) == {ARRIVED: {"n": 1}, "photos": {}}
    assert await listener.take(0) == {}


async def test_what_has_time_comes_by_itself() -> None:
    listener = Listener()
    listener.offer(ARRIVED, {}, within_s=0.01)
    assert await listener.take(60) == {ARRIVED: {}}


@pytest.mark.parametrize(("pages", "waits"), [(3, False), (PAGES_TOLD_PER_S, True), (10_000, True)])
async def test_few_pages_hear_of_others_photos_at_once_and_many_in_turn(
    pages: int, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def note(_: Listener, event: str, data: object, *, within_s: float = 0.0) -> None:
        given.append(within_s)

    monkeypatch.setattr(Listener, "offer", note)
    hub = Hub("postgresql://nowhere/none")
    hub._listeners["event:1"] = {Listener() for _ in range(pages)}
    for event in (ARRIVED, PLACE):
        given.clear()
        hub._dispatch(json.dumps({"topic": "event:1", "event": event, "data": {}}))
        assert len(given) == pages
        assert all((within_s > 0) is waits for within_s in given)
        assert max(given) <= 1.5 * LONGEST_S
    given.clear()
    hub._dispatch(json.dumps({"topic": "event:1", "event": "changed", "data": {}}))
    assert given == [0.0] * pages
