"""How often one may come in or send a selfie, counted by sender and by event.

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
# A selfie costs a worker a second; who is refused a few times in a row reads what to change meanwhile.
SELFIES_OF_GUEST = Pace(free=12, first_s=2, longest_s=60, forgets_one_in_s=20)
SELFIES_BY_ADDRESS = Pace(free=200, first_s=2, longest_s=30, forgets_one_in_s=2)
SELFIES_TO_EVENT = Pace(free=600, first_s=1, longest_s=5, forgets_one_in_s=0.5)


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


async def count_selfie(sessions: Sessions, vault: Vault, *, address: str, guest_id: UUID, event_id: UUID) -> None:
    """Count a selfie before its bytes are read, so that no guest, address or event keeps the workers to itself.

    Raises:
        TooOften
    """
    charges = {
        vault.fingerprint("attempts", f"selfie-of:{guest_id}"): SELFIES_OF_GUEST,
        address_key(vault, address, what="selfie"): SELFIES_BY_ADDRESS,
        vault.fingerprint("attempts", f"selfie-to:{event_id}"): SELFIES_TO_EVENT,
    }
    await throttle.charge(sessions, charges)
