"""How often one may come in, counted by sender and by event.

Many guests of one event share the address of its Wi-Fi, so a sender may do what a hundred guests do. An event is never
shut: its waits are short, or a stranger with many addresses could keep its guests out.
"""

from uuid import UUID

from trouvaille.accounts import throttle
from trouvaille.accounts.entry import address_key
from trouvaille.accounts.throttle import Pace
from trouvaille.core.db import Sessions
from trouvaille.core.secrets import Vault

BY_ADDRESS = Pace(free=150, first_s=2, longest_s=60, forgets_one_in_s=4)
TO_EVENT = Pace(free=600, first_s=1, longest_s=5, forgets_one_in_s=1)


async def count_coming(sessions: Sessions, vault: Vault, *, address: str, event_id: UUID) -> None:
    """Count an attempt to become a guest of an event.

    Raises:
        TooOften
    """
    charges = {
        address_key(vault, address, what="coming"): BY_ADDRESS,
        vault.fingerprint("attempts", f"coming-to:{event_id}"): TO_EVENT,
    }
    await throttle.charge(sessions, charges)
