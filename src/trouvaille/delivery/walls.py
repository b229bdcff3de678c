"""The live wall: a slideshow for a big screen, opened by a link of its own that leads nowhere else."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import undo
from trouvaille.accounts.models import Removed
from trouvaille.accounts.service import Viewer
from trouvaille.core import live
from trouvaille.core.errors import N_, Invalid, NotFound
from trouvaille.core.secrets import Vault, new_token, token_hash
from trouvaille.delivery import veils
from trouvaille.delivery.models import VeiledPhoto, Wall, WallShows
from trouvaille.events import rights
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.events.rights import Right
from trouvaille.photos.models import Photo
from trouvaille.photos.models import shown as photos_shown
from trouvaille.photos.service import NoSuchPhoto

SEALED_FOR = "wall"
LEAST_S, MOST_S = 3, 60
# More than a screen can show in an hour; older ones have had their turn.
MOST_PHOTOS = 500


class NoSuchWall(NotFound):
    """No slideshow has this link, or no longer."""

    message = N_("This link leads to no slideshow. Ask the organiser for a new one.")


@dataclass(frozen=True, slots=True)
class Slide:
    """A photo on the wall. ``veiled``: the version without the faces that others don't see."""

    photo: Photo
    veiled: str | None


def visible(event: Event, wall: Wall) -> ColumnElement[bool]:
    """The one condition under which a photo may stand on this wall."""
    chosen = true() if wall.shows is WallShows.ALL else Photo.in_general.is_(True)
    return and_(Photo.event_id == event.id, photos_shown(), chosen)


async def of_event(session: AsyncSession, event_id: UUID) -> Wall | None:
    """The event's wall; None while it has none."""
    return await session.get(Wall, event_id)


def token_of(vault: Vault, wall: Wall) -> str:
    """What the link ends in."""
    return str(vault.open_note(SEALED_FOR, wall.sealed_token)["token"])


async def set_up(
    session: AsyncSession,
    vault: Vault,
    event: Event,
    *,
    shows: str,
    seconds: str,
    shows_code: bool,
    fresh: bool,
    by: Viewer,
) -> UUID | None:
    """Make an event's wall, or change it.

    Args:
        fresh: give it a new link; the old one stops at once.

    Returns:
        What ``undo.put_back`` takes, where an old link has stopped.

    Raises:
        Invalid: with the field.
    """
    if shows not in set(WallShows):
        raise Invalid(field="shows")
    if not seconds.isdecimal() or not LEAST_S <= int(seconds) <= MOST_S:
        raise Invalid(N_("Between 3 and 60 seconds, please."), field="seconds")
    wall, removed = await session.get(Wall, event.id, with_for_update=True), None
    if wall is not None and fresh:
        removed, wall = await undo.remove(session, [wall], by=by.id, event_id=event.id), None
    if wall is None:
        token = new_token()
        sealed = vault.seal_note(SEALED_FOR, {"token": token})
        wall = Wall(event_id=event.id, token_hash=token_hash(token), sealed_token=sealed)
        session.add(wall)
    wall.shows, wall.seconds, wall.shows_code = WallShows(shows), int(seconds), shows_code
    await session.flush()
    await live.publish(session, f"event:{event.id}", "wall")
    return removed


async def take_down(session: AsyncSession, event: Event, *, by: Viewer) -> UUID | None:
    """End an event's wall: its link stops at once.

    Returns:
        What ``undo.put_back`` takes; None where there was no wall.
    """
    wall = await session.get(Wall, event.id, with_for_update=True)
    if wall is None:
        return None
    removed = await undo.remove(session, [wall], by=by.id, event_id=event.id)
    await live.publish(session, f"event:{event.id}", "wall")
    return removed


async def _manages(session: AsyncSession, viewer: Viewer, removed: Removed) -> None:
    await rights.to_change(session, viewer, UUID(removed.rows[0]["event_id"]), Right.MANAGE)


async def _make_room(session: AsyncSession, removed: Removed) -> None:
    await session.execute(delete(Wall).where(Wall.event_id == removed.event_id))


async def _back(session: AsyncSession, removed: Removed) -> None:
    await live.publish(session, f"event:{removed.event_id}", "wall")


undo.offer(
    undo.Kind(
        "wall",
        Wall,
        may=_manages,
        page=lambda removed: f"/studio/{removed.event_id}/wall?done=back",
        before=_make_room,
        after=_back,
    )
)


async def find(session: AsyncSession, token: str) -> tuple[Event, Wall]:
    """The wall that a link leads to.

    Raises:
        NoSuchWall
        EventOver: the event is no longer shown to guests, so not on a screen either.
    """
    query = select(Event, Wall).join(Wall, Wall.event_id == Event.id).where(Wall.token_hash == token_hash(token))
    found = (await session.execute(query)).first()
    if found is None:
        raise NoSuchWall
    event, wall = found
    if not event.is_shown:
        raise events.EventOver
    return event, wall


async def slides(session: AsyncSession, event: Event, wall: Wall) -> list[Slide]:
    """The newest photos for a screen, the newest first, in one query."""
    rows: Any = await session.execute(
        select(Photo, VeiledPhoto)
        .outerjoin(VeiledPhoto, VeiledPhoto.photo_id == Photo.id)
        .where(visible(event, wall))
        .order_by(Photo.created_at.desc(), Photo.id.desc())
        .limit(MOST_PHOTOS)
    )
    return [Slide(photo, veils.for_guest(veiled, None)) for photo, veiled in rows]


async def slide(session: AsyncSession, event: Event, wall: Wall, photo_id: UUID) -> Slide:
    """One photo of the wall.

    Raises:
        NoSuchPhoto: it is not there, or not to be seen on it.
    """
    photo = await session.scalar(select(Photo).where(Photo.id == photo_id, visible(event, wall)))
    if photo is None:
        raise NoSuchPhoto
    return Slide(photo, await veils.version_for(session, None, photo, plain=False))


async def count(session: AsyncSession, event: Event, wall: Wall) -> int:
    """How many photos could be shown."""
    return await session.scalar(select(func.count()).select_from(Photo).where(visible(event, wall))) or 0
