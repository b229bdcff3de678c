"""What a viewer may see of an event: the one place that every gallery, picture and download asks."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    cast,
    exists,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import Viewer
from trouvaille.core.errors import N_, Forbidden, SignInNeeded
from trouvaille.core.reading import Prepared, first_in, place
from trouvaille.delivery.models import Favourite, Veil, VeiledPhoto
from trouvaille.delivery.seeing import LISTED, Pictured, Seen, seen
from trouvaille.events import rights
from trouvaille.events import service as events
from trouvaille.events.models import Downloads, Event, Gallery
from trouvaille.events.rights import Right
from trouvaille.faces.models import Face
from trouvaille.guests.models import Guest
from trouvaille.matching.models import Match
from trouvaille.matching.service import is_asked, is_mine
from trouvaille.photos import blanks
from trouvaille.photos import service as photos
from trouvaille.photos.blanks import Blank
from trouvaille.photos.models import Photo, PhotoState
from trouvaille.photos.models import shown as photos_shown
from trouvaille.photos.renditions import FULL
from trouvaille.photos.service import NoSuchPhoto


class DownloadsOff(Forbidden):
    """The organiser does not let guests download."""

    message = N_("The organiser has not opened downloads for this event.")


class Show(StrEnum):
    """The parts of a guest's gallery."""

    MINE = "mine"
    MAYBE = "maybe"
    FAVOURITES = "favourites"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many photos each part of a guest's gallery has; ``processing`` photos are still being looked at."""

    mine: int
    maybe: int
    favourites: int
    all: int
    processing: int
    # Stands for which photos these are, those of all, mine and maybe: it changes also when as many come as go.
    mark: str

    def beside(self, known: "Totals") -> "Counts":
        """The same counts of a guest's own beside newer ones of the event."""
        own = self.mark.partition(":")[2]
        return replace(self, all=known.all, processing=known.processing, mark=f"{known.mark}:{own}")


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


@dataclass(frozen=True, slots=True)
class AnyGuest:
    """Stands for a guest in a statement that is made once for all of them: ``id`` is a place to be filled."""

    id: BindParameter[UUID]


@dataclass(frozen=True, slots=True)
class AnyEvent:
    """Stands for an event of which all may look through the same."""

    id: BindParameter[UUID]
    gallery: Gallery


def has_general(event: Event | AnyEvent) -> bool:
    """Whether guests may look through all photos."""
    return event.gallery is not Gallery.NOBODY


Asker = Viewer | AnyGuest | type[Guest]
"""Of whom a condition needs no more than the id: a guest, or the table, of a SELECT that has joined it."""


def visible(
    event: Event | AnyEvent | type[Event], guest: Asker | None, show: Show | None = None
) -> ColumnElement[bool]:
    """The one condition under which a photo is there for somebody: lists, counts, pictures, downloads, ZIPs.

    Args:
        event: one event, or the table, of a SELECT that has joined it.
        guest: a guest of this event; None for whoever has its link.
        show: a part of the gallery; None for all that they may see.
    """
    there = and_(Photo.event_id == event.id, photos_shown())
    open_to_all: ColumnElement[bool] = Event.gallery != Gallery.NOBODY
    if isinstance(event, Event | AnyEvent):
        open_to_all = true() if has_general(event) else false()
    general = and_(Photo.in_general, open_to_all)
    if show is Show.ALL:
        return and_(there, general)
    if guest is None:
        return and_(there, general) if show is None else false()
    if show is Show.MINE:
        return and_(there, _matched(guest, is_mine()))
    if show is Show.MAYBE:
        return and_(there, _matched(guest, is_asked()))
    anything = and_(there, or_(general, _matched(guest, or_(is_mine(), is_asked()))))
    return and_(anything, _kept(guest)) if show is Show.FAVOURITES else anything


def _matched(guest: Asker, how: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Match.photo_id == Photo.id, Match.guest_id == guest.id, how).correlate_except(Match)


def _kept(guest: Asker) -> ColumnElement[bool]:
    return exists().where(Favourite.photo_id == Photo.id, Favourite.guest_id == guest.id).correlate_except(Favourite)


def photos_seen(
    event: Event | AnyEvent, guest: Viewer | AnyGuest | None, show: Show | None
) -> Select[*tuple[Any, ...]]:
    """The photos that somebody sees, with all that ``seen`` needs, in no order."""
    wanted = select(Photo, Match, Face.box_xyxy, _liked(guest), VeiledPhoto, Veil.state)
    return _with_all_of_it(wanted, event, guest, show)


def photos_listed(
    event: Event | AnyEvent, guest: Viewer | AnyGuest | None, show: Show | None
) -> Select[*tuple[Any, ...]]:
    """The same with what ``listed`` needs."""
    veiled = (VeiledPhoto.version, VeiledPhoto.guest_ids, VeiledPhoto.faces)
    matched = (Match.tier, Match.verdict, Match.given_at, Face.box_xyxy)
    wanted = select(*matched, _liked(guest), *veiled, Veil.state, *LISTED)
    return _with_all_of_it(wanted, event, guest, show)


