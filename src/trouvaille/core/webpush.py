"""Web push: what a push service wants to see, and bytes that only the browser behind it can read.

RFC 8291 (message encryption), RFC 8188 (aes128gcm) and RFC 8292 (VAPID) on ``cryptography`` and ``joserfc``, which are
here anyway; ``docs/decisions/0039-web-push.md`` says why none of the libraries. Knows neither network nor database.
"""

import base64
import os
import re
import struct
from dataclasses import dataclass, field
from functools import cached_property
from time import time
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwt
from joserfc.jwk import ECKey

CURVE = ec.SECP256R1()
CURVE_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
RECORD_BYTES = 4096
# One record, without its header of 86 bytes, its tag of 16 and its delimiter (RFC 8291, 4).
CONTENT_BYTES = 3993
TOKEN_S = 12 * 3600
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")


def to_text(data: bytes) -> str:
    """Base64 for addresses, without padding, as all of web push has it."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_text(text: str) -> bytes:
    """Undo ``to_text``.

    Raises:
        ValueError
    """
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _public_bytes(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _derived(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)


@dataclass(frozen=True, slots=True)
class BrowserKeys:
    """A browser's part of a subscription: its public point (65 bytes) and its secret (16 bytes)."""

    p256dh: bytes
    auth: bytes

    @classmethod
    def read(cls, p256dh: str, auth: str) -> "BrowserKeys":
        """From the two texts that a browser gives.

        Raises:
            ValueError: they are none.
        """
        made = cls(from_text(p256dh), from_text(auth))
        if len(made.auth) != 16 or len(made.p256dh) != 65:
            raise ValueError("a point of 65 bytes and a secret of 16 are wanted")
        ec.EllipticCurvePublicKey.from_encoded_point(CURVE, made.p256dh)
        return made


def encrypt(
    content: bytes, to: BrowserKeys, *, salt: bytes | None = None, ours: ec.EllipticCurvePrivateKey | None = None
) -> bytes:
    """Bytes that only this browser can read, with a key of their own.

    Args:
        content: at most ``CONTENT_BYTES``.
        salt: 16 bytes, ours: a key; random ones, but where a test has those of the RFC's example.
    """
    if len(content) > CONTENT_BYTES:
        raise ValueError(f"{len(content)} bytes are more than the {CONTENT_BYTES} of one message")
    salt, ours = salt or os.urandom(16), ours or ec.generate_private_key(CURVE)
    public = _public_bytes(ours.public_key())
    shared = ours.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, to.p256dh))
    secret = _derived(to.auth, shared, b"WebPush: info\0" + to.p256dh + public, 32)
    key = _derived(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(salt, secret, b"Content-Encoding: nonce\0", 12)
    # The two at the end marks the last record, here the only one.
    sealed = AESGCM(key).encrypt(nonce, content + b"\x02", None)
    return salt + struct.pack("!LB", RECORD_BYTES, len(public)) + public + sealed


def key_of(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """A private key that always comes of the same seed (48 random bytes; FIPS 186-5, A.2.1)."""
    return ec.derive_private_key(int.from_bytes(seed) % (CURVE_ORDER - 1) + 1, CURVE)


def read_key(text: str) -> ec.EllipticCurvePrivateKey:
    """A private key as the usual programs write it: PEM, or its 32 bytes in base64.

    Raises:
        ValueError: it is neither, or of another curve.
    """
    text = text.strip()
    if not text.startswith("-----BEGIN"):
        data = from_text(text)
        if len(data) != 32:
            raise ValueError("a private key for web push has 32 bytes")
        return ec.derive_private_key(int.from_bytes(data), CURVE)
    key = serialization.load_pem_private_key(text.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("a key of the curve P-256 is wanted")
    return key


def contact_of(*known: str | None) -> str | None:
    """Whom a push service may write to when we trouble it: an address in one of these texts, or the first ``https``
    address."""
    for text in known:
        if text and text.startswith("https://"):
            return text
        if text and (found := ADDRESS.search(text)):
            return f"mailto:{found[0]}"
    return None


@dataclass(frozen=True)
class Sender:
    """Who we are to push services.

    Attributes:
        contact: a ``mailto:`` or ``https:`` address; None where there is none to give.
        private_networks: whether push services may lie in this server's own network and speak HTTP.
    """

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    contact: str | None = None
    private_networks: bool = False

    @cached_property
    def public_key(self) -> str:
        """What browsers subscribe with, in base64."""
        return to_text(_public_bytes(self.key.public_key()))

    @cached_property
    def _signing_key(self) -> ECKey:
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return ECKey.import_key(pem)

    def authorization(self, endpoint: str) -> str:
        """The header by which the push service behind an endpoint knows us (RFC 8292)."""
        parts = urlsplit(endpoint)
        claims: dict[str, object] = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": int(time()) + TOKEN_S}
        if self.contact is not None:
            claims["sub"] = self.contact
        token = jwt.encode({"typ": "JWT", "alg": "ES256"}, claims, self._signing_key)
        return f"vapid t={token}, k={self.public_key}"
