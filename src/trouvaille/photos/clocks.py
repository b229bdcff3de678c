"""Cameras whose clock was wrong: one formula that gives every photo its place in time, and what it follows from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from datetime import timezone as fixed_zone
from hashlib import sha256
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, case, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.models import Staff
from trouvaille.core import live
from trouvaille.core.errors import N_, Invalid, NotFound
from trouvaille.core.secrets import Vault
from trouvaille.events.models import Event
from trouvaille.photos.models import Clock, Photo, PhotoState

FARTHEST_S: Final = 30 * 366 * 86_400
"""Farther than any camera that has lost its clock since there are digital ones."""
SAMPLES: Final = 8


class NoSuchCamera(NotFound):
    """No photo of the event is of this camera, or none that the viewer works with."""

    message = N_("There are no photos of this camera any more.")


class TooFar(Invalid):
    """No camera's clock is so wrong."""

    message = N_("Photos can be moved by up to thirty years.")


@dataclass(frozen=True, slots=True)
class Sample:
    """A photo by which one tells what a camera's clock was. ``shown_at`` is at the event's place."""

    id: UUID
    file_name: str
    shown_at: datetime


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera of one photographer.

    Attributes:
        body: stands for its serial number.
        nth: which of several bodies of its model it is; 0 where there is only one.
        first, last: what its clock said.
    """

    staff_id: UUID | None
    staff_name: str | None
    name: str | None
    body: bytes | None
    photos: int
    first: datetime
    last: datetime
    shift_s: int
    nth: int = 0
    samples: tuple[Sample, ...] = ()

    @property
    def key(self) -> str:
        """How a page names it."""
        return sha256(repr((self.staff_id, self.name, self.body)).encode()).hexdigest()[:24]


def body_of(vault: Vault, event_id: UUID, serial: str | None) -> bytes | None:
    """What stands for a serial number in one event: 16 bytes that lead back to none, nor to another event's photos."""
    return vault.fingerprint("camera body", f"{event_id}:{serial}")[:16] if serial else None


def _interval(**parts: Any) -> ColumnElement[Any]:
    order = ("years", "months", "weeks", "days", "hours", "mins", "secs")
    return func.make_interval(*(parts.get(name, 0) for name in order))


def _is_of(photo: type[Photo], clock: type[Clock]) -> ColumnElement[bool]:
    return and_(
        clock.event_id == photo.event_id,
        clock.staff_id.is_not_distinct_from(photo.uploaded_by),
        clock.camera.is_not_distinct_from(photo.camera),
        clock.body.is_not_distinct_from(photo.body),
    )


def moment() -> ColumnElement[datetime]:
    """When a photo was taken: by the camera's clock and its correction, in the zone that the camera knew or else in
    the event's; of a photo without a time, when it came in. ``Event`` must be in the query.
    """
    shift = select(Clock.shift_s).where(_is_of(Photo, Clock)).order_by(Clock.id).limit(1).correlate(Photo)
    clock = Photo.taken_at + _interval(secs=func.coalesce(shift.scalar_subquery(), 0))
    own_zone = func.timezone(_interval(mins=Photo.taken_offset_minutes), clock)
    at = case((Photo.taken_offset_minutes.is_not(None), own_zone), else_=func.timezone(Event.time_zone, clock))
    return func.coalesce(at, Photo.created_at)


async def set_right(session: AsyncSession, event_id: UUID, *which: ColumnElement[bool]) -> int:
    """Give photos of an event their place in time; returns how many have another one now."""
    change = update(Photo).where(
        Photo.event_id == event_id, Event.id == Photo.event_id, Photo.shown_at.is_distinct_from(moment()), *which
    )
    done = await session.execute(
        change.values(shown_at=moment()).returning(Photo.id).execution_options(synchronize_session=False)
    )
    return len(done.all())


def _of_camera(camera: Camera) -> ColumnElement[bool]:
    return and_(
        Photo.uploaded_by.is_not_distinct_from(camera.staff_id),
        Photo.camera.is_not_distinct_from(camera.name),
        Photo.body.is_not_distinct_from(camera.body),
    )


async def cameras(session: AsyncSession, event: Event, *, by: UUID | None) -> list[Camera]:
    """The cameras of an event's photos, with some photos of each; photos without a time are of none.

    Args:
        by: only those of this photographer.
    """
    mine = [Photo.uploaded_by == by] if by else []
    counted = (
        select(
            Photo.uploaded_by.label("by"),
            Photo.camera,
            Photo.body,
            func.count().label("photos"),
            func.min(Photo.taken_at).label("first"),
            func.max(Photo.taken_at).label("last"),
        )
        .where(Photo.event_id == event.id, Photo.taken_at.is_not(None), Photo.deleted_at.is_(None), *mine)
        .group_by(Photo.uploaded_by, Photo.camera, Photo.body)
        .subquery()
    )
    shift = select(Clock.shift_s).where(
        Clock.event_id == event.id,
        Clock.staff_id.is_not_distinct_from(counted.c.by),
        Clock.camera.is_not_distinct_from(counted.c.camera),
        Clock.body.is_not_distinct_from(counted.c.body),
    )
    rows = await session.execute(
        select(counted, Staff.display_name, func.coalesce(shift.order_by(Clock.id).limit(1).scalar_subquery(), 0))
        .join(Staff, Staff.id == counted.c.by, isouter=True)
        .order_by(func.lower(Staff.display_name), counted.c.camera, counted.c.first, counted.c.body)
    )
    samples = await _samples(session, event, mine)
    found = [
        Camera(staff_id, name, camera, body, photos, first, last, shift_s)
        for staff_id, camera, body, photos, first, last, name, shift_s in rows
    ]
    return [
        replace(one, nth=_nth(found, place), samples=tuple(samples.get((one.staff_id, one.name, one.body), ())))
        for place, one in enumerate(found)
    ]


