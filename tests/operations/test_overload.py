"""More than the server can do at once: who must wait is told for how long, and the others notice nothing."""

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest
from starlette.testclient import TestClient

from tests.people import PASSWORD, Visitor
from tests.web_process import web_process
from trouvaille.accounts.passwords import HashersBusy, Passwords, Recipe
from trouvaille.app import create_app
from trouvaille.core.errors import Unavailable
from trouvaille.core.live import Hub, NoRoom
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.guests import door
from trouvaille.guests.queueing import Place
from trouvaille.settings import Settings
from trouvaille.web import patience

STREAMS = int(os.environ.get("TROUVAILLE_TEST_STREAMS", "500"))


@pytest.mark.anyio
async def test_a_password_that_would_wait_for_too_long_is_turned_away_and_told_when_to_come_back() -> None:
    from uuid import uuid4

    passwords = Passwords(1, longest_wait_s=0.2)
    recipe = Recipe(uuid4(), b"k" * 32, 19456, 2)
    try:
        answers = await asyncio.gather(
            *(passwords.stretch([recipe], f"name{number}", PASSWORD) for number in range(40)), return_exceptions=True
        )
        busy = [answer for answer in answers if isinstance(answer, HashersBusy)]
        assert 0 < len(busy) < 40
        assert all(each.retry_after_s >= 1 for each in busy)
        assert passwords.waiting == 0
        await passwords.stretch([recipe], "later", PASSWORD)  # the rush is over
    finally:
        passwords.close()


def test_a_busy_registration_keeps_what_was_typed(owner: Visitor, visitor: Callable[[], Visitor]) -> None:
    passwords = owner.browser.app.state.passwords
    passwords._longest_wait_s, before = -1.0, passwords._longest_wait_s
    answer = visitor().register("PARTY234", "rose")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert 'value="rose@example.org"' in answer.text
    assert PASSWORD not in answer.text
    passwords._longest_wait_s = before
    assert visitor().register("PARTY234", "rose").status_code == 303


