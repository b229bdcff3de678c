"""Photos as one guest sees them: of a row of the table, or of a line of a list."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Row, Text, cast

from trouvaille.accounts.service import Viewer
from trouvaille.delivery import veils
from trouvaille.delivery.models import VeilState
from trouvaille.matching.models import Tier, Verdict
from trouvaille.photos.models import Photo


@dataclass(slots=True)
class Listed:
    """A photo in a list: what a tile and the way home of it are made of. Making rows of the table of them would take
    half of a page's time, and most tiles have been made before: what ``changed_in`` says is the same is the same."""

    id: UUID
    changed_in: int
    file_name: str
    size_bytes: int
    width_px: int | None
    height_px: int | None
    placeholder: bytes | None
    taken_at: datetime | None
    shown_at: datetime
    uploaded_by: UUID | None
    renditions_json: str
    blanks_json: str | None

    @property
    def renditions(self) -> dict[str, dict[str, Any]]:
        """As ``Photo`` has them."""
        return json.loads(self.renditions_json)  # type: ignore[no-any-return]

    @property
    def blanks(self) -> dict[str, Any] | None:
        """As ``Photo`` has them."""
        return None if self.blanks_json is None else json.loads(self.blanks_json)


LISTED: Final = (
    *(Photo.id, Photo.changed_in, Photo.file_name, Photo.size_bytes, Photo.width_px, Photo.height_px),
    *(Photo.placeholder, Photo.taken_at, Photo.shown_at, Photo.uploaded_by),
    *(cast(Photo.renditions, Text), cast(Photo.blanks, Text)),
)

Pictured = Photo | Listed
"""What delivering a photo takes: a row of the table, or a line of a list."""
Which = TypeVar("Which", bound=Pictured, covariant=True)  # noqa: PLC0105 - it says more than Which_co


@dataclass(frozen=True, slots=True)
class Seen(Generic[Which]):
    """A photo as one guest sees it. ``face_box``: left, top, right, bottom as fractions of the photo.

    ``veiled`` names the renditions that they see instead, where others don't want their face shown; ``veil`` is what
    became of their own wish to be hidden; ``is_given``: the organiser found them in it by hand.
    """

    photo: Which
    tier: Tier | None
    verdict: Verdict | None
    face_box: list[float] | None
    is_favourite: bool = False
    veiled: str | None = None
    veil: VeilState | None = None
    is_given: bool = False

    @property
    def is_mine(self) -> bool:
        """Whether the guest sees it as theirs."""
        return self.verdict is Verdict.YES or (self.verdict is None and self.tier is Tier.SURE)


def seen(guest: Viewer | None, row: Row[*tuple[Any, ...]]) -> Seen[Photo]:
    """A row of ``access.photos_seen``."""
    photo, match, box, liked, veiled, asked = row
    return Seen(
        photo,
        match.tier if match else None,
        match.verdict if match else None,
        box,
        is_favourite=bool(liked),
        veiled=veils.for_guest(veiled, guest.id if guest is not None else None),
        veil=asked,
        is_given=match is not None and match.given_at is not None,
    )


def listed(guest: Viewer | None, row: Sequence[Any]) -> Seen[Listed]:
    """A row of ``access.photos_listed``."""
    tier, verdict, given_at, box, liked, version, guest_ids, faces, veil, *columns = row
    veiled = None
    if version is not None:
        veiled = veils.version_for_guest(version, guest_ids, faces, guest.id if guest is not None else None)
    return Seen(Listed(*columns), tier, verdict, box, bool(liked), veiled, veil, given_at is not None)
