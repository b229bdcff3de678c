"""The short way to a guest's pictures gives what the usual way gives, and leaves the rest to it."""

from collections.abc import Callable

import psycopg
import pytest
from httpx2 import Response
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tests.delivery.test_walls import _change, _jpeg
from tests.people import Visitor
from trouvaille.delivery import access, shortcut
from trouvaille.settings import Settings


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the short way had an answer, for each picture that was asked for."""
    seen: list[bool] = []
    picture = shortcut._picture

    async def noted(*given: object) -> object:
        answer = None
        try:
            answer = await picture(*given)  # type: ignore[arg-type]
        finally:
            seen.append(answer is not None)
        return answer

    monkeypatch.setattr(shortcut, "_picture", noted)
    return seen


@pytest.fixture
def party(visitor: Callable[[], Visitor], run_jobs: Callable[[], None]) -> tuple[Visitor, Visitor, list[str]]:
    owner, rose = visitor(), visitor()
    owner.set_up_server()
    owner.make_event(gallery="guests")
    ids = [each["id"] for n in range(2) for each in owner.upload((f"{n}.jpg", _jpeg(40 * n)))["accepted"]]
    run_jobs()
    assert rose.register("PARTY234", "rose").status_code == 303
    return owner, rose, ids


def _told(answer: Response) -> dict[str, str | None]:
    """What an answer says of itself, but for what is another one's each time."""
    kept = ("content-type", "cache-control", "etag", "trouvaille-guest", "content-security-policy", "x-frame-options")
    return {name: answer.headers.get(name) for name in kept}


def test_both_ways_give_the_same_answer(
    party: tuple[Visitor, Visitor, list[str]], ways: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, rose, ids = party
    for name in ("thumb", "view"):
        address = f"/e/PARTY234/p/{ids[0]}/{name}"
        short = rose.get(address)
        again = rose.get(address, headers={"if-none-match": short.headers["etag"]})
        assert ways[-2:] == [True, True]
        with monkeypatch.context() as usual:

            async def nothing(*_: object, **__: object) -> None:
                return None

            usual.setattr(shortcut, "_held", nothing)
            long = rose.get(address)
        assert ways[-1] is False
        assert (short.status_code, long.status_code, again.status_code) == (200, 200, 304)
        assert short.content == long.content and len(short.content) > 100
        assert _told(short) == _told(long)
        assert short.headers["trouvaille-guest"], "the service worker keeps it for one guest"


def test_whoever_is_not_a_guest_of_the_event_goes_the_usual_way(
    party: tuple[Visitor, Visitor, list[str]], visitor: Callable[[], Visitor], ways: list[bool]
) -> None:
    owner, rose, ids = party
    owner.make_event(code="other-234", gallery="guests")
    other = visitor()
    assert other.register("OTHER234", "rose").status_code == 303
    address = f"/e/PARTY234/p/{ids[0]}/thumb"
    assert owner.get(address).status_code == 200
    for somebody in (other, visitor()):
        assert somebody.get(address).status_code != 200
    # A photo of one event under the address of another is nobody's.
    assert other.get(f"/e/OTHER234/p/{ids[0]}/thumb").status_code == 404
    assert rose.get(f"/e/OTHER234/p/{ids[0]}/thumb").status_code != 200
    assert rose.post("/sign-out").status_code == 303
    assert rose.get(address).status_code != 200
    assert ways == [False] * len(ways) and len(ways) == 6


def test_what_must_be_written_down_or_fails_is_left_to_the_usual_way(
    party: tuple[Visitor, Visitor, list[str]], settings: Settings, ways: list[bool]
) -> None:
    _, rose, ids = party
    address = f"/e/PARTY234/p/{ids[0]}/thumb"
    with psycopg.connect(settings.database_url or "", autocommit=True) as database:
        database.execute("UPDATE sessions SET last_seen_at = now() - interval '1 hour' WHERE kind = 'guest'")
        assert rose.get(address).status_code == 200
        assert ways == [False]
        lately = "SELECT now() - last_seen_at < interval '1 minute' FROM sessions WHERE kind = 'guest'"
        assert database.execute(lately).fetchone() == (True,)
    assert rose.get(address).status_code == 200
    assert ways == [False, True]
    for file in (settings.data_dir / "photos").rglob("*"):
        if file.is_file():
            file.unlink()
    assert rose.get(address).status_code == 404
    assert ways == [False, True, False]
    _change(settings, "standing = 'hidden'", ids[1])
    assert rose.get(f"/e/PARTY234/p/{ids[1]}/view").status_code == 404
    assert ways[-1] is False


def test_who_finds_all_connections_in_use_waits_once_and_not_twice(
    party: tuple[Visitor, Visitor, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, rose, ids = party

    async def busy(*_: object, **__: object) -> None:
        raise PoolTimeout

    async def usual(*_: object, **__: object) -> None:
        raise AssertionError("the usual way would wait as long again")

    monkeypatch.setattr(shortcut, "_held", busy)
    monkeypatch.setattr(access, "picture", usual)
    answer = rose.get(f"/e/PARTY234/p/{ids[0]}/thumb")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
