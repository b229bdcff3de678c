"""What we read from EXIF beside the orientation: when the photo was taken, and by which camera."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from PIL import Image

from trouvaille.vision.types import Exposure

_EXIF_IFD: Final = 0x8769
_MAKE, _MODEL, _DATE_TIME_ORIGINAL, _OFFSET_TIME_ORIGINAL = 0x010F, 0x0110, 0x9003, 0x9011
_BODY_SERIAL, _DNG_SERIAL = 0xA431, 0xC62F
_OLDEST_YEAR = 1990
_LONGEST = 120
_FARTHEST_MINUTES = 14 * 60
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")


def exposure(blob: bytes) -> Exposure:
    """Read an EXIF block; what is missing or damaged in it stays None.

    Args:
        blob: a raw EXIF block, with or without its ``Exif`` prefix, or a whole TIFF file; may be empty or damaged.
    """
    if not blob:
        return Exposure()
    tags = Image.Exif()
    # A damaged block raises whatever the parser stumbles on, and a photo without its date is still a photo.
    with suppress(Exception):
        tags.load(blob)
    return from_tags(_of(lambda: dict(tags)), _of(lambda: tags.get_ifd(_EXIF_IFD)))


def from_tags(first: Mapping[int, Any], exif: Mapping[int, Any]) -> Exposure:
    """Read tags of the first directory and of the EXIF directory below it."""
    return Exposure(
        taken_at=_moment(exif.get(_DATE_TIME_ORIGINAL)),
        offset_minutes=_offset(exif.get(_OFFSET_TIME_ORIGINAL)),
        camera=_camera(_words(first.get(_MAKE)), _words(first.get(_MODEL))),
        serial=_words(exif.get(_BODY_SERIAL)) or _words(first.get(_DNG_SERIAL)) or None,
    )


def block(blob: bytes) -> Mapping[int, Any]:
    """The first directory of a TIFF; empty where it is damaged."""
    tags = Image.Exif()
    with suppress(Exception):
        tags.load(blob)
    return _of(lambda: dict(tags))


def _of(read: Callable[[], Mapping[int, Any]]) -> Mapping[int, Any]:
    with suppress(Exception):
        return read()
    return {}


def _moment(value: object) -> datetime | None:
    """Cameras whose clock was never set write zeros: no believable date is None."""
    if not isinstance(value, str):
        return None
    with suppress(ValueError):
        moment = datetime.strptime(value.strip("\0 "), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - EXIF has no time zone
        return moment if _OLDEST_YEAR <= moment.year <= datetime.now(UTC).year + 1 else None
    return None


def _offset(value: object) -> int | None:
    found = _OFFSET.fullmatch(value.strip("\0 ")) if isinstance(value, str) else None
    if found is None:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    if minutes > _FARTHEST_MINUTES or int(found[3]) > 59:
        return None
    return -minutes if found[1] == "-" else minutes


def _words(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:_LONGEST]


def _camera(make: str, model: str) -> str | None:
    """Make and model, the make once: most cameras repeat it at the beginning of the model."""
    first = make.split(" ", 1)[0]
    whole = model if model.lower().startswith(first.lower()) else f"{make} {model}"
    return whole.strip()[:_LONGEST].strip() or None
