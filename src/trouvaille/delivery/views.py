"""Photos, lists and moments as the templates show them."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from markupsafe import Markup

from trouvaille.accounts.service import Viewer
from trouvaille.delivery import access
from trouvaille.delivery.access import Counts, Show
from trouvaille.delivery.lists import Moment, Sort, Wish
from trouvaille.delivery.seeing import Listed, Pictured, Seen
from trouvaille.events.models import Downloads, Event
from trouvaille.photos.renditions import FULL, as_data
from trouvaille.web import i18n
from trouvaille.web.i18n import gettext
from trouvaille.web.render import environment, ratio

THUMB_SIDE_PX, VIEW_SIDE_PX = 480, 2048
"""The longest sides of the renditions, as ``vision.renditions`` makes them; a test holds the two together."""


def query_of(wish: Wish, **more: object) -> str:
    """The part of an address that says what somebody looks at; what is usual is left out."""
    parts: dict[str, object] = {"show": wish.show.value}
    if wish.sort is not Sort.NEWEST:
        parts["sort"] = wish.sort.value
    if wish.by is not None:
        parts["by"] = wish.by
    if wish.at is not None:
        parts["at"] = wish.at.key
    return urlencode(parts | {name: value for name, value in more.items() if value is not None})


def width_of(width_px: int, height_px: int, side_px: int) -> int:
    """How wide a rendition is whose longest side is ``side_px``, of a photo that may be smaller."""
    return round(width_px * min(1, side_px / max(width_px, height_px)))


KEPT = 4096
"""Photos whose tiles are remembered: the same ones stand on the pages of hundreds of guests. Some 2 KB each."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A photo as templates show it to everybody."""

    id: str
    thumb_url: str
    view_url: str
    thumb_px: int
    view_px: int
    ratio: float
    placeholder: str | None
    download_url: str | None
    small_url: str | None
    page_url: str
    size_bytes: int
    width_px: int | None
    height_px: int | None
    file_name: str
    taken_at: datetime | None
    described: str


@dataclass(frozen=True, slots=True)
class Tile:
    """A photo in a grid: ``about`` and ``picture`` are ready to be sent, the rest is of this guest."""

    id: str
    shape: str
    about: Markup
    picture: Markup
    page_url: str
    face_box: list[float] | None
    is_mine: bool
    is_favourite: bool


def item(event: Event, seen: Seen[Pictured], wish: Wish | None = None) -> SimpleNamespace:
    """A photo with all that there is to say of it to one guest, which templates look up faster than keys of a dict."""
    shared = _shared(event, seen)
    return SimpleNamespace(
        **asdict(shared) | {"page_url": shared.page_url + (f"?{query_of(wish)}" if wish else "")},
        tier=seen.tier.value if seen.tier else None,
        verdict=seen.verdict.value if seen.verdict else None,
        face_box=seen.face_box,
        is_mine=seen.is_mine,
        is_given=seen.is_given,
        is_favourite=seen.is_favourite,
        veil=seen.veil.value if seen.veil else None,
    )


_Drawn = tuple[str, str, Markup, Markup, str]
"""Id, class of its shape, what the page's script is told, the picture, and the address of its page."""
_drawn: OrderedDict[tuple[object, ...], _Drawn] = OrderedDict()


def tiles(event: Event, photos: Sequence[Seen[Listed]], wish: Wish, *, first: int) -> list[Tile]:
    """Photos in a grid, of which a first screen holds the first ones."""
    query, made = query_of(wish), []
    # All of the event that goes into a tile; what goes into it of the photo, `changed_in` stands for.
    here = i18n.current(), event.code, event.downloads, event.mark, event.camera_data, event.time_zone
    for place, seen in enumerate(photos):
        key = *here, seen.photo.id, seen.photo.changed_in, seen.veiled, place < first
        drawn = _drawn.get(key)
        if drawn is None:
            drawn = _drawn[key] = _draw(event, seen, is_first=place < first)
            if len(_drawn) > KEPT:
                _drawn.popitem(last=False)
        else:
            _drawn.move_to_end(key)
        photo_id, shape, about, picture, page_url = drawn
        page_url = f"{page_url}?{query}"
        made.append(Tile(photo_id, shape, about, picture, page_url, seen.face_box, seen.is_mine, seen.is_favourite))
    return made


def _draw(event: Event, seen: Seen[Listed], *, is_first: bool) -> _Drawn:
    photo = _shared(event, seen)
    macros: Any = environment(i18n.current()).get_template("delivery/_tile.html").module
    shape = ratio(photo.width_px, photo.height_px)
    return photo.id, shape, macros.about(photo), macros.picture(photo, is_first), photo.page_url


