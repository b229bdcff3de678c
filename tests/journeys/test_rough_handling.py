"""Slow senders, crowds, crossed requests, odd input: nobody suffers, nothing is left behind, nothing is a 500."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest
from starlette.testclient import TestClient

from tests.people import Visitor
from tests.web_process import web_process
from trouvaille import worker
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.secrets import Vault, load_key
from trouvaille.core.storage import Storage
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.events.models import Event
from trouvaille.events.rights import NoSuchEvent
from trouvaille.guests import consent, selfies
from trouvaille.guests.models import Guest
from trouvaille.photos import intake
from trouvaille.photos.intake import Limits, Offer
from trouvaille.privacy import service as privacy
from trouvaille.settings import Settings
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.weights import locate

Visitors = Callable[[], Visitor]
ROSE = GUESTS[2]


@pytest.fixture
def server(settings: Settings) -> Iterator[str]:
    """A web process of its own with a pool of three connections."""
    with web_process(settings, pool_size=3) as address:
        yield address


def _cookie(visitor: Visitor) -> dict[str, str]:
    return {"cookie": f"trouvaille={visitor.browser.cookies['trouvaille']}"}


def test_senders_who_dawdle_do_not_hold_up_the_others(owner: Visitor, visitor: Visitors, server: str) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    host, port = server.removeprefix("http://").split(":")
    head = "Host: x\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 1000\r\n"
    signed_in = f"Cookie: trouvaille={guest.browser.cookies['trouvaille']}\r\n"
    slow = []
    for number in range(16):
        path = "/e/PARTY234/register" if number % 2 else "/e/PARTY234/selfie"
        sender = socket.create_connection((host, int(port)))
        sender.sendall(f"POST {path} HTTP/1.1\r\n{head}{signed_in}\r\n--B\r\n".encode())
        slow.append(sender)
    try:
        time.sleep(0.5)
        assert httpx2.get(f"{server}/e/PARTY234", timeout=5).status_code == 200
    finally:
        for sender in slow:
            sender.close()


def test_many_uploads_at_once_all_arrive(owner: Visitor, samples: dict[str, Path], server: str) -> None:
    photo = samples["sample1.jpg"].read_bytes()
    headers = {**_cookie(owner), "accept": "application/json"}

    def send(number: int) -> httpx2.Response:
        files = [("photos", (f"{number}.jpg", photo + bytes([number])))]
        return httpx2.post(f"{server}/studio/{owner.event_id}/photos", files=files, headers=headers, timeout=60)

    with ThreadPoolExecutor(12) as crowd:
        answers = list(crowd.map(send, range(24)))
    assert [answer.status_code for answer in answers] == [200] * 24
    assert sum(len(answer.json()["accepted"]) for answer in answers) == 24


def test_a_stream_ends_for_one_who_signed_out(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], server: str
) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    with httpx2.stream("GET", f"{server}/e/PARTY234/live", headers=_cookie(guest), timeout=30) as stream:
        lines = stream.iter_lines()
        assert any(line.startswith("event: photos") for line in lines)
        guest.post("/sign-out")
        owner.upload(samples["sample1.jpg"])
        assert not any("event:" in line for line in lines)


def test_a_photographers_stream_and_uploads_end_when_they_are_removed(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], server: str, settings: Settings
) -> None:
    zoe = visitor()
    zoe.accept(owner.invite(), "zoe@example.org")
    with psycopg.connect(settings.database_url or "") as connection:
        (zoe_id,) = connection.execute("SELECT staff_id FROM event_photographers").fetchone() or ("",)
    desk = f"{server}/studio/{owner.event_id}"
    with httpx2.stream("GET", f"{desk}/live", headers=_cookie(zoe), timeout=30) as stream:
        lines = stream.iter_lines()
        assert any(line.startswith("event: progress") for line in lines)
        owner.post(f"/studio/{owner.event_id}/people/{zoe_id}/remove")
        owner.upload(samples["sample1.jpg"])
        assert not any("event:" in line for line in lines)
    files = [("photos", ("late.jpg", samples["sample2.jpg"].read_bytes()))]
    assert httpx2.post(f"{desk}/photos", files=files, headers=_cookie(zoe), timeout=30).status_code == 404


class SlowStorage(Storage):
    """Keeps whoever puts something waiting until it is let go."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()

    async def put(self, key: str, data: bytes) -> None:
        self.asked.set()
        await self.let_go.wait()
        await super().put(key, data)


