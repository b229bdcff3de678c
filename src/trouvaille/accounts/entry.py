"""Signing in: who fits a name and a password, at a cost and in a time that do not depend on who exists."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit, throttle
from trouvaille.accounts.audit import Act
from trouvaille.accounts.passwords import Passwords, Recipe
from trouvaille.accounts.service import SUBJECTS, Candidate, Subject, set_password, subject_of
from trouvaille.accounts.throttle import TooOften
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import N_, Invalid
from trouvaille.core.secrets import Vault

# Waits from here on are worth a line in the audit log.
LOCKED_FROM_S = 60


class WrongCredentials(Invalid):
    """No account fits; which part is wrong is not told."""

    message = N_("These details do not fit any account. Please check them and try again.")


@dataclass(frozen=True, slots=True)
class KnownBrowser:
    """What a browser's long-lived cookie says: a random number, and who has signed in from it before.

    Guesses from elsewhere lock a name for everybody but those who are known to have it.
    """

    number: str
    who: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody typed, and from where."""

    name: str
    password: str
    address: str
    browser: KnownBrowser | None = None


def name_key(vault: Vault, name: str) -> bytes:
    """Under which attempts at a name are counted; the name can't be read from it."""
    return vault.fingerprint("attempts", f"name:{name.strip().lower()}")


def address_key(vault: Vault, address: str, *, what: str = "sign-in") -> bytes:
    """Under which attempts of one sender are counted."""
    return vault.fingerprint("attempts", f"{what}:{throttle.network_of(address)}")


async def who_fits(sessions: Sessions, vault: Vault, passwords: Passwords, attempt: Attempt) -> list[Subject]:
    """Everybody with this username or e-mail whose password is this one.

    No transaction is open while the password is computed.

    Raises:
        WrongCredentials: nobody.
        TooOften: too many have failed, for this name or from this address.
    """
    name = attempt.name.strip()[:254]
    async with transaction(sessions) as session:
        candidates = [who for kind in SUBJECTS.values() for who in await kind.by_name(session, name)]
        recipes = await passwords.recipes(session)
    counted, candidates = await _count(sessions, vault, attempt, candidates)
    stretched = await passwords.stretch(recipes, name, attempt.password[:1000])
    right = [who for who in candidates if stretched.fits(who.password_hash)]
    async with transaction(sessions) as session:
        found = [await subject_of(session, who.kind, who.id) for who in right]
        fits = [who for who in found if who is not None]
        if fits:
            await throttle.give_back(session, counted)
            await _strengthen(session, passwords, recipes, fits, attempt.password)
        else:
            about = candidates[0].id if len(candidates) == 1 else None
            await audit.note(session, Act.SIGN_IN_FAILED, about_id=about)
    if not fits:
        raise WrongCredentials
    return fits


async def _count(
    sessions: Sessions, vault: Vault, attempt: Attempt, candidates: list[Candidate]
) -> tuple[list[bytes], list[Candidate]]:
    """Count the attempt; returns the keys it was counted under, and whose password may be tried."""
    charges = {name_key(vault, attempt.name): throttle.NAME, address_key(vault, attempt.address): throttle.ADDRESS}
    try:
        wait_s = await throttle.charge(sessions, charges)
    except TooOften:
        browser = attempt.browser
        known = [who for who in candidates if browser and str(who.id) in browser.who]
        if browser is None or not known:
            raise
        candidates = known
        charges = {vault.fingerprint("attempts", f"browser:{browser.number}"): throttle.NAME}
        wait_s = await throttle.charge(sessions, charges)
    if wait_s >= LOCKED_FROM_S:
        async with transaction(sessions) as session:
            about = candidates[0].id if len(candidates) == 1 else None
            await audit.note(session, Act.SIGN_IN_LOCKED, about_id=about)
    return list(charges), candidates


async def _strengthen(
    session: AsyncSession, passwords: Passwords, recipes: Sequence[Recipe], fits: Sequence[Subject], password: str
) -> None:
    """Hash anew where the settings have risen; now that the password is here."""
    for who in fits:
        if passwords.is_weak(recipes, who.password_hash):
            await set_password(session, passwords, who, password)


async def is_own_password(session: AsyncSession, passwords: Passwords, subject: Subject, password: str) -> bool:
    """Whether somebody who is signed in knows their password; who has none does not."""
    if not subject.names:
        return False
    recipes = await passwords.recipes(session)
    stretched = await passwords.stretch(recipes, subject.names[0], password[:1000])
    return stretched.fits(subject.password_hash)
