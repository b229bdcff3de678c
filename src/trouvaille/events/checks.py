"""The check of an event code: what a page says while somebody types one, and how often it may be asked.

Events are remembered for a few seconds by their code, in each web process. That is safe for a check and for nothing
else: whoever comes in is looked up anew. A code that nobody has is not remembered, so that a new one works at once.
"""

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

from fastapi import Request

from trouvaille.accounts import throttle
from trouvaille.accounts.entry import address_key
from trouvaille.accounts.identity import MaybeViewer
from trouvaille.accounts.throttle import Charges, Pace, TooOften
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import Invalid
from trouvaille.core.secrets import Vault
from trouvaille.events import service
from trouvaille.events.codes import bare, clean_code, same_code
from trouvaille.events.models import Event
from trouvaille.events.rights import NoSuchEvent
from trouvaille.web.site import sender_of, site_of

LASTS_S = 5.0
REMEMBERED_AT_MOST = 2000
# A guest who types a code, a username and an address asks about ten times, and a hundred share one address.
BY_ADDRESS = Pace(free=600, first_s=1, longest_s=60, forgets_one_in_s=1)
# Short, or a stranger with many addresses could switch the checks off for everybody.
OF_EVENT = Pace(free=3000, first_s=1, longest_s=5, forgets_one_in_s=0.1)


# Addresses of events that there are not. Only these are counted: a hall full of guests behind one address mistypes now
# and then, and whoever tries codes does nothing else. Ten thousand of them take half a day.
MISSES = Pace(free=200, first_s=1, longest_s=30, forgets_one_in_s=5)


FAMILIAR_FOR = timedelta(hours=12)
NOTED_EVERY_S = 3600.0


class Codes:
    """The events that were asked for lately, by code."""

    def __init__(self, lasts_s: float = LASTS_S) -> None:
        self._lasts_s = lasts_s
        self._known: dict[str, tuple[float, Event]] = {}
        self._noted: dict[bytes, float] = {}

    def is_noted(self, key: bytes) -> bool:
        """Whether this process has written down, less than ``NOTED_EVERY_S`` ago, that a code is familiar somewhere; if
        not, it counts as written from now on."""
        if self._noted.get(key, 0.0) > time.monotonic():
            return True
        if len(self._noted) >= REMEMBERED_AT_MOST:
            self._noted.clear()
        self._noted[key] = time.monotonic() + NOTED_EVERY_S
        return False

    async def find(self, sessions: Sessions, code: str) -> Event:
        """The event with this code as it was at most ``LASTS_S`` ago; it may be over.

        Raises:
            NoSuchEvent
        """
        try:
            code = clean_code(code)
        except Invalid as error:
            raise NoSuchEvent from error
        until, event = self._known.get(code, (0.0, None))
        if event is None or until < time.monotonic():
            self._known.pop(code, None)
            async with transaction(sessions) as session:
                event = await service.by_code(session, code)
            if len(self._known) >= REMEMBERED_AT_MOST:
                self._known.clear()
            self._known[code] = (time.monotonic() + self._lasts_s, event)
        return event


async def count_check(sessions: Sessions, vault: Vault, *, address: str, event_id: UUID | None = None) -> None:
    """Count a check.

    Args:
        event_id: None when the code is nobody's.

    Raises:
        TooOften
    """
    charges: Charges = {address_key(vault, address, what="checks"): BY_ADDRESS}
    if event_id is not None:
        charges = {**charges, vault.fingerprint("attempts", f"checks-of:{event_id}"): OF_EVENT}
    await throttle.charge(sessions, charges)


def codes_of(request: Request) -> Codes:
    """What this process remembers."""
    codes: Codes = request.app.state.codes
    return codes


async def guard_codes(request: Request, viewer: MaybeViewer) -> AsyncIterator[None]:
    """Slow down whoever tries codes in addresses, on every route that has one.

    Strangers are counted by their address, people who are signed in by their account: neither hurts the other.

    Who waits is refused whatever the code: otherwise a right one would show by being let in. But a code under which
    somebody came from the same address lately stays open there, or one who tries codes in a hall would keep its guests
    out; all that it tells them is what the guests beside them know.

    Raises:
        TooOften
    """
    code = request.path_params.get("code")
    own = viewer.event_code if viewer is not None else None
    if code is None or (own is not None and same_code(own, code)):
        yield
        return
    site, sender = site_of(request), sender_of(request)
    who = address_key(site.vault, sender, what="misses")
    if viewer is not None:
        who = site.vault.fingerprint("attempts", f"misses-of:{viewer.id}")
    familiar = address_key(site.vault, f"{throttle.network_of(sender)}/{bare(code)}", what="familiar")
    try:
        await throttle.check(site.sessions, {who: MISSES})
    except TooOften:
        if viewer is not None or not await throttle.noted(site.sessions, familiar, within=FAMILIAR_FOR):
            raise
    try:
        yield
    except NoSuchEvent:
        await throttle.charge(site.sessions, {who: MISSES})
        raise
    if viewer is None and not codes_of(request).is_noted(familiar):
        await throttle.note(site.sessions, familiar)
