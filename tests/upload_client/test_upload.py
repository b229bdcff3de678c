"""The command `trouvaille upload` against a real server."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from PIL import Image

from tests.people import Visitor
from tests.web_process import web_process
from trouvaille.settings import Settings
from trouvaille.upload_client.folder import Patience, is_being_written, is_hidden, scan

Upload = Callable[..., tuple[int, dict[str, Any]]]


def jpeg(n: int = 0, *, size_bytes: int = 0) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (32, 24), "white").save(made, "JPEG")
    return made.getvalue() + f"{n:04}".encode() + os.urandom(size_bytes)


@pytest.fixture
def token(visitor: Callable[[], Visitor]) -> str:
    """The token of an organiser with the event PARTY234."""
    ada = visitor()
    ada.set_up_server()
    ada.make_event()
    page = ada.post("/account/tokens", {"name": "laptop", "scopes": "photos:write"})
    found = page.text[page.text.index("trv_") :]
    return found[: len("trv_") + 43]


@pytest.fixture
def address(settings: Settings, token: str) -> Iterator[str]:
    with web_process(settings, pool_size=5) as address:
        yield address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "Fête 🎉"
    folder.mkdir()
    return folder


@pytest.fixture
def begin(folder: Path, token: str, tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts the command in a process of its own."""

    def run(address: str, *more: str, **environment: str) -> "subprocess.Popen[str]":
        argv = [sys.executable, "-m", "trouvaille", "upload", str(folder), "--event", "party-234", "--json"]
        return subprocess.Popen(
            [*argv, "--settle", "0.3", *more],
            env={
                **os.environ,
                "TROUVAILLE_SERVER": address,
                "TROUVAILLE_TOKEN": token,
                "XDG_STATE_HOME": str(tmp_path / "state"),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@pytest.fixture
def upload(address: str, begin: Callable[..., "subprocess.Popen[str]"]) -> Upload:
    """Runs the command to its end; gives its status and its result."""

    def run(*more: str, **environment: str) -> tuple[int, dict[str, Any]]:
        process = begin(address, *more, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, json.loads(out) if out.strip() else {"said": err}

    return run


def _rows(settings: Settings, sql: str = "SELECT file_name, source FROM photos ORDER BY file_name") -> list[Any]:
    with psycopg.connect(settings.database_url or "") as connection:
        return connection.execute(sql).fetchall()  # type: ignore[call-overload,no-any-return]


def test_a_folder_with_its_folders_is_sent_and_told_by_name(upload: Upload, folder: Path, settings: Settings) -> None:
    (folder / "Église").mkdir()
    (folder / "Église" / "💍 1.jpg").write_bytes(jpeg(1))
    (folder / "2.JPG").write_bytes(jpeg(2, size_bytes=3_000_000))
    (folder / "same.jpg").write_bytes(jpeg(1))
    (folder / "bad.jpg").write_bytes(b"no picture")
    (folder / "cut.jpg").write_bytes(jpeg(3)[:200])
    for clutter in (".hidden.jpg", "x.tmp", "y.jpg~", "z.lrtmp", "notes.txt", "4.CR3"):
        (folder / clutter).write_bytes(jpeg(9))
    status, said = upload("--parallel", "1")
    assert status == 1
    assert sorted([*said["accepted"], *said["duplicate"]]) == ["2.JPG", "same.jpg", "Église/💍 1.jpg"]
    assert len(said["duplicate"]) == 1
    assert said["failed"].keys() == {"bad.jpg", "cut.jpg"}
    assert "not a picture" in said["failed"]["bad.jpg"]
    assert "incomplete" in said["failed"]["cut.jpg"]
    assert [source for _, source in _rows(settings)] == ["command", "command"]


def test_started_again_it_sends_only_what_is_new(upload: Upload, folder: Path, settings: Settings) -> None:
    (folder / "1.jpg").write_bytes(jpeg(1))
    assert upload()[1]["accepted"] == ["1.jpg"]
    (folder / "2.jpg").write_bytes(jpeg(2))
    status, said = upload()
    assert (status, said["accepted"], said["already"]) == (0, ["2.jpg"], ["1.jpg"])


def test_without_its_memory_it_asks_the_server_and_sends_nothing_twice(
    upload: Upload, folder: Path, tmp_path: Path, settings: Settings
) -> None:
    (folder / "1.jpg").write_bytes(jpeg(1))
    upload()
    before = _rows(settings, "SELECT count(*) FROM uploads")
    status, said = upload(XDG_STATE_HOME=str(tmp_path / "elsewhere"))
    assert (status, said["duplicate"]) == (0, ["1.jpg"])
    assert _rows(settings, "SELECT count(*) FROM uploads") == before


def test_wrong_token_wrong_code_and_wrong_use_are_told(upload: Upload, folder: Path) -> None:
    (folder / "1.jpg").write_bytes(jpeg(1))
    status, said = upload(TROUVAILLE_TOKEN="trv_" + "x" * 43)
    assert status == 1
    assert "access token" in said["said"]
    status, said = upload("--event", "NOTHING9")
    assert status == 1
    assert "no event" in said["said"]
    assert upload("--parallel", "many")[0] == 2
    status, said = upload(TROUVAILLE_TOKEN="")
    assert status == 2
    assert "/account/tokens" in said["said"]
    assert upload(TROUVAILLE_SERVER="photos.example.org")[0] == 2


def test_a_quota_refuses_each_file_that_does_not_fit_by_name(upload: Upload, folder: Path, settings: Settings) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE events SET quota_photos = 2")
    for n in range(5):
        (folder / f"{n}.jpg").write_bytes(jpeg(n))
    status, said = upload()
    assert (status, len(said["accepted"]), len(said["failed"])) == (1, 2, 3)
    assert all("2 of 2 photos" in reason for reason in said["failed"].values())


class Dribble:
    """A network between command and server that lets so many bytes through, then breaks every connection."""

    def __init__(self, address: str) -> None:
        self._to = ("127.0.0.1", int(address.rsplit(":", 1)[1]))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.left, self.carried, self.breaks = 10**12, 0, 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._to) as remote:
            back = threading.Thread(target=self._pump, args=(remote, client), daemon=True)
            back.start()
            self._pump(client, remote, counts=True)
            back.join()

    def _pump(self, source: socket.socket, to: socket.socket, *, counts: bool = False) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if counts:
                    self.carried += len(data)
                    self.left -= len(data)
                    if self.left < 0:
                        self.left, self.breaks = 4_000_000, self.breaks + 1
                        break
                to.sendall(data)
        for each in (source, to):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def network(address: str) -> Iterator[Dribble]:
    network = Dribble(address)
    yield network
    network.close()


def test_lost_connections_cost_what_was_on_its_way_and_nothing_more(
    network: Dribble, begin: Callable[..., "subprocess.Popen[str]"], folder: Path, settings: Settings
) -> None:
    data = jpeg(1, size_bytes=16_000_000)
    (folder / "large.jpg").write_bytes(data)
    network.left = 4_000_000
    process = begin(network.address)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["accepted"]) == (0, ["large.jpg"])
    assert network.breaks >= 3
    assert network.carried < 1.9 * len(data)
    (stored,) = (settings.data_dir / "photos").rglob("original")
    assert stored.read_bytes() == data


def test_killed_and_started_again_it_goes_on_where_it_was(
    network: Dribble, begin: Callable[..., "subprocess.Popen[str]"], folder: Path, settings: Settings
) -> None:
    data = jpeg(1, size_bytes=30_000_000)
    (folder / "large.jpg").write_bytes(data)
    process = begin(network.address)
    until = time.monotonic() + 30
    while network.carried < 8_000_000 and time.monotonic() < until:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    before = network.carried
    process = begin(network.address)
    out, _ = process.communicate(timeout=60)
    assert json.loads(out)["accepted"] == ["large.jpg"]
    assert network.carried - before < len(data)
    (stored,) = (settings.data_dir / "photos").rglob("original")
    assert stored.read_bytes() == data


def _wait_for(settings: Settings, count: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if len(_rows(settings)) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(_rows(settings))


def test_a_watched_folder_is_sent_as_it_fills_and_over_a_restart_of_the_server(
    settings: Settings, token: str, begin: Callable[..., "subprocess.Popen[str]"], folder: Path
) -> None:
    (folder / "1.jpg").write_bytes(jpeg(1))
    with web_process(settings, pool_size=5) as address:
        process = begin(address, "--watch")
        _wait_for(settings, 1)
        data = jpeg(2, size_bytes=100_000)
        with (folder / "slow.jpg").open("wb") as file:
            file.write(data[:50_000])
            file.flush()
            time.sleep(2)
            assert len(_rows(settings)) == 1  # still open for writing
            file.write(data[50_000:])
        _wait_for(settings, 2)
    (folder / "sub").mkdir()
    (folder / "sub" / "3.jpg").write_bytes(jpeg(3))
    time.sleep(1)
    from trouvaille import serving

    port = address.rsplit(":", 1)[1]
    again = subprocess.Popen(
        [sys.executable, "-m", "trouvaille", "web", "--port", port],
        env={**os.environ, **serving.environment(settings)},
    )
    try:
        _wait_for(settings, 3)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        assert json.loads(out)["accepted"] == ["1.jpg", "slow.jpg", "sub/3.jpg"]
    finally:
        again.terminate()
        again.wait(20)


def test_ctrl_c_ends_soon_and_names_what_was_not_sent(
    network: Dribble, begin: Callable[..., "subprocess.Popen[str]"], folder: Path
) -> None:
    (folder / "large.jpg").write_bytes(jpeg(1, size_bytes=60_000_000))
    process = begin(network.address)
    until = time.monotonic() + 30
    while network.carried < 1_000_000 and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, json.loads(out)["unfinished"]) == (1, ["large.jpg"])


def test_a_file_counts_once_it_looks_the_same_for_a_while(folder: Path) -> None:
    path = folder / "1.jpg"
    path.write_bytes(jpeg(1))
    patience, wall = Patience(2.0), time.time()
    (first,) = scan(folder).photos
    assert list(patience.complete([first], clock_s=0, wall_s=wall)) == []
    with path.open("ab") as file:
        file.write(b"more")
    (second,) = scan(folder).photos
    assert list(patience.complete([second], clock_s=2.5, wall_s=wall)) == []
    assert list(patience.complete([second], clock_s=4.6, wall_s=wall)) == [second]
    assert list(Patience(2.0).complete([second], clock_s=0, wall_s=wall + 60)) == [second]
    with path.open("ab"):
        if sys.platform == "linux":
            assert is_being_written(path)
            assert list(patience.complete([second], clock_s=9, wall_s=wall + 60)) == []
    assert not is_being_written(path)


def test_hidden_and_unfinished_files_are_told_from_photos() -> None:
    for name in (".DS_Store", "~x.jpg", "x.jpg~", "a.lrtmp", "Thumbs.db", "b.TMP", "c.jpg.part", "._d.jpg"):
        assert is_hidden(name), name
    for name in ("d.jpg", "e.tmp.jpg", "🎉.heic"):
        assert not is_hidden(name), name
