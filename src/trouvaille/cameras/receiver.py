"""What the FTP server asks of the product: who somebody is, whether a photo is wanted, and to take one in."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import structlog

from trouvaille.accounts import audit, throttle
from trouvaille.accounts.audit import Act
from trouvaille.accounts.entry import LOCKED_FROM_S, address_key, name_key
from trouvaille.cameras import service
from trouvaille.cameras.service import Entrance
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import N_, Invalid
from trouvaille.core.secrets import Vault
from trouvaille.core.storage import Storage
from trouvaille.photos import intake, quotas
from trouvaille.photos.intake import Duplicate, Limits, Offer
from trouvaille.photos.models import Source

log = structlog.get_logger()


class WrongPassword(Invalid):
    """No access fits."""

    message = N_("Wrong user name or password.")


@dataclass(frozen=True)
class Receiver:
    """The parts of one FTP process. Every verb has transactions of its own."""

    sessions: Sessions
    storage: Storage
    vault: Vault
    limits: Limits

    async def sign_in(self, user_name: str, password: str, address: str) -> Entrance:
        """Let a camera in.

        Raises:
            WrongPassword, TooOften, NoAccess, Archived, EventIsOver
        """
        charges = {
            name_key(self.vault, f"camera:{user_name}"): throttle.NAME,
            address_key(self.vault, address, what="camera"): throttle.ADDRESS,
        }
        wait_s = await throttle.charge(self.sessions, charges)
        async with transaction(self.sessions) as session:
            entrance = await service.by_password(session, self.vault, user_name[:100], password[:200])
            if entrance is not None:
                await throttle.give_back(session, charges)
            else:
                act = Act.SIGN_IN_LOCKED if wait_s >= LOCKED_FROM_S else Act.SIGN_IN_FAILED
                await audit.note(session, act)
        if entrance is None:
            raise WrongPassword
        async with transaction(self.sessions) as session:
            await service.check(session, entrance)
        return entrance

    async def check(self, entrance: Entrance, *, size_bytes: int = 1) -> None:
        """Whether one more photo is wanted, before it is sent.

        Raises:
            NoAccess, Archived, EventIsOver, QuotaReached
        """
        async with transaction(self.sessions) as session:
            await service.check(session, entrance)
            await quotas.check(
                session, event_id=entrance.event_id, uploaded_by=entrance.staff_id, files=1, size_bytes=size_bytes
            )

    async def take_in(self, entrance: Entrance, path: Path, name: str) -> UUID | None:
        """Make a photo of a file that arrived; its id, or None for one that the event has already.

        Raises:
            Refused
        """
        async with transaction(self.sessions) as session:
            await service.check(session, entrance)
        offer = Offer(entrance.event_id, entrance.staff_id, name, Source.CAMERA)
        try:
            taken = await intake.take_in_file(self.sessions, self.storage, self.limits, offer, path)
        except Duplicate:
            return None
        log.info("photo from a camera", photo_id=str(taken.id), event_id=str(entrance.event_id))
        return taken.id
