"""A guest as the API knows them: by the session of their browser, in the one event that is theirs."""

from typing import Annotated

from fastapi import Depends, Request

from trouvaille.accounts.identity import AnyViewer
from trouvaille.accounts.service import Viewer
from trouvaille.core.errors import N_, Forbidden, SignInNeeded
from trouvaille.events.models import Event
from trouvaille.guests import service
from trouvaille.guests.models import Guest
from trouvaille.web.i18n import settle
from trouvaille.web.site import Session


class GuestsOnly(Forbidden):
    """Staff asked for what guests do."""

    message = N_("This is for guests of an event.")


async def _viewer(viewer: AnyViewer) -> Viewer:
    if viewer.event_id is None:
        raise GuestsOnly
    return viewer


GuestViewer = Annotated[Viewer, Depends(_viewer)]


async def _event(request: Request, session: Session, viewer: GuestViewer) -> Event:
    event = await session.get(Event, viewer.event_id)
    if event is None:
        raise SignInNeeded
    settle(request, event.locales)
    return event


ThisEvent = Annotated[Event, Depends(_event)]


async def _guest(session: Session, event: ThisEvent, viewer: AnyViewer) -> Guest:
    return await service.of_viewer(session, viewer, event)


async def _any_guest(session: Session, event: ThisEvent, viewer: AnyViewer) -> Guest:
    return await service.of_viewer(session, viewer, event, over_too=True)


# While the event is shown; and as long as anything is kept, for what one may always do about oneself.
ThisGuest = Annotated[Guest, Depends(_guest)]
AnyGuest = Annotated[Guest, Depends(_any_guest)]
