"""Photos on their way home in one ZIP: which, under which names, and their bytes as they are read.

Nothing is copied beforehand. What may be seen is asked when the download begins and again for every photo as its turn
comes; a ZIP that can't be finished breaks off in the middle, so that nobody takes it for whole.
"""

import asyncio
import hashlib
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import BigInteger, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import Viewer
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import N_, NotFound, TooMany, Unavailable
from trouvaille.core.storage import Storage
from trouvaille.delivery import access, views
from trouvaille.delivery.access import DownloadsOff, Show, photos_seen
from trouvaille.delivery.archive import Archive, Member
from trouvaille.delivery.models import FileSum
from trouvaille.delivery.seeing import Seen, seen
from trouvaille.events.models import Downloads, Event
from trouvaille.photos.blanks import Blank, covered
from trouvaille.photos.models import Photo
from trouvaille.photos.renditions import FULL, VEILED, stored

log = structlog.get_logger()
AT_ONCE, AT_ONCE_EACH = 6, 2
"""ZIPs that one web process sends at the same time, to all and to one person: more would slow everybody's pages."""
HEADS_AT_ONCE = 16


class TooManyZips(TooMany):
    """As many as this process sends at once."""

    retry_after_s = 30
    message = N_("Many people are downloading at this moment. Please try again in half a minute.")


class BrokenOff(Exception):
    """A ZIP that can't be finished: a photo is gone, hidden, or not the file that it was. It ends the connection."""


class Slots:
    """Which ZIPs a process is sending."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    @contextmanager
    def hold(self, who: str) -> Iterator[None]:
        """One of the places, for as long as the block runs.

        Raises:
            TooManyZips
        """
        if self._taken.total() >= AT_ONCE or self._taken[who] >= AT_ONCE_EACH:
            raise TooManyZips
        self._taken[who] += 1
        try:
            yield
        finally:
            self._taken[who] -= 1
            if not self._taken[who]:
                del self._taken[who]


@dataclass(slots=True)
class File:
    """One photo's file: where it lies, its length, and its CRC-32 once that is known."""

    photo_id: UUID
    key: str
    size_bytes: int
    crc32: int | None
    blanks: Sequence[Blank] = ()

    @property
    def sum_key(self) -> str:
        """Tells these bytes from all others, also from those of the same file with other ranges covered."""
        return sum_key(self.key, self.blanks)


def sum_key(key: str, blanks: Sequence[Blank]) -> str:
    """What length and CRC-32 of a file are noted under."""
    return f"{key}#{hashlib.sha256(repr(blanks).encode()).hexdigest()[:16]}" if blanks else key


@dataclass(frozen=True, slots=True)
class Parcel:
    """A ZIP that is ready to be sent; ``files`` in the order of the archive's members."""

    archive: Archive
    files: list[File]

    @property
    def etag(self) -> str:
        """Changes with the list and with every file in it."""
        return self.archive.etag("\n".join(file.sum_key for file in self.files))


def size_for(event: Event, wanted: Downloads | None) -> Downloads:
    """The size in which photos are packed: what was asked for, as far as the event allows it.

    Raises:
        DownloadsOff
    """
    if event.downloads is Downloads.NONE or (wanted is Downloads.ORIGINAL and event.downloads is Downloads.VIEW):
        raise DownloadsOff
    return wanted if wanted is not None and wanted is not Downloads.NONE else event.downloads


@dataclass(frozen=True, slots=True)
class Content:
    """Which file of a photo its viewer gets. ``size_bytes``: where the database knows it."""

    key: str
    size_bytes: int | None
    is_original: bool
    blanks: Sequence[Blank] = ()

    @property
    def sum_key(self) -> str:
        """As ``File.sum_key``."""
        return sum_key(self.key, self.blanks)


def content_of(event: Event, seen: Seen[Photo], size: Downloads) -> Content | None:
    """What a viewer gets of a photo in a ZIP of this size; None for nothing."""
    allowed, photo = views.sizes_allowed(event, seen), seen.photo
    if not allowed:
        return None
    whole = size is Downloads.ORIGINAL and Downloads.ORIGINAL in allowed
    if whole and event.mark is None:
        blanks = access.blanks_for_guests(event, photo) or []
        return Content(photo.original_key, photo.size_bytes, is_original=True, blanks=blanks)
    try:
        view = stored(photo, FULL if whole else f"{VEILED}view" if seen.veiled else "view")
    except NotFound:
        return None
    return Content(view.key(photo), view.size_bytes, is_original=False)


async def prepare(
    session: AsyncSession,
    storage: Storage,
    event: Event,
    guest: Viewer | None,
    show: Show | None,
    size: Downloads,
    *,
    only: list[UUID] | None = None,
) -> Parcel:
    """Choose, name and measure the files of a ZIP: in three queries, and a look at each file whose length is not known.

    Args:
        show: the part of the gallery; None for all that the viewer may see, as far as they are in ``only``.
    """
    query = photos_seen(event, guest, show)
    if only is not None:
        query = query.where(Photo.id.in_(only))
    zone = ZoneInfo(event.time_zone)
    dated = [(_taken(each.photo, zone), each) for each in [seen(guest, row) for row in await session.execute(query)]]
    dated.sort(key=lambda pair: (pair[0], pair[1].photo.id))
    known = await _known(session, [each.photo.id for _, each in dated])
    wanted = []
    for taken, each in dated:
        if (content := content_of(event, each, size)) is not None:
            size_bytes, crc32 = known.get(content.sum_key, (None, None))
            wanted.append((taken, each.photo, content, content.size_bytes or size_bytes, crc32))
    measured = await _measure(
        session, storage, [(photo.id, content.key) for _, photo, content, length, _ in wanted if length is None]
    )
    members, files, taken_names = [], [], set[str]()
    for taken, photo, content, size_bytes, crc32 in wanted:
        length = measured.get(content.key) if size_bytes is None else size_bytes
        if length is None:
            log.warning("photo without its file", photo=str(photo.id))
            continue
        name = _unique(f"{taken:%Y-%m-%d_%H-%M-%S}_{_file_name(photo, content.is_original)}", taken_names)
        members.append(Member(name, length, taken))
        files.append(File(photo.id, content.key, length, crc32, content.blanks))
    return Parcel(Archive(members), files)


