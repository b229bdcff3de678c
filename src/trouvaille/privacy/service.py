"""Erasure across slices: everything that was derived from a face goes in one transaction."""

from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import Viewer
from trouvaille.guests import service as guests
from trouvaille.guests.models import Guest
from trouvaille.matching import service as matching


async def withdraw(session: AsyncSession, guest: Guest, *, by: Viewer | None = None) -> None:
    """End a guest's consent and erase selfie, template, matches and verdicts.

    It waits for the event's matching, so that a photo or selfie in the making can't bring a match back.

    Args:
        by: who does it for the guest; None for the guest.
    """
    await matching.join_as_selfie(session, guest.event_id)
    await guests.withdraw_consent(session, guest, by=by)
    await matching.forget_guest(session, guest.id)
    await matching.ask_to_settle(session, guest.event_id)
