"""A backup of an instance in a folder, and its way back: rows, photos and the instance's key.

The rows come first, from one snapshot. A photo's bytes are in the store before its row is committed, so every row of
the dump has its bytes there when they are copied; only what is deleted in between is missing, as it should be. The
other way round, photos that were acknowledged in between would have rows and no bytes.

The folder holds ``database.dump`` (pg_dump's own format), ``photos/``, ``secret.key``, ``SHA256SUMS`` (which
``sha256sum --check`` reads) and, last of all, ``manifest.json``: without it the backup is not whole.
"""

import asyncio
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from trouvaille import __version__, instance, serving
from trouvaille.core.db import connect, plain_url, sessions_of
from trouvaille.core.moving import settle
from trouvaille.core.postgres import AlreadyRunning, EmbeddedPostgres, binaries
from trouvaille.core.storage import Storage
from trouvaille.schema import migrate
from trouvaille.settings import Settings

DUMP, PHOTOS, KEY, SUMS, MANIFEST = "database.dump", "photos", "secret.key", "SHA256SUMS", "manifest.json"
# What readiness checks leave for a moment is no photo.
LEFT_OUT = "health/"
AT_ONCE = 8
PIECE_BYTES = 1024**2

Say = Callable[[str], None]


class BackupFailed(Exception):
    """It could not be made or brought back; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is of."""

    made_at: str
    version: str
    revision: str
    files: int
    bytes: int


