"""Several machines as one instance: two web processes on two addresses, three workers, one PostgreSQL, one S3."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx2
import psycopg
import pytest

from tests.people import PASSWORD, SETTINGS
from tests.s3_server import serving
from trouvaille import schema
from trouvaille.core.secrets import Vault, load_key
from trouvaille.demo.party import GUESTS, selfie_jpeg

PATIENCE_S = 120


def wait_until(true: Callable[[], object], what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.2)


def as_header(cookies: dict[str, str]) -> str:
    """Cookies that a client sends to another address than they came from."""
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class Machines:
    """What an operator starts on several machines: each has a folder of its own, and the key that all share."""

    def __init__(self, folder: Path, database_url: str, storage_url: str) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.common = {"DATABASE_URL": database_url, "TROUVAILLE_STORAGE_URL": storage_url}
        self.common["TROUVAILLE_WEB_PROCESSES"] = "1"
        self.key = folder / "secret.key"
        load_key(self.key)

    def start(self, name: str, *command: str) -> None:
        data = self.folder / name
        data.mkdir()
        shutil.copy(self.key, data / "secret.key")
        environment = {**os.environ, **self.common, "TROUVAILLE_DATA_DIR": str(data)}
        with (self.folder / f"{name}.log").open("wb") as log:
            argv = [sys.executable, "-m", "trouvaille", *command]
            self.processes.append(subprocess.Popen(argv, env=environment, stdout=log, stderr=log))

    def web(self, host: str) -> str:
        port = free_port(host)
        self.start(f"web-{host}", "web", "--host", host, "--port", str(port))
        return f"http://{host}:{port}"

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(60)

    def logs(self) -> str:
        return "\n".join(f"{path.name}\n{path.read_text()[-1500:]}" for path in self.folder.glob("*.log"))


@pytest.fixture
def machines(database_url: str, tmp_path: Path) -> Iterator[Machines]:
    with serving() as s3:
        made = Machines(tmp_path, database_url, s3.url())
        try:
            yield made
        finally:
            made.stop()


def answers(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/livez", timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def browser(address: str) -> httpx2.Client:
    """Somebody's browser, at one of the web processes."""
    return httpx2.Client(base_url=address, timeout=60, headers={"origin": address})


class Listener(threading.Thread):
    """An open page: reads its live stream from one web process."""

    def __init__(self, url: str, cookies: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self.url, self.cookies, self.heard, self.is_open = url, cookies, "", threading.Event()

    def run(self) -> None:
        with (
            httpx2.Client(timeout=PATIENCE_S) as client,
            client.stream("GET", self.url, headers={"cookie": as_header(self.cookies)}) as answer,
        ):
            assert answer.status_code == 200
            self.is_open.set()
            try:
                for piece in answer.iter_text():
                    self.heard += piece
            except httpx2.TransportError:  # the server is stopped at the end of the test
                return


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"])
@pytest.mark.timeout(600)
def test_the_journey_works_across_two_web_processes_and_three_workers(
    machines: Machines, samples: dict[str, Path]
) -> None:
    schema.migrate(machines.common["DATABASE_URL"])
    one, two = machines.web("127.0.0.1"), machines.web("127.0.0.2")
    machines.start("worker-a", "worker", "--queues", "selfies", "--concurrency", "1")
    machines.start("worker-b", "worker", "--queues", "photos,upkeep,mail")
    machines.start("worker-c", "worker", "--queues", "photos,upkeep,mail")
    for address in (one, two):
        wait_until(partial(answers, address), machines.logs())

    with browser(one) as owner, browser(one) as here, browser(two) as there:
        _journey(machines, samples, owner, here, there)


def _journey(
    machines: Machines, samples: dict[str, Path], owner: httpx2.Client, here: httpx2.Client, there: httpx2.Client
) -> None:
    token = Vault(load_key(machines.key)).setup_token()
    form = {"token": token, "display_name": "Owner", "email": "owner@example.org", "password": PASSWORD}
    assert owner.post("/setup", data=form).status_code == 303
    settings = {name: each for name, each in SETTINGS.items() if each is not None}
    settings |= {"code": "PARTY234", "faces": "yes"}
    made = owner.post("/studio/new", data=settings)
    assert made.status_code == 303, made.text
    event = made.headers["location"].rsplit("/", 1)[1]

    # Registers on one, sends the selfie on the other: cookies go by name, not by port.
    form = {"display_name": "Rose", "username": "rose", "email": "rose@example.org", "password": PASSWORD}
    assert here.post("/e/PARTY234/register", data=form).status_code == 303
    cookies = {each.name: each.value for each in here.cookies.jar}
    there.headers["cookie"] = as_header(cookies)
    assert there.post("/e/PARTY234/consent", data={"agree": "yes"}).status_code == 303
    page = Listener(str(there.base_url).rstrip("/") + "/e/PARTY234/live", cookies)
    page.start()
    assert page.is_open.wait(PATIENCE_S)
    selfie = selfie_jpeg(GUESTS[2], samples)
    assert there.post("/e/PARTY234/selfie", files={"selfie": ("selfie.jpg", selfie, "image/jpeg")}).status_code == 303
    wait_until(lambda: "accepted" in page.heard, machines.logs())

    before = len(page.heard)
    files = [("photos", (f"{name}.jpg", samples[f"{name}.jpg"].read_bytes())) for name in ("sample1", "sample3")]
    sent = owner.post(f"/studio/{event}/photos", files=files, headers={"accept": "application/json"})
    assert sent.status_code == 200, sent.text

    def mine(client: httpx2.Client) -> set[str]:
        return set(re.findall(r'data-id="([0-9a-f-]{36})"', client.get("/e/PARTY234/photos?show=mine").text))

    wait_until(lambda: len(mine(there)) == len(files), machines.logs())
    wait_until(lambda: len(page.heard) > before and "photos" in page.heard[before:], page.heard)
    assert mine(here) == mine(there)
    for photo in mine(here):
        pictures = [client.get(f"/e/PARTY234/p/{photo}/original") for client in (here, there)]
        assert pictures[0].status_code == 200 and pictures[0].content == pictures[1].content

    def following() -> int:
        with psycopg.connect(machines.common["DATABASE_URL"]) as connection:
            return len(connection.execute("SELECT id FROM store_users").fetchall())

    wait_until(lambda: following() == 5, machines.logs())  # every process follows a move of the store
