"""Letters reach a real SMTP server, once, and leave nothing behind."""

import asyncio
import datetime
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from starlette.testclient import TestClient

from tests.people import Visitor
from tests.post_office import PostOffice, plain
from trouvaille.core import mail
from trouvaille.core.mail import Letter
from trouvaille.core.relay import Security
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]
ADDRESS = "rose@example.org"


def _count(settings: Settings, query: str) -> int:
    with psycopg.connect(settings.database_url or "") as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


def _due_now(settings: Settings) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")


def test_a_letter_has_text_and_html_in_the_language_of_its_reader(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    guest = visitor()
    guest.browser.headers["accept-language"] = "fr"
    guest.register("PARTY234", "rose")
    run_jobs()
    (letter,) = post_office.letters_to(ADDRESS)
    assert letter["From"] == "Trouvaille <photos@example.net>"
    assert letter["Subject"] == "Confirmez votre adresse"
    assert "Lea & Tom" in plain(letter)
    html = letter.get_body(("html",))
    assert html is not None
    assert 'lang="fr"' in html.get_content() and "Lea &amp; Tom" in html.get_content()


def test_a_letter_waits_sealed_while_the_server_is_away_and_is_then_sent_once(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs, settings: Settings
) -> None:
    run_jobs()
    post_office.close()
    visitor().register("PARTY234", "rose")
    run_jobs()
    assert post_office.letters_to(ADDRESS) == []
    assert _count(settings, "SELECT count(*) FROM outgoing_mail") == 1
    assert _count(settings, "SELECT count(*) FROM outgoing_mail WHERE position('rose'::bytea IN sealed) > 0") == 0
    assert _count(settings, "SELECT count(*) FROM procrastinate_jobs WHERE args::text LIKE '%rose%'") == 0
    post_office.open()
    _due_now(settings)
    run_jobs()
    run_jobs()
    assert len(post_office.letters_to(ADDRESS)) == 1
    assert _count(settings, "SELECT count(*) FROM outgoing_mail") == 0


def test_a_letter_that_is_put_off_comes_later_and_one_that_is_refused_is_forgotten(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs, settings: Settings
) -> None:
    run_jobs()
    post_office.refusals = ["451 greylisted, try later"]
    visitor().register("PARTY234", "rose")
    run_jobs()
    assert post_office.letters_to(ADDRESS) == []
    _due_now(settings)
    run_jobs()
    assert len(post_office.letters_to(ADDRESS)) == 1
    post_office.refusals = ["550 no such mailbox"]
    visitor().register("PARTY234", "lily")
    run_jobs()
    assert post_office.letters_to("lily@example.org") == []
    assert _count(settings, "SELECT count(*) FROM outgoing_mail") == 0


def test_logs_name_nobody_when_a_letter_fails(
    owner: Visitor,
    visitor: Visitors,
    post_office: PostOffice,
    run_jobs: Jobs,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    post_office.refusals = ["550 rose@example.org is unknown", "451 rose@example.org later"]
    visitor().register("PARTY234", "rose")
    run_jobs()
    said = capfd.readouterr()
    mine = [record.getMessage() + str(record.exc_text) for record in caplog.records if "mail.log" not in record.name]
    assert "rose@example.org" not in said.out + said.err + "".join(mine)


@pytest.mark.parametrize("odd", ["a,b@example.org", "<a>@example.org", "a;b:c@example.org", '"a@example.org'])
def test_an_address_that_is_none_brings_no_letter_to_anybody_else(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs, settings: Settings, odd: str
) -> None:
    run_jobs()
    before = len(post_office.received)
    visitor().register("PARTY234", "rose", email=odd)
    run_jobs()
    assert len(post_office.received) == before
    assert _count(settings, "SELECT count(*) FROM outgoing_mail") == 0


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate for this machine that our side trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "relay.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
@pytest.mark.anyio
async def test_a_letter_goes_by_tls_with_name_and_password_from_a_file(
    post_office: PostOffice, settings: Settings, certificate: ssl.SSLContext, security: Security, tmp_path: Path
) -> None:
    post_office.close()
    post_office.open(certificate=certificate, tls=security is Security.TLS, user="us:secret")
    (tmp_path / "password").write_text("secret\n")
    relay = settings.model_copy(
        update={
            "smtp_host": "localhost",
            "smtp_security": security,
            "smtp_user": "us",
            "smtp_password_file": tmp_path / "password",
        }
    ).relay()
    assert relay is not None
    message = mail._message(Letter(ADDRESS, "Hello", "Text", "<p>Text</p>", "en"), relay, uuid4())
    await asyncio.to_thread(mail._hand_over, relay, message)
    assert len(post_office.letters_to(ADDRESS)) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"smtp_host": "mail.example.org"},
        {"smtp_host": "mail.example.org", "smtp_sender": "a@example.org"},
        {"smtp_password": "a", "smtp_password_file": "b"},
    ],
)
def test_settings_that_would_send_wrong_mail_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings(**given)  # type: ignore[arg-type]


def test_without_a_mail_server_pages_say_whom_to_ask(
    owner: Visitor, visitor: Visitors, site: TestClient, settings: Settings
) -> None:
    state = site.app.state  # type: ignore[attr-defined]
    state.site = replace(state.site, sends_mail=False, operator_contact="Call Ada on 555-1234.")
    page = visitor().get("/forgot").text
    assert "This server sends no mail" in page and "Call Ada on 555-1234." in page
    assert 'method="post" action="/forgot"' not in page
    visitor().register("PARTY234", "rose")
    assert _count(settings, "SELECT count(*) FROM outgoing_mail") == 1  # the owner's, from before
