"""Registering is one step, and nothing half-made stays behind, whatever happens between."""

import socket
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.people import PASSWORD, Visitor
from tests.web_process import web_process
from trouvaille.core.errors import Unavailable
from trouvaille.core.storage import Storage
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]
ROSE = GUESTS[2]
OF_GUESTS = ("guests", "consents", "enrolments", "probes", "sessions WHERE kind = 'guest'", "outgoing_mail")


def _counts(settings: Settings, *tables: str) -> list[int]:
    with psycopg.connect(settings.database_url or "") as connection:
        rows = [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables]  # type: ignore[arg-type]
    return [int(row[0]) for row in rows if row is not None]


def _selfie_files(settings: Settings) -> list[Path]:
    return [path for path in (settings.data_dir / "photos").glob("events/*/selfies/**/*") if path.is_file()]


def test_one_form_makes_account_consent_and_session(owner: Visitor, visitor: Visitors, settings: Settings) -> None:
    guest = visitor()
    page = guest.get("/e/PARTY234/register").text
    assert 'name="agree" value="yes"' in page and "checked" not in page
    assert "required" not in page.split('name="agree"')[1].split(">")[0]
    assert guest.register("PARTY234", "rose", agree="yes").headers["location"] == "/e/PARTY234/selfie"
    assert guest.get("/e/PARTY234/selfie").status_code == 200
    with psycopg.connect(settings.database_url or "") as connection:
        consents = connection.execute("SELECT text_version, locale, withdrawn_at FROM consents").fetchall()
    assert consents == [("2026-11", "en", None)]


def test_who_leaves_the_box_alone_is_a_guest_without_consent_and_may_agree_later(
    owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    guest = visitor()
    for answer in ({}, {"agree": "no"}):
        name = f"rose{len(answer)}"
        assert guest.register("PARTY234", name, **answer).headers["location"] == "/e/PARTY234/photos"
    assert _counts(settings, "guests", "consents") == [2, 0]
    assert guest.agree().headers["location"] == "/e/PARTY234/selfie"


def test_where_faces_are_left_alone_nobody_is_asked(owner: Visitor, visitor: Visitors, settings: Settings) -> None:
    owner.make_event("OPEN2345", gallery="guests", faces=None)
    guest = visitor()
    assert "agree" not in guest.get("/e/OPEN2345/register").text
    assert guest.register("OPEN2345", "rose", agree="yes").headers["location"] == "/e/OPEN2345/photos"
    assert _counts(settings, "consents") == [0]


def test_a_form_that_is_refused_keeps_what_was_typed_and_leaves_nothing(
    owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    answer = visitor().register("PARTY234", "rose", agree="yes", email="no address")
    assert answer.status_code == 422
    assert 'value="rose"' in answer.text and " checked" in answer.text and PASSWORD not in answer.text
    assert _counts(settings, *OF_GUESTS) == [0] * 5 + _counts(settings, "outgoing_mail")
    assert "set-cookie" not in answer.headers


def test_a_refused_selfie_leaves_a_whole_account_and_nothing_of_the_face(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs, settings: Settings
) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose", agree="yes")
    assert guest.send_selfie(b"no picture").status_code == 422
    assert _counts(settings, "enrolments") == [0]
    guest.send_selfie(samples["32bit.png"].read_bytes()[:3000])
    run_jobs()
    run_jobs()
    assert _selfie_files(settings) == [] and _counts(settings, "probes") == [0]
    assert visitor().sign_in("rose").headers["location"] == "/e/PARTY234/photos"
    guest.send_selfie(selfie_jpeg(ROSE, samples))
    run_jobs()
    assert guest.get("/e/PARTY234/selfie/status").json()["state"] == "accepted"


def test_a_browser_that_closes_in_the_middle_leaves_nothing(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], settings: Settings
) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose", agree="yes")
    before = _counts(settings, *OF_GUESTS)
    cookie = f"Cookie: trouvaille={guest.browser.cookies['trouvaille']}\r\n"
    picture = b'--B\r\nContent-Disposition: form-data; name="selfie"; filename="a.jpg"\r\n\r\n' + b"\xff\xd8" * 9000
    form = b"display_name=Lily&username=lily&email=lily@example.org&password=correct+horse"
    with web_process(settings, pool_size=3) as address:
        host, port = address.removeprefix("http://").split(":")
        for path, kind, sent in (
            ("/e/PARTY234/register", "application/x-www-form-urlencoded", form),
            ("/e/PARTY234/selfie", "multipart/form-data; boundary=B", picture),
        ):
            head = f"Host: x\r\nContent-Type: {kind}\r\nContent-Length: {len(sent) + 1000}\r\n{cookie}\r\n"
            with socket.create_connection((host, int(port))) as sender:
                sender.sendall(f"POST {path} HTTP/1.1\r\n{head}".encode() + sent)
    assert _counts(settings, *OF_GUESTS) == before
    assert _selfie_files(settings) == []


def test_who_never_saw_the_answer_sends_the_form_again_and_is_in(
    owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    visitor().register("PARTY234", "rose")  # this browser closed before its answer came
    again = visitor()
    assert again.register("PARTY234", "Rose", agree="yes").headers["location"] == "/e/PARTY234/selfie"
    assert again.get("/e/PARTY234/me").status_code == 200
    assert _counts(settings, "guests", "consents") == [1, 1]


def test_with_another_password_the_same_names_let_nobody_in(
    owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    visitor().register("PARTY234", "rose")
    for _ in range(8):
        answer = visitor().register("PARTY234", "rose", password="somebody else's guess", agree="yes")
        assert answer.status_code == 409 and "set-cookie" not in answer.headers
    assert _counts(settings, "guests", "consents") == [1, 0]
    assert visitor().sign_in("rose").status_code == 429, "each was counted as a guess at the password"


def test_a_store_that_fails_between_two_pictures_keeps_neither(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest, put = visitor(), Storage.put
    guest.register("PARTY234", "rose", agree="yes")

    async def put_one(self: Storage, key: str, data: bytes) -> None:
        if not key.endswith("/0"):
            raise Unavailable
        await put(self, key, data)

    monkeypatch.setattr(Storage, "put", put_one)
    pictures = [("selfie", ("selfie.jpg", selfie_jpeg(ROSE, samples), "image/jpeg"))] * 2
    assert guest.browser.post("/e/PARTY234/selfie", files=pictures).status_code == 503
    assert _selfie_files(settings) == [] and _counts(settings, "enrolments") == [0]