def backup(settings: Settings, folder: Path, say: Say = lambda _: None) -> Manifest:
    """Back an instance up into an empty or new folder, also while it runs.

    Raises:
        BackupFailed
    """
    _check_empty(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with instance.database(settings) as (ready, _):
            return _backup(ready, folder, say)
    except AlreadyRunning as running:
        return _backup(settings.model_copy(update={"database_url": running.url}), folder, say)


def _check_empty(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise BackupFailed(f"{folder} is not empty. Give each backup a folder of its own.")


def _backup(settings: Settings, folder: Path, say: Say) -> Manifest:
    url = settings.database_url or ""
    say("Rows …")
    # What processes count while they run, and where the photos were moved to, is of no use elsewhere.
    _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", "--no-comments",
         "--no-unlogged-table-data", "--exclude-table-data=store_moves", "--exclude-table-data=store_users",
         f"--file={folder / DUMP}")  # fmt: skip
    key = (settings.data_dir / KEY).read_bytes()
    _write_closed(folder / KEY, key)
    sums = [(_sum_of(folder / DUMP), DUMP), (hashlib.sha256(key).hexdigest(), KEY)]
    say("Photos …")
    copied = asyncio.run(_copy_out_of(settings, folder))
    sums += [(digest, f"{PHOTOS}/{name}") for name, digest in sorted(copied.items())]
    (folder / SUMS).write_text("".join(f"{digest}  {name}\n" for digest, name in sums))
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        size = sum((folder / name).stat().st_size for _, name in sums)
        made_at = datetime.now(UTC)
        manifest = Manifest(made_at.isoformat(), __version__, row[0] if row else "", len(sums), size)
        _write_closed(folder / MANIFEST, json.dumps(asdict(manifest), indent=2).encode())
        connection.execute(
            "INSERT INTO marks (name, at) VALUES ('backup', %s) ON CONFLICT (name) DO UPDATE SET at = excluded.at",
            (made_at,),
        )
    return manifest


async def _copy_out_of(settings: Settings, folder: Path) -> dict[str, str]:
    """Copy out of the store in use, which the settings name unless the instance moves or has moved."""
    storage, database = Storage(settings.photos_url), connect(settings.database_url or "", pool_size=1)
    try:
        await settle(sessions_of(database), storage)
    finally:
        await database.dispose()
    return await _copy_out(storage, folder)


async def _copy_out(storage: Storage, folder: Path) -> dict[str, str]:
    """Copy every object; returns their digests by key."""
    found: dict[str, str] = {}
    keys = iter(sorted(key for key in await storage.keys_under("") if not key.startswith(LEFT_OUT)))

    async def copy() -> None:
        for key in keys:
            if (digest := await _copy_one(storage, key, folder / PHOTOS)) is not None:
                found[key] = digest

    await asyncio.gather(*(copy() for _ in range(AT_ONCE)))
    return found


async def _copy_one(storage: Storage, key: str, root: Path) -> str | None:
    """The digest; None when it was deleted since it was listed."""
    from trouvaille.core.errors import NotFound  # noqa: PLC0415

    target = root / key
    if ".." in target.parts:
        raise BackupFailed(f"{key} would lie outside of the backup.")
    try:
        pieces = await storage.stream(key)
    except NotFound:
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("wb") as file:
        async for piece in pieces:
            digest.update(piece)
            await asyncio.to_thread(file.write, piece)
    return digest.hexdigest()


def check(folder: Path) -> Manifest:
    """Read a backup from end to end.

    Raises:
        BackupFailed: it is not whole, or a file is not what it was.
    """
    if not (folder / MANIFEST).exists():
        raise BackupFailed(f"{folder} holds no whole backup: {MANIFEST} is missing.")
    manifest = Manifest(**json.loads((folder / MANIFEST).read_text()))
    lines = (folder / SUMS).read_text().splitlines()
    if len(lines) != manifest.files:
        raise BackupFailed(f"{SUMS} names {len(lines)} files, the manifest {manifest.files}.")
    for line in lines:
        digest, _, name = line.partition("  ")
        if not (folder / name).is_file() or _sum_of(folder / name) != digest:
            raise BackupFailed(f"{name} is missing or has changed since the backup was made.")
    return manifest


def restore(settings: Settings, folder: Path, say: Say = lambda _: None) -> Manifest:
    """Bring a backup back into an empty data folder, an empty database and an empty store.

    Everything is checked before anything is written. A newer program then brings the rows to its own schema.

    Raises:
        BackupFailed
    """
    manifest = check(folder)
    storage = Storage(settings.photos_url)
    if asyncio.run(storage.keys_under("")):
        raise BackupFailed("The photo store is not empty. Restore into a new one.")
    key = (folder / KEY).read_bytes()
    present = settings.data_dir / KEY
    if present.exists() and present.read_bytes() != key:
        raise BackupFailed(f"{present} is another instance's key. Restore into a new data folder.")
    serving.prepare_data_dir(settings.data_dir)
    if settings.database_url is not None:
        _restore_rows(settings.database_url, folder, say)
    else:
        try:
            with EmbeddedPostgres(settings.data_dir / "postgres") as postgres:
                _restore_rows(postgres.start(), folder, say)
        except AlreadyRunning as error:
            raise BackupFailed("Trouvaille is running in this data folder. Restore into a new one.") from error
    say("Photos …")
    asyncio.run(_copy_in(storage, folder))
    if not present.exists():
        _write_closed(present, key)
    return manifest


def _restore_rows(url: str, folder: Path, say: Say) -> None:
    with psycopg.connect(plain_url(url)) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    if tables and tables[0]:
        raise BackupFailed("The database is not empty. Restore into a new one.")
    say("Rows …")
    _run(
        "pg_restore",
        url,
        "--no-owner",
        "--no-privileges",
        "--single-transaction",
        "--exit-on-error",
        str(folder / DUMP),
    )
    migrate(url)


async def _copy_in(storage: Storage, folder: Path) -> None:
    names = iter([path for path in sorted((folder / PHOTOS).rglob("*")) if path.is_file()])

    async def copy() -> None:
        for path in names:
            key = path.relative_to(folder / PHOTOS).as_posix()
            # Not under a second name: the backup must not change with the instance.
            await storage.put(key, await asyncio.to_thread(path.read_bytes))

    await asyncio.gather(*(copy() for _ in range(AT_ONCE)))


def _run(program: str, url: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs; the password goes by the environment, which others can't see."""
    address = make_url(plain_url(url))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    if address.password:
        environment["PGPASSWORD"] = str(address.password)
    named = address._replace(password=None).render_as_string()
    argv = [str(binaries() / program), f"--dbname={named}", *arguments]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BackupFailed(f"{program} failed: {done.stderr.strip()[-1000:]}")


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_closed(path: Path, data: bytes) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def as_json(manifest: Manifest) -> dict[str, Any]:
    """For scripts."""
    return asdict(manifest)
