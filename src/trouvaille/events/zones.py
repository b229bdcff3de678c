"""Time zones: which there are, what people call them, and days as an event's place counts them."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale
from babel.core import get_global
from babel.dates import get_timezone_location


@cache
def known() -> frozenset[str]:
    """Every zone with a place of its own (CLDR), and UTC. Aliases and military letters are left out."""
    places = set(get_global("zone_territories")) & available_timezones()
    return frozenset({name for name in places if "/" in name and not name.startswith("Etc/")} | {"UTC"})


@cache
def choices(locale: str) -> list[tuple[str, str]]:
    """Zone and label, as in ``Europe/Paris`` and ``Paris, France``, by label in the order of the alphabet."""
    labels = [(name, _label(name, locale)) for name in known()]
    return sorted(labels, key=lambda choice: (choice[0] != "UTC", choice[1].casefold()))


def _label(name: str, locale: str) -> str:
    if name == "UTC":
        return "UTC"
    spoken = Locale.parse(locale)
    city = get_timezone_location(name, locale=spoken, return_city=True)
    country = spoken.territories.get(get_global("zone_territories")[name], "")
    return f"{city}, {country}" if country and country != city else str(city)


def end_of(day: date | None, zone: str) -> datetime | None:
    """The first moment after a day at a place, in UTC."""
    if day is None:
        return None
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)


def day_before(moment: datetime | None, zone: str) -> date | None:
    """The day at a place that a moment ends: the inverse of ``end_of``."""
    return (moment - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() if moment else None


def today(zone: str, moment: datetime) -> date:
    """The day that it is at a place."""
    return moment.astimezone(ZoneInfo(zone)).date()
