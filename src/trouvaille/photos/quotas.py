"""How much may be added to an event: by everybody together, and by each photographer; in photos and in bytes.

A photo that was deleted does not count. Whoever runs the event is bound by the event's quota alone. What the event does
not say, the server's settings do; where these say nothing either, there is no limit, and then nothing is counted.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.db import Sessions, lock_exclusive
from trouvaille.core.errors import N_, TooLarge
from trouvaille.core.quota import Defaults
from trouvaille.events.models import Event, Photographer
from trouvaille.photos.models import Photo

GB = 1000**3
_KEY = "quotas"


class QuotaReached(TooLarge):
    """What is offered would not all fit. ``fit``: how many of the files offered would, the smaller number if unsure.

    Attributes:
        fit: of the files offered.
        files, size_bytes: what is left.
    """

    message = N_("There is no room for this photo: %(used)s of %(allowed)s are used.")

    def __init__(self, usage: "Usage", unit: str, *, offered: int, fit: int) -> None:
        self.fit, self.usage = fit, usage
        used, allowed = (
            (_gb(usage.size_bytes), _gb(usage.allowed_bytes or 0))
            if unit == "bytes"
            else (
                str(usage.files),
                str(usage.allowed_files),
            )
        )
        super().__init__(_TEXTS[usage.whose, unit, offered > 1], used=used, allowed=allowed, fit=fit, offered=offered)


_TEXTS = {
    ("event", "files", False): N_("The event is full: %(used)s of %(allowed)s photos are there."),
    ("event", "files", True): N_(
        "The event has %(used)s of %(allowed)s photos; %(fit)s of these %(offered)s would still fit."
    ),
    ("event", "bytes", False): N_("The event is full: %(used)s of %(allowed)s are used."),
    ("event", "bytes", True): N_(
        "The event uses %(used)s of %(allowed)s; about %(fit)s of these %(offered)s photos would still fit."
    ),
    ("person", "files", False): N_("You have added %(used)s of the %(allowed)s photos that you may add to this event."),
    ("person", "files", True): N_(
        "You have added %(used)s of the %(allowed)s photos that you may add;"
        " %(fit)s of these %(offered)s would still fit."
    ),
    ("person", "bytes", False): N_("You have added %(used)s of the %(allowed)s that you may add to this event."),
    ("person", "bytes", True): N_(
        "You have added %(used)s of the %(allowed)s that you may add; about %(fit)s of these %(offered)s photos"
        " would still fit."
    ),
}


def _gb(size_bytes: int) -> str:
    """``3.2 GB``, ``120 MB``: errors are worded where the viewer's language is not known."""
    return f"{size_bytes / GB:.1f} GB" if size_bytes >= GB else f"{size_bytes / 1000**2:.0f} MB"


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used of what is allowed. ``whose``: ``event`` or ``person``; None stands for no limit."""

    whose: str
    files: int
    size_bytes: int
    allowed_files: int | None
    allowed_bytes: int | None

    @property
    def mb(self) -> int:
        """Megabytes used, rounded up."""
        return -(-self.size_bytes // 1000**2)

    @property
    def files_left(self) -> int | None:
        """How many more photos; None for any number."""
        return None if self.allowed_files is None else max(0, self.allowed_files - self.files)

    @property
    def bytes_left(self) -> int | None:
        """How many more bytes; None for any number."""
        return None if self.allowed_bytes is None else max(0, self.allowed_bytes - self.size_bytes)


@dataclass(frozen=True, slots=True)
class Left:
    """What is left for somebody in an event: the limits that hold for them, the event's first; none, no limit."""

    usages: tuple[Usage, ...]

    @property
    def files(self) -> int | None:
        """How many more photos; None for any number."""
        return min((each.files_left for each in self.usages if each.files_left is not None), default=None)

    @property
    def size_bytes(self) -> int | None:
        """How many more bytes; None for any number."""
        return min((each.bytes_left for each in self.usages if each.bytes_left is not None), default=None)

    @property
    def is_full(self) -> bool:
        """Whether nothing more fits."""
        return self.files == 0 or self.size_bytes == 0

    def figures(self) -> dict[str, int]:
        """The numbers that pages show, by name."""
        made = {"quota_full": int(self.is_full)}
        for each in self.usages:
            made |= {f"{each.whose}_files": each.files, f"{each.whose}_mb": each.mb}
        return made


