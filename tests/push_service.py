"""A real push service for tests, as browsers' makers run them: it checks who sends, and opens what a browser would.

The browser's half of RFC 8291 is written out here from the RFC, on its own, so that two mistakes can't hide each other.
"""

import base64
import hashlib
import hmac
import json
import os
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

POINT = (Encoding.X962, PublicFormat.UncompressedPoint)


def b64(data: bytes) -> str:
    """Base64 for addresses."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    """Undo ``b64``."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    pseudo = hmac.digest(salt, secret, "sha256")
    return hmac.digest(pseudo, info + b"\x01", "sha256")[:length]


@dataclass
class BrowserPart:
    """One browser's subscription, with the private key that never leaves it."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = field(default_factory=lambda: os.urandom(16))

    @property
    def form(self) -> dict[str, str]:
        """What its page sends to the server."""
        point = self.key.public_key().public_bytes(*POINT)
        return {"endpoint": self.endpoint, "p256dh": b64(point), "auth": b64(self.auth)}

    def open(self, body: bytes) -> bytes:
        """What a message says (RFC 8188, 2; RFC 8291, 3.4)."""
        salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        theirs, sealed = body[21 : 21 + length], body[21 + length :]
        assert size >= len(sealed), "a message is one record"
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
        mine = self.key.public_key().public_bytes(*POINT)
        secret = _hkdf(self.auth, shared, b"WebPush: info\x00" + mine + theirs, 32)
        key = _hkdf(salt, secret, b"Content-Encoding: aes128gcm\x00", 16)
        nonce = _hkdf(salt, secret, b"Content-Encoding: nonce\x00", 12)
        padded = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\x00")
        assert padded[-1:] == b"\x02", "the last record"
        return padded[:-1]


@dataclass
class Pushed:
    """One message as it came."""

    headers: dict[str, str]
    claims: dict[str, Any]
    sender: str
    said: dict[str, Any]


@dataclass
class PushService:
    """One push service on this machine.

    Attributes:
        answers: what it says to the next messages instead of taking them: a status and headers.
        asked: when messages came, taken or not.
    """

    address: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    received: list[Pushed] = field(default_factory=list)
    asked: int = 0
    browsers: dict[str, BrowserPart] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None

    def open(self, certificate: ssl.SSLContext | None = None) -> None:
        """Listen."""
        office = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status, headers = office._take(self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if certificate is not None:
            self._server.socket = certificate.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if certificate is not None else "http"
        self.address = f"{scheme}://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def subscription(self) -> BrowserPart:
        """A new browser's."""
        path = f"/push/{b64(os.urandom(24))}"
        self.browsers[path] = BrowserPart(self.address + path)
        return self.browsers[path]

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        self.asked += 1
        if self.answers:
            return self.answers.pop(0)
        browser = self.browsers.get(path)
        if browser is None:
            return 410, {}
        named = {name.lower(): value for name, value in headers.items()}
        try:
            claims, sender = self._vapid(named["authorization"])
            self.received.append(Pushed(named, claims, sender, json.loads(browser.open(body))))
        except Exception as error:  # the test sees a refused message and looks here
            self.received.append(Pushed(named, {}, f"{type(error).__name__}: {error}", {}))
            return 403, {}
        return 201, {"Location": f"{self.address}/message/1"}

    def _vapid(self, header: str) -> tuple[dict[str, Any], str]:
        """Check a sender's signature (RFC 8292, 2 and 3; RFC 7515 for ES256)."""
        scheme, _, rest = header.partition(" ")
        assert scheme == "vapid"
        given = dict(part.strip().split("=", 1) for part in rest.split(","))
        signed, _, signature = given["t"].rpartition(".")
        raw = unb64(signature)
        assert len(raw) == 64
        der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(given["k"]))
        key.verify(der, signed.encode(), ec.ECDSA(SHA256()))
        head, _, claims = signed.partition(".")
        assert json.loads(unb64(head))["alg"] == "ES256"
        read = json.loads(unb64(claims))
        assert read["aud"] == self.address, read["aud"]
        return read, given["k"]


def mark_of(endpoint: str) -> str:
    """How a page tells a subscription."""
    return b64(hashlib.sha256(endpoint.encode()).digest())
