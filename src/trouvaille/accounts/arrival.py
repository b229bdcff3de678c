"""Somebody's first moment with an account of their own."""

from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from trouvaille.accounts import identity, letters, service
from trouvaille.accounts.service import Kind, Subject
from trouvaille.core.errors import NotFound
from trouvaille.web.site import Session, address_of, site_of


async def welcome(request: Request, session: Session, response: Response, kind: Kind, subject_id: UUID) -> Subject:
    """Sign somebody in who has just made their account, and ask them to confirm their address.

    Raises:
        NotFound: it is gone already.
    """
    site = site_of(request)
    subject = await service.subject_of(session, kind, subject_id)
    if subject is None:
        raise NotFound
    await identity.sign_in(request, session, response, subject)
    if site.sends_mail and not subject.email_confirmed:
        await letters.send_confirmation(session, site.vault, subject, public_url=address_of(request))
    return subject
