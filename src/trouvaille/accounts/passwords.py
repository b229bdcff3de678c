"""Passwords: Argon2id at OWASP's parameters, hashed in a few threads beside the event loop.

Source of the parameters: OWASP Password Storage Cheat Sheet, Argon2id with m = 19456 KiB, t = 2, p = 1.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from trouvaille.core.errors import N_, Invalid

MIN_LENGTH, MAX_LENGTH = 10, 200


class PasswordTooShort(Invalid):
    """Fewer signs than ``MIN_LENGTH``."""

    message = N_("Please choose a password of at least %(least)s characters.")


def check_password(password: str) -> None:
    """Refuse passwords that are too short, or so long that hashing them would be an attack.

    Raises:
        PasswordTooShort, Invalid: with the field ``password``.
    """
    if len(password) < MIN_LENGTH:
        raise PasswordTooShort(field="password", least=MIN_LENGTH)
    if len(password) > MAX_LENGTH:
        raise Invalid(N_("This password is too long."), field="password")


class Passwords:
    """Hashing and verifying in a bounded pool, so that a rush of sign-ins can't take every core and all memory."""

    def __init__(self, threads: int = 2) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="password")
        # Verified when there is no account, so that the time of an answer does not tell.
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The hash to keep of a new password."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._hasher.hash, password)

    async def verify(self, hashes: set[str], password: str) -> set[str]:
        """Those of the hashes that are of this password; takes about as long for none as for one."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._verify, hashes, password)

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the parameters have risen since this hash was made."""
        return self._hasher.check_needs_rehash(password_hash)

    def _verify(self, hashes: set[str], password: str) -> set[str]:
        return {known for known in hashes or {self._nobody} if self._matches(known, password)} & hashes

    def _matches(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (Argon2Error, InvalidHashError):
            return False

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
