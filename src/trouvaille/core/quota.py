"""How much a server allows to be added to one event, where the event itself says nothing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defaults:
    """For all of an event together, and for each of its photographers; None for no limit."""

    event_photos: int | None = None
    event_bytes: int | None = None
    photographer_photos: int | None = None
    photographer_bytes: int | None = None