def _taken(photo: Photo, zone: ZoneInfo) -> datetime:
    return photo.shown_at.astimezone(zone).replace(tzinfo=None)


def _file_name(photo: Photo, is_original: bool) -> str:
    name = photo.file_name if is_original else f"{PurePath(photo.file_name).stem}.jpg"
    return name.replace("/", "_").replace("\\", "_")


def _unique(name: str, taken: set[str]) -> str:
    path, number = PurePath(name), 2
    while name.casefold() in taken:
        name, number = f"{path.stem}_{number}{path.suffix}", number + 1
    taken.add(name.casefold())
    return name


async def _known(session: AsyncSession, photo_ids: list[UUID]) -> dict[str, tuple[int, int | None]]:
    rows = await session.execute(
        select(FileSum.key, FileSum.size_bytes, FileSum.crc32).where(FileSum.photo_id.in_(photo_ids))
    )
    return {key: (size_bytes, crc32) for key, size_bytes, crc32 in rows}


async def _measure(session: AsyncSession, storage: Storage, files: list[tuple[UUID, str]]) -> dict[str, int]:
    """Lengths by key, which are noted; files that are not there are left out."""
    few = asyncio.Semaphore(HEADS_AT_ONCE)

    async def measure(photo_id: UUID, key: str) -> tuple[UUID, str, int] | None:
        async with few:
            try:
                return photo_id, key, await storage.size(key)
            except NotFound:
                return None

    found = [each for each in await asyncio.gather(*(measure(*file) for file in files)) if each is not None]
    if found:
        rows = [{"photo_id": photo_id, "key": key, "size_bytes": size} for photo_id, key, size in found]
        await session.execute(insert(FileSum).on_conflict_do_nothing(), rows)
    return {key: size for _, key, size in found}


Check = Callable[[File], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Sender:
    """Reads a parcel's bytes. ``check`` says whether a file may still be seen."""

    sessions: Sessions
    storage: Storage
    check: Check

    async def send(self, parcel: Parcel, start: int, stop: int) -> AsyncIterator[bytes]:
        """A range of a ZIP, in pieces of about 1 MB, read as they are asked for.

        Raises:
            BrokenOff
        """
        for piece in parcel.archive.pieces(start, stop):
            skip, most = max(0, start - piece.start), min(piece.stop, stop) - max(piece.start, start)
            if piece.member is None:
                crc32s = [await self._crc32(file) for file in parcel.files]
                yield parcel.archive.end(crc32s)[skip : skip + most]
                continue
            file = parcel.files[piece.member]
            if not piece.is_data:
                await self._allow(file)
                header = parcel.archive.header(piece.member, await self._crc32(file))
                yield header[skip : skip + most]
                continue
            if skip:  # it goes on within a photo, whose header came with an earlier request
                await self._allow(file)
            async for data in self._read(file, skip, most):
                yield data

    async def _allow(self, file: File) -> None:
        if not await self.check(file):
            raise self._broken(file, "no longer shown")

    def _broken(self, file: File, reason: str) -> BrokenOff:
        log.warning("zip broken off", photo=str(file.photo_id), reason=reason)
        return BrokenOff(reason)

    async def _read(self, file: File, skip: int, most: int) -> AsyncIterator[bytes]:
        crc32, left = 0, most
        try:
            async for data in covered(await self.storage.stream(file.key, offset=skip), file.blanks, offset=skip):
                part = data[:left]
                crc32, left = zlib.crc32(part, crc32), left - len(part)
                if left == 0 and most == file.size_bytes and crc32 != file.crc32:
                    raise await self._changed(file)
                yield part
                if left == 0:
                    break
        except (NotFound, Unavailable) as error:
            raise self._broken(file, "not to be read") from error
        if left:
            raise await self._changed(file)

    async def _changed(self, file: File) -> BrokenOff:
        """The file is another than the one that was measured: measure it anew the next time."""
        async with transaction(self.sessions) as session:
            known = await session.get(FileSum, (file.photo_id, file.sum_key))
            if known is not None:
                await session.delete(known)
        return self._broken(file, "not the file that was measured")

    async def _crc32(self, file: File) -> int:
        """A file's CRC-32. The first time it takes reading the file once more than sending it does."""
        if file.crc32 is not None:
            return file.crc32
        crc32, length = 0, 0
        try:
            async for data in covered(await self.storage.stream(file.key), file.blanks):
                crc32, length = zlib.crc32(data, crc32), length + len(data)
        except (NotFound, Unavailable) as error:
            raise self._broken(file, "not to be read") from error
        if length != file.size_bytes:
            raise await self._changed(file)
        file.crc32 = crc32
        row = {"size_bytes": length, "crc32": crc32}
        new = insert(FileSum).from_select(
            ["photo_id", "key", "size_bytes", "crc32"],
            # A photo that was deleted meanwhile has nothing to be noted for.
            select(Photo.id, literal(file.sum_key), literal(length, BigInteger), literal(crc32, BigInteger)).where(
                Photo.id == file.photo_id
            ),
        )
        async with transaction(self.sessions) as session:
            await session.execute(new.on_conflict_do_update(index_elements=[FileSum.photo_id, FileSum.key], set_=row))
        return crc32
