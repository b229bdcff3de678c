"""What is the same for all guests of an event, counted once for many of them: each count reads every photo of it.

A process keeps what it counted until a photo of the event has changed, which one look at an index tells, and for
``KEPT_S`` at most: a change of a transaction that began earlier and ended later, or a photo that went to another event,
is not seen by that look. Where counting takes long it is kept for longer: it never takes more than a small part of a
process's time. Nobody is shown a photo by it: lists and pictures are always read anew.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from sqlalchemy import Uuid, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.reading import Prepared, first_in, place
from trouvaille.delivery import access, lists
from trouvaille.delivery.access import Show, Totals
from trouvaille.delivery.lists import Moment
from trouvaille.events.models import Event
from trouvaille.photos.models import Photo

_LAST_CHANGE = Prepared(select(func.max(Photo.changed_in)).where(Photo.event_id == place("event", Uuid())))
KEPT_S = 2.0
KEPT_TIMES = 20.0
"""So many times as long as counting took, where that is more than ``KEPT_S``."""
KEPT_AT_MOST_S = 30.0
EVENTS_AT_MOST = 200


@dataclass(frozen=True, slots=True)
class Filters:
    """By whom and when the photos are that all may look through."""

    photographers: list[tuple[UUID, str, int]]
    moments: list[Moment]


@dataclass(slots=True)
class _Kept:
    stands_for: tuple[object, ...]
    until: float
    totals: Totals | None = None
    filters: Filters | None = None


class Overviews:
    """Those of the events that guests of this process look at."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, _Kept] = OrderedDict()
        self._turns: dict[UUID, asyncio.Lock] = {}

    async def totals(self, session: AsyncSession, event: Event) -> Totals:
        """How many photos an event has now."""
        totals, _ = await self._of(session, event, narrowed=False)
        return totals

    async def all_of_it(self, session: AsyncSession, event: Event) -> tuple[Totals, Filters]:
        """``totals``, and what the photos that all may look through can be narrowed to."""
        totals, filters = await self._of(session, event, narrowed=True)
        assert filters is not None
        return totals, filters

    async def _of(self, session: AsyncSession, event: Event, *, narrowed: bool) -> tuple[Totals, Filters | None]:
        kept = await self._present(session, event)
        if kept.totals is not None and (kept.filters is not None or not narrowed):
            return kept.totals, kept.filters
        # Who comes while something is being counted waits for that; looking whether it is, waits for nobody.
        async with self._turns.setdefault(event.id, asyncio.Lock()):
            kept = self._kept.get(event.id, kept)
            began = monotonic()
            if kept.totals is None:
                kept.totals = await access.totals(session, event)
            if narrowed and kept.filters is None:
                kept.filters = Filters(
                    await lists.photographers(session, event, None, Show.ALL),
                    await lists.moments(session, event, None, Show.ALL),
                )
            taken_s = monotonic() - began
            kept.until = max(kept.until, began + min(KEPT_TIMES * taken_s, KEPT_AT_MOST_S))
            return kept.totals, kept.filters

    async def _present(self, session: AsyncSession, event: Event) -> _Kept:
        """What is kept of an event as it is now; empty once it has changed."""
        last_change = await first_in(session, _LAST_CHANGE, event=event.id)
        stands_for = (last_change, event.gallery, event.time_zone)
        kept = self._kept.get(event.id)
        if kept is None or kept.stands_for != stands_for or kept.until < monotonic():
            kept = self._kept[event.id] = _Kept(stands_for, monotonic() + KEPT_S)
        self._kept.move_to_end(event.id)
        if len(self._kept) > EVENTS_AT_MOST:
            gone, _ = self._kept.popitem(last=False)
            self._turns.pop(gone, None)
        return kept
