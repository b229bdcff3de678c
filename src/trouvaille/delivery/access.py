"""What a viewer may see of an event: the one place that every gallery, picture and download asks."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import Viewer
from trouvaille.core.errors import N_, Forbidden, SignInNeeded
from trouvaille.events import rights
from trouvaille.events import service as events
from trouvaille.events.models import Downloads, Event, Gallery
from trouvaille.events.rights import Right
from trouvaille.faces.models import Face
from trouvaille.matching.models import Match, Tier, Verdict
from trouvaille.matching.service import is_asked, is_mine
from trouvaille.photos import service as photos
from trouvaille.photos.models import Photo, PhotoState
from trouvaille.photos.models import shown as photos_shown
from trouvaille.photos.service import NoSuchPhoto, after_photo


class DownloadsOff(Forbidden):
    """The organiser does not let guests download."""

    message = N_("The organiser has not opened downloads for this event.")


class Show(StrEnum):
    """The parts of a guest's gallery."""

    MINE = "mine"
    MAYBE = "maybe"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Seen:
    """A photo as one guest sees it. ``face_box``: left, top, right, bottom as fractions of the photo."""

    photo: Photo
    tier: Tier | None
    verdict: Verdict | None
    face_box: list[float] | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many photos each part of a guest's gallery has; ``processing`` photos are still being looked at."""

    mine: int
    maybe: int
    all: int
    processing: int


def check_guest(viewer: Viewer | None, event: Event) -> Viewer:
    """The viewer, who must be a guest of this event while it is shown to guests.

    Raises:
        SignInNeeded, EventOver
    """
    if viewer is None or viewer.kind != "guest" or viewer.event_id != event.id:
        raise SignInNeeded
    if not event.is_shown:
        raise events.EventOver
    return viewer


def check_looker(viewer: Viewer | None, event: Event) -> Viewer | None:
    """The viewer as a guest of this event, or None for somebody else where everyone with the link may look.

    Raises:
        SignInNeeded, EventOver
    """
    if event.gallery is Gallery.EVERYONE and (viewer is None or viewer.event_id != event.id):
        if not event.is_shown:
            raise events.EventOver
        return None
    return check_guest(viewer, event)


def has_general(event: Event) -> bool:
    """Whether guests may look through all photos."""
    return event.gallery is not Gallery.NOBODY


def _may_see(event: Event, show: Show | None) -> ColumnElement[bool]:
    """The condition on a photo and the guest's match with it, if there is one."""
    if show is Show.MINE:
        return is_mine()
    if show is Show.MAYBE:
        return is_asked()
    if show is Show.ALL:
        return true() if has_general(event) else false()
    return true() if has_general(event) else or_(is_mine(), is_asked())


def _photos(event: Event, guest: Viewer | None, show: Show | None) -> Select[Photo, Match, list[float]]:
    theirs = Match.guest_id == guest.id if guest is not None else false()
    return (
        select(Photo, Match, Face.box_xyxy)
        .select_from(Photo)
        .outerjoin(Match, and_(Match.photo_id == Photo.id, theirs))
        .outerjoin(Face, and_(Face.event_id == event.id, Face.id == Match.face_id))
        .where(Photo.event_id == event.id, photos_shown(), _may_see(event, show))
        .order_by(Photo.shown_at.desc(), Photo.id.desc())
    )


def _seen(photo: Photo, match: Match | None, box: list[float] | None) -> Seen:
    return Seen(photo, match.tier if match else None, match.verdict if match else None, box)


@dataclass(frozen=True, slots=True)
class Page:
    """Some photos, newest first, and the last one when there are more."""

    photos: list[Seen]
    next_after: UUID | None


async def gallery(
    session: AsyncSession, event: Event, guest: Viewer | None, show: Show, *, limit: int, after: UUID | None = None
) -> Page:
    """A part of a guest's gallery, newest first, in one query."""
    query = _photos(event, guest, show).limit(limit + 1)
    if after is not None:
        query = query.where(after_photo(after))
    rows = [_seen(photo, match, box) for photo, match, box in await session.execute(query)]
    return Page(rows[:limit], rows[limit - 1].photo.id if len(rows) > limit else None)


