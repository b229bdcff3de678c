"""What guests agree to before any selfie, and who agreed. A changed text gets a new version; the ledger keeps which was
shown.

Who compares faces, this server or Amazon, is part of what is agreed to: a consent to one says nothing of the other
(docs/decisions/0037)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, not_, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act, Person
from trouvaille.accounts.service import Viewer
from trouvaille.core.db import Sessions
from trouvaille.core.errors import N_, Forbidden
from trouvaille.guests.models import Consent, Guest
from trouvaille.web.i18n import gettext

VERSION = "2026-11"
# Versions of texts that name Amazon end in this.
AMAZON = "-aws"
_REGION = "processor_region"
_HERE = (
    N_("From your selfie we compute a short list of numbers that describes your face (a template)."),
    N_("It is compared with the faces in the photos of this event only, on this server only, to show you your photos."),
    N_("Your selfie is kept encrypted and nobody else can see it."),
)
_AT_AMAZON = (
    N_(
        "Your selfie and the photos of this event are sent to Amazon Web Services (Amazon Rekognition, region "
        "%(region)s), which compares faces on behalf of the operator of this server, as its processor."
    ),
    N_(
        "It computes descriptions of faces and keeps them until they are erased here. Your face is compared with the "
        "faces in the photos of this event only, to show you your photos."
    ),
    N_("On this server your selfie is kept encrypted and nobody else can see it."),
)
_ALWAYS = (
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


def shown(region: str | None) -> Text:
    """The present text.

    Args:
        region: where Amazon compares faces; None where this server does.
    """
    own = _HERE if region is None else _AT_AMAZON
    return Text(_version(region), [gettext(each) % {"region": region} for each in (*own, *_ALWAYS)])


def _version(region: str | None) -> str:
    return VERSION if region is None else VERSION + AMAZON


def set_region(sessions: Sessions, region: str | None) -> None:
    """Let every session made here know who compares faces; an entry point does this once."""
    sessions.configure(info={**sessions.kw.get("info", {}), _REGION: region})


def stands(guest_id: Any, *, at_amazon: bool) -> ColumnElement[bool]:
    """Whether a guest agrees, as of now, that faces are compared there: at Amazon, or here."""
    named = Consent.text_version.endswith(AMAZON)
    return exists().where(
        Consent.guest_id == guest_id, Consent.withdrawn_at.is_(None), named if at_amazon else not_(named)
    )


def stands_for_engine(session: AsyncSession, guest_id: Any) -> ColumnElement[bool]:
    """``stands``, for the engine of the settings."""
    return stands(guest_id, at_amazon=is_at_amazon(session))


def is_at_amazon(session: AsyncSession) -> bool:
    """Whether the engine of the settings is Amazon's."""
    return session.info.get(_REGION) is not None


async def agrees(session: AsyncSession, guest_id: UUID) -> bool:
    """Whether a guest's face may be given to the engine of the settings."""
    return await session.scalar(select(stands_for_engine(session, guest_id))) is True


class ConsentNeeded(Forbidden):
    """No selfie without consent."""

    message = N_("Please agree to face finding first.")


async def consent_of(session: AsyncSession, guest: Guest) -> Consent | None:
    """The latest agreement that stands, whichever engine it names; ``agrees`` says whether it covers this one."""
    return await session.scalar(standing(guest.id))


def standing(guest_id: Any) -> Select[Consent]:
    """A guest's latest agreement that stands."""
    theirs = select(Consent).where(Consent.guest_id == guest_id, Consent.withdrawn_at.is_(None))
    return theirs.order_by(Consent.given_at.desc()).limit(1)


async def give_consent(session: AsyncSession, guest: Guest, *, locale: str) -> None:
    """Keep that the guest agreed to the present text; a second time changes nothing."""
    standing, version = await consent_of(session, guest), _version(session.info.get(_REGION))
    if standing is None or standing.text_version != version:
        session.add(Consent(event_id=guest.event_id, guest_id=guest.id, text_version=version, locale=locale))
        await session.flush()
        await note(session, Act.CONSENT_GIVEN, guest)


async def note(session: AsyncSession, act: Act, guest: Guest, by: Viewer | None = None) -> None:
    """Keep in the audit log what a guest did, or somebody for them."""
    who = by or Person("guest", guest.id)
    await audit.note(session, act, by=who, about_id=guest.id, event_id=guest.event_id)
