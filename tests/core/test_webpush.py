"""Web push by its standards: messages that one browser reads, senders that are known, services that are public."""

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.accounts.test_mail import certificate
from tests.push_service import BrowserPart, PushService, b64, unb64
from trouvaille.core import addresses
from trouvaille.core.addresses import PublicOnly
from trouvaille.core.push_services import (
    Message,
    NoPushService,
    PushRefused,
    PushServices,
    PutOff,
    SubscriptionGone,
    check_endpoint,
    waiting_s,
)
from trouvaille.core.secrets import Vault
from trouvaille.core.webpush import (
    CONTENT_BYTES,
    BrowserKeys,
    Sender,
    contact_of,
    encrypt,
    from_text,
    key_of,
    read_key,
    to_text,
)
from trouvaille.settings import Settings

__all__ = ["certificate"]
MESSAGE = Message(b'{"title": "Lea & Tom"}', ttl_s=60, topic="abc")


def test_a_message_is_the_one_of_the_rfcs_example() -> None:
    # RFC 8291, appendix A.
    browser = BrowserKeys.read(
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
    )
    sealed = encrypt(
        b"When I grow up, I want to be a watermelon",
        browser,
        salt=from_text("DGv6ra1nlYgDCS1FRnbzlw"),
        ours=read_key("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
    )
    assert to_text(sealed) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
        "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@pytest.mark.parametrize("content", [b"", b"x", "Zoë & Léa".encode(), b"y" * CONTENT_BYTES])
def test_a_browser_reads_what_was_sealed_for_it_and_no_other_does(content: bytes) -> None:
    browser, other = BrowserPart("https://push.example"), BrowserPart("https://push.example")
    keys = BrowserKeys.read(browser.form["p256dh"], browser.form["auth"])
    sealed = encrypt(content, keys)
    assert browser.open(sealed) == content and len(sealed) <= 4096
    assert encrypt(content, keys) != sealed, "no key is used twice"
    with pytest.raises(InvalidTag):
        other.open(sealed)


def test_more_than_one_message_holds_is_not_sealed() -> None:
    keys = BrowserKeys.read(BrowserPart("").form["p256dh"], b64(b"a" * 16))
    with pytest.raises(ValueError, match="3994"):
        encrypt(b"y" * (CONTENT_BYTES + 1), keys)


@pytest.mark.parametrize(
    ("p256dh", "auth"),
    [
        ("", ""),
        (b64(b"\x04" + b"a" * 64), b64(b"a" * 16)),  # on no curve
        (b64(b"\x04" + b"a" * 10), b64(b"a" * 16)),
        (BrowserPart("").form["p256dh"], b64(b"a" * 15)),
        (BrowserPart("").form["p256dh"] + "é", b64(b"a" * 16)),
    ],
    # A key is another one in each process of the tests, and a test's name must not be.
    ids=["none", "on no curve", "short key", "short secret", "other signs"],
)
def test_keys_that_are_none_are_refused(p256dh: str, auth: str) -> None:
    with pytest.raises(ValueError):
        BrowserKeys.read(p256dh, auth)


def test_keys_are_read_as_other_programs_write_them() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    plain = b64(key.private_numbers().private_value.to_bytes(32))
    assert Sender(read_key(f"{pem}\n")).public_key == Sender(read_key(plain)).public_key
    other = ec.generate_private_key(ec.SECP384R1())
    wrong = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    for each in (wrong, b64(b"a" * 31), "no key", b64(b"\0" * 32)):
        with pytest.raises(ValueError):
            read_key(each)


def test_one_seed_makes_one_key() -> None:
    assert Sender(key_of(b"a" * 48)).public_key == Sender(key_of(b"a" * 48)).public_key
    assert Sender(key_of(b"a" * 48)).public_key != Sender(key_of(b"b" * 48)).public_key
    assert "private" not in repr(Sender(key_of(b"\xff" * 48))).lower().replace("private_networks", "")


@pytest.mark.parametrize(
    ("known", "contact"),
    [
        (("Write to ada@example.org, or call.", "legal@example.org"), "mailto:ada@example.org"),
        (("Call Ada on 555-1234.", None, "https://photos.example.org"), "https://photos.example.org"),
        ((None, None, "http://localhost:8000"), None),
    ],
)
def test_push_services_are_told_whom_to_write_to(known: tuple[str | None, ...], contact: str | None) -> None:
    assert contact_of(*known) == contact


def test_a_sender_says_for_whom_and_until_when_its_word_is() -> None:
    header = Sender(key_of(b"a" * 48), "mailto:ada@example.org").authorization("https://push.example:8443/x?y=z")
    claims = json.loads(unb64(header.split("t=")[1].split(".")[1]))
    assert claims["aud"] == "https://push.example:8443" and claims["sub"] == "mailto:ada@example.org"
    assert 0 < claims["exp"] - datetime.now(UTC).timestamp() < 24 * 3600


def _send(service: PushService, browser: BrowserPart, *, private: bool = True, times: int = 1) -> None:
    async def run() -> None:
        services = PushServices(Sender(key_of(b"a" * 48), "mailto:ada@example.org", private_networks=private))
        keys = BrowserKeys.read(browser.form["p256dh"], browser.form["auth"])
        try:
            for _ in range(times):
                await services.send(browser.endpoint, keys, MESSAGE)
        finally:
            await services.close()

    asyncio.run(run())


def test_a_push_service_knows_the_sender_and_the_browser_reads_the_message(push_service: PushService) -> None:
    _send(push_service, push_service.subscription(), times=2)
    for pushed in push_service.received:
        assert pushed.said == {"title": "Lea & Tom"}, pushed.sender
        assert pushed.claims["sub"] == "mailto:ada@example.org"
        assert pushed.sender == Sender(key_of(b"a" * 48)).public_key
        wanted = {"ttl": "60", "topic": "abc", "urgency": "normal", "content-encoding": "aes128gcm"}
        assert wanted.items() <= pushed.headers.items()
    assert len(push_service.received) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((404, {}), SubscriptionGone),
        ((410, {}), SubscriptionGone),
        ((403, {}), PushRefused),
        ((413, {}), PushRefused),
        ((429, {"Retry-After": "30"}), PutOff),
        ((503, {}), PutOff),
        ((301, {"Location": "http://127.0.0.1:1/elsewhere"}), PushRefused),
        ((307, {"Location": "/push/again"}), PushRefused),
    ],
)
def test_every_answer_is_understood_and_none_leads_on(
    push_service: PushService, answer: tuple[int, dict[str, str]], error: type[Exception]
) -> None:
    push_service.answers = [answer]
    with pytest.raises(error) as raised:
        _send(push_service, push_service.subscription())
    assert push_service.asked == 1
    assert getattr(raised.value, "wait_s", 0) == (30 if answer[1].get("Retry-After") else 0)
    assert push_service.address not in str(raised.value) and raised.value.__cause__ is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_name_in_a_certificate_counts_though_the_address_is_connected_to(
    push_service: PushService, certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    push_service.close()
    push_service.open(certificate)
    monkeypatch.setattr(addresses, "is_public", lambda address: True)
    browser = push_service.subscription()
    if host != "localhost":
        browser.endpoint = browser.endpoint.replace("localhost", host)
        with pytest.raises(PutOff):
            _send(push_service, browser, private=False)
        return
    _send(push_service, browser, private=False)
    assert push_service.received[0].said == {"title": "Lea & Tom"}


def test_a_service_that_is_away_puts_off(push_service: PushService) -> None:
    browser = push_service.subscription()
    push_service.close()
    with pytest.raises(PutOff):
        _send(push_service, browser)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("", 0), ("120", 120), ("-5", 0), ("soon", 0), ("99999999999", 6 * 3600), ("²", 0)],
)
def test_how_long_to_wait_is_read_with_care(said: str, seconds: float) -> None:
    assert waiting_s(said) == seconds


