"""Photo bytes, in any object store that obstore speaks: a local folder, S3, GCS, Azure.

Keys are paths with forward slashes. A local folder answers ``put`` only after the bytes and their folder entry are on
the disk, since obstore's local store leaves that to the operating system.

While an instance moves to another store it writes to both and reads from the one that is complete. ``core.moving`` says
when.
"""

import asyncio
import errno
import os
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import disk_usage, rmtree
from typing import Any, Final

import obstore
import structlog

from trouvaille.core import metrics
from trouvaille.core.errors import N_, NotFound, Unavailable
from trouvaille.core.stores import Store, open_store

log = structlog.get_logger()
KEEP_FREE_BYTES = 256 * 1024**2
NO_ROOM = N_("The server’s disk is full. Please tell its operator.")
PART_BYTES: Final = 8 * 1024**2
"""Larger files go to a distant store in parts of this size, a few at once: no more is held in memory."""
PARTS_AT_ONCE: Final = 4
PIECE_BYTES: Final = 1024**2
LISTINGS: Final = 10
"""How often a folder is listed at most until nothing lies in it any more."""
BATCH: Final = 1000
"""Keys that are listed or deleted by one request: the most that S3 does."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that lies in a store."""

    key: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, eq=False)
class _Arrangement:
    """Which stores are used: one is read, and all of ``written`` are written to, in this order."""

    read: Store
    written: tuple[Store, ...]


