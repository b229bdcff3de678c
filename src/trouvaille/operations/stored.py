"""Whether the store and the database agree: files without a row, and rows without their files."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import undo
from trouvaille.core.clock import now
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.storage import Entry, Storage, listed
from trouvaille.delivery import veils
from trouvaille.events.models import Event, EventPicture
from trouvaille.guests.models import Enrolment
from trouvaille.imports.models import Import
from trouvaille.photos import service as photos
from trouvaille.photos.models import Photo, PhotoState
from trouvaille.photos.renditions import VEILED, keys_of

OWNED: Final = re.compile(r"events/([0-9a-f-]{36})/(photos|selfies|pictures|imports)/([0-9a-f-]{36})(?:/|$)")
OWNERS: Final[tuple[tuple[str, Any], ...]] = (("selfies", Enrolment), ("pictures", EventPicture))
OURS: Final = "health/"
NAMED: Final = 20
"""So many are named one by one; of the others, the number is told."""


@dataclass(slots=True)
class Found:
    """What does not agree, and what was done about it.

    ``orphans``: files that no row leads to. ``unknown``: files whose name is none of the product's, which are never
    touched. ``lost``: photos whose original is gone, by id; ``unmade``: photos whose renditions are gone, which a
    worker makes anew.
    """

    files: int = 0
    orphans: int = 0
    orphan_bytes: int = 0
    unknown: int = 0
    lost: list[str] = field(default_factory=list)
    unmade: int = 0
    removed: int = 0
    set_aside: int = 0
    asked: int = 0
    examples: list[str] = field(default_factory=list)

    def is_well(self, *, repaired: bool) -> bool:
        """Whether nothing is left to do."""
        return not self.lost and (repaired or not (self.orphans or self.unmade))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def in_words(self) -> Iterable[str]:
        """For the operator, a line each."""
        yield f"{self.files:,} files in the store"
        yield f"{self.orphans:,} that belong to nothing ({self.orphan_bytes / 1e6:,.1f} MB), {self.removed:,} removed"
        yield from (f"  {key}" for key in self.examples)
        yield f"{self.unmade:,} photos without their previews, {self.asked:,} are made anew"
        yield f"{len(self.lost):,} photos whose original is gone, {self.set_aside:,} of them set aside"
        yield from (f"  {each}" for each in self.lost[:NAMED])
        if self.unknown:
            yield f"{self.unknown:,} files that are not of this product; they are left alone"


async def check(sessions: Sessions, storage: Storage, *, repair: bool, older_than_s: float) -> Found:
    """Compare in both directions; no more is held in memory than what one event has.

    Args:
        older_than_s: files and rows that are younger may be about to be completed.

    Raises:
        Unavailable: the store is away; what was done until then is done.
    """
    found = Found()
    before = now() - timedelta(seconds=older_than_s)
    async for batch in listed(storage.store):
        found.files += len(batch)
        async with transaction(sessions) as session:
            orphans = await _orphans(session, [each for each in batch if each.modified_at <= before], found)
        found.orphans += len(orphans)
        found.orphan_bytes += sum(each.size_bytes for each in orphans)
        found.examples += [each.key for each in orphans[: NAMED - len(found.examples)]]
        if repair:
            await storage.delete([each.key for each in orphans])
            found.removed += len(orphans)
    await _look_at_photos(sessions, storage, found, before, repair=repair)
    return found


async def _orphans(session: AsyncSession, batch: Sequence[Entry], found: Found) -> list[Entry]:
    """The files of a listing that no row leads to. Rows are read after the listing, so none is too young to be seen."""
    owned: dict[str, dict[UUID, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in batch:
        match = OWNED.match(entry.key)
        if match:
            owned[match[2]][UUID(match[3])].append(entry)
        elif not entry.key.startswith(OURS):
            found.unknown += 1
    wanted = await _photo_keys(session, list(owned["photos"]))
    # Of selfies and pictures, whatever lies in the folder of one that exists is its own.
    for kind, table in OWNERS:
        rows: Any = await session.scalars(select(table).where(table.id.in_(list(owned[kind]))))
        folders = {f"{row.folder}/" for row in rows}
        aside = await undo.laid_aside(session, table) if table is EventPicture else set()
        for row_id, entries in owned[kind].items():
            if row_id in aside:
                wanted |= {each.key for each in entries}
            wanted |= {each.key for each in entries if f"{each.key.rpartition('/')[0]}/" in folders}
    archives = await session.scalars(select(Import).where(Import.id.in_(list(owned["imports"]))))
    wanted |= {each.archive_key for each in archives}
    return [each for kind in owned.values() for entries in kind.values() for each in entries if each.key not in wanted]


async def _photo_keys(session: AsyncSession, ids: Sequence[UUID]) -> set[str]:
    rows = await session.scalars(select(Photo).where(Photo.id.in_(ids)))
    return {key for photo in rows for key in keys_of(photo)}


async def _look_at_photos(
    sessions: Sessions, storage: Storage, found: Found, before: datetime, *, repair: bool
) -> None:
    async with transaction(sessions) as session:
        events = list(await session.scalars(select(Event.id)))
    for event_id in events:
        # Rows before files: the files of a row that is committed are all there.
        async with transaction(sessions) as session:
            query = select(Photo).where(Photo.event_id == event_id, Photo.created_at <= before)
            rows = list(await session.scalars(query))
        there = set(await storage.keys_under(f"events/{event_id}/photos")) if rows else set()
        for photo in rows:
            await _look_at(sessions, photo, there, found, repair=repair)


async def _look_at(sessions: Sessions, photo: Photo, there: set[str], found: Found, *, repair: bool) -> None:
    missing = {key for key in keys_of(photo) if key not in there}
    if not missing:
        return
    async with transaction(sessions) as session:
        if await session.get(Photo, photo.id) is None:  # deleted while we looked
            return
        if photo.original_key in missing:
            found.lost.append(str(photo.id))
            # Where guests can still see it, it stays; whoever sends the file again gives it its original back.
            if repair and missing == set(keys_of(photo)) and photo.state is not PhotoState.FAILED:
                await photos.set_failed(session, photo.id, photos.LOST)
                found.set_aside += 1
            return
        found.unmade += 1
        if repair:
            found.asked += await photos.make_anew(session, photo.id)
            if any(
                f"{photo.folder}/{each['file']}" in missing
                for name, each in photo.renditions.items()
                if name.startswith(VEILED)
            ):
                await veils.ask_for_renditions(session, photo.event_id, photo.id)
