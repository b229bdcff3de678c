"""Slowing down, then locking, whoever tries too often. Counts are in the database, since web processes share them.

Each attempt is counted before it is judged, so that many at once can't all slip through, and given back when it
succeeded. A count goes down by itself; who waits may always try again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import cast

from sqlalchemy import ARRAY, LargeBinary, Table, any_, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.models import Attempts
from trouvaille.core.clock import now
from trouvaille.core.db import Sessions, statement_alone, transaction
from trouvaille.core.errors import N_, TooMany
from trouvaille.core.reading import Prepared, all_in, place

FORGOTTEN_AFTER = timedelta(days=2)


class TooOften(TooMany):
    """Something is tried faster than its pace allows."""

    message = N_("Too many attempts. Please try again in %(wait)s.")

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait=in_words(wait_s))
        self.retry_after_s = max(1, round(wait_s + 0.5))


def in_words(wait_s: float) -> str:
    """``40 s``, ``15 min``: read alike in every language that we speak."""
    return f"{max(1, round(wait_s + 0.5))} s" if wait_s < 60 else f"{-(-wait_s // 60):.0f} min"


@dataclass(frozen=True, slots=True)
class Pace:
    """How many attempts are free, and how long one waits after each further one: twice as long each time.

    Attributes:
        free: so many come without waiting.
        first_s, longest_s: the shortest and the longest wait.
        forgets_one_in_s: the count goes down by one in this time.
    """

    free: int
    first_s: float
    longest_s: float
    forgets_one_in_s: float

    def wait_s(self, level: float) -> float:
        """How long to wait after an attempt that brought the count to ``level``."""
        over = round(level) - self.free
        return 0.0 if over <= 0 else min(self.first_s * 2.0 ** min(over - 1, 40), self.longest_s)


# Four guesses an hour in the long run, far below what a password of ten characters has to fear.
NAME = Pace(free=5, first_s=2, longest_s=15 * 60, forgets_one_in_s=10 * 60)
# All guests of an event may come from one address, and each mistypes a few times.
ADDRESS = Pace(free=60, first_s=2, longest_s=5 * 60, forgets_one_in_s=10)
# A mailbox must not be flooded with links that nobody asked for.
LETTERS = Pace(free=3, first_s=5 * 60, longest_s=60 * 60, forgets_one_in_s=20 * 60)
# Links are asked for in others' names from one address.
ASKING = Pace(free=30, first_s=2, longest_s=5 * 60, forgets_one_in_s=30)

Charges = Mapping[bytes, Pace]


def network_of(host: str | None) -> str:
    """What of an address stands for one sender: all of IPv4, the first 64 bits of IPv6."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return host or ""
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))


# One statement in a transaction of its own: everybody of an event counts in the same row, so its lock is held for as
# long as the database takes, and never while this process is busy with others. A count that waits is left as it is,
# which the condition of the update judges by the row as it is when it is locked. Keys are locked in their order, so
# that two attempts can't wait for each other. A machine that crashes may forget the last counts; in return nobody
# waits for its disk.
_PASSED = "greatest(extract(epoch FROM CAST(:moment AS timestamptz) - {row}.at), 0)"
_WAIT = (
    "CASE WHEN round({row}.level) <= given.free THEN 0 ELSE least(given.longest_s,"
    " given.first_s * power(2, least(round({row}.level) - given.free - 1, 40))) END - " + _PASSED
)
_GIVEN = """
given AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:keys AS bytea[]), CAST(:free AS float8[]), CAST(:first_s AS float8[]),
                         CAST(:longest_s AS float8[]), CAST(:forgets_s AS float8[]))
               AS given (key, free, first_s, longest_s, forgets_s)
)"""
_CHARGE = text(f"""
WITH {_GIVEN},
waits AS (
    SELECT coalesce(max({_WAIT.format(row="known")}), 0) AS most_s FROM attempts known JOIN given USING (key)
),
hurry AS (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO attempts (key, level, at)
SELECT key, 1, CAST(:moment AS timestamptz) FROM given, waits, hurry WHERE most_s <= 0 ORDER BY key
    ON CONFLICT (key) DO UPDATE
   SET level = (SELECT greatest(0, attempts.level - {_PASSED.format(row="attempts")} / given.forgets_s) + 1
                  FROM given WHERE given.key = excluded.key),
       at = excluded.at
 WHERE (SELECT {_WAIT.format(row="attempts")} FROM given WHERE given.key = excluded.key) <= 0
RETURNING key, level
""")  # noqa: S608 - made of the words above


