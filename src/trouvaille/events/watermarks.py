"""What an event has drawn on the photos that guests get, and telling photos when that changes.

An event's ``mark`` names the set of renditions that its photos are to have: it follows from everything that changes
their pixels, and from whether there is one in full size. A photo's ``mark`` names the set that it has.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import undo
from trouvaille.accounts.models import Removed
from trouvaille.accounts.service import Viewer, clean_name, problems_of
from trouvaille.core.errors import N_, Invalid, InvalidForm
from trouvaille.core.jobs import UPKEEP, defer
from trouvaille.events import pictures
from trouvaille.events.models import Downloads, Event, EventPicture, PictureKind

REMAKE_ALL_JOB = "photos.remake_all"
LONGEST_TEXT = 80
SIZES, OPACITIES = range(5, 101), range(10, 101)
FULL = "+"
"""Ends the mark of a set that has a rendition in full size."""
_DRAWING = 1  # Raise it whenever the same settings give other pixels.


class Position(StrEnum):
    """Where the mark is drawn; ``TILED`` is everywhere."""

    TOP_LEFT = "top_left"
    TOP_RIGHT = "top_right"
    BOTTOM_LEFT = "bottom_left"
    BOTTOM_RIGHT = "bottom_right"
    CENTRE = "centre"
    TILED = "tiled"


class NoPictureYet(Invalid):
    """A picture is to be drawn, and none is ready."""

    message = N_("Please send a picture first, and wait until it is shown here.")


@dataclass(frozen=True, slots=True)
class Watermark:
    """A mark.

    Attributes:
        text: what is written where no picture is drawn.
        picture: the picture that is drawn instead.
        size: the mark's width, percent of the photo's.
        opacity: percent.
    """

    text: str
    position: Position = Position.BOTTOM_RIGHT
    size: int = 25
    opacity: int = 60
    picture: UUID | None = None

    def problems(self) -> list[Invalid]:
        """What is wrong with it, by field; empty when all is well."""
        return problems_of(
            lambda: clean_name(self.text, field="text", longest=LONGEST_TEXT),
            lambda: _check_within(self.size, SIZES, "size"),
            lambda: _check_within(self.opacity, OPACITIES, "opacity"),
        )

    def kept(self) -> dict[str, Any]:
        """As a column holds it."""
        return {
            "text": clean_name(self.text, field="text", longest=LONGEST_TEXT),
            "position": self.position.value,
            "size": self.size,
            "opacity": self.opacity,
            "picture": str(self.picture) if self.picture else None,
        }


def _check_within(value: int, allowed: range, name: str) -> None:
    if value not in allowed:
        text = N_("Please choose a number from %(first)s to %(last)s.")
        raise Invalid(text, field=name, first=allowed[0], last=allowed[-1])


def of_event(event: Event) -> Watermark | None:
    """The mark of an event; None where photos are shown as they are."""
    kept = event.watermark
    if kept is None:
        return None
    picture = UUID(kept["picture"]) if kept["picture"] else None
    return Watermark(kept["text"], Position(kept["position"]), kept["size"], kept["opacity"], picture)


def proposed(event: Event) -> Watermark:
    """What an organiser who turns it on begins with."""
    return Watermark(event.name[:LONGEST_TEXT])


def has_full(mark: str | None) -> bool:
    """Whether a set of this mark has a rendition in full size."""
    return mark is not None and mark.endswith(FULL)


async def change(session: AsyncSession, event: Event, wish: Watermark | None) -> None:
    """Draw this on all photos from now on; None draws nothing. Photos that are there are made anew in the background.

    Args:
        event: its row is locked in this transaction.

    Raises:
        InvalidForm: a field is wrong.
        NoPictureYet
    """
    if wish is not None:
        if problems := wish.problems():
            raise InvalidForm(*problems)
        if wish.picture is not None:
            ready = (await pictures.shown(session, event.id)).get(PictureKind.WATERMARK.value)
            if ready is None or ready.id != wish.picture:
                raise NoPictureYet(field="kind")
    event.watermark = wish.kept() if wish is not None else None
    await follow(session, event)


async def follow(session: AsyncSession, event: Event) -> None:
    """Have the photos made anew if what is set about the event asks for others than before."""
    mark = _mark(event)
    if mark != event.mark:
        event.mark = mark
        await defer(session, REMAKE_ALL_JOB, queue=UPKEEP, event_id=event.id)
    await session.flush()


def _mark(event: Event) -> str | None:
    if event.watermark is None:
        return None
    said = json.dumps([_DRAWING, event.watermark], sort_keys=True)
    full = FULL if event.downloads is Downloads.ORIGINAL else ""
    return hashlib.sha256(said.encode()).hexdigest()[:32] + full


async def use_picture(session: AsyncSession, event: Event, picture_id: UUID | None) -> None:
    """Another picture takes the place of the one that is drawn; where none does, the text is drawn."""
    present = of_event(event)
    if present is not None and present.picture is not None:
        event.watermark = replace(present, picture=picture_id).kept()
        await follow(session, event)


async def remove_picture(session: AsyncSession, event: Event, *, by: Viewer) -> None:
    """Go without the picture. Where it was drawn, the text is from now on: nothing becomes unmarked by it."""
    await session.refresh(event, with_for_update=True)
    present = of_event(event)
    await use_picture(session, event, None)
    drawn = present is not None and present.picture is not None
    await pictures.remove(session, event.id, PictureKind.WATERMARK, by=by, drawn=drawn)


async def _back(session: AsyncSession, removed: Removed) -> None:
    """Pictures are there again. The one that was drawn is drawn again, unless all marks were turned off meanwhile."""
    await pictures.draw_again(session, removed)
    if removed.note["drawn"]:
        event = await session.get_one(Event, removed.event_id, with_for_update=True, populate_existing=True)
        ready = (await pictures.shown(session, event.id)).get(PictureKind.WATERMARK.value)
        present = of_event(event)
        if ready is not None and present is not None:
            event.watermark = replace(present, picture=ready.id).kept()
            await follow(session, event)


def _page(removed: Removed) -> str:
    kind = removed.note["kind"]
    return f"/studio/{removed.event_id}/{'watermark' if kind == PictureKind.WATERMARK else 'edit'}#{kind}"


undo.offer(
    undo.Kind(
        "picture", EventPicture, may=pictures.may_put_back, page=_page, after=_back, forgotten=pictures.erase_removed
    )
)


async def note_made(session: AsyncSession, event_id: UUID, mark: str | None) -> None:
    """All photos have this set; unless another is asked for meanwhile, there is nothing left to do."""
    same = Event.mark.is_not_distinct_from(mark)
    await session.execute(update(Event).where(Event.id == event_id, same).values(mark_made=mark))


def copied(event: Event) -> dict[str, Any] | None:
    """The mark for an event that is made like this one: pictures stay behind, so the text is drawn there."""
    present = of_event(event)
    return replace(present, picture=None).kept() if present is not None else None
