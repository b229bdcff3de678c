"""Who may add how much to an event, as its organiser sees and sets it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act
from trouvaille.accounts.models import Staff
from trouvaille.accounts.service import Viewer
from trouvaille.core.errors import N_, Invalid, InvalidForm, NotFound
from trouvaille.events.models import Event, Photographer
from trouvaille.photos import quotas
from trouvaille.photos.quotas import GB, Left

MOST_PHOTOS = 10_000_000
MOST_GB = 1_000_000
MOST_BYTES = MOST_GB * GB


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the form. ``key`` begins the names of its two fields; ``name`` is empty for the event as a whole."""

    key: str
    name: str
    left: Left


@dataclass(frozen=True, slots=True)
class Quota:
    """How much may be added; None for the server's usual."""

    photos: int | None
    bytes: int | None


async def of_photographers(session: AsyncSession, event: Event) -> list[tuple[Staff, Quota]]:
    """The photographers of an event, by name, each with what is set for them."""
    rows = await _photographers(session, event)
    return [(staff, Quota(row.quota_photos, row.quota_bytes)) for row, staff in rows]


async def lines(session: AsyncSession, event: Event) -> list[Line]:
    """The event, then its photographers, each with what they have used."""
    made = [Line("event", "", await quotas.left(session, event.id, None))]
    for _, staff in await _photographers(session, event):
        used = await quotas.left(session, event.id, staff.id)
        own = Left(tuple(each for each in used.usages if each.whose == "person"))
        made.append(Line(str(staff.id), staff.display_name, own))
    return made


async def _photographers(session: AsyncSession, event: Event) -> Sequence[tuple[Photographer, Staff]]:
    rows = await session.execute(
        select(Photographer, Staff)
        .join(Staff, Staff.id == Photographer.staff_id)
        .where(Photographer.event_id == event.id)
        .order_by(Staff.display_name, Staff.id)
    )
    return [(photographer, staff) for photographer, staff in rows]


async def values(session: AsyncSession, event: Event) -> dict[str, str]:
    """The form's fields as they are kept; empty where the server's usual holds."""
    made = _fields("event", event)
    for photographer, staff in await _photographers(session, event):
        made |= _fields(str(staff.id), photographer)
    return made


def _fields(key: str, row: Event | Photographer) -> dict[str, str]:
    photos = "" if row.quota_photos is None else str(row.quota_photos)
    gb = "" if row.quota_bytes is None else f"{(Decimal(row.quota_bytes) / GB).normalize():f}"
    return {f"{key}-photos": photos, f"{key}-gb": gb}


async def change(session: AsyncSession, event: Event, typed: Mapping[str, str], *, by: Viewer) -> None:
    """Set all quotas of an event. What is there already stays, also where it is more.

    Raises:
        InvalidForm: a field is no number.
    """
    rows: list[tuple[str, UUID | None, Event | Photographer]] = [("event", None, event)]
    rows += [(str(staff.id), staff.id, photographer) for photographer, staff in await _photographers(session, event)]
    read, problems = {}, []
    for key, _, row in rows:
        for name, most in ((f"{key}-photos", MOST_PHOTOS), (f"{key}-gb", MOST_GB)):
            # A photographer who came while this was typed keeps what they have.
            if name not in typed:
                read[name] = row.quota_photos if name.endswith("photos") else row.quota_bytes
                continue
            try:
                read[name] = _number(typed[name], most, field=name)
            except Invalid as error:
                problems.append(error)
    if problems:
        raise InvalidForm(*problems)
    for key, staff_id, row in rows:
        await _set(session, event, staff_id, row, Quota(read[f"{key}-photos"], read[f"{key}-gb"]), by=by)


async def put(session: AsyncSession, event: Event, staff_id: UUID | None, quota: Quota, *, by: Viewer) -> None:
    """Set one quota: a photographer's, or the event's where ``staff_id`` is None.

    Raises:
        NotFound: they are no photographer of it.
    """
    row = event if staff_id is None else await session.get(Photographer, (event.id, staff_id))
    if row is None:
        raise NotFound
    await _set(session, event, staff_id, row, quota, by=by)


async def _set(
    session: AsyncSession, event: Event, staff_id: UUID | None, row: Event | Photographer, quota: Quota, *, by: Viewer
) -> None:
    if (quota.photos, quota.bytes) != (row.quota_photos, row.quota_bytes):
        row.quota_photos, row.quota_bytes = quota.photos, quota.bytes
        await session.flush()
        await audit.note(session, Act.QUOTA_CHANGED, by=by, about_id=staff_id, event_id=event.id)


def _number(typed: str, most: int, *, field: str) -> int | None:
    """Photos, or bytes of what was typed as GB; None for an empty field."""
    text = typed.replace("\u202f", "").replace("\xa0", "").replace(" ", "").replace(",", ".")
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise Invalid(N_("Please enter a number, or leave it empty."), field=field) from error
    whole = field.endswith("-photos")
    if not number.is_finite() or not 0 <= number <= most or (whole and number != int(number)):
        raise Invalid(N_("Please enter a number, or leave it empty."), field=field)
    return int(number) if whole else round(number * GB)