@pytest.mark.anyio
async def test_withdrawing_while_a_selfie_is_being_sent_leaves_no_selfie(
    owner: Visitor, visitor: Visitors, sessions: Sessions, settings: Settings
) -> None:
    guest = visitor()
    await asyncio.to_thread(guest.register, "PARTY234", "rose")
    await asyncio.to_thread(guest.agree)
    storage = SlowStorage(settings.photos_url)
    sealed = Vault(load_key(settings.data_dir / "secret.key")).seal(b"a picture")

    async def subject(session: Any) -> tuple[Event, Guest]:
        from sqlalchemy import select

        return (await session.scalars(select(Event))).one(), (await session.scalars(select(Guest))).one()

    async def send() -> None:
        async with transaction(sessions) as session:
            event, who = await subject(session)
            await selfies.submit_selfie(session, storage, event, who, [sealed])

    async def withdraw() -> None:
        async with transaction(sessions) as session:
            _, who = await subject(session)
            await privacy.withdraw(session, who)

    sending = asyncio.create_task(send())
    await storage.asked.wait()
    withdrawing = asyncio.create_task(withdraw())
    await asyncio.sleep(0.2)
    assert not withdrawing.done()
    storage.let_go.set()
    await asyncio.gather(sending, withdrawing)
    async with transaction(sessions) as session:
        _, who = await subject(session)
        assert await selfies.latest_enrolment(session, who) is None
        with pytest.raises(consent.ConsentNeeded):
            await selfies.submit_selfie(session, storage, *(await subject(session)), [sealed])


@pytest.mark.anyio
async def test_a_photo_of_an_event_that_was_deleted_meanwhile_leaves_no_bytes(
    sessions: Sessions, settings: Settings, samples: dict[str, Path]
) -> None:
    storage = Storage(settings.photos_url)
    with pytest.raises(NoSuchEvent):
        await intake.take_in(
            sessions,
            storage,
            Limits(10**8, 10**8),
            Offer(uuid4(), None, "late.jpg"),
            samples["sample1.jpg"].read_bytes(),
        )
    assert await storage.keys_under("events") == []


class SwitchingEngine(LocalEngine):
    """Switches face finding on, as an organiser could, while it looks at the first photo."""

    def __init__(self, owner: Visitor) -> None:
        super().__init__(locate())
        self.owner = owner

    def analyse_photo(self, data: bytes, *, faces: bool = True) -> Any:
        if not faces:
            self.owner.post(f"/studio/{self.owner.event_id}/faces", {"attest": "yes"})
        return super().analyse_photo(data, faces=faces)


def test_switching_faces_on_while_a_photo_is_looked_at_misses_no_face(
    owner: Visitor, samples: dict[str, Path], settings: Settings
) -> None:
    owner.make_event("LATER234", faces=None)
    owner.upload(samples["sample1.jpg"])
    for _ in range(2):
        asyncio.run(worker.run(settings, worker.QUEUES, concurrency=1, forever=False, engine=SwitchingEngine(owner)))
    with psycopg.connect(settings.database_url or "") as connection:
        assert connection.execute("SELECT state, faces FROM photos").fetchall() == [("ready", 3)]


class DeletingEngine(LocalEngine):
    """Has the organiser delete the event while a photo of it is looked at."""

    def __init__(self, owner: Visitor) -> None:
        super().__init__(locate())
        self.owner = owner

    def analyse_photo(self, data: bytes, *, faces: bool = True) -> Any:
        self.owner.post(f"/studio/{self.owner.event_id}/delete", {"name": "Lea & Tom"})
        return super().analyse_photo(data, faces=faces)