def test_an_exhausted_pool_answers_a_page_that_tries_again_by_itself(
    owner: Visitor, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = settings.model_copy(update={"database_pool_size": 1})
    with TestClient(create_app(small), follow_redirects=False) as site:
        sessions = site.app.state.site.sessions  # type: ignore[attr-defined]
        sessions.kw["bind"].pool._timeout = 0.3

        async def hold() -> object:
            session = sessions()
            await session.connection()
            return session

        assert site.portal is not None
        held = site.portal.call(hold)
        page = site.get("/e/PARTY234?lang=en")
        assert page.status_code == 503
        assert int(page.headers["retry-after"]) == 5
        assert "data-retry=" in page.text
        assert '<meta http-equiv="refresh"' in page.text
        sent = site.post("/e/PARTY234/register", data={"username": "rose"})
        assert sent.status_code == 503
        assert "what you typed is still there" in sent.text
        script = site.get("/api/v1/me", headers={"cookie": "trouvaille=none"})
        assert script.status_code == 503
        assert script.headers["content-type"] == "application/problem+json"
        assert site.get("/livez").status_code == 200
        site.portal.call(held.close)  # type: ignore[attr-defined]
        assert site.get("/e/PARTY234").status_code == 200


def _wait(guest: Visitor) -> str | None:
    answer = guest.get("/e/PARTY234/selfie/status").json()
    assert answer["state"] == "waiting"
    words: str | None = answer["advice"]
    return words


def test_guests_are_told_their_place_in_the_queue_and_their_wait(
    owner: Visitor,
    visitor: Callable[[], Visitor],
    settings: Settings,
    run_jobs: Callable[[], None],
    samples: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trouvaille.guests.queueing.KEPT_S", 0)
    guests = []
    for name in ("rose", "lily", "iris"):
        guest = visitor()
        guest.register("PARTY234", name)
        guest.agree()
        guest.send_selfie(selfie_jpeg(GUESTS[0], samples))
        guests.append(guest)
    assert [_wait(guest) for guest in guests] == [None, "You are number 2.", "You are number 3."]
    _say_that_a_worker_takes(settings, seconds=4.0)
    assert [_wait(guest) for guest in guests] == [None, "You are number 2, about 8 s.", "You are number 3, about 12 s."]
    assert "You are number 3, about 12 s." in guests[2].get("/e/PARTY234/selfie").text
    guests[2].get("/e/PARTY234/selfie?lang=fr")
    assert _wait(guests[2]) == "Vous êtes numéro 3, encore 12 s environ."
    run_jobs()
    assert guests[2].get("/e/PARTY234/selfie/status").json()["state"] != "waiting"


def test_an_open_page_hears_when_its_selfie_moves_up(
    owner: Visitor, visitor: Callable[[], Visitor], settings: Settings, samples: dict[str, Path]
) -> None:
    guests = []
    for name in ("rose", "lily", "iris"):
        guest = visitor()
        guest.register("PARTY234", name)
        guest.agree()
        guest.send_selfie(selfie_jpeg(GUESTS[0], samples))
        guests.append(guest)
    cookies = {"trouvaille": guests[2].browser.cookies["trouvaille"]}
    with (
        web_process(settings, pool_size=3) as address,
        httpx2.stream("GET", f"{address}/e/PARTY234/live?place=true", cookies=cookies, timeout=30) as stream,
    ):
        lines = stream.iter_lines()
        assert json.loads(_data_of("place", lines)) == {"number": 3, "words": "You are number 3."}
        time.sleep(1.2)  # the queue is looked at once a second
        with psycopg.connect(settings.database_url or "") as connection:
            # The first one's turn has come and gone, as a worker that decides it would tell.
            connection.execute("DELETE FROM procrastinate_jobs WHERE id = (SELECT min(id) FROM procrastinate_jobs)")
            told = json.dumps({"topic": "selfies", "event": "place", "data": {}})
            connection.execute("SELECT pg_notify('trouvaille_live', %s)", (told,))
        assert json.loads(_data_of("place", lines)) == {"number": 2, "words": "You are number 2."}


def _data_of(event: str, lines: Iterator[str]) -> str:
    """The data of the next event of this name."""
    for line in lines:
        if line == f"event: {event}":
            return next(lines).removeprefix("data: ")
    raise AssertionError("the stream ended")


def _say_that_a_worker_takes(settings: Settings, *, seconds: float) -> None:
    """A worker with one slot that has looked at ten selfies, as it would write it."""
    labels = {"job": "matching.enrol"}
    name = "trouvaille_job_run_seconds"
    samples = [[f"{name}_sum", labels, 10 * seconds], [f"{name}_count", labels, 10]]
    family = {"name": name, "kind": "histogram", "help": "", "samples": samples}
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(
            "INSERT INTO process_metrics (id, kind, host, pid, queues, slots, started_at, at, samples)"
            " VALUES (gen_random_uuid(), 'worker selfies', 'x', 1, 'selfies', 1, now(), now(), %s)",
            (psycopg.types.json.Jsonb([family]),),
        )


def test_a_long_wait_is_said_in_minutes() -> None:
    assert Place(200, 312.0).in_words() == "You are number 200, about 6 min."


def test_one_guest_can_not_keep_the_workers_to_themselves(
    owner: Visitor, visitor: Callable[[], Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    greedy, other = visitor(), visitor()
    for guest, name in ((greedy, "greedy"), (other, "other")):
        guest.register("PARTY234", name)
        guest.agree()
    answers = [greedy.send_selfie(b"not a picture") for _ in range(door.SELFIES_OF_GUEST.free + 2)]
    assert [answer.status_code for answer in answers[:-1]] == [422] * (len(answers) - 1)
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert other.send_selfie(b"not a picture").status_code == 422, "others are not held up"


@pytest.mark.anyio
async def test_one_address_can_not_take_all_streams() -> None:
    hub = Hub("postgresql://nobody@127.0.0.1:9/nothing", streams_at_once=3, streams_per_address=2)
    with hub.seat("a"), hub.seat("a"):
        with pytest.raises(NoRoom) as refused:
            hub.check_room("a")
        assert isinstance(refused.value, Unavailable)
        hub.check_room("b")
        with hub.seat("b"), pytest.raises(NoRoom):
            hub.check_room("c")
    hub.check_room("a")


def test_a_stream_for_which_there_is_no_room_is_refused_before_it_begins(
    owner: Visitor, visitor: Callable[[], Visitor]
) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    hub = owner.browser.app.state.site.hub
    hub._most, before = 0, hub._most
    answer = guest.get("/e/PARTY234/live", headers={"accept": "text/event-stream"})
    hub._most = before
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "30"


def _connect(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def _is_closed(connection: socket.socket) -> bool:
    """Whether the server has let go, after whatever it still said."""
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def test_slow_clients_and_idle_streams_do_not_hurt_others_and_are_let_go(
    owner: Visitor, visitor: Callable[[], Visitor], settings: Settings, tmp_path: Path
) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    with psycopg.connect(settings.database_url or "") as connection:
        # Streams count by guest, so each has a session of its own; one cookie of one guest opens a few.
        connection.execute(
            "INSERT INTO guests (id, event_id, username, email, display_name, password_hash, locale, created_at)"
            " SELECT gen_random_uuid(), %s, 'g' || n, 'g' || n || '@example.org', 'G', '', 'en', now()"
            " FROM generate_series(1, %s) AS n",
            (owner.event_id, STREAMS),
        )
    cookies = _sessions(settings, STREAMS)
    with web_process(settings, pool_size=5) as address:
        slow = [_connect(address) for _ in range(60)]
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        stalled = [_connect(address) for _ in range(60)]
        for connection in stalled:
            connection.sendall(
                b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                b"Content-Length: 1000\r\n\r\nidentifier=r"
            )
        streams = [_connect(address) for _ in range(STREAMS)]
        for connection, cookie in zip(streams, cookies, strict=True):
            connection.sendall(
                f"GET /e/PARTY234/live HTTP/1.1\r\nHost: x\r\nCookie: trouvaille={cookie}\r\n"
                "Accept: text/event-stream\r\n\r\n".encode()
            )
        opened = [connection.recv(12) for connection in streams]
        assert opened == [b"HTTP/1.1 200"] * STREAMS
        for _ in range(5):
            answer = httpx2.get(f"{address}/e/PARTY234", timeout=10)
            assert answer.status_code == 200
        begun = time.monotonic()
        # While they wait for their end, they hold no connection of the pool.
        assert httpx2.get(f"{address}/readyz", timeout=10).status_code == 200
        for connection in slow + stalled:
            connection.settimeout(patience.PIECE_WITHIN_S + 20)
            assert _is_closed(connection)
        assert time.monotonic() - begun < patience.PIECE_WITHIN_S + 20
        assert httpx2.get(f"{address}/e/PARTY234", timeout=10).status_code == 200
        told = httpx2.get(f"{address}/metrics", headers={"authorization": f"Bearer {_token(settings)}"}, timeout=10)
        assert 'trouvaille_turned_away_total{reason="slow headers"} 60.0' in told.text
        assert 'trouvaille_turned_away_total{reason="slow body"} 60.0' in told.text
        assert f"trouvaille_streams {float(STREAMS)}" in told.text
        for connection in slow + stalled + streams:
            connection.close()


def _token(settings: Settings) -> str:
    return (settings.data_dir / "metrics.token").read_text().strip()


def _sessions(settings: Settings, count: int) -> list[str]:
    """Signed-in guests, one cookie each."""
    from trouvaille.core.secrets import new_token, token_hash

    tokens = [new_token() for _ in range(count)]
    with psycopg.connect(settings.database_url or "") as connection:
        guests = connection.execute("SELECT id, event_id FROM guests WHERE username LIKE 'g%%'").fetchall()
        columns = connection.execute("SELECT * FROM sessions LIMIT 1").description
        pattern = connection.execute("SELECT * FROM sessions WHERE kind = 'guest' LIMIT 1").fetchone()
        assert columns is not None
        assert pattern is not None
        names = [column.name for column in columns]
        for (guest_id, _), token in zip(guests, tokens, strict=True):
            row = dict(zip(names, pattern, strict=True))
            row |= {"subject_id": guest_id, "token_hash": token_hash(token)}
            row["id"] = os.urandom(16).hex()
            marks = ", ".join(["%s"] * len(row))
            statement = f"INSERT INTO sessions ({', '.join(row)}) VALUES ({marks})"
            connection.execute(statement, list(row.values()))  # type: ignore[arg-type]
    return tokens


@pytest.mark.anyio
async def test_a_body_that_trickles_is_ended_by_its_average(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "AVERAGE_AFTER_S", 0.05)
    sent: list[dict[str, object]] = []

    async def app(scope: object, receive: Callable[[], object], send: object) -> None:
        while (await receive()).get("more_body"):  # type: ignore[attr-defined,misc]
            pass

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    async with asyncio.timeout(5):
        await patience.Patience(app)(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 408
