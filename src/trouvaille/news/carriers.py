"""Mail for what pages show already: reminders, invitations, messages and answers.

The slices below keep lists of carriers and know nothing of mail; a process that sends mail puts these on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.models import Staff
from trouvaille.core import mail
from trouvaille.core.jobs import MAIL, defer_once
from trouvaille.core.secrets import Vault
from trouvaille.events import reminders, zones
from trouvaille.events.models import Event, Reminder
from trouvaille.guests import invitations, messages
from trouvaille.guests.invitations import Fresh
from trouvaille.guests.models import Guest, Message
from trouvaille.news import letters
from trouvaille.web.i18n import date_in
from trouvaille.web.letters import write

INVITE_JOB = "news.send_invitations"
NOTE = "invitation"


@dataclass(frozen=True, slots=True)
class Carriers:
    """Those of one process.

    Attributes:
        public_url: where links begin, without a slash at the end.
    """

    vault: Vault
    public_url: str

    async def reminder(self, session: AsyncSession, event: Event, reminder: Reminder) -> None:
        """Write to the event's organiser that its end is near."""
        owner = await session.get_one(Staff, event.owner_id)
        day = zones.day_before(reminder.expires_at, event.time_zone)
        assert day is not None
        draft = letters.linked(letters.REMINDER, f"{self.public_url}/studio/{event.id}")
        places = {"event": event.name, "day": date_in(owner.locale, day)}
        await mail.post(session, self.vault, write(draft, to=owner.email, locale=owner.locale, **places))

    async def invitations(self, session: AsyncSession, event: Event, fresh: Sequence[Fresh]) -> None:
        """Leave each token, sealed, for the job that writes the letters: thousands would hold up a web process."""
        for each in fresh:
            each.invitation.unsent = self.vault.seal_note(NOTE, {"token": each.token})
        await session.flush()
        await defer_once(session, INVITE_JOB, key="event_id", queue=MAIL, event_id=event.id)

    async def message(self, session: AsyncSession, guest: Guest, message: Message) -> None:
        """Forward a guest's words to the event's organiser, without the guest's address."""
        event = await session.get_one(Event, guest.event_id)
        owner = await session.get_one(Staff, event.owner_id)
        # Whoever mistyped their own address must not have a stranger read their guests' words.
        draft = letters.MESSAGE if owner.email_confirmed_at is not None else letters.MESSAGE_WAITS
        draft = letters.linked(draft, f"{self.public_url}/studio/{event.id}/messages#m-{message.id}")
        places = {"event": event.name, "name": guest.display_name, "text": message.text}
        await mail.post(session, self.vault, write(draft, to=owner.email, locale=owner.locale, **places))

    async def answer(self, session: AsyncSession, guest: Guest, message: Message) -> None:
        """Write an answer to the guest who asked, if their address is theirs."""
        if guest.email is None or guest.email_confirmed_at is None:
            return
        event = await session.get_one(Event, guest.event_id)
        draft = letters.linked(letters.ANSWER, f"{self.public_url}/e/{event.code}/contact#m-{message.id}")
        places = {"event": event.name, "name": guest.display_name, "text": message.text, "answer": message.answer}
        await mail.post(session, self.vault, write(draft, to=guest.email, locale=guest.locale, **places))


def install(carriers: Carriers | None) -> None:
    """Let this process carry by mail; with None, by pages alone. A second call replaces the first."""
    registries: tuple[tuple[list[Any], str], ...] = (
        (reminders.CARRIERS, "reminder"),
        (invitations.CARRIERS, "invitations"),
        (messages.CARRIERS, "message"),
        (messages.ANSWER_CARRIERS, "answer"),
    )
    for registry, name in registries:
        registry[:] = [each for each in registry if not isinstance(getattr(each, "__self__", None), Carriers)]
        if carriers is not None:
            registry.append(getattr(carriers, name))