def test_an_event_deleted_while_its_photo_is_looked_at_leaves_nothing(
    owner: Visitor, samples: dict[str, Path], settings: Settings, run_jobs: Callable[[], None]
) -> None:
    owner.upload(samples["sample1.jpg"])
    asyncio.run(worker.run(settings, worker.QUEUES, concurrency=1, forever=False, engine=DeletingEngine(owner)))
    run_jobs()
    assert owner.get(f"/studio/{owner.event_id}").status_code == 404
    assert [path for path in (settings.data_dir / "photos").rglob("*") if path.is_file()] == []
    with psycopg.connect(settings.database_url or "") as connection:
        assert connection.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() == (0,)


def test_a_last_day_that_is_over_is_refused_and_erases_nothing(
    owner: Visitor, run_jobs: Callable[[], None], samples: dict[str, Path]
) -> None:
    form = {"name": "Lea & Tom", "code": "PARTY234", "accent": "#b4532a", "locales": "fr"}
    for day in ("2020-01-01", "9999-12-31", "0001-01-01", "tomorrow"):
        answer = owner.post(f"/studio/{owner.event_id}/edit", {**form, "expires_on": day})
        assert answer.status_code == 422, day
    run_jobs()
    assert owner.get(f"/studio/{owner.event_id}").status_code == 200


@pytest.mark.parametrize("username", ["ΝΙΚΟΣ", "İpek", "straße"])
def test_a_name_of_any_alphabet_can_sign_in_as_it_was_typed(owner: Visitor, visitor: Visitors, username: str) -> None:
    assert visitor().register("PARTY234", username, email="someone@example.org").status_code == 303
    assert visitor().sign_in(username).status_code == 303


def test_odd_requests_get_a_plain_answer(owner: Visitor, site: TestClient) -> None:
    form = {"identifier": "a\0b", "password": "x\0y"}
    assert owner.post("/sign-in", form).status_code == 422
    for origin in ("http://[", "null", ""):
        assert site.post("/sign-in", data=form, headers={"origin": origin}).status_code in (403, 422)
    body = b'--B\r\nContent-Disposition: form-data; name="identifier"\r\n\r\n\\ud800\r\n--B--\r\n'
    for charset in ("undefined", "unicode_escape", "utf-16"):
        headers = {"content-type": f"multipart/form-data; boundary=B; charset={charset}"}
        assert site.post("/sign-in", content=body, headers=headers).status_code == 400
    assert owner.get(f"/studio/{owner.event_id}/qr.svg", headers={"host": "a" * 3500}).status_code == 422
    assert owner.get("/e/%00").status_code == 404
    assert "//evil.example" not in site.get("//evil.example/nope").text
    assert site.get("/studio/%26event=AAAA").headers["location"] == "/sign-in?next=%2Fstudio%2F%26event%3DAAAA"


def test_a_guest_can_withdraw_and_leave_after_the_last_day_too(
    owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE events SET expires_at = now() - interval '1 day'")
    assert guest.get("/e/PARTY234/me").status_code == 200
    assert guest.post("/e/PARTY234/me/withdraw", {"confirm": "yes"}).status_code == 303
    assert guest.post("/e/PARTY234/me/delete", {"username": "rose"}).status_code == 303


def test_a_guest_is_told_the_last_day_that_was_set(owner: Visitor, visitor: Visitors) -> None:
    form = {"name": "Lea & Tom", "code": "PARTY234", "accent": "#b4532a", "locales": "en", "expires_on": "2099-09-30"}
    owner.post(f"/studio/{owner.event_id}/edit", form)
    assert "September 30, 2099" in visitor().get("/e/PARTY234").text


def test_the_selfie_of_a_refused_attempt_does_not_hide_the_accepted_one(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Callable[[], None]
) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    for picture in (selfie_jpeg(ROSE, samples), samples["sample5.jpg"].read_bytes()):
        guest.send_selfie(picture)
        run_jobs()
    assert "/e/PARTY234/me/selfie" in guest.get("/e/PARTY234/me").text
