"""Passwords: Argon2id at OWASP's parameters or above, in a few threads beside the event loop.

A sign-in costs the same whether nobody or a hundred accounts have the name: the salt belongs to the name, so one
computation serves all of them (docs/decisions/0007). Source of the floor: OWASP Password Storage Cheat Sheet, Argon2id
with m = 19456 KiB, t = 2, p = 1. Libsodium computes it, which uses the widest registers that a processor has: half the
time of the reference implementation for the same 32 bytes.
"""

import asyncio
import base64
import hmac
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from uuid import UUID

from nacl.pwhash import argon2id
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.models import PasswordRecipe
from trouvaille.core import metrics
from trouvaille.core.errors import N_, Invalid, Unavailable
from trouvaille.core.reading import Prepared, all_in

MIN_LENGTH, MAX_LENGTH = 10, 200
FLOOR_MEMORY_KIB, FLOOR_PASSES = 19456, 2
MARK = "argon2id-name"
FIRST_GUESS_S = 0.05
# What is kept of an account that has none: nothing that is typed fits it.
NO_PASSWORD = ""


class PasswordTooShort(Invalid):
    """Fewer signs than ``MIN_LENGTH``."""

    message = N_("Please choose a password of at least %(least)s characters.")


class HashersBusy(Unavailable):
    """So many sign in or register at this moment that one more would wait for too long."""

    message = N_("Very many people are signing in right now. Please try again in %(wait)s s.")

    def __init__(self, wait_s: float) -> None:
        self.retry_after_s = max(1, round(wait_s / 2))
        super().__init__(wait=self.retry_after_s)


def check_password(password: str, *, field: str = "password") -> None:
    """Refuse passwords that are too short, or so long that hashing them would be an attack.

    Raises:
        PasswordTooShort, Invalid: with the field.
    """
    if len(password) < MIN_LENGTH:
        raise PasswordTooShort(field=field, least=MIN_LENGTH)
    if len(password) > MAX_LENGTH:
        raise Invalid(N_("This password is too long."), field=field)


_RECIPES = Prepared(
    select(PasswordRecipe.id, PasswordRecipe.salt_key, PasswordRecipe.memory_kib, PasswordRecipe.passes)
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to hash: memory in KiB, passes over it, and the key that makes a salt of a name."""

    id: UUID
    salt_key: bytes
    memory_kib: int
    passes: int

    def stretch(self, name: str, password: str) -> bytes:
        """The slow part, 32 bytes: the same for everybody of this name and password."""
        salt = hmac.digest(self.salt_key, name.strip().lower().encode(), "sha256")[:16]
        return argon2id.kdf(32, password.encode(), salt, opslimit=self.passes, memlimit=1024 * self.memory_kib)


@dataclass(frozen=True, slots=True)
class Stretched:
    """A password that was typed with a name, stretched once for each recipe; comparing it costs nothing."""

    keys: dict[str, bytes]

    def fits(self, password_hash: str) -> bool:
        """Whether this is the password of an account that has the name."""
        mark, _, rest = password_hash.partition("$")
        recipe, _, rest = rest.partition("$")
        salt, *digests = rest.split("$")
        if mark != MARK or recipe not in self.keys:
            return False
        mine = _digest(self.keys[recipe], salt)
        return any(hmac.compare_digest(mine, digest) for digest in digests)


def _digest(key: bytes, salt: str) -> str:
    """What is kept of a stretched password: it differs between accounts, so equal passwords don't show."""
    return base64.urlsafe_b64encode(hmac.digest(key, salt.encode(), "sha256")).decode().rstrip("=")


class Passwords:
    """Hashing and verifying in a bounded pool, so that a rush of sign-ins can't take every core and all memory."""

    def __init__(
        self,
        threads: int = 2,
        *,
        memory_kib: int = FLOOR_MEMORY_KIB,
        passes: int = FLOOR_PASSES,
        longest_wait_s: float = 15.0,
    ) -> None:
        """``longest_wait_s``: who would have to wait for longer is asked to come back instead."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="password")
        self.memory_kib, self.passes = memory_kib, passes
        self._threads, self._longest_wait_s = threads, longest_wait_s
        self._computing, self._mean_s = 0, FIRST_GUESS_S

    async def hash(self, session: AsyncSession, password: str, names: Sequence[str]) -> str:
        """The hash to keep of a new password.

        Args:
            names: what its owner may type to sign in; at most two.
        """
        return await self.make((await self.recipes(session))[0], password, names)

    async def make(self, recipe: Recipe, password: str, names: Sequence[str]) -> str:
        """The hash to keep, by a recipe that was read before: no transaction need be open meanwhile."""
        salt = secrets.token_urlsafe(16)
        keys = [await self._compute(recipe, name, password) for name in names]
        return "$".join([MARK, recipe.id.hex, salt, *(_digest(key, salt) for key in keys)])

    async def recipes(self, session: AsyncSession) -> list[Recipe]:
        """All that hashes may be made by; the first is for new ones."""
        found = [Recipe(*row) for row in await all_in(session, _RECIPES)]
        wanted = self.memory_kib, self.passes
        if all((each.memory_kib, each.passes) != wanted for each in found):
            fresh = insert(PasswordRecipe).values(
                salt_key=secrets.token_bytes(32), memory_kib=self.memory_kib, passes=self.passes
            )
            await session.execute(fresh.on_conflict_do_nothing())
            found = [Recipe(*row) for row in await all_in(session, _RECIPES)]
        return sorted(found, key=lambda each: (each.memory_kib, each.passes) != wanted)

    async def stretch(self, recipes: Sequence[Recipe], name: str, password: str) -> Stretched:
        """Stretch a typed password. Its cost depends on the number of recipes and on nothing else."""
        return Stretched({recipe.id.hex: await self._compute(recipe, name, password) for recipe in recipes})

    def is_weak(self, recipes: Sequence[Recipe], password_hash: str) -> bool:
        """Whether the settings have risen since this hash was made."""
        costs = {recipe.id.hex: (recipe.memory_kib, recipe.passes) for recipe in recipes}
        memory_kib, passes = costs.get(password_hash.split("$")[1], (0, 0))
        return memory_kib < self.memory_kib or passes < self.passes

    async def _compute(self, recipe: Recipe, name: str, password: str) -> bytes:
        if (wait_s := self.wait_s()) > self._longest_wait_s:
            metrics.TURNED_AWAY.labels("hashing").inc()
            raise HashersBusy(wait_s)
        self._computing += 1
        try:
            key, taken_s = await asyncio.get_running_loop().run_in_executor(self._pool, _timed, recipe, name, password)
        finally:
            self._computing -= 1
        self._mean_s += (taken_s - self._mean_s) / 8
        return key

    @property
    def waiting(self) -> int:
        """How many wait for a thread."""
        return max(0, self._computing - self._threads)

    def wait_s(self) -> float:
        """How long one more would wait for its turn, by how long the last ones took."""
        return max(0, self._computing - self._threads + 1) * self._mean_s / self._threads

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _timed(recipe: Recipe, name: str, password: str) -> tuple[bytes, float]:
    began = perf_counter()
    return recipe.stretch(name, password), perf_counter() - began