async def one_photo(session: AsyncSession, event: Event, guest: Viewer | None, photo_id: UUID) -> Seen:
    """A photo that this guest may see.

    Raises:
        NoSuchPhoto: it is not there, or not theirs to see.
    """
    row = (await session.execute(_photos(event, guest, None).where(Photo.id == photo_id))).first()
    if row is None:
        raise NoSuchPhoto
    photo, match, box = row
    return _seen(photo, match, box)


async def counts(session: AsyncSession, event: Event, guest: Viewer | None) -> Counts:
    """What the tabs say, in two queries."""
    ready = photos_shown()
    everything, processing = (
        await session.execute(
            select(func.count().filter(ready), func.count().filter(Photo.state == PhotoState.WAITING)).where(
                Photo.event_id == event.id, Photo.deleted_at.is_(None)
            )
        )
    ).one()
    general = everything if has_general(event) else 0
    if guest is None:
        return Counts(0, 0, general, processing)
    mine, maybe = (
        await session.execute(
            select(func.count().filter(is_mine()), func.count().filter(is_asked()))
            .select_from(Match)
            .join(Photo, Photo.id == Match.photo_id)
            .where(Match.guest_id == guest.id, ready)
        )
    ).one()
    return Counts(mine, maybe, general, processing)


async def picture(session: AsyncSession, event: Event, viewer: Viewer | None, photo_id: UUID) -> Photo:
    """A photo whose bytes this viewer may have: staff with a right to it, or whoever sees it in a gallery.

    Raises:
        SignInNeeded, EventOver, NoSuchPhoto
    """
    if viewer is not None and Right.UPLOAD in await rights.of(session, viewer, event):
        try:
            return await photos.get(session, event.id, photo_id, by=await rights.uploader_shown(session, viewer, event))
        except NoSuchPhoto:
            # A photographer sees what anybody with the link sees, beside their own.
            if event.gallery is not Gallery.EVERYONE:
                raise
    guest = check_looker(viewer, event)
    query = select(Photo).where(Photo.id == photo_id, Photo.event_id == event.id, photos_shown())
    if guest is not None and not has_general(event):
        query = query.where(
            exists().where(Match.photo_id == Photo.id, Match.guest_id == guest.id, or_(is_mine(), is_asked()))
        )
    found = await session.scalar(query)
    if found is None:
        raise NoSuchPhoto
    return found


async def may_download(session: AsyncSession, viewer: Viewer | None, event: Event, photo: Photo) -> Downloads:
    """What this viewer may take home of a photo that they see; staff take all of what they work with."""
    theirs = await rights.of(session, viewer, event)
    is_own = viewer is not None and photo.uploaded_by == viewer.id and Right.UPLOAD in theirs
    return Downloads.ORIGINAL if is_own or Right.MANAGE in theirs else event.downloads


async def check_download(
    session: AsyncSession, viewer: Viewer | None, event: Event, photo: Photo, wanted: Downloads
) -> None:
    """Whether the viewer may take a photo home in this size.

    Raises:
        DownloadsOff
    """
    allowed = await may_download(session, viewer, event, photo)
    if allowed is Downloads.NONE or (wanted is Downloads.ORIGINAL and allowed is not Downloads.ORIGINAL):
        raise DownloadsOff


async def neighbours(
    session: AsyncSession, event: Event, guest: Viewer | None, show: Show, photo_id: UUID
) -> tuple[UUID | None, UUID | None]:
    """The photos before and after one in a part of the gallery: the next newer and the next older."""
    ids = _photos(event, guest, show).with_only_columns(Photo.id)
    older = await session.scalar(ids.where(after_photo(photo_id)).limit(1))
    before = ids.where(Photo.id != photo_id, ~after_photo(photo_id)).order_by(None)
    newer = await session.scalar(before.order_by(Photo.shown_at, Photo.id).limit(1))
    return newer, older
