"""What an organiser says of an event, and what can be wrong with it."""

import re
from dataclasses import dataclass
from datetime import date

from trouvaille.accounts.service import clean_name, problems_of
from trouvaille.core.errors import N_, Invalid
from trouvaille.events import zones
from trouvaille.events.codes import clean_code
from trouvaille.events.models import Downloads, Event, Gallery

COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
OLDEST_YEAR, LAST_YEAR = 1990, 2200
DEFAULT_ACCENT = "#ffb224"
LOCALES = ("en", "fr")
LONGEST_NAME, LONGEST_PLACE = 120, 160


@dataclass(frozen=True, slots=True)
class EventPlan:
    """All that can be set about an event. ``expires_on`` is the last day that guests may come in, at its place."""

    name: str
    code: str
    starts_on: date | None = None
    expires_on: date | None = None
    locales: tuple[str, ...] = ("en",)
    accent: str = DEFAULT_ACCENT
    gallery: Gallery = Gallery.GUESTS
    downloads: Downloads = Downloads.ORIGINAL
    camera_data: bool = False
    guest_pass: bool = False
    review: bool = False
    general: bool = True
    ends_on: date | None = None
    time_zone: str = "UTC"
    place: str = ""

    def problems(self) -> list[Invalid]:
        """What is wrong with it, by field; empty when all is well."""
        return problems_of(
            lambda: clean_name(self.name, field="name", longest=LONGEST_NAME),
            lambda: clean_place(self.place),
            lambda: clean_code(self.code),
            self._check_dates,
            self._check_look,
            self._check_zone,
        )

    def _check_dates(self) -> None:
        for name in ("starts_on", "ends_on", "expires_on"):
            day = getattr(self, name)
            if day is not None and not OLDEST_YEAR <= day.year <= LAST_YEAR:
                raise Invalid(N_("Please check the year."), field=name)
        if self.ends_on is not None and self.starts_on is None:
            raise Invalid(N_("Please say when it begins, too."), field="starts_on")
        if self.ends_on is not None and self.starts_on is not None and self.ends_on < self.starts_on:
            raise Invalid(N_("It can't end before it begins."), field="ends_on")
        begun = self.ends_on or self.starts_on
        if self.expires_on is not None and begun is not None and self.expires_on < begun:
            raise Invalid(N_("The photos can't go before the event has ended."), field="expires_on")

    def _check_look(self) -> None:
        if not self.locales or not set(self.locales) <= set(LOCALES):
            raise Invalid(N_("Please choose at least one language."), field="locales")
        if not COLOUR.fullmatch(self.accent):
            raise Invalid(N_("Please choose a colour."), field="accent")

    def _check_zone(self) -> None:
        if self.time_zone not in zones.known():
            raise Invalid(N_("Please choose a time zone from the list."), field="time_zone")

    def put_on(self, event: Event) -> None:
        """Give an event all of this, which must be without problems."""
        event.name = clean_name(self.name, field="name", longest=LONGEST_NAME)
        event.code = clean_code(self.code)
        event.starts_on = self.starts_on
        # An event of one day has no second date.
        event.ends_on = self.ends_on if self.ends_on != self.starts_on else None
        event.time_zone = self.time_zone
        event.place = clean_place(self.place)
        event.expires_at = zones.end_of(self.expires_on, self.time_zone)
        event.locales = list(self.locales)
        event.accent = self.accent
        event.gallery = self.gallery
        event.downloads = self.downloads
        event.camera_data = self.camera_data
        event.guest_pass = self.guest_pass
        event.review = self.review
        event.general = self.general


def clean_place(place: str) -> str:
    """A place in one line; it may be empty.

    Raises:
        Invalid: it is too long.
    """
    return clean_name(place, field="place", longest=LONGEST_PLACE) if place.strip() else ""