async def charge(sessions: Sessions, charges: Charges) -> float:
    """Count an attempt, in a transaction of its own, so that the next one sees it whatever becomes of this.

    Returns:
        How long one has to wait after this attempt, should it fail, in seconds.

    Raises:
        TooOften: one of the keys has to wait; then nothing is counted, so that trying on does not prolong the wait.
            Of several attempts at the same moment one may be counted by its other keys.
    """
    keys = sorted(charges)
    paces = [charges[key] for key in keys]
    places = {
        "keys": keys,
        "free": [float(pace.free) for pace in paces],
        "first_s": [float(pace.first_s) for pace in paces],
        "longest_s": [float(pace.longest_s) for pace in paces],
        "forgets_s": [float(pace.forgets_one_in_s) for pace in paces],
        "moment": now(),
    }
    async with statement_alone(sessions) as session:
        counted = (await session.execute(_CHARGE, places)).all()
    if len(counted) < len(keys):
        await check(sessions, charges)
        raise TooOften(1)  # the wait has ended meanwhile
    return max(charges[bytes(key)].wait_s(level) for key, level in counted)


_COUNTS = Prepared(
    select(Attempts.key, Attempts.level, Attempts.at).where(Attempts.key == any_(place("keys", ARRAY(LargeBinary()))))
)


def _left_s(level: float, at: datetime, pace: Pace, moment: datetime) -> float:
    # Another machine's clock may be ahead of ours.
    return max(0.0, pace.wait_s(level) - max(0.0, (moment - at).total_seconds()))


async def check(sessions: Sessions, charges: Charges) -> None:
    """Whether an attempt would be let through, without counting one.

    Raises:
        TooOften
    """
    async with transaction(sessions) as session:
        found, moment = await all_in(session, _COUNTS, keys=list(charges)), now()
    wait_s = max((_left_s(level, at, charges[bytes(key)], moment) for key, level, at in found), default=0.0)
    if wait_s > 0:
        raise TooOften(wait_s)


async def note(sessions: Sessions, key: bytes) -> None:
    """Keep that something happened at this moment, without counting it."""
    async with transaction(sessions) as session:
        await session.execute(text("SET LOCAL synchronous_commit = off"))
        row = insert(Attempts).values(key=key, level=0.0, at=now())
        await session.execute(row.on_conflict_do_update(index_elements=[Attempts.key], set_={"at": now()}))


async def noted(sessions: Sessions, key: bytes, *, within: timedelta) -> bool:
    """Whether ``note`` was called with this key so lately."""
    async with transaction(sessions) as session:
        found = select(Attempts.key).where(Attempts.key == key, Attempts.at > now() - within)
        return await session.scalar(found) is not None


_ATTEMPTS = cast("Table", Attempts.__table__)
_GIVE_BACK = (
    update(_ATTEMPTS)
    .where(_ATTEMPTS.c.key == any_(place("keys", ARRAY(LargeBinary()))))
    .values(level=func.greatest(_ATTEMPTS.c.level - 1, 0))
)


async def give_back(session: AsyncSession, keys: Iterable[bytes]) -> None:
    """Take one attempt off each count: it succeeded. The others stay, or a success of one's own would wipe the traces
    of guesses at somebody else's account of the same name."""
    await session.execute(_GIVE_BACK, {"keys": list(keys)})


async def clear(session: AsyncSession, keys: Iterable[bytes]) -> None:
    """Forget a count: its owner has proved themselves in another way."""
    await session.execute(delete(Attempts).where(Attempts.key.in_(list(keys))))


async def forget(session: AsyncSession) -> None:
    """Remove counts that have long gone down to nothing."""
    await session.execute(delete(Attempts).where(Attempts.at < now() - FORGOTTEN_AFTER))
