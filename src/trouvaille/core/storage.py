"""Photo bytes, in any object store that obstore speaks: a local folder, S3, GCS, Azure.

Keys are paths with forward slashes. A local folder answers ``put`` only after the bytes and their folder entry are on
the disk, since obstore's local store leaves that to the operating system.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from shutil import disk_usage, rmtree
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import obstore
from obstore.store import LocalStore, from_url

from trouvaille.core import metrics
from trouvaille.core.durable import Folders
from trouvaille.core.errors import N_, NotFound, Unavailable

KEEP_FREE_BYTES = 256 * 1024**2
NO_ROOM = N_("The server’s disk is full. Please tell its operator.")


class Storage:
    """A small set of verbs over one object store."""

    def __init__(self, url: str) -> None:
        """``url``: ``file:///folder``, ``s3://bucket/prefix``, ``gs://…`` or ``az://…``."""
        parsed = urlparse(url)
        self._root: Path | None = None
        self._store: Any
        if parsed.scheme == "file":
            self._root = Path(url2pathname(parsed.path))
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folders = Folders(self._root)
            self._store = LocalStore(self._root)
        else:
            self._store = from_url(url)

    async def put(self, key: str, data: bytes) -> None:
        """Keep ``data`` under ``key``, replacing what was there; durable when this returns.

        A local folder refuses before the disk is full: the database beside it could not start again on a full one.

        Raises:
            Unavailable: the store is full or away.
        """
        try:
            if self._root is not None and disk_usage(self._root).free - len(data) < KEEP_FREE_BYTES:
                raise Unavailable(NO_ROOM)
            await obstore.put_async(self._store, key, data)
            if self._root is not None:
                await asyncio.to_thread(self._sync_to_disk, key)
        except (OSError, obstore.exceptions.BaseError) as error:
            metrics.STORAGE_ERRORS.labels("put").inc()
            raise Unavailable from error

    async def put_file(self, key: str, path: Path) -> None:
        """``put`` of a file on this machine, in flat memory; a large one goes to a distant store in parts.

        A local folder on the same file system takes the file itself under a second name, so that nothing is copied.

        Args:
            path: nobody writes to it any more, and its bytes are on the disk.

        Raises:
            Unavailable: the store is full or away.
        """
        try:
            if self._root is not None and await asyncio.to_thread(self._take_over, key, path):
                return
            if self._root is not None:
                await asyncio.to_thread(_check_room, self._root, path)
            await obstore.put_async(self._store, key, path)
            if self._root is not None:
                await asyncio.to_thread(self._sync_to_disk, key)
        except (OSError, obstore.exceptions.BaseError) as error:
            metrics.STORAGE_ERRORS.labels("put").inc()
            raise Unavailable from error

    async def copy(self, source: str, target: str) -> None:
        """Let the same bytes lie under a second key; durable when this returns.

        A local folder gives the file a second name; a distant store copies it by itself.

        Raises:
            NotFound: nothing lies under ``source``.
            Unavailable: the store is full or away.
        """
        if self._root is not None:
            path = self._root / source
            if not await asyncio.to_thread(path.is_file):
                raise NotFound
            await self.put_file(target, path)
            return
        try:
            await obstore.copy_async(self._store, source, target)
        except (FileNotFoundError, obstore.exceptions.NotFoundError) as error:
            raise NotFound from error
        except (OSError, obstore.exceptions.BaseError) as error:
            metrics.STORAGE_ERRORS.labels("put").inc()
            raise Unavailable from error

    def _take_over(self, key: str, path: Path) -> bool:
        """Give a file a name in the store; False where that takes a copy."""
        assert self._root is not None
        target = self._root / key
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
        self._folders.flush_entry(target)
        return True

    def _sync_to_disk(self, key: str) -> None:
        """Flush a file and every folder entry that leads to it."""
        assert self._root is not None
        path = self._root / key
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        self._folders.flush_entry(path)

    async def get(self, key: str) -> bytes:
        """The bytes under ``key``.

        Raises:
            NotFound: nothing lies there.
            Unavailable: the store is away.
        """
        try:
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())
        except (FileNotFoundError, obstore.exceptions.NotFoundError) as error:
            raise NotFound from error
        except (OSError, obstore.exceptions.BaseError) as error:
            metrics.STORAGE_ERRORS.labels("get").inc()
            raise Unavailable from error

    async def size(self, key: str) -> int:
        """How many bytes lie under ``key``.

        Raises:
            NotFound: nothing lies there.
            Unavailable: the store is away.
        """
        try:
            return int((await obstore.head_async(self._store, key))["size"])
        except (FileNotFoundError, obstore.exceptions.NotFoundError) as error:
            raise NotFound from error
        except (OSError, obstore.exceptions.BaseError) as error:
            raise Unavailable from error

    async def stream(self, key: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """The bytes under ``key`` from ``offset`` on, in pieces of about 1 MB, opened before the first is asked for.

        Raises:
            NotFound: nothing lies there.
        """
        options: Any = {"range": {"offset": offset}} if offset else None
        try:
            result = await obstore.get_async(self._store, key, options=options)
        except (FileNotFoundError, obstore.exceptions.NotFoundError) as error:
            raise NotFound from error

        async def pieces() -> AsyncIterator[bytes]:
            async for piece in result.stream(min_chunk_size=1024**2):
                yield bytes(piece)

        return pieces()

    async def delete(self, keys: Iterable[str]) -> None:
        """Remove the keys; one that is already gone is no error."""
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except (FileNotFoundError, obstore.exceptions.NotFoundError):
                continue

    async def delete_under(self, prefix: str) -> None:
        """Remove everything below a folder."""
        if self._root is not None:
            # Also what a process that was killed in the middle of writing left, which the store does not list.
            await asyncio.to_thread(rmtree, self._root / prefix, ignore_errors=True)
            return
        async for batch in obstore.list(self._store, prefix=prefix):
            keys = [entry["path"] for entry in batch]
            await self.delete(keys)

    async def keys_under(self, prefix: str) -> list[str]:
        """All keys below a folder, in no order."""
        return [entry["path"] async for batch in obstore.list(self._store, prefix=prefix) for entry in batch]


def _check_room(root: Path, path: Path) -> None:
    if disk_usage(root).free - path.stat().st_size < KEEP_FREE_BYTES:
        raise Unavailable(NO_ROOM)
