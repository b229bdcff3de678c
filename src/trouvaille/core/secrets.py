"""Secrets of the instance and what is made with them: sealed bytes, signed tickets, opaque tokens, codes.

No secret has a default. The first start writes a random key into the data folder, readable by its owner alone; an
instance on several machines sets the same key on each.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trouvaille.core.errors import Invalid, NotFound

# 31 signs that nobody confuses when a code is read aloud or copied from a table card: no 0 O, 1 I L, no vowel
# but A E U, which keeps most words out. 31^8 is 8.5e11 codes.
CODE_SIGNS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"

LINK_BYTES: Final = 16

# What bytes sealed by AES-256-GCM begin with; a Fernet token, as they were sealed by before, begins with a letter.
_SEALED: Final = b"\x01"
_NONCE_BYTES: Final = 12


def load_key(path: Path) -> bytes:
    """Read the instance's key (32 bytes), making it at the first start with mode 0600.

    Two processes that start together agree: the file appears whole under its name or not at all.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.urlsafe_b64encode(secrets.token_bytes(32)))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    key = base64.urlsafe_b64decode(path.read_bytes())
    if len(key) != 32:
        raise ValueError(f"{path} does not hold a key of 32 bytes")
    return key


class Vault:
    """Seals bytes and signs tickets with keys derived from the instance's one key."""

    def __init__(self, key: bytes) -> None:
        """``key``: 32 random bytes."""
        self._key = key
        # Pictures are megabytes: Fernet writes them in letters, and takes seven times as long.
        self._seal = AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=b"selfies, AES-GCM").derive(key))
        self._older_seal = self._fernet("selfies")

    def _fernet(self, purpose: str) -> Fernet:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(self._key)
        return Fernet(base64.urlsafe_b64encode(derived))

    def setup_token(self) -> str:
        """What proves, before there is any account, that somebody can read the server's console."""
        derived = HKDF(algorithm=SHA256(), length=12, salt=None, info=b"setup").derive(self._key)
        return "".join(CODE_SIGNS[byte % len(CODE_SIGNS)] for byte in derived)

    def push_seed(self) -> bytes:
        """48 bytes of which the instance's key for web push is made: the same on all machines, and after a restore."""
        return HKDF(algorithm=SHA256(), length=48, salt=None, info=b"web push").derive(self._key)

    def fingerprint(self, purpose: str, text: str) -> bytes:
        """32 bytes that stand for a text which must not be kept; nobody without the key can find it by trying."""
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"fingerprint:{purpose}".encode()).derive(self._key)
        return hmac.digest(key, text.encode(), "sha256")

    def link(self, purpose: str, row_id: UUID) -> str:
        """What an address is made of whose holder may do one thing with one row, for ever and without a table."""
        signed = self.fingerprint(purpose, row_id.hex)[:LINK_BYTES]
        return base64.urlsafe_b64encode(row_id.bytes + signed).decode().rstrip("=")

    def linked(self, purpose: str, text: str) -> UUID:
        """The row that a link of the same purpose is about; it may be gone.

        Raises:
            NotFound: the link was changed.
        """
        try:
            row_id = UUID(bytes=base64.urlsafe_b64decode(text[:100] + "=" * (-len(text) % 4))[:16])
        except ValueError as error:
            raise NotFound from error
        # The whole text: its last sign could be written in four ways otherwise.
        if not hmac.compare_digest(text.encode(), self.link(purpose, row_id).encode()):
            raise NotFound
        return row_id

    def seal(self, data: bytes) -> bytes:
        """Encrypt and authenticate bytes for keeping: 29 bytes more. Good for 2^32 times, as its nonces are random."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return b"".join((_SEALED, nonce, self._seal.encrypt(nonce, data, _SEALED)))

    def unseal(self, sealed: bytes) -> bytes:
        """Undo ``seal``.

        Raises:
            Invalid: the bytes were changed, or sealed with another key.
        """
        try:
            if not sealed.startswith(_SEALED):
                return self._older_seal.decrypt(sealed)
            nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
            return self._seal.decrypt(nonce, rest, _SEALED)
        except (InvalidToken, InvalidTag, ValueError) as error:  # a nonce that is cut short is a ValueError
            raise Invalid from error

    def seal_note(self, purpose: str, content: dict[str, Any]) -> bytes:
        """Encrypt words for keeping; only the same purpose reads them."""
        return self._fernet(f"note:{purpose}").encrypt(json.dumps(content).encode())

    def open_note(self, purpose: str, sealed: bytes) -> dict[str, Any]:
        """Undo ``seal_note``.

        Raises:
            Invalid: the bytes were changed, or sealed with another key.
        """
        try:
            opened: dict[str, Any] = json.loads(self._fernet(f"note:{purpose}").decrypt(sealed))
        except InvalidToken as error:
            raise Invalid from error
        return opened

    def ticket(self, purpose: str, content: dict[str, Any]) -> str:
        """A sealed note that a browser carries for us and can neither read nor change."""
        return self._fernet(f"ticket:{purpose}").encrypt(json.dumps(content).encode()).decode()

    def open_ticket(self, purpose: str, ticket: str, *, max_age_s: int) -> dict[str, Any]:
        """Read a ticket of the same purpose.

        Raises:
            Invalid: it is older than ``max_age_s`` or not ours.
        """
        try:
            content = self._fernet(f"ticket:{purpose}").decrypt(ticket.encode(), ttl=max_age_s)
        except InvalidToken as error:
            raise Invalid from error
        opened: dict[str, Any] = json.loads(content)
        return opened


def new_token() -> str:
    """An opaque token of 256 random bits, safe in a URL and a cookie."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What the database keeps of a token (32 bytes); a plain hash suffices for 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


def new_code(length: int = 8) -> str:
    """An event code that can be read aloud, from the system's random source."""
    return "".join(secrets.choice(CODE_SIGNS) for _ in range(length))
