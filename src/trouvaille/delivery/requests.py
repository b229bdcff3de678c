"""What guests ask of the organiser about a photo: to look at it, to hide it, to hide their face in it."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live
from trouvaille.core.clock import now
from trouvaille.core.errors import N_, Invalid, NotFound, TooMany
from trouvaille.delivery.models import Near, NearState, Reason, Report, ReportState, Veil, VeiledPhoto, VeilState
from trouvaille.guests.models import Guest
from trouvaille.photos.models import Photo, Standing

LONGEST = 500
AT_MOST, WITHIN = 20, timedelta(hours=1)
SHOWN_AT_MOST = 200


class TooManyReports(TooMany):
    """More than ``AT_MOST`` from one guest within ``WITHIN``."""

    retry_after_s = 3600
    message = N_("You have asked for a lot already. Please wait an hour before the next one.")


async def report(session: AsyncSession, guest_id: UUID, photo: Photo, reason: str, text: str) -> None:
    """Tell the organiser about a photo; telling them twice before they have looked changes nothing.

    Raises:
        Invalid, TooManyReports
    """
    if reason not in {each.value for each in Reason}:
        raise Invalid(N_("Please choose a reason."), field="reason")
    text = text.replace("\r\n", "\n").strip()
    if len(text) > LONGEST:
        raise Invalid(N_("Please keep this under %(longest)s characters."), field="text", longest=LONGEST)
    recent = select(func.count()).where(Report.guest_id == guest_id, Report.created_at > now() - WITHIN)
    if (await session.scalar(recent) or 0) >= AT_MOST:
        raise TooManyReports
    row = {"event_id": photo.event_id, "photo_id": photo.id, "guest_id": guest_id, "reason": Reason(reason)}
    await session.execute(insert(Report).values(**row, text=text).on_conflict_do_nothing())
    await live.publish(session, f"event:{photo.event_id}", "requests")


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that a guest asked, with its photo. ``name`` is None for whoever has left."""

    what: Report | Veil | Near
    photo: Photo
    name: str | None
    in_force: bool = False

    @property
    def is_open(self) -> bool:
        """Whether nobody has decided yet."""
        return self.what.state in (ReportState.OPEN, VeilState.ASKED, NearState.OPEN)


async def of_event(session: AsyncSession, event_id: UUID) -> list[Asked]:
    """What guests of an event have asked: what is open first, then the newest."""
    reports = await session.execute(
        select(Report, Photo, Guest.display_name)
        .join(Photo, Photo.id == Report.photo_id)
        .join(Guest, Guest.id == Report.guest_id)
        .where(Report.event_id == event_id, Photo.deleted_at.is_(None))
        .order_by((Report.state == ReportState.OPEN).desc(), Report.created_at.desc())
        .limit(SHOWN_AT_MOST)
    )
    asked = [Asked(*row) for row in reports]
    wishes = await session.execute(
        select(Veil, Photo, Guest.display_name, VeiledPhoto.photo_id.is_not(None))
        .join(Photo, Photo.id == Veil.photo_id)
        .outerjoin(Guest, Guest.id == Veil.guest_id)
        .outerjoin(VeiledPhoto, VeiledPhoto.photo_id == Veil.photo_id)
        .where(Veil.event_id == event_id, Photo.deleted_at.is_(None))
        .order_by((Veil.state == VeilState.ASKED).desc(), Veil.created_at.desc())
        .limit(SHOWN_AT_MOST)
    )
    asked += [Asked(*row) for row in wishes]
    near = await session.execute(
        select(Near, Photo, Guest.display_name)
        .join(Photo, Photo.id == Near.photo_id)
        .join(Guest, Guest.id == Near.guest_id)
        .where(Near.event_id == event_id, Photo.deleted_at.is_(None))
        .order_by((Near.state == NearState.OPEN).desc(), Near.created_at.desc())
        .limit(SHOWN_AT_MOST)
    )
    asked += [Asked(*row) for row in near]
    return sorted(asked, key=lambda each: (not each.is_open, -each.what.created_at.timestamp()))


async def decide(session: AsyncSession, event_id: UUID, report_id: UUID, *, hide: bool) -> None:
    """Hide a reported photo, which answers all that is open about it, or leave it as it is.

    Raises:
        NotFound
    """
    found = await session.get(Report, report_id)
    if found is None or found.event_id != event_id:
        raise NotFound
    was_hidden = found.state is ReportState.HIDDEN
    which = (Report.photo_id == found.photo_id) if hide else (Report.id == report_id)
    state = ReportState.HIDDEN if hide else ReportState.DISMISSED
    answered = update(Report).where(which, (Report.state == ReportState.OPEN) | (Report.id == report_id))
    await session.execute(answered.values(state=state, decided_at=now()))
    standing, before = (Standing.HIDDEN, Standing.SHOWN) if hide else (Standing.SHOWN, Standing.HIDDEN)
    if hide or was_hidden:
        photo = update(Photo).where(Photo.id == found.photo_id, Photo.standing == before)
        await session.execute(photo.values(standing=standing))
    await live.publish(session, f"event:{event_id}")
