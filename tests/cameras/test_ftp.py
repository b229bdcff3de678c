"""A real FTP process, and cameras that send to it with ftplib."""

import ftplib
import io
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from PIL import Image

from tests.people import Visitor
from trouvaille import serving
from trouvaille.settings import Settings


def jpeg(n: int, *, size_bytes: int = 0) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (64, 48), "white").save(made, "JPEG")
    return made.getvalue()[:-2] + b"\xff\xd9" + f"{n:04}".encode() + b"\0" * size_bytes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"ftp_port": free_port()})


@contextmanager
def ftp_process(settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "trouvaille", "ftp"], env={**os.environ, **serving.environment(settings)}
    )
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", settings.ftp_port or 0), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def ada(visitor: Callable[[], Visitor]) -> Visitor:
    ada = visitor()
    ada.set_up_server()
    ada.make_event(gallery="everyone")
    return ada


def access(who: Visitor) -> tuple[str, str]:
    page = who.post(f"/studio/{who.event_id}/camera").text
    user, password = (re.search(rf"data-{kind}>(\w+)<", page) for kind in ("user", "password"))
    assert user
    assert password
    return user[1], password[1]


@contextmanager
def camera(settings: Settings, user: str, password: str, *, tls: bool = True) -> Iterator[Any]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    ftp = ftplib.FTP_TLS(context=context) if tls else ftplib.FTP()
    try:
        ftp.connect("127.0.0.1", settings.ftp_port or 0, timeout=20)
        ftp.login(user, password)
        if isinstance(ftp, ftplib.FTP_TLS):
            ftp.prot_p()
        yield ftp
    finally:
        ftp.close()


def rows(settings: Settings, sql: str) -> list[Any]:
    with psycopg.connect(settings.database_url or "") as connection:
        done = connection.execute(sql)  # type: ignore[call-overload]
        return done.fetchall() if done.description else []


def test_a_photo_is_added_before_its_226_and_is_ready_in_the_gallery(
    ada: Visitor, settings: Settings, run_jobs: Callable[[], None]
) -> None:
    user, password = access(ada)
    with ftp_process(settings), camera(settings, user, password) as ftp:
        ftp.mkd("DCIM")
        ftp.cwd("/DCIM")
        assert ftp.storbinary("STOR IMG_1.JPG", io.BytesIO(jpeg(1))) == "226 Photo added."
        assert rows(settings, "SELECT file_name, source FROM photos") == [("IMG_1.JPG", "camera")]
        assert ftp.size("IMG_1.JPG") == len(jpeg(1))
        assert "already here" in ftp.storbinary("STOR COPY.JPG", io.BytesIO(jpeg(1)))
        arriving = (settings.data_dir / "ftp" / "arriving").rglob("*")
        assert [path for path in arriving if path.is_file()] == []
        for refused in ("RETR IMG_1.JPG", "DELE IMG_1.JPG", "RNFR IMG_1.JPG"):
            with pytest.raises(ftplib.error_perm):
                ftp.sendcmd(refused)
        with pytest.raises(ftplib.error_perm, match=r"550.*not a picture"):
            ftp.storbinary("STOR MOVIE.MOV", io.BytesIO(b"no picture"))
    certificate = settings.data_dir / "ftp" / "certificate.pem"
    assert certificate.stat().st_mode & 0o777 == 0o600
    run_jobs()
    assert rows(settings, "SELECT state FROM photos") == [("ready",)]


def test_wrong_passwords_plain_logins_and_events_that_are_over_are_refused(ada: Visitor, settings: Settings) -> None:
    user, password = access(ada)
    with ftp_process(settings):
        with pytest.raises(ftplib.error_perm, match=r"530 Wrong"), camera(settings, user, "wrong"):
            pass
        with pytest.raises(ftplib.error_perm, match="SSL/TLS required"), camera(settings, user, password, tls=False):
            pass
        with camera(settings, user, password) as ftp:
            ada.move("archived")
            with pytest.raises(ftplib.error_perm, match=r"550.*archived"):
                ftp.storbinary("STOR 1.JPG", io.BytesIO(jpeg(1)))
        with pytest.raises(ftplib.error_perm, match=r"530.*archived"), camera(settings, user, password):
            pass
        ada.move("closed")
        (row,) = rows(settings, "SELECT id FROM camera_credentials")
        ada.post(f"/studio/{ada.event_id}/camera/{row[0]}/revoke")
        with pytest.raises(ftplib.error_perm, match=r"530 Wrong"), camera(settings, user, password):
            pass
    assert rows(settings, "SELECT count(*) FROM photos") == [(0,)]


