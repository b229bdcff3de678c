"""What guests agree to before any selfie, and who agreed. A changed text gets a new version; the ledger keeps which was
shown."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act, Person
from trouvaille.accounts.service import Viewer
from trouvaille.core.errors import N_, Forbidden
from trouvaille.guests.models import Consent, Guest
from trouvaille.web.i18n import gettext

VERSION = "2026-11"
PARAGRAPHS = (
    N_("From your selfie we compute a short list of numbers that describes your face (a template)."),
    N_("It is compared with the faces in the photos of this event only, on this server only, to show you your photos."),
    N_("Your selfie is kept encrypted and nobody else can see it."),
    N_(
        "You can withdraw at any time under “Me”: your selfie, your template and your matches are then erased at once. "
        "Everything is erased with the event at the latest."
    ),
)


@dataclass(frozen=True, slots=True)
class Text:
    """What a page shows of the agreement, in the viewer's language."""

    version: str
    paragraphs: list[str]


def shown() -> Text:
    """The present text."""
    return Text(VERSION, [gettext(each) for each in PARAGRAPHS])


class ConsentNeeded(Forbidden):
    """No selfie without consent."""

    message = N_("Please agree to face finding first.")


async def consent_of(session: AsyncSession, guest: Guest) -> Consent | None:
    """The agreement that stands now."""
    return await session.scalar(
        select(Consent)
        .where(Consent.guest_id == guest.id, Consent.withdrawn_at.is_(None))
        .order_by(Consent.given_at.desc())
        .limit(1)
    )


async def give_consent(session: AsyncSession, guest: Guest, *, locale: str) -> None:
    """Keep that the guest agreed to the present text; a second time changes nothing."""
    standing = await consent_of(session, guest)
    if standing is None or standing.text_version != VERSION:
        session.add(Consent(event_id=guest.event_id, guest_id=guest.id, text_version=VERSION, locale=locale))
        await session.flush()
        await note(session, Act.CONSENT_GIVEN, guest)


async def note(session: AsyncSession, act: Act, guest: Guest, by: Viewer | None = None) -> None:
    """Keep in the audit log what a guest did, or somebody for them."""
    who = by or Person("guest", guest.id)
    await audit.note(session, act, by=who, about_id=guest.id, event_id=guest.event_id)
