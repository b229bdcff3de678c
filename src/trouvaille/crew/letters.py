"""What the crew slice writes to people."""

from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.models import Staff
from trouvaille.accounts.service import Viewer
from trouvaille.core import mail
from trouvaille.core.errors import N_
from trouvaille.core.secrets import Vault
from trouvaille.events.models import Event
from trouvaille.web import letters
from trouvaille.web.letters import Draft

TO_ORGANISE = Draft(
    subject=N_("An invitation to Trouvaille"),
    paragraphs=(N_("Hello,"), N_("%(who)s invites you to run events on their server.")),
    link=(N_("Look at the invitation"), ""),
    after=(N_("The link works once, for 14 days."), N_("If you do not expect it, there is nothing to do.")),
)
TO_PHOTOGRAPH = Draft(
    subject=N_("Add your photos of %(event)s"),
    paragraphs=(N_("Hello,"), N_("%(who)s invites you to add photos to the event %(event)s.")),
    link=(N_("Look at the invitation"), ""),
    after=(N_("The link works once, for 14 days."), N_("If you do not expect it, there is nothing to do.")),
)
OFFER = Draft(
    subject=N_("%(event)s could be yours"),
    paragraphs=(N_("Hello,"), N_("%(who)s would like to hand the event %(event)s over to you.")),
    link=(N_("Look at the offer"), ""),
    after=(N_("It stands for 14 days. Nothing changes until you take it."),),
)


async def send_invitation(
    session: AsyncSession, vault: Vault, *, to: str, event: Event | None, by: Viewer, link: str, locale: str
) -> None:
    """Write to somebody who is invited; in the language of whoever invites, since theirs is not known."""
    places = {"who": by.display_name, "event": event.name if event else ""}
    await _send(session, vault, TO_PHOTOGRAPH if event else TO_ORGANISE, to, locale, link, places)


async def send_offer(session: AsyncSession, vault: Vault, *, to: Staff, event: Event, by: Viewer, link: str) -> None:
    """Tell an organiser that an event is offered to them."""
    await _send(session, vault, OFFER, to.email, to.locale, link, {"who": by.display_name, "event": event.name})


async def _send(
    session: AsyncSession, vault: Vault, draft: Draft, to: str, locale: str, link: str, places: dict[str, str]
) -> None:
    assert draft.link is not None
    addressed = Draft(draft.subject, draft.paragraphs, (draft.link[0], link), draft.after)
    await mail.post(session, vault, letters.write(addressed, to=to, locale=locale, **places))