def _liked(guest: Viewer | AnyGuest | None) -> ColumnElement[bool]:
    return _kept(guest) if guest is not None else false()


def _with_all_of_it(
    wanted: Select[*tuple[Any, ...]], event: Event | AnyEvent, guest: Viewer | AnyGuest | None, show: Show | None
) -> Select[*tuple[Any, ...]]:
    theirs = Match.guest_id == guest.id if guest is not None else false()
    return (
        wanted.select_from(Photo)
        .outerjoin(Match, and_(Match.photo_id == Photo.id, theirs))
        .outerjoin(Face, and_(Face.event_id == event.id, Face.id == Match.face_id))
        .outerjoin(VeiledPhoto, VeiledPhoto.photo_id == Photo.id)
        .outerjoin(Veil, and_(Veil.photo_id == Photo.id, Veil.guest_id == (guest.id if guest else None)))
        .where(visible(event, guest, show))
    )


async def one_photo(session: AsyncSession, event: Event, guest: Viewer | None, photo_id: UUID) -> Seen[Photo]:
    """A photo that this guest may see.

    Raises:
        NoSuchPhoto: it is not there, or not theirs to see.
    """
    row = (await session.execute(photos_seen(event, guest, None).where(Photo.id == photo_id))).first()
    if row is None:
        raise NoSuchPhoto
    return seen(guest, row)


@dataclass(frozen=True, slots=True)
class Totals:
    """What is the same for everybody who may see an event: how many photos all may look through, and how many are still
    being looked at; ``mark`` stands for which they are."""

    all: int
    processing: int
    mark: int


async def totals(session: AsyncSession, event: Event) -> Totals:
    """Count an event's photos, in one query that reads all of them."""
    number = func.hashtextextended(cast(Photo.id, Text), 0)
    general = visible(event, None, Show.ALL)
    everything, mark, processing = (
        await session.execute(
            select(
                func.count().filter(general),
                func.bit_xor(number).filter(general),
                func.count().filter(Photo.state == PhotoState.WAITING, Photo.deleted_at.is_(None)),
            ).where(Photo.event_id == event.id)
        )
    ).one()
    return Totals(everything, processing, mark or 0)


def _counts_of_guest() -> Prepared:
    number = func.hashtextextended(cast(Photo.id, Text), 0)
    guest, event = place("guest", Uuid()), place("event", Uuid())
    liked = (
        select(func.count())
        .select_from(Guest)
        .join(Event, Event.id == Guest.event_id)
        .join(Photo, Photo.event_id == Event.id)
        .where(Guest.id == guest, Event.id == event, visible(Event, Guest, Show.FAVOURITES))
        .scalar_subquery()
    )
    return Prepared(
        select(
            func.count().filter(is_mine()),
            func.count().filter(is_asked()),
            liked,
            func.bit_xor(number).filter(is_mine()),
            func.bit_xor(number).filter(is_asked()),
        )
        .select_from(Match)
        .join(Photo, Photo.id == Match.photo_id)
        .where(Match.guest_id == guest, Photo.event_id == event, photos_shown())
    )


_COUNTS_OF_GUEST = _counts_of_guest()


async def counts(session: AsyncSession, event: Event, guest: Viewer | None, known: Totals) -> Counts:
    """What the tabs say: a guest's own counts in one query, beside what is known of the event."""
    if guest is None:
        return Counts(0, 0, 0, known.all, known.processing, f"{known.mark}")
    found = await first_in(session, _COUNTS_OF_GUEST, guest=guest.id, event=event.id)
    assert found is not None
    mine, maybe, favourites, my_mark, maybe_mark = found
    marks = f"{known.mark}:{my_mark or 0}:{maybe_mark or 0}"
    return Counts(mine, maybe, favourites, known.all, known.processing, marks)


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
    found = await session.scalar(select(Photo).where(Photo.id == photo_id, visible(event, guest)))
    if found is None:
        raise NoSuchPhoto
    return found


async def may_download(session: AsyncSession, viewer: Viewer | None, event: Event, photo: Photo) -> Downloads:
    """What this viewer may take home of a photo that they see; staff take all of what they work with."""
    return Downloads.ORIGINAL if await works_with(session, viewer, event, photo) else event.downloads


async def works_with(session: AsyncSession, viewer: Viewer | None, event: Event, photo: Photo) -> bool:
    """Whether it is theirs to work with, so that they get everything of it: who added it, and who runs the event."""
    theirs = await rights.of(session, viewer, event)
    is_own = viewer is not None and photo.uploaded_by == viewer.id and Right.UPLOAD in theirs
    return is_own or Right.MANAGE in theirs


def blanks_for_guests(event: Event, photo: Pictured) -> list[Blank] | None:
    """What is covered in an original before a guest gets it; None where they get no original of this photo."""
    return [] if event.camera_data else blanks.read(photo.blanks)


def has_whole(event: Event, photo: Pictured) -> bool:
    """Whether there is more than the size of pages for guests to take home, where they may.

    Of an event with a mark that is the marked rendition in full size, once it is made: never the original.
    """
    if event.mark is not None:
        return FULL in photo.renditions
    return blanks_for_guests(event, photo) is not None


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
