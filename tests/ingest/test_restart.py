"""Real web processes that are killed with -9 at the worst moments, and requests that overtake each other."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx2
import psycopg
import pytest

from tests.ingest.real_web import Web, web_with_sender
from tests.ingest.sender import BODY, TUS, Sender, token_of
from tests.ingest.test_protocol import originals, staged
from tests.people import Visitor
from trouvaille.settings import Settings

PATIENCE_S = 30.0


@pytest.fixture
def token(owner: Visitor) -> dict[str, str]:
    return token_of(owner, "photos:write")


@pytest.fixture
def web(owner: Visitor, settings: Settings, token: dict[str, str]) -> Iterator[Web]:
    with web_with_sender(settings, owner.event_id, token) as web:
        yield web


def _wait(until: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def _slowly(sender: Sender, path: str, offset: int, data: bytes, go_on: threading.Event) -> httpx2.Response | None:
    """A body whose second half waits; None when the connection was cut."""

    def body() -> Iterator[bytes]:
        yield data[: len(data) // 2]
        go_on.wait(PATIENCE_S)
        yield data[len(data) // 2 :]

    headers = {**TUS, **BODY, **sender.headers, "upload-offset": str(offset), "content-length": str(len(data))}
    with suppress(httpx2.TransportError), httpx2.Client(base_url=sender.browser.base_url, timeout=60) as client:
        return client.patch(path, content=body(), headers=headers)
    return None


def _turn(settings: Settings, path: str) -> bytes:
    """Whose turn it is to write an upload."""
    return (settings.staging_dir / f"{path.rsplit('/', 1)[1]}.turn").read_bytes()


@pytest.mark.parametrize("newer", ["HEAD", "PATCH"])
def test_a_newer_request_takes_the_upload_from_one_that_hangs(
    web: Web, photo: bytes, settings: Settings, newer: str
) -> None:
    path = web.sender.create(len(photo)).headers["location"]
    half, before = len(photo) // 2, _turn(settings, path)
    go_on = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        older = pool.submit(_slowly, web.sender, path, 0, photo, go_on)
        _wait(lambda: _turn(settings, path) != before)
        offset = int(web.sender.head(path).headers["upload-offset"])
        if newer == "PATCH":
            answer = web.sender.patch(path, offset, photo[offset:half])
            assert answer.headers["upload-offset"] == str(half)
            offset = half
        go_on.set()
        answer = older.result()
    assert answer is None or answer.status_code == 409
    assert web.sender.head(path).headers["upload-offset"] == str(offset)
    done = web.sender.patch(path, offset, photo[offset:])
    assert done.headers["trouvaille-result"] == "accepted"
    assert originals(settings) == [photo]


@pytest.mark.parametrize(
    "lock",
    [
        pytest.param("photos IN ACCESS EXCLUSIVE", id="before the bytes are kept"),
        pytest.param("photos IN EXCLUSIVE", id="between bytes and row"),
        pytest.param("uploads IN EXCLUSIVE", id="between row and commit"),
    ],
)
def test_a_process_that_dies_between_the_last_byte_and_the_answer_loses_and_doubles_nothing(
    owner: Visitor, settings: Settings, token: dict[str, str], photo: bytes, lock: str
) -> None:
    with web_with_sender(settings, owner.event_id, token) as web, ThreadPoolExecutor(1) as pool:
        path = web.sender.create(len(photo)).headers["location"]
        with psycopg.connect(settings.database_url or "") as blocking:
            blocking.execute(f"LOCK TABLE {lock} MODE")
            asked = pool.submit(web.sender.patch, path, 0, photo)
            _wait(lambda: _waits(settings))
            web.kill()
        with pytest.raises(httpx2.TransportError):
            asked.result()
    with web_with_sender(settings, owner.event_id, token) as web:
        # Nobody asks: the process that has just begun looks by itself.
        _wait(lambda: not staged(settings))
        _wait(lambda: _count(settings, "uploads WHERE outcome = 'accepted'") == 1)
        assert web.sender.head(path).headers["trouvaille-result"] == "accepted"
    assert originals(settings) == [photo]
    assert _count(settings, "photos") == 1
    assert _count(settings, "procrastinate_jobs WHERE queue_name = 'photos'") == 1


def test_a_process_that_dies_in_the_middle_leaves_what_came(
    owner: Visitor, settings: Settings, token: dict[str, str], photo: bytes
) -> None:
    go_on = threading.Event()
    with web_with_sender(settings, owner.event_id, token) as web, ThreadPoolExecutor(1) as pool:
        path = web.sender.create(len(photo), first=photo[:1000]).headers["location"]
        before = _turn(settings, path)
        asked = pool.submit(_slowly, web.sender, path, 1000, photo[1000:], go_on)
        _wait(lambda: _turn(settings, path) != before)
        web.kill()
        go_on.set()
        assert asked.result() is None
    with web_with_sender(settings, owner.event_id, token) as web:
        offset = int(web.sender.head(path).headers["upload-offset"])
        assert 1000 <= offset < len(photo)
        done = web.sender.patch(path, offset, photo[offset:])
        assert done.headers["trouvaille-result"] == "accepted"
    assert originals(settings) == [photo]


def _waits(settings: Settings) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with psycopg.connect(settings.database_url or "") as connection:
        return connection.execute(query).fetchone() != (0,)


def _count(settings: Settings, what: str) -> int:
    with psycopg.connect(settings.database_url or "") as connection:
        row = connection.execute(f"SELECT count(*) FROM {what}").fetchone()
    assert row is not None
    return int(row[0])
