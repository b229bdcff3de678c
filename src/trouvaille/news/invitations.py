"""The letters to those whom an organiser expects, written once their event is open."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.models import Staff
from trouvaille.core import mail
from trouvaille.core.clock import now
from trouvaille.core.jobs import MAIL, defer_once
from trouvaille.core.secrets import Vault, token_hash
from trouvaille.events.models import Event, EventState, shown
from trouvaille.guests.models import GuestInvitation
from trouvaille.news import letters
from trouvaille.news.carriers import INVITE_JOB, NOTE
from trouvaille.web.letters import write

AT_ONCE = 100


async def post_some(session: AsyncSession, vault: Vault, event_id: UUID, public_url: str) -> int:
    """Post the letters of some invitations that wait; returns how many are dealt with, 0 when none is left.

    A letter and the note that it is on its way are committed together, so that nobody is written to twice.
    """
    event = await session.get(Event, event_id)
    if event is None or not event.is_open:
        return 0
    waiting = (
        select(GuestInvitation)
        .where(GuestInvitation.event_id == event_id, GuestInvitation.unsent.is_not(None))
        .order_by(GuestInvitation.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    found = list(await session.scalars(waiting))
    owner = await session.get_one(Staff, event.owner_id)
    for invitation in found:
        assert invitation.unsent is not None
        token = str(vault.open_note(NOTE, invitation.unsent)["token"])
        invitation.unsent = None
        # Whoever has come by another way needs no invitation, and a link that was replaced leads nowhere.
        if invitation.guest_id is not None or token_hash(token) != invitation.token_hash:
            continue
        draft = letters.linked(letters.INVITATION, f"{public_url}/i/{token}")
        places = {"event": event.name, "name": invitation.name, "who": owner.display_name}
        await mail.post(session, vault, write(draft, to=invitation.email, locale=event.locale, **places))
        invitation.mailed_at = now()
    await session.flush()
    return len(found)


async def ask_for_waiting(session: AsyncSession) -> int:
    """Ask for the letters of events that have opened meanwhile; returns of how many events."""
    waiting = (
        select(GuestInvitation.event_id)
        .join(Event, Event.id == GuestInvitation.event_id)
        .where(GuestInvitation.unsent.is_not(None), Event.state == EventState.OPEN, shown())
        .distinct()
        .limit(AT_ONCE)
    )
    events = list(await session.scalars(waiting))
    for event_id in events:
        await defer_once(session, INVITE_JOB, key="event_id", queue=MAIL, event_id=event_id)
    return len(events)