def test_a_broken_transfer_goes_on_also_after_a_kill(ada: Visitor, settings: Settings) -> None:
    user, password = access(ada)
    noise = Image.effect_noise((900, 900), 90).convert("RGB")
    made = io.BytesIO()
    noise.save(made, "JPEG")
    data = made.getvalue()
    with ftp_process(settings) as process:
        with camera(settings, user, password) as ftp, pytest.raises(ftplib.error_temp, match="451"):
            ftp.storbinary("STOR 1.JPG", io.BytesIO(data[: len(data) // 2]))
        process.send_signal(signal.SIGKILL)
        process.wait()
    with ftp_process(settings), camera(settings, user, password) as ftp:
        there = ftp.size("1.JPG")
        assert there == len(data) // 2
        assert ftp.storbinary("STOR 1.JPG", io.BytesIO(data[there:]), rest=there) == "226 Photo added."
    (stored,) = (settings.data_dir / "photos").rglob("original")
    assert stored.read_bytes() == data


def test_two_cameras_at_once_with_the_same_names(ada: Visitor, settings: Settings) -> None:
    user, password = access(ada)

    def shoot(first: int) -> None:
        with camera(settings, user, password) as ftp:
            for n in range(8):
                assert "226" in ftp.storbinary(f"STOR IMG_{n}.JPG", io.BytesIO(jpeg(first + n, size_bytes=200_000)))

    with ftp_process(settings), ThreadPoolExecutor(2) as pool:
        list(pool.map(shoot, (0, 100)))
    assert rows(settings, "SELECT count(*), count(DISTINCT file_name) FROM photos") == [(16, 8)]


def _store(ftp: ftplib.FTP, name: str, data: bytes) -> None:
    """Send a file, and read what the server says although it closes the data connection before all of it was sent."""
    try:
        ftp.storbinary(f"STOR {name}", io.BytesIO(data))
    except (ssl.SSLError, ConnectionError):
        ftp.voidresp()


def test_limits_and_quotas_are_told_as_552(ada: Visitor, settings: Settings) -> None:
    user, password = access(ada)
    rows(settings, "UPDATE events SET quota_photos = 1")
    small = settings.model_copy(update={"photo_limit_bytes": 1_000_000})
    refused = pytest.raises(ftplib.error_perm, match=r"552.*larger than")
    with ftp_process(small), camera(small, user, password) as ftp, refused:
        _store(ftp, "0.JPG", jpeg(0, size_bytes=1_500_000))
    with ftp_process(small), camera(small, user, password) as ftp:
        ftp.storbinary("STOR 1.JPG", io.BytesIO(jpeg(1)))
        with pytest.raises(ftplib.error_perm, match=r"552.*1 of 1"):
            _store(ftp, "2.JPG", jpeg(2))
    assert not [path for path in (settings.data_dir / "ftp" / "arriving").rglob("*") if path.is_file()]


def test_a_photographer_makes_and_revokes_their_own_alone(
    ada: Visitor, visitor: Callable[[], Visitor], settings: Settings, tmp_path: Path
) -> None:
    zoe = visitor()
    zoe.accept(ada.invite(), "zoe@example.org")
    zoe.event_id = ada.event_id
    access(ada)
    access(zoe)
    adas, zoes = (
        rows(settings, f"SELECT c.id FROM camera_credentials c JOIN staff s ON s.id = staff_id WHERE role {which}")[0][
            0
        ]
        for which in ("<> 'photographer'", "= 'photographer'")
    )
    base = f"/studio/{ada.event_id}/camera"
    assert zoe.post(f"{base}/{adas}/revoke").status_code == 404
    assert ada.post(f"{base}/{zoes}/revoke").status_code == 303
    assert rows(settings, "SELECT count(*) FROM camera_credentials") == [(1,)]
