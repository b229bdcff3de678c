"""What the calls cost. Light enough for web processes: nothing here knows boto3."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.clock import now
from trouvaille.rekognition.models import RekognitionCalls, RekognitionFace, RekognitionInstance

BILLED: Final = frozenset({"IndexFaces", "SearchFaces", "SearchUsers", "AssociateFaces", "DisassociateFaces"})
"""Operations of "Group 1" of https://aws.amazon.com/rekognition/pricing/. The others that we use are free."""

NEVER_BLOCKED: Final = frozenset({"DisassociateFaces"})
"""Billed, but part of erasing somebody, which no ceiling may hold up."""

PRICE_PER_1000: Final = Decimal("1.00")
"""US dollars for 1,000 calls of Group 1: list price, region us-east-1, the first million calls of a month, as known in
2025. It was not looked up for this version; a setting replaces it."""

STORAGE_PER_1000: Final = Decimal("0.01")
"""US dollars a month for 1,000 stored faces; from the same list."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """What may be spent.

    Attributes:
        per_1000: US dollars for 1,000 billed calls.
        ceiling: US dollars a month; billed calls stop before it is exceeded.
    """

    per_1000: Decimal
    ceiling: Decimal

    def cost(self, operation: str, calls: int) -> Decimal:
        """US dollars for some calls of one operation."""
        return self.per_1000 * calls / 1000 if operation in BILLED else Decimal(0)

    def total(self, calls: dict[str, int]) -> Decimal:
        """US dollars for the calls of each operation together."""
        return sum((self.cost(operation, count) for operation, count in calls.items()), Decimal(0))

    def allows(self, operation: str, calls: dict[str, int]) -> bool:
        """Whether one more call may be sent after those of this month."""
        if operation in NEVER_BLOCKED or operation not in BILLED:
            return True
        return self.total(calls) + self.cost(operation, 1) <= self.ceiling


@dataclass(frozen=True, slots=True)
class Line:
    """The calls of one operation in a month."""

    operation: str
    calls: int
    dollars: Decimal


@dataclass(frozen=True, slots=True)
class Costs:
    """One month's calls, what lies in the account now, and what the service last refused with, if it does."""

    month: date
    lines: tuple[Line, ...]
    dollars: Decimal
    ceiling: Decimal
    stored_faces: int
    storage_dollars: Decimal
    trouble: str | None
    trouble_at: datetime | None

    @property
    def spent(self) -> bool:
        """Whether the ceiling lets no further billed call through."""
        return self.dollars >= self.ceiling


def this_month() -> date:
    """The first day of the present month in UTC."""
    return now().date().replace(day=1)


async def calls_of(session: AsyncSession, month: date) -> dict[str, int]:
    """The number of calls of each operation in a month."""
    rows = await session.execute(
        select(RekognitionCalls.operation, RekognitionCalls.calls).where(RekognitionCalls.month == month)
    )
    return {row.operation: row.calls for row in rows}


async def costs(session: AsyncSession, tariff: Tariff, *, month: date | None = None) -> Costs:
    """What a month has cost so far, the dearest operation first; the present month unless another is named."""
    month = month or this_month()
    calls = await calls_of(session, month)
    lines = [Line(operation, count, tariff.cost(operation, count)) for operation, count in calls.items()]
    instance = await session.scalar(select(RekognitionInstance))
    stored = await session.scalar(select(func.count()).select_from(RekognitionFace)) or 0
    return Costs(
        month=month,
        lines=tuple(sorted(lines, key=lambda line: (-line.dollars, -line.calls, line.operation))),
        dollars=tariff.total(calls),
        ceiling=tariff.ceiling,
        stored_faces=stored,
        storage_dollars=STORAGE_PER_1000 * stored / 1000,
        trouble=instance.trouble if instance else None,
        trouble_at=instance.trouble_at if instance else None,
    )


async def calls_left(session: AsyncSession, tariff: Tariff) -> int:
    """How many billed calls the ceiling still lets through this month."""
    left = tariff.ceiling - tariff.total(await calls_of(session, this_month()))
    return max(0, int(left * 1000 / tariff.per_1000))
