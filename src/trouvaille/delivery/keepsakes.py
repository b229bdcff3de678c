"""What guests keep: favourites, and photos that they have marked to take home."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import Viewer
from trouvaille.core import live
from trouvaille.core.clock import now
from trouvaille.core.errors import N_, Invalid, NotFound
from trouvaille.delivery.access import visible
from trouvaille.delivery.lists import MOST_AT_ONCE
from trouvaille.delivery.models import Favourite, Selection
from trouvaille.events.models import Event
from trouvaille.photos.models import Photo
from trouvaille.photos.service import NoSuchPhoto

SELECTION_KEPT = timedelta(hours=6)
"""As long as a download of many photos may take on a slow line, with its pauses."""


class NothingMarked(Invalid):
    """A selection without photos."""

    message = N_("Please mark some photos first.")


def ids_in(value: object) -> list[UUID]:
    """Ids of photos from one field of a form, separated by commas, each once.

    Raises:
        Invalid: that is no list of ids, or too long a one.
    """
    try:
        ids = list(dict.fromkeys(UUID(part) for part in str(value or "").split(",") if part))
    except ValueError as error:
        raise Invalid from error
    if len(ids) > MOST_AT_ONCE:
        raise Invalid
    return ids


async def set_favourite(session: AsyncSession, guest_id: UUID, photo: Photo, *, on: bool) -> None:
    """Mark a photo as a favourite, or not; doing so twice changes nothing."""
    if on:
        new = insert(Favourite).values(guest_id=guest_id, photo_id=photo.id, created_at=now())
        await session.execute(new.on_conflict_do_nothing())
    else:
        old = delete(Favourite).where(Favourite.guest_id == guest_id, Favourite.photo_id == photo.id)
        await session.execute(old)
    # Pages that the guest has open elsewhere follow.
    await live.publish(session, f"guest:{guest_id}", "photos")


async def select_photos(session: AsyncSession, event: Event, guest: Viewer | None, ids: list[UUID]) -> Selection:
    """Keep a selection until its download has begun and, should it break off, gone on.

    Raises:
        NothingMarked
        NoSuchPhoto: one of them is not there for this viewer.
    """
    if not ids:
        raise NothingMarked
    there = set(await session.scalars(select(Photo.id).where(visible(event, guest), Photo.id.in_(ids))))
    if len(there) < len(ids):
        raise NoSuchPhoto
    made = Selection(event_id=event.id, guest_id=guest.id if guest else None, photo_ids=ids)
    session.add(made)
    await session.flush()
    return made


async def selection(session: AsyncSession, event: Event, guest: Viewer | None, selection_id: UUID) -> Selection:
    """A selection that this viewer made.

    Raises:
        NotFound: it is another's, or too old.
    """
    found = await session.get(Selection, selection_id)
    if (
        found is None
        or found.event_id != event.id
        or found.guest_id != (guest.id if guest else None)
        or found.created_at < now() - SELECTION_KEPT
    ):
        raise NotFound
    return found


async def forget_selections(session: AsyncSession) -> None:
    """Remove selections that nobody can fetch any more."""
    await session.execute(delete(Selection).where(Selection.created_at < now() - SELECTION_KEPT))