def _shared(event: Event, seen: Seen[Pictured]) -> Shared:
    photo = seen.photo
    address = f"/e/{event.code}/p/{photo.id}"
    version = f"?v={seen.veiled}" if seen.veiled else ""
    width_px, height_px = photo.width_px or 3, photo.height_px or 2
    takes, taken_at = sizes_allowed(event, seen), _at_its_place(event, photo)
    return Shared(
        id=str(photo.id),
        thumb_url=f"{address}/thumb{version}",
        view_url=f"{address}/view{version}",
        thumb_px=width_of(width_px, height_px, THUMB_SIDE_PX),
        view_px=width_of(width_px, height_px, VIEW_SIDE_PX),
        ratio=round(width_px / height_px, 2),
        placeholder=None if seen.veiled else as_data(photo.placeholder),
        download_url=f"{address}/download" if takes else None,
        small_url=f"{address}/download?size=view" if len(takes) > 1 else None,
        page_url=f"/e/{event.code}/photos/{photo.id}",
        size_bytes=_whole_bytes(event, photo),
        width_px=photo.width_px,
        height_px=photo.height_px,
        file_name=photo.file_name,
        taken_at=taken_at,
        described=_described(photo, taken_at),
    )


def _at_its_place(event: Event, photo: Pictured) -> datetime | None:
    """When it was taken, by the clocks at the event's place; None where no camera said."""
    if photo.taken_at is None:
        return None
    return photo.shown_at.astimezone(ZoneInfo(event.time_zone)).replace(tzinfo=None)


def _described(photo: Pictured, taken_at: datetime | None) -> str:
    if taken_at is None:
        return gettext("Photo %(name)s") % {"name": photo.file_name}
    return gettext("Photo, %(when)s") % {"when": i18n.long_datetime(taken_at)}


def _whole_bytes(event: Event, photo: Pictured) -> int:
    """How much somebody takes home who takes the largest that there is for guests."""
    full = photo.renditions.get(FULL) if event.mark is not None else None
    return full["size_bytes"] if full else photo.size_bytes


def sizes_allowed(event: Event, seen: Seen[Pictured]) -> list[Downloads]:
    """In which sizes a guest may take a photo home, the largest first.

    There is no original of a veiled one, nor of one in which position and serial numbers can't be covered, nor
    of one that still waits for its mark in full size.
    """
    if event.downloads is Downloads.NONE:
        return []
    if event.downloads is Downloads.VIEW or seen.veiled or not access.has_whole(event, seen.photo):
        return [Downloads.VIEW]
    return [Downloads.ORIGINAL, Downloads.VIEW]


def tabs(event: Event, guest: Viewer | None, counts: Counts) -> list[tuple[str, str, int, str]]:
    """Key, label, number and address of each part of the gallery."""
    here = f"/e/{event.code}/photos?show="
    made = []
    if guest is not None and (event.faces_on or counts.mine):
        made.append(("mine", gettext("My photos"), counts.mine, f"{here}mine"))
    if event.faces_on and guest is not None:
        made.append(("maybe", gettext("Maybe me"), counts.maybe, f"{here}maybe"))
    if access.has_general(event):
        made.append(("all", gettext("All photos"), counts.all, f"{here}all"))
    if guest is not None:
        made.append(("favourites", gettext("Favourites"), counts.favourites, f"{here}favourites"))
    return made


def moment_title(moment: Moment, *, long: bool) -> str:
    """Saturday 19:40–20:30. ``long``: with the date, where a weekday alone would say too little."""
    return _title_in(i18n.current(), moment, long)


@lru_cache(256)
def _title_in(locale: str, moment: Moment, long: bool) -> str:
    day = format_datetime(moment.first, "EEEE d MMMM" if long else "EEEE", locale=locale).capitalize()
    first, last = (f"{at:%H:%M}" for at in (moment.first, moment.last))
    return f"{day} {first}" if first == last else f"{day} {first}–{last}"


def moment_choices(moments: list[Moment]) -> list[tuple[str, str, int]]:
    """Key, title and number of photos of each moment."""
    long = bool(moments) and (moments[-1].last - moments[0].first).days >= 6
    return [(each.key, moment_title(each, long=long), each.photos) for each in moments]


def filters(wish: Wish, photographers: list[tuple[UUID, str, int]], moments: list[Moment]) -> dict[str, Any]:
    """What a list may be sorted by and narrowed to; a choice of one is none."""
    return {
        "sort": wish.sort.value,
        "by": str(wish.by) if wish.by else "",
        "at": wish.at.key if wish.at else "",
        "photographers": photographers if len(photographers) > 1 or wish.by else [],
        "moments": moment_choices(moments) if len(moments) > 1 else [],
        "narrowed": wish.by is not None or wish.at is not None,
    }


SHOWS_WITH_FILTERS = (Show.MINE, Show.ALL, Show.FAVOURITES)