def _nth(found: Sequence[Camera], place: int) -> int:
    same = [
        at for at, each in enumerate(found) if (each.staff_id, each.name) == (found[place].staff_id, found[place].name)
    ]
    return same.index(place) + 1 if len(same) > 1 else 0


async def _samples(
    session: AsyncSession, event: Event, mine: list[ColumnElement[bool]]
) -> dict[tuple[UUID | None, str | None, bytes | None], list[Sample]]:
    """Some photos of each camera, spread evenly over its own."""
    each: dict[str, Any] = {"partition_by": (Photo.uploaded_by, Photo.camera, Photo.body)}
    numbered = (
        select(
            Photo.id,
            (func.row_number().over(order_by=(Photo.taken_at, Photo.id), **each) - 1).label("place"),
            func.count().over(**each).label("among"),
        )
        .where(
            Photo.event_id == event.id,
            Photo.taken_at.is_not(None),
            Photo.deleted_at.is_(None),
            Photo.state == PhotoState.READY,
            *mine,
        )
        .subquery()
    )
    step = (numbered.c.among + SAMPLES - 1) // SAMPLES
    rows = await session.scalars(
        select(Photo)
        .join(numbered, numbered.c.id == Photo.id)
        .where(numbered.c.place % step == 0)
        .order_by(Photo.taken_at, Photo.id)
    )
    found: dict[tuple[UUID | None, str | None, bytes | None], list[Sample]] = {}
    zone = ZoneInfo(event.time_zone)
    for photo in rows:
        at = photo.shown_at.astimezone(zone).replace(tzinfo=None)
        found.setdefault((photo.uploaded_by, photo.camera, photo.body), []).append(
            Sample(photo.id, photo.file_name, at)
        )
    return found


async def camera(session: AsyncSession, event: Event, key: str, *, by: UUID | None) -> Camera:
    """One camera of an event's photos.

    Raises:
        NoSuchCamera
    """
    for each in await cameras(session, event, by=by):
        if each.key == key:
            return each
    raise NoSuchCamera


async def set_clock(session: AsyncSession, event: Event, camera: Camera, shift_s: int) -> int:
    """Move a camera's photos to so many seconds after what its clock said; returns how many have moved.

    Raises:
        TooFar
    """
    if abs(shift_s) > FARTHEST_S:
        raise TooFar
    # Who has just looked at a photo holds the event until its place in time is committed.
    await session.get(Event, event.id, with_for_update=True)
    known = and_(
        Clock.event_id == event.id,
        Clock.staff_id.is_not_distinct_from(camera.staff_id),
        Clock.camera.is_not_distinct_from(camera.name),
        Clock.body.is_not_distinct_from(camera.body),
    )
    await session.execute(delete(Clock).where(known))
    if shift_s:
        session.add(
            Clock(event_id=event.id, staff_id=camera.staff_id, camera=camera.name, body=camera.body, shift_s=shift_s)
        )
    await session.flush()
    moved = await set_right(session, event.id, _of_camera(camera))
    await live.publish(session, f"event:{event.id}")
    return moved


def shift_to(event: Event, photo: Photo, at: datetime) -> int:
    """By how many seconds a camera is wrong that took a photo at a moment.

    Args:
        at: as the clocks at the event's place showed it.
    """
    assert photo.taken_at is not None
    if photo.taken_offset_minutes is None:
        return round((at - photo.taken_at).total_seconds())
    own_zone = fixed_zone(timedelta(minutes=photo.taken_offset_minutes))
    said = photo.taken_at.replace(tzinfo=own_zone).astimezone(UTC)
    return round((at.replace(tzinfo=ZoneInfo(event.time_zone)).astimezone(UTC) - said).total_seconds())


async def without_time(session: AsyncSession, event: Event, *, by: UUID | None) -> int:
    """How many photos stand at the moment they came in, because no camera said when they were taken."""
    mine = [Photo.uploaded_by == by] if by else []
    ready = (Photo.state == PhotoState.READY, Photo.taken_at.is_(None), Photo.deleted_at.is_(None))
    return await session.scalar(select(func.count()).where(Photo.event_id == event.id, *ready, *mine)) or 0
