"""Where a waiting selfie stands in the queue, and how long it will take, by how long the last ones took.

One look a second serves every guest of this web process, however many wait.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.errors import N_
from trouvaille.core.jobs import SELFIES
from trouvaille.core.snapshots import DEPARTED, GONE_AFTER_S
from trouvaille.web import i18n

KEPT_S = 1.0
FIRST_GUESS_S = 1.0
REMEMBERED = 8  # selfies that the present pace is made of, about
TOPIC = "selfies"
NUMBER = N_("You are number %(place)s.")
NUMBER_AND_TIME = N_("You are number %(place)s, about %(wait)s.")

QUEUE = text("""
SELECT args->>'guest_id' AS guest_id FROM procrastinate_jobs
 WHERE queue_name = :queue AND status IN ('todo', 'doing')
 ORDER BY status = 'doing' DESC, priority DESC, id
""")
PACE = text("""
SELECT id <> :departed AS is_alive, queues, slots,
       (jsonb_path_query_first(samples, :sum))::float8 AS seconds,
       (jsonb_path_query_first(samples, :count))::float8 AS jobs
  FROM process_metrics
 WHERE id = :departed OR at >= now() - make_interval(secs => :after)
""")
SAMPLE = (
    # In lax mode a filter looks into arrays, and a sample is one.
    'strict $[*] ? (@.name == "trouvaille_job_run_seconds").samples[*]'
    ' ? (@[0] == "trouvaille_job_run_seconds_%s" && @[1].job == "matching.enrol")[2]'
)


@dataclass(frozen=True, slots=True)
class Place:
    """A selfie's place, counted from 1, and its wait in seconds; None while no worker is there."""

    number: int
    about_s: float | None

    def in_words(self) -> str:
        """What the guest reads, in their language."""
        if self.about_s is None:
            return i18n.gettext(NUMBER) % {"place": self.number}
        seconds = max(1, math.ceil(self.about_s))
        wait = f"{seconds} s" if seconds < 90 else f"{math.ceil(seconds / 60)} min"
        return i18n.gettext(NUMBER_AND_TIME) % {"place": self.number, "wait": wait}


class SelfieQueue:
    """The queue as this web process last saw it."""

    def __init__(self) -> None:
        self._seen_at = float("-inf")
        self._numbers: Mapping[str, int] = {}
        self._slots = 0
        self._mean_s = FIRST_GUESS_S
        self._counted: tuple[float, float] | None = None  # jobs and their seconds

    async def place_of(self, session: AsyncSession, guest_id: UUID) -> Place | None:
        """Where this guest's selfie stands; None when none of theirs waits."""
        if monotonic() - self._seen_at > KEPT_S:
            await self._look(session)
        number = self._numbers.get(str(guest_id))
        if number is None:
            return None
        return Place(number, math.ceil(number / self._slots) * self._mean_s if self._slots else None)

    async def _look(self, session: AsyncSession) -> None:
        waiting = list(await session.scalars(QUEUE, {"queue": SELFIES}))
        # The first place of each: a guest who sent two is answered with the first.
        self._numbers = {guest: number for number, guest in reversed(list(enumerate(waiting, 1))) if guest}
        known = {"departed": DEPARTED, "after": GONE_AFTER_S, "sum": SAMPLE % "sum", "count": SAMPLE % "count"}
        rows = (await session.execute(PACE, known)).all()
        self._slots = sum(row.slots for row in rows if row.is_alive and SELFIES in row.queues.split(","))
        self._learn(sum(row.jobs or 0 for row in rows), sum(row.seconds or 0 for row in rows))
        self._seen_at = monotonic()

    def _learn(self, jobs: float, seconds: float) -> None:
        before = self._counted or (0.0, 0.0)
        fresh = jobs - before[0]
        if fresh > 0 and seconds >= before[1]:
            share = 1.0 if self._counted is None else min(1.0, fresh / REMEMBERED)
            self._mean_s += share * ((seconds - before[1]) / fresh - self._mean_s)
        if fresh:  # also when the counts began anew
            self._counted = (jobs, seconds)