def test_how_long_to_wait_may_be_a_date() -> None:
    later = datetime.now(UTC) + timedelta(minutes=2)
    assert 100 < waiting_s(format_datetime(later, usegmt=True)) <= 120
    assert waiting_s(format_datetime(later - timedelta(hours=1), usegmt=True)) == 0


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "push.example/x",
        "http://198.51.100.1/x",
        "ftp://push.example/x",
        "https://user:secret@push.example/x",
        "https://127.0.0.1/x",
        "https://127.1/x",
        "https://2130706433/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://10.0.0.1:8443/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/x",
        "https://0.0.0.0/x",
        "https://push.example:99999/x",
        "https://push.example/" + "x" * 2000,
        "https://push.example/a b",
        "https://push.example/\r\nHost: x",
        "https://pùsh.example/x",
        "https:///x",
        "https://[::1",
    ],
)
def test_nothing_is_sent_to_addresses_of_a_private_network(endpoint: str) -> None:
    with pytest.raises(NoPushService):
        asyncio.run(check_endpoint(endpoint, private_networks=False))


def test_public_addresses_are_taken_with_their_host() -> None:
    assert asyncio.run(check_endpoint("https://8.8.8.8/x?y=z", private_networks=False)) == "8.8.8.8"
    assert asyncio.run(check_endpoint("http://127.0.0.1:1/x", private_networks=True)) == "127.0.0.1"


def test_a_name_that_leads_inside_later_is_not_followed(push_service: PushService) -> None:
    # As after a look at which it led elsewhere: what counts is where the connection goes.
    with pytest.raises(PushRefused):
        _send(push_service, push_service.subscription(), private=False)
    assert push_service.asked == 0


def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(
    push_service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def looked_up(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    # A name that no resolver knows: whoever asks for it a second time gets nowhere.
    monkeypatch.setattr(addresses, "public_addresses", looked_up)
    port = int(push_service.address.rsplit(":", 1)[1])

    async def connect() -> None:
        stream = await PublicOnly().connect_tcp("push.invalid", port, timeout=5)
        await stream.aclose()

    asyncio.run(connect())
    assert asked == ["push.invalid"]


@pytest.mark.parametrize(
    ("more", "is_on"),
    [
        ({"public_url": "https://photos.example.org"}, True),
        ({"public_url": None}, True),
        ({"public_url": "http://localhost:8000"}, True),
        ({"public_url": "http://photos.example.org"}, False),
        ({"push": False}, False),
        ({"service_worker": False}, False),
    ],
)
def test_it_is_on_wherever_browsers_can(more: dict[str, object], is_on: bool) -> None:
    assert (Settings(**more).push_sender(Vault(b"k" * 32)) is not None) is is_on  # type: ignore[arg-type]


def test_a_key_of_ones_own_takes_the_place_of_the_instances(tmp_path: Path) -> None:
    one, again, other = (Settings().push_sender(Vault(key * 32)) for key in (b"k", b"k", b"l"))
    assert one and again and other and one.public_key == again.public_key != other.public_key
    text = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
    (tmp_path / "key").write_text(f"{text}\n")
    for more in ({"push_key": text}, {"push_key_file": tmp_path / "key"}):
        own = Settings(**more).push_sender(Vault(b"k" * 32))  # type: ignore[arg-type]
        assert own and own.public_key.startswith("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg")
    with pytest.raises(ValueError, match="TROUVAILLE_PUSH_KEY is no key"):
        Settings(push_key=text[:-4])
    with pytest.raises(ValueError, match="not both"):
        Settings(push_key=text, push_key_file=tmp_path / "key")
