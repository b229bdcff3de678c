"""Taking a selfie in: who may send one, what is read, and what is sealed before it is kept."""

import asyncio
from collections.abc import Sequence

from trouvaille.accounts.service import Viewer
from trouvaille.core.db import transaction
from trouvaille.core.images import check_image
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import door, selfies, service
from trouvaille.web.site import Site

# Phones take 12 to 50 megapixels; more costs a worker memory and brings no better template.
PIXELS = 64_000_000
FRAMES = 4


async def check_sender(site: Site, viewer: Viewer | None, code: str, *, address: str) -> Event:
    """The event of a guest who may send a selfie, asked in a transaction that is over before the picture is read.

    Args:
        address: of the sender, for counting.

    Raises:
        NoSuchEvent, EventOver, SignInNeeded, FacesOff, ConsentNeeded, TooOften
    """
    async with transaction(site.sessions) as session:
        event = await events.shown_by_code(session, code)
        guest = await service.of_viewer(session, viewer, event)
        await selfies.check_may_send(session, event, guest)
    await door.count_selfie(site.sessions, site.vault, address=address, guest_id=guest.id, event_id=event.id)
    return event


async def take_in(site: Site, viewer: Viewer | None, event: Event, frames: Sequence[bytes]) -> None:
    """Keep the pictures of one moment, sealed, and ask a worker to look at them.

    Raises:
        Invalid, TooLarge: one is no picture that we can read, or has too many pixels.
        SignInNeeded, FacesOff, ConsentNeeded: so it is by now.
        Unavailable: the store is full or away.
    """
    limits = {"limit_bytes": site.limits.selfie_bytes, "limit_pixels": min(site.limits.photo_pixels, PIXELS)}
    for frame in frames:
        await asyncio.to_thread(check_image, frame, **limits)
    sealed = [await asyncio.to_thread(site.vault.seal, frame) for frame in frames]
    async with transaction(site.sessions) as session:
        guest = await service.of_viewer(session, viewer, event)
        await selfies.submit_selfie(session, site.storage, event, guest, sealed)
