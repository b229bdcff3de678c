"""The pictures that are delivered of a photo: kept under the hash of their bytes, switched at once, removed afterwards.

A photo's row names its current set, and nothing else is ever served: whoever changes the set changes what everybody
sees with that commit. Files that a set no longer names stay for a while, for ZIPs and pages that were under way.
"""

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.errors import NotFound
from trouvaille.core.jobs import PHOTOS, UPKEEP, defer
from trouvaille.core.storage import Storage
from trouvaille.photos.models import Photo

DROP_JOB = "photos.drop_renditions"
DROP_AFTER_S = 3600
"""Longer than any download of renditions takes; they are on nobody's page any more."""
VEIL_JOB = "delivery.veil_photo"
FULL = "full"
"""The largest rendition, of photos that guests may take home in full size and that carry a mark."""
VEILED = "veiled_"
"""Begins the names of renditions in which faces are hidden: ``veiled_view`` beside ``view``."""


class Made(Protocol):
    """A rendition fresh from the worker."""

    @property
    def name(self) -> str: ...
    @property
    def jpeg(self) -> bytes: ...
    @property
    def width_px(self) -> int: ...
    @property
    def height_px(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """One rendition of a set.

    Attributes:
        file: its place below the photo's folder, told by the hash of its bytes.
        size_bytes: None of those that were made before sizes were noted.
    """

    file: str
    width_px: int
    height_px: int
    size_bytes: int | None = None

    def key(self, photo: Photo) -> str:
        """Where it lies in the store."""
        return f"{photo.folder}/{self.file}"

    def etag(self, photo_id: UUID) -> str:
        """Changes exactly with the bytes; those of old files stand for the photo."""
        stem = PurePosixPath(self.file).stem
        return f'"{stem}"' if len(stem) == _HASH_SIGNS else f'"{photo_id}-{stem}"'


_HASH_SIGNS = 64


def stored(photo: Photo, name: str) -> Stored:
    """A rendition of the current set.

    Raises:
        NotFound: the set has none of this name.
    """
    return named(photo.renditions, name)


def named(entries: Mapping[str, dict[str, Any]], name: str) -> Stored:
    """``stored`` of a set.

    Raises:
        NotFound
    """
    known = entries.get(name)
    if known is None:
        raise NotFound
    return Stored(**known)


def as_data(placeholder: bytes | None) -> str | None:
    """A placeholder as an address that holds its own bytes; None without one."""
    return None if placeholder is None else f"data:image/webp;base64,{b64encode(placeholder).decode()}"


def keys_of(photo: Photo) -> list[str]:
    """Every key under which bytes of this photo are to lie in the store: the one list of them."""
    return [photo.original_key, *(f"{photo.folder}/{each['file']}" for each in photo.renditions.values())]


@dataclass(frozen=True, slots=True)
class Fresh:
    """Renditions that lie in the store, and that no set names yet; ``data`` by file."""

    entries: dict[str, dict[str, Any]]
    data: dict[str, bytes]


async def put(storage: Storage, photo: Photo, made: Iterable[Made], *, prefix: str = "") -> Fresh:
    """Keep renditions under the hashes of their bytes; ``switch`` shows them.

    Args:
        prefix: begins their names in the set; ``VEILED`` for those that hide faces.

    Raises:
        Unavailable: the store is full or away.
    """
    entries, data = {}, {}
    for each in made:
        file = f"{hashlib.sha256(each.jpeg).hexdigest()}.jpg"
        entries[prefix + each.name] = asdict(Stored(file, each.width_px, each.height_px, len(each.jpeg)))
        data[file] = each.jpeg
    await asyncio.gather(*(storage.put(f"{photo.folder}/{file}", jpeg) for file, jpeg in data.items()))
    return Fresh(entries, data)


async def switch(
    session: AsyncSession, storage: Storage, photo: Photo, fresh: Fresh, *, without: Collection[str] = ()
) -> bool:
    """Show fresh renditions in place of those of the same names; returns whether that changed anything.

    Args:
        photo: its row is locked in this transaction, so that nobody removes files at the same time.
        without: names that the set has no longer.
    """
    before = dict(photo.renditions)
    after = {name: each for name, each in (before | fresh.entries).items() if name not in without}
    for file, jpeg in fresh.data.items():
        # Files of an older set may be on their way out, and have the same name since they are the same bytes.
        try:
            await storage.size(f"{photo.folder}/{file}")
        except NotFound:
            await storage.put(f"{photo.folder}/{file}", jpeg)
    if after == before:
        return False
    await _set(session, photo, after)
    plain_changed = any(not name.startswith(VEILED) for name in fresh.entries)
    if plain_changed and any(name.startswith(VEILED) for name in after):
        # Those that hide faces follow; until then the older ones are shown.
        await defer(
            session, VEIL_JOB, queue=PHOTOS, lock=f"veil:{photo.id}", photo_id=photo.id, event_id=photo.event_id
        )
    return True


async def unveil(session: AsyncSession, photo: Photo) -> None:
    """Go without renditions that hide faces. The photo's row is locked in this transaction."""
    await _set(session, photo, {name: each for name, each in photo.renditions.items() if not name.startswith(VEILED)})


async def _set(session: AsyncSession, photo: Photo, after: Mapping[str, dict[str, Any]]) -> None:
    gone = _files(photo.renditions) - _files(after)
    photo.renditions = dict(after)
    await session.flush()
    if gone:
        await defer(
            session,
            DROP_JOB,
            queue=UPKEEP,
            after_s=DROP_AFTER_S,
            photo_id=photo.id,
            event_id=photo.event_id,
            files=sorted(gone),
        )


def _files(entries: Mapping[str, dict[str, Any]]) -> set[str]:
    return {each["file"] for each in entries.values()}


async def drop(session: AsyncSession, storage: Storage, *, photo_id: UUID, event_id: UUID, files: list[str]) -> None:
    """Remove files that a set once named, but none that it names again."""
    photo = await session.get(Photo, photo_id, with_for_update=True)
    place = Photo(id=photo_id, event_id=event_id).folder
    needed = _files(photo.renditions) if photo is not None else set()
    await storage.delete(f"{place}/{file}" for file in files if file not in needed)