def set_defaults(sessions: Sessions, defaults: Defaults) -> None:
    """Let every session made here know what the settings allow; an entry point does this once."""
    sessions.configure(info={_KEY: defaults})


def defaults_of(session: AsyncSession) -> Defaults:
    """What the server allows where an event says nothing."""
    found: Defaults = session.info.get(_KEY, Defaults())
    return found


async def left(session: AsyncSession, event_id: UUID, uploaded_by: UUID | None) -> Left:
    """What somebody may still add to an event; two queries at most where nothing is limited."""
    event, person = await _allowed(session, event_id, uploaded_by)
    usages = []
    for whose, allowed, by in (("event", event, None), ("person", person, uploaded_by)):
        if any(each is not None for each in allowed):
            files, size_bytes = await _used(session, event_id, by)
            usages.append(Usage(whose, files, size_bytes, *allowed))
    return Left(tuple(usages))


async def check(
    session: AsyncSession, *, event_id: UUID, uploaded_by: UUID | None, files: int, size_bytes: int
) -> None:
    """Whether so much more fits, as of now; `hold` is what others can't overtake.

    Args:
        files, size_bytes: of all that is offered together.

    Raises:
        QuotaReached: says what is used, and how many of the files fit.
    """
    for usage in (await left(session, event_id, uploaded_by)).usages:
        _check(usage, files, size_bytes)


def _check(usage: Usage, files: int, size_bytes: int) -> None:
    if usage.files_left is not None and files > usage.files_left:
        raise QuotaReached(usage, "files", offered=files, fit=usage.files_left)
    if usage.bytes_left is not None and size_bytes > usage.bytes_left:
        # As if all were of one size; a single one does not fit at all.
        raise QuotaReached(usage, "bytes", offered=files, fit=usage.bytes_left * files // max(1, size_bytes))


async def hold(
    session: AsyncSession, *, event_id: UUID, uploaded_by: UUID | None, size_bytes: int, files: int = 1
) -> None:
    """Whether so much more fits, and keep others of the event from adding until this transaction ends.

    Nobody waits where nothing is limited.

    Raises:
        QuotaReached
    """
    event, person = await _allowed(session, event_id, uploaded_by)
    if all(each is None for each in (*event, *person)):
        return
    # A statement sees what was committed before it began, so the count comes after the lock.
    await lock_exclusive(session, f"quota:{event_id}")
    await check(session, event_id=event_id, uploaded_by=uploaded_by, files=files, size_bytes=size_bytes)


Allowed = tuple[int | None, int | None]


async def _allowed(session: AsyncSession, event_id: UUID, uploaded_by: UUID | None) -> tuple[Allowed, Allowed]:
    """Photos and bytes that the event and this photographer may have."""
    usual = defaults_of(session)
    event = await session.get(Event, event_id)
    if event is None:
        return (None, None), (None, None)
    everybody = _first(event.quota_photos, usual.event_photos), _first(event.quota_bytes, usual.event_bytes)
    if uploaded_by is None or uploaded_by == event.owner_id:
        return everybody, (None, None)
    person = await session.get(Photographer, (event_id, uploaded_by))
    if person is None:
        return everybody, (None, None)
    return everybody, (
        _first(person.quota_photos, usual.photographer_photos),
        _first(person.quota_bytes, usual.photographer_bytes),
    )


def _first(own: int | None, usual: int | None) -> int | None:
    return usual if own is None else own


async def _used(session: AsyncSession, event_id: UUID, by: UUID | None) -> tuple[int, int]:
    counted = select(func.count(), func.coalesce(func.sum(Photo.size_bytes), 0)).where(
        Photo.event_id == event_id, Photo.deleted_at.is_(None)
    )
    if by is not None:
        counted = counted.where(Photo.uploaded_by == by)
    files, size_bytes = (await session.execute(counted)).one()
    return files, int(size_bytes)
