"""The states of an event and the ways between them; every change of state goes through ``move``.

Draft: only staff see it. Open: guests register. Closed: nobody new, guests go on. Archived: staff read, nobody else.
Once open there is no way back to a draft, since guests must always reach what is kept about them.
"""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act, Actor
from trouvaille.core import live
from trouvaille.core.errors import N_, Conflict
from trouvaille.events.models import Event, EventState

MOVES: dict[EventState, tuple[EventState, ...]] = {
    EventState.DRAFT: (EventState.OPEN,),
    EventState.OPEN: (EventState.CLOSED, EventState.ARCHIVED),
    EventState.CLOSED: (EventState.OPEN, EventState.ARCHIVED),
    EventState.ARCHIVED: (EventState.CLOSED,),
}


class WrongMove(Conflict):
    """No way leads from the event's state to the wanted one."""

    message = N_("The event is in another state by now. Look at the page again.")


class Archived(Conflict):
    """An archived event is looked at, not changed."""

    message = N_("This event is archived. Take it out of the archive to change something.")


async def move(session: AsyncSession, event: Event, to: EventState, *, by: Actor) -> None:
    """Bring an event into another state; being there already is no error.

    Raises:
        WrongMove: also when somebody else moved it meanwhile.
    """
    if event.state is to:
        return
    if to not in MOVES[event.state]:
        raise WrongMove
    moved = await session.execute(
        update(Event).where(Event.id == event.id, Event.state == event.state).values(state=to).returning(Event.id)
    )
    if moved.first() is None:
        raise WrongMove
    await session.refresh(event)
    await audit.note(session, Act.STATE_CHANGED, by=by, event_id=event.id)
    await live.publish(session, f"event:{event.id}")


def check_changeable(event: Event) -> Event:
    """The event, which must not be archived.

    Raises:
        Archived
    """
    if event.state is EventState.ARCHIVED:
        raise Archived
    return event
