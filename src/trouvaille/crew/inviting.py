"""Sending an invitation, the same on the page of an event and on the page of the server."""

from dataclasses import dataclass

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import throttle
from trouvaille.accounts.service import Viewer, clean_email
from trouvaille.crew import invitations, letters
from trouvaille.events.models import Event
from trouvaille.web import i18n
from trouvaille.web.site import address_of, site_of


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an invitation: a link to hand over, or None where it went by mail to ``email``."""

    link: str | None
    email: str


async def send(request: Request, session: AsyncSession, event: Event | None, *, email: str, by: Viewer) -> Sent:
    """Make an invitation and send it; without an address, or where this server sends no mail, the link is returned.

    Raises:
        Invalid: the address can't be one.
        TooOften: letters to strangers are counted.
    """
    site, wanted = site_of(request), clean_email(email) if email.strip() else ""
    mailed = wanted if site.sends_mail else ""
    await throttle.charge(site.sessions, {site.vault.fingerprint("attempts", f"inviting:{by.id}"): throttle.ASKING})
    _, token = await invitations.invite(session, event=event, email=mailed, by=by)
    link = f"{address_of(request)}/invitation/{token}"
    if not mailed:
        return Sent(link, "")
    await letters.send_invitation(session, site.vault, to=mailed, event=event, by=by, link=link, locale=i18n.current())
    return Sent(None, mailed)
