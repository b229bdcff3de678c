"""The one thing that we read from EXIF beside the orientation: when the photo was taken."""

from contextlib import suppress
from datetime import UTC, datetime

from PIL import Image

_EXIF_IFD = 0x8769
_DATE_TIME_ORIGINAL = 0x9003
_OLDEST_YEAR = 1990


def taken_at(blob: bytes) -> datetime | None:
    """DateTimeOriginal as the camera's clock had it, without a time zone.

    Args:
        blob: a raw EXIF block, with or without its ``Exif`` prefix; may be empty or damaged.

    Returns:
        None where there is no believable date: cameras whose clock was never set write zeros.
    """
    if not blob:
        return None
    value: object = None
    # A damaged block raises whatever the parser stumbles on, and a photo without its date is still a photo.
    with suppress(Exception):
        tags = Image.Exif()
        tags.load(blob)
        value = tags.get_ifd(_EXIF_IFD).get(_DATE_TIME_ORIGINAL)
    if not isinstance(value, str):
        return None
    with suppress(ValueError):
        moment = datetime.strptime(value.strip("\0 "), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - EXIF has no time zone
        return moment if _OLDEST_YEAR <= moment.year <= datetime.now(UTC).year + 1 else None
    return None