class Storage:
    """A small set of verbs over one object store, or over two while an instance moves."""

    def __init__(self, url: str) -> None:
        """``url``: ``file:///folder``, ``s3://bucket/prefix``, ``gs://…`` or ``az://…``; ``core.stores`` has more.

        Raises:
            WrongStore
        """
        self.url = url
        self._opened = {url: open_store(url)}
        self._now = _Arrangement(self._opened[url], (self._opened[url],))
        self._busy: Counter[_Arrangement] = Counter()
        self.held = False

    @property
    def arrangement(self) -> tuple[str, ...]:
        """The URL of the store that is read, and those of the stores that are written to."""
        return (self._now.read.url, *(store.url for store in self._now.written))

    @property
    def store(self) -> Store:
        """The store that is read.

        Raises:
            Unavailable: nobody knows yet which one that is.
        """
        if self.held:
            raise Unavailable
        return self._now.read

    def hold(self) -> None:
        """Read and write nothing until the next ``arrange``."""
        self.held = True

    def arrange(self, read: str, *written: str) -> None:
        """Use these stores from now on; what is under way ends where it began, and ``settled`` waits for it."""
        self.held = False
        if self.arrangement == (read, *written):
            return
        for url in (read, *written):
            if url not in self._opened:
                self._opened[url] = open_store(url)
        self._now = _Arrangement(self._opened[read], tuple(self._opened[url] for url in written))
        log.info("stores arranged", written=len(written))

    async def settled(self) -> None:
        """Wait until nothing is written any more in an earlier arrangement."""
        # Looked at rather than signalled: it happens twice in the life of an instance.
        while any(count for which, count in self._busy.items() if which is not self._now):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    @contextmanager
    def _writing(self, verb: str) -> Iterator[tuple[Store, ...]]:
        if self.held:
            raise Unavailable
        now = self._now
        self._busy[now] += 1
        try:
            with _told(verb):
                yield now.written
        finally:
            self._busy[now] -= 1

    async def put(self, key: str, data: bytes) -> None:
        """Keep ``data`` under ``key``, replacing what was there; durable when this returns.

        A local folder refuses before the disk is full: the database beside it could not start again on a full one.

        Raises:
            Unavailable: the store is full or away.
        """
        with self._writing("put") as stores:
            for store in stores:
                await _put(store, key, data)

    async def put_file(self, key: str, path: Path) -> None:
        """``put`` of a file on this machine, in flat memory; a large one goes to a distant store in parts.

        A local folder on the same file system takes the file itself under a second name, so that nothing is copied.

        Args:
            path: nobody writes to it any more, and its bytes are on the disk.

        Raises:
            Unavailable: the store is full or away.
        """
        with self._writing("put") as stores:
            for store in stores:
                if store.root is None or not await asyncio.to_thread(_take_over, store, key, path):
                    await _put(store, key, path)

    async def copy(self, source: str, target: str) -> None:
        """Let the same bytes lie under a second key; durable when this returns.

        A local folder gives the file a second name; a distant store copies it by itself.

        Raises:
            NotFound: nothing lies under ``source``.
            Unavailable: the store is full or away.
        """
        with self._writing("put") as stores:
            for store in stores:
                if store.root is None:
                    await obstore.copy_async(store.handle, source, target)
                    continue
                path = store.root / source
                if not await asyncio.to_thread(path.is_file):
                    raise NotFound
                if not await asyncio.to_thread(_take_over, store, target, path):
                    await _put(store, target, path)

    async def get(self, key: str) -> bytes:
        """The bytes under ``key``.

        Raises:
            NotFound: nothing lies there.
            Unavailable: the store is away.
        """
        with _told("get"):
            result = await obstore.get_async(self.store.handle, key)
            return bytes(await result.bytes_async())

    async def size(self, key: str) -> int:
        """How many bytes lie under ``key``.

        Raises:
            NotFound: nothing lies there.
            Unavailable: the store is away.
        """
        with _told("get"):
            return int((await obstore.head_async(self.store.handle, key))["size"])

    async def stream(self, key: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """The bytes under ``key`` from ``offset`` on, in pieces of about 1 MB, opened before the first is asked for.

        Raises:
            NotFound: nothing lies there.
            Unavailable: the store is away.
        """
        handle, skip = self.store.handle, 0
        with _told("get"):
            options: Any = {"range": {"offset": offset}} if offset else None
            try:
                result = await obstore.get_async(handle, key, options=options)
            except obstore.exceptions.GenericError:
                if not offset:
                    raise
                # A server that sends the whole whatever was asked for.
                result, skip = await obstore.get_async(handle, key), offset
        return _pieces(result, skip)

    async def delete(self, keys: Iterable[str]) -> None:
        """Remove the keys; one that is already gone is no error.

        Raises:
            Unavailable: the store is away.
        """
        wanted = list(keys)
        with self._writing("delete") as stores:
            for store in stores:
                await delete_from(store, wanted)

    async def delete_under(self, prefix: str) -> None:
        """Remove everything below a folder.

        Raises:
            Unavailable: the store is away.
        """
        with self._writing("delete") as stores:
            for store in stores:
                if store.root is not None:
                    # Also what a process that was killed in the middle of writing left, which the store does not list.
                    await asyncio.to_thread(rmtree, store.root / prefix, ignore_errors=True)
                    continue
                # A listing that goes on while its keys are removed may leave some out, and erased has to be erased.
                for _ in range(LISTINGS):
                    found = 0
                    async for batch in listed(store, prefix):
                        found += len(batch)
                        await delete_from(store, [entry.key for entry in batch])
                    if not found:
                        break
                else:
                    raise Unavailable

    async def keys_under(self, prefix: str) -> list[str]:
        """All keys below a folder, in no order.

        Raises:
            Unavailable: the store is away.
        """
        return [entry.key async for batch in listed(self.store, prefix) for entry in batch]


async def _put(store: Store, key: str, what: bytes | Path) -> None:
    if store.root is not None:
        await asyncio.to_thread(_check_room, store.root, what)
    await obstore.put_async(store.handle, key, what, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
    if store.root is not None:
        await asyncio.to_thread(_sync_to_disk, store, key)


async def listed(store: Store, prefix: str | None = None) -> AsyncIterator[Sequence[Entry]]:
    """Everything in a store, or below a folder of it, in batches and in flat memory.

    Raises:
        Unavailable: the store is away.
    """
    with _told("list"):
        async for batch in obstore.list(store.handle, prefix=prefix, chunk_size=BATCH):
            yield [Entry(each["path"], each["size"], each["last_modified"]) for each in batch]


async def delete_from(store: Store, keys: Sequence[str]) -> None:
    """Remove keys from one store, as many at once as it takes; one that is already gone is no error.

    Raises:
        Unavailable: the store is away.
    """
    with _told("delete"):
        if store.url.startswith("s3:"):  # it does not mind what is not there
            for start in range(0, len(keys), BATCH):
                await obstore.delete_async(store.handle, list(keys[start : start + BATCH]))
            return
        for key in keys:
            try:
                await obstore.delete_async(store.handle, key)
            except FileNotFoundError:
                continue


async def head(store: Store, key: str) -> Entry:
    """What is known of a key without reading it.

    Raises:
        NotFound: nothing lies there.
        Unavailable: the store is away.
    """
    with _told("get"):
        found = await obstore.head_async(store.handle, key)
    return Entry(key, found["size"], found["last_modified"])


async def copy(source: Store, target: Store, key: str) -> None:
    """Copy one key to another store, in flat memory.

    Raises:
        NotFound: nothing lies there.
        Unavailable: a store is away, or the other one is full.
    """
    with _told("put"):
        result: Any = await obstore.get_async(source.handle, key)
        if target.root is not None:
            await asyncio.to_thread(_check_room, target.root, result.meta["size"])
        pieces = result.stream(min_chunk_size=PIECE_BYTES)
        await obstore.put_async(target.handle, key, pieces, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
        if target.root is not None:
            await asyncio.to_thread(_sync_to_disk, target, key)


@contextmanager
def _told(verb: str) -> Iterator[None]:
    """Errors of the store as the product's own; what the store said goes to the log, for the operator."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound from error
    except (OSError, obstore.exceptions.BaseError) as error:
        metrics.STORAGE_ERRORS.labels(verb).inc()
        log.warning("store failed", kind=type(error).__name__, said=str(error).partition("\n")[0][:300])
        # The disk may fill up between the look at it and the writing; obstore tells what the system said as text.
        full = getattr(error, "errno", None) == errno.ENOSPC or f"os error {errno.ENOSPC})" in str(error)
        raise (Unavailable(NO_ROOM) if full else Unavailable) from error


async def _pieces(result: Any, skip: int) -> AsyncIterator[bytes]:
    with _told("get"):
        async for piece in result.stream(min_chunk_size=PIECE_BYTES):
            data = bytes(piece)[skip:]
            skip = max(0, skip - len(piece))
            if data:
                yield data


def _check_room(root: Path, what: bytes | Path | int) -> None:
    wanted_bytes = what if isinstance(what, int) else len(what) if isinstance(what, bytes) else what.stat().st_size
    if disk_usage(root).free - wanted_bytes < KEEP_FREE_BYTES:
        raise Unavailable(NO_ROOM)


def _take_over(store: Store, key: str, path: Path) -> bool:
    """Give a file a name in a local store; False where that takes a copy."""
    assert store.root is not None
    target = store.root / key
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
    _flush_entry(store, target)
    return True


def _sync_to_disk(store: Store, key: str) -> None:
    """Flush a file and every folder entry that leads to it."""
    assert store.root is not None
    path = store.root / key
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    _flush_entry(store, path)


def _flush_entry(store: Store, path: Path) -> None:
    assert store.folders is not None
    store.folders.flush_entry(path)
