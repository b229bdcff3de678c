"""Photo bytes, in any object store that obstore speaks: a local folder, S3, GCS, Azure.

Keys are paths with forward slashes. A local folder answers ``put`` only after the bytes and their folder entry are on
the disk, since obstore's local store leaves that to the operating system.

While an instance moves to another store it has two: what is written goes to the first, what is not found there is
looked for in the second, and what is deleted goes from both. ``core.moving`` says when.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import disk_usage, rmtree
from typing import Any, Final

import obstore
import structlog

from trouvaille.core.errors import N_, NotFound, Unavailable
from trouvaille.core.stores import Store, open_store

log = structlog.get_logger()
KEEP_FREE_BYTES = 256 * 1024**2
NO_ROOM = N_("The server’s disk is full. Please tell its operator.")
PART_BYTES: Final = 8 * 1024**2
"""Larger files go to a distant store in parts of this size, a few at once: no more is held in memory."""
PARTS_AT_ONCE: Final = 4
PIECE_BYTES: Final = 1024**2
BATCH: Final = 1000
"""Keys that are listed or deleted by one request: the most that S3 does."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that lies in a store."""

    key: str
    size_bytes: int
    modified_at: datetime


class Storage:
    """A small set of verbs over one object store, or over two while an instance moves."""

    def __init__(self, url: str) -> None:
        """``url``: ``file:///folder``, ``s3://bucket/prefix``, ``gs://…`` or ``az://…``; ``core.stores`` has more.

        Raises:
            WrongStore
        """
        self.url = url
        self._opened = {url: open_store(url)}
        self._stores: tuple[Store, ...] = (self._opened[url],)

    def arrange(self, *urls: str) -> None:
        """Use these stores from now on, the first for what is written; what is under way ends where it began."""
        if tuple(store.url for store in self._stores) == urls:
            return
        opened = {url: self._opened.get(url) or open_store(url) for url in urls}
        self._opened |= opened
        self._stores = tuple(opened[url] for url in urls)
        log.info("stores arranged", stores=len(urls))

    @property
    def stores(self) -> tuple[Store, ...]:
        """The stores in use, the one that is written to first."""
        return self._stores

    async def put(self, key: str, data: bytes) -> None:
        """Keep ``data`` under ``key``, replacing what was there; durable when this returns.

        A local folder refuses before the disk is full: the database beside it could not start again on a full one.

        Raises:
            Unavailable: the store is full or away.
        """
        store = self._stores[0]
        with _told():
            if store.root is not None:
                await asyncio.to_thread(_check_room, store.root, len(data))
            await obstore.put_async(store.handle, key, data, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
            if store.root is not None:
                await asyncio.to_thread(_sync_to_disk, store.root, key)

    async def put_file(self, key: str, path: Path) -> None:
        """``put`` of a file on this machine, in flat memory; a large one goes to a distant store in parts.

        A local folder on the same file system takes the file itself under a second name, so that nothing is copied.

        Args:
            path: nobody writes to it any more, and its bytes are on the disk.

        Raises:
            Unavailable: the store is full or away.
        """
        store = self._stores[0]
        with _told():
            if store.root is not None and await asyncio.to_thread(_take_over, store.root, key, path):
                return
            if store.root is not None:
                await asyncio.to_thread(_check_room, store.root, path.stat().st_size)
            await obstore.put_async(store.handle, key, path, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
            if store.root is not None:
                await asyncio.to_thread(_sync_to_disk, store.root, key)

    async def get(self, key: str) -> bytes:
        """The bytes under ``key``.

        Raises:
            NotFound: nothing lies there.
            Unavailable: the store is away.
        """
        with _told():
            result = await self._open(key)
            return bytes(await result.bytes_async())

    async def size(self, key: str) -> int:
        """How many bytes lie under ``key``.

        Raises:
            NotFound: nothing lies there.
            Unavailable: the store is away.
        """
        with _told():
            for store in self._stores[:-1]:
                try:
                    return int((await obstore.head_async(store.handle, key))["size"])
                except FileNotFoundError:
                    continue
            return int((await obstore.head_async(self._stores[-1].handle, key))["size"])

    async def stream(self, key: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """The bytes under ``key`` from ``offset`` on, in pieces of about 1 MB, opened before the first is asked for.

        Raises:
            NotFound: nothing lies there.
            Unavailable: the store is away.
        """
        with _told():
            if not offset:
                result, skip = await self._open(key), 0
            else:
                try:
                    result, skip = await self._open(key, {"range": {"offset": offset}}), 0
                except obstore.exceptions.GenericError:  # a server that sends the whole whatever was asked for
                    result, skip = await self._open(key), offset
        return _pieces(result, skip)

    async def _open(self, key: str, options: Any = None) -> Any:
        for store in self._stores[:-1]:
            try:
                return await obstore.get_async(store.handle, key, options=options)
            except FileNotFoundError:
                continue
        return await obstore.get_async(self._stores[-1].handle, key, options=options)

    async def delete(self, keys: Iterable[str]) -> None:
        """Remove the keys; one that is already gone is no error.

        Raises:
            Unavailable: the store is away.
        """
        wanted = list(keys)
        # The store that is left goes first: whoever copies looks there last (``moving.copy_one``).
        for store in reversed(self._stores):
            await delete_from(store, wanted)

    async def delete_under(self, prefix: str) -> None:
        """Remove everything below a folder.

        Raises:
            Unavailable: the store is away.
        """
        for store in reversed(self._stores):
            if store.root is not None:
                # Also what a process that was killed in the middle of writing left, which the store does not list.
                await asyncio.to_thread(rmtree, store.root / prefix, ignore_errors=True)
                continue
            async for batch in listed(store, prefix):
                await delete_from(store, [entry.key for entry in batch])

    async def keys_under(self, prefix: str) -> list[str]:
        """All keys below a folder, in no order, each once.

        Raises:
            Unavailable: the store is away.
        """
        found = {entry.key for store in self._stores async for batch in listed(store, prefix) for entry in batch}
        return list(found)


async def listed(store: Store, prefix: str | None = None) -> AsyncIterator[Sequence[Entry]]:
    """Everything in a store, or below a folder of it, in batches and in flat memory.

    Raises:
        Unavailable: the store is away.
    """
    with _told():
        async for batch in obstore.list(store.handle, prefix=prefix, chunk_size=BATCH):
            yield [Entry(each["path"], each["size"], each["last_modified"]) for each in batch]


async def delete_from(store: Store, keys: Sequence[str]) -> None:
    """Remove keys from one store, as many at once as it takes; one that is already gone is no error.

    Raises:
        Unavailable: the store is away.
    """
    with _told():
        if store.url.startswith("s3:"):  # it does not mind what is not there
            for start in range(0, len(keys), BATCH):
                await obstore.delete_async(store.handle, list(keys[start : start + BATCH]))
            return
        for key in keys:
            try:
                await obstore.delete_async(store.handle, key)
            except FileNotFoundError:
                continue


@contextmanager
def _told() -> Iterator[None]:
    """Errors of the store as the product's own; what the store said goes to the log, for the operator."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound from error
    except (OSError, obstore.exceptions.BaseError) as error:
        log.warning("store failed", kind=type(error).__name__, said=str(error).partition("\n")[0][:300])
        raise Unavailable from error


async def _pieces(result: Any, skip: int) -> AsyncIterator[bytes]:
    with _told():
        async for piece in result.stream(min_chunk_size=PIECE_BYTES):
            data = bytes(piece)[skip:]
            skip = max(0, skip - len(piece))
            if data:
                yield data


def _check_room(root: Path, wanted_bytes: int) -> None:
    if disk_usage(root).free - wanted_bytes < KEEP_FREE_BYTES:
        raise Unavailable(NO_ROOM)


def _take_over(root: Path, key: str, path: Path) -> bool:
    """Give a file a name in the store; False where that takes a copy."""
    target = root / key
    target.parent.mkdir(parents=True, exist_ok=True)
    # What lies there goes only once there is something to take its place.
    fresh = target.with_name(f"{target.name}.{secrets.token_hex(8)}")
    try:
        os.link(path, fresh)
        fresh.replace(target)
    except OSError:
        return False
    finally:
        fresh.unlink(missing_ok=True)  # where both are the same file, replacing leaves it
    _sync_to_disk(root, key)
    return True


def _sync_to_disk(root: Path, key: str) -> None:
    """Flush a file and every folder entry that leads to it; a new folder's entry lies in its parent."""
    path = root / key
    for target in (path, *(parent for parent in path.parents if parent == root or root in parent.parents)):
        handle = os.open(target, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
