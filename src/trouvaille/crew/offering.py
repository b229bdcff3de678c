"""Offering an event, the same on its page and for scripts."""

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import Viewer
from trouvaille.crew import letters
from trouvaille.events import handover
from trouvaille.events.models import Event
from trouvaille.web.site import address_of, site_of


async def send(request: Request, session: AsyncSession, event: Event, *, to: str, by: Viewer) -> bool:
    """Offer an event to an organiser and write to them; an administrator gives it at once.

    Returns:
        Whether it is theirs now.

    Raises:
        Invalid: no organiser has this address, or the event belongs to them.
    """
    site, heir = site_of(request), await handover.recipient(session, event, to)
    if by.is_administrator:
        await handover.give(session, event, heir.id, by=by)
        return True
    await handover.offer(session, event, heir, by=by)
    if site.sends_mail:
        link = f"{address_of(request)}/studio"
        await letters.send_offer(session, site.vault, to=heir, event=event, by=by, link=link)
    return False
