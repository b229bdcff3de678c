"""What is sealed opens again with the same key and nothing else, also where an older version sealed it."""

import base64
import secrets

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trouvaille.core.errors import Invalid
from trouvaille.core.secrets import Vault

KEY = bytes(range(32))
PICTURE = secrets.token_bytes(100_000)


@pytest.mark.parametrize("data", [b"", b"\x01", PICTURE], ids=["nothing", "a byte", "a picture"])
def test_what_is_sealed_opens_again_and_is_never_sealed_alike(data: bytes) -> None:
    vault = Vault(KEY)
    once, again = vault.seal(data), vault.seal(data)
    assert vault.unseal(once) == vault.unseal(again) == data
    assert once != again
    assert len(once) == len(data) + 29
    assert data[:1000] not in once or len(data) < 2


def test_what_an_older_version_sealed_opens() -> None:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"selfies").derive(KEY)
    older = Fernet(base64.urlsafe_b64encode(derived)).encrypt(PICTURE)
    assert Vault(KEY).unseal(older) == PICTURE


def test_what_was_changed_cut_or_sealed_with_another_key_does_not_open() -> None:
    vault = Vault(KEY)
    sealed = vault.seal(PICTURE)
    places = (0, 1, 12, 13, len(sealed) // 2, len(sealed) - 1)
    changed = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in places]
    cut = [sealed[:at] for at in (0, 1, 5, 13, 20, 29, len(sealed) - 1)]
    for wrong in (*changed, *cut, sealed + b"\0", b"gAAAAA", Vault(bytes(32)).seal(PICTURE)):
        with pytest.raises(Invalid):
            vault.unseal(wrong)
