"""Doing an import: a step of some seconds, after which it is looked at whether it is still wanted."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from time import monotonic
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import subject_of
from trouvaille.accounts.sessions import as_viewer
from trouvaille.core.clock import now
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import N_, Invalid, Refused, Unavailable
from trouvaille.core.images import EmptyFile, check_size
from trouvaille.core.import_rules import Rules
from trouvaille.core.secrets import Vault
from trouvaille.core.storage import KEEP_FREE_BYTES, NO_ROOM, Storage
from trouvaille.events import rights
from trouvaille.events.models import Event
from trouvaille.events.rights import NoSuchEvent, Right
from trouvaille.events.states import Archived, check_changeable
from trouvaille.imports import service, sources
from trouvaille.imports.archives import Archive, NotAZip
from trouvaille.imports.folders import Folder, is_file, opened
from trouvaille.imports.models import UNFINISHED, FileState, Import, ImportFile, ImportState, Kind
from trouvaille.imports.places import Place, below
from trouvaille.imports.remotes import Remote
from trouvaille.imports.sources import Listed, NotThere, Source
from trouvaille.photos import intake
from trouvaille.photos.intake import Duplicate, Limits, Offer
from trouvaille.photos.models import Source as Way
from trouvaille.photos.quotas import QuotaReached

log = structlog.get_logger()
STEP_S: Final = 20.0
AT_ONCE: Final = 3
ROWS_AT_ONCE: Final = 1_000
FULL: Final = N_("There is no more room in this event. Make room, then go on.")


class NoLongerAllowed(Invalid):
    """Who started it may not do so any more."""

    message = N_("Whoever started this import may not add photos to this event any more.")


@dataclass(frozen=True, slots=True)
class Bench:
    """What an import works with."""

    sessions: Sessions
    storage: Storage
    vault: Vault
    rules: Rules


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    state: FileState
    reason: str | None = None
    params: dict[str, Any] | None = None

    @classmethod
    def of(cls, error: Refused) -> "Outcome":
        """A file that was refused."""
        return cls(
            FileState.REFUSED, error.text[:400], {key: str(value) for key, value in error.params.items()} or None
        )


async def step(bench: Bench, import_id: UUID, *, step_s: float = STEP_S) -> bool:
    """Work on an import for a while; returns whether there is more to do now.

    Nothing of it is lost when the process dies: what was decided on is in the database, file by file, and a file that
    was taken in without that is found to be known.

    Raises:
        Unavailable: our store or the remote is away; to be tried again.
    """
    one = await _begin(bench, import_id)
    if one is None:
        return False
    try:
        async with _source(bench, one) as source:
            if one.listed_at is None:
                await _list(bench, one, source)
            return await _work_off(bench, one, source, until=monotonic() + step_s)
    except QuotaReached:
        await _end(bench, one, ImportState.PAUSED, FULL)
    except Unavailable:
        raise
    except Refused as error:
        await _end(bench, one, ImportState.FAILED, error.text)
    return False


async def _begin(bench: Bench, import_id: UUID) -> Import | None:
    async with transaction(bench.sessions) as session:
        one = await session.get(Import, import_id, with_for_update=True)
        if one is None or one.state not in UNFINISHED:
            _forget_staged(bench, import_id)
            return None
        if one.state is ImportState.PAUSED:
            return None
        one.state, one.touched_at = ImportState.RUNNING, now()
        try:
            await _check_allowed(session, bench.vault, one)
        except (NoSuchEvent, Archived, NoLongerAllowed) as error:
            await service.end(session, one, ImportState.FAILED, error.text)
            return None
        return one


async def _check_allowed(session: AsyncSession, vault: Vault, one: Import) -> None:
    """Hours may have passed: an invitation may have been taken back, an event archived.

    Raises:
        NoSuchEvent, Archived, NoLongerAllowed
    """
    if vault.open_note("import", one.sealed or b"").get("by_operator"):
        event = await session.get(Event, one.event_id)
        if event is None:
            raise NoSuchEvent
        check_changeable(event)
        return
    subject = await subject_of(session, "staff", one.started_by) if one.started_by else None
    if subject is None:
        raise NoLongerAllowed
    right = Right.UPLOAD if one.kind is Kind.ARCHIVE else Right.MANAGE
    try:
        await rights.to_change(session, as_viewer(subject, one.id), one.event_id, right)
    except NoSuchEvent as error:
        raise NoLongerAllowed from error


@asynccontextmanager
async def _source(bench: Bench, one: Import) -> AsyncIterator[Source]:
    where = bench.vault.open_note("import", one.sealed or b"")
    path = await _fetched_archive(bench, one) if one.kind is Kind.ARCHIVE else None
    source = await asyncio.to_thread(open_source, bench.rules, where, path)
    try:
        yield source
    finally:
        await asyncio.to_thread(source.close)


def open_source(rules: Rules, where: dict[str, Any], archive: Path | None = None) -> Source:
    """A source as it was sealed. It blocks.

    Raises:
        Refused: it is not there, not allowed (any more), or no good.
    """
    if archive is not None:
        return Archive(archive.open("rb"))
    if "place" in where:
        place = Place(**where["place"])
        remote = Remote(place, private_networks=rules.private_networks or bool(where.get("by_operator")))
        return Archive(remote.opened(), remote.close) if place.path.lower().endswith(".zip") else remote
    if where.get("by_operator"):
        root, way = Path(where["root"]), where["way"]
    else:
        root, way = below(rules.roots, where["path"])
    if not is_file(root, way):
        return Folder(root, way)
    if not way.lower().endswith(".zip"):
        raise NotAZip
    with opened(root, way) as handle:
        return Archive(os.fdopen(os.dup(handle), "rb"))


async def _fetched_archive(bench: Bench, one: Import) -> Path:
    """A ZIP from the store as a file of this machine; what an earlier step fetched is good."""
    path = sources.staged(bench.rules.staging, f"{one.id}.zip")
    if not path.exists():
        _check_room(path.parent, await bench.storage.size(one.archive_key))
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            async for piece in await bench.storage.stream(one.archive_key):
                await asyncio.to_thread(file.write, piece)
        part.replace(path)
    return path


async def _list(bench: Bench, one: Import, source: Source) -> None:
    """Write down all files by name, once; a listing that broke off begins anew."""
    found = await asyncio.to_thread(lambda: list(source.files()))
    if not found:
        raise NotThere(N_("There are no files at this place."))
    async with transaction(bench.sessions) as session:
        kept = await service.get(session, one.event_id, one.id, by=None)
        for start in range(0, len(found), ROWS_AT_ONCE):
            rows = [
                {"import_id": one.id, "place": start + number, **_row(each)}
                for number, each in enumerate(found[start : start + ROWS_AT_ONCE])
            ]
            await session.execute(insert(ImportFile), rows)
        kept.listed_at = kept.touched_at = now()
        await service.tell(session, kept)


def _row(listed: Listed) -> dict[str, Any]:
    outcome = Outcome(FileState.WAITING)
    if listed.refused is not None:
        outcome = Outcome.of(listed.refused)
    elif not sources.looks_like_a_photo(listed.name):
        outcome = Outcome(FileState.LEFT_OUT)
    return {
        "name": sources.clean(listed.name),
        "size_bytes": listed.size_bytes,
        "modified_at": listed.modified_at,
        "state": outcome.state,
        "reason": outcome.reason,
        "params": outcome.params,
    }


async def _work_off(bench: Bench, one: Import, source: Source, *, until: float) -> bool:
    while True:
        async with transaction(bench.sessions) as session:
            kept = await session.get(Import, one.id)
            if kept is None or kept.state is not ImportState.RUNNING:  # paused, cancelled or deleted meanwhile
                if kept is None:
                    _forget_staged(bench, one.id)
                return False
            waiting = select(ImportFile).where(ImportFile.import_id == one.id, ImportFile.state == FileState.WAITING)
            files = list(await session.scalars(waiting.order_by(ImportFile.place).limit(AT_ONCE)))
        if not files:
            await _end(bench, one, ImportState.DONE)
            return False
        done = await asyncio.gather(*(_take(bench, one, source, file) for file in files), return_exceptions=True)
        await _note(bench, one, files, done)
        if failure := next((each for each in done if isinstance(each, BaseException)), None):
            raise failure
        if monotonic() > until:
            return True


async def _note(bench: Bench, one: Import, files: list[ImportFile], done: list[Outcome | BaseException]) -> None:
    async with transaction(bench.sessions) as session:
        for file, outcome in zip(files, done, strict=True):
            if isinstance(outcome, Outcome):
                await session.execute(
                    update(ImportFile)
                    .where(ImportFile.import_id == one.id, ImportFile.place == file.place)
                    .values(state=outcome.state, reason=outcome.reason, params=outcome.params)
                )
        await session.execute(update(Import).where(Import.id == one.id).values(touched_at=now()))
        await service.tell(session, one)


async def _take(bench: Bench, one: Import, source: Source, file: ImportFile) -> Outcome:
    """Fetch one file and make a photo of it, by the same checks as any other.

    Raises:
        Unavailable, QuotaReached, NoSuchEvent: the import can't go on as it is.
    """
    path = sources.staged(bench.rules.staging, f"{one.id}-{file.place}")
    try:
        if file.size_bytes is not None:
            check_size(file.size_bytes, limit_bytes=bench.rules.photo_bytes)
        await asyncio.to_thread(_fetch, source, file, path, bench.rules.photo_bytes)
        offer = Offer(one.event_id, one.started_by, file.name, Way.IMPORT, modified_at=file.modified_at)
        limits = Limits(bench.rules.photo_bytes, bench.rules.photo_pixels)
        await intake.take_in_file(bench.sessions, bench.storage, limits, offer, path)
    except Duplicate:
        return Outcome(FileState.KNOWN)
    except (Unavailable, QuotaReached, NoSuchEvent):
        raise
    except Refused as error:
        return Outcome.of(error)
    finally:
        path.unlink(missing_ok=True)
    return Outcome(FileState.ADDED)


def _check_room(folder: Path, size_bytes: int) -> None:
    if disk_usage(folder).free - size_bytes < KEEP_FREE_BYTES:
        raise Unavailable(NO_ROOM)


def _fetch(source: Source, file: ImportFile, path: Path, limit_bytes: int) -> None:
    _check_room(path.parent, file.size_bytes or 0)
    with path.open("wb") as target:
        source.fetch(file.place, file.name, target, limit_bytes=limit_bytes)
        if not target.tell():
            raise EmptyFile
        target.flush()
        os.fsync(target.fileno())


async def _end(bench: Bench, one: Import, state: ImportState, reason: str | None = None) -> None:
    async with transaction(bench.sessions) as session:
        kept = await session.get(Import, one.id, with_for_update=True)
        if kept is None or kept.state is not ImportState.RUNNING:  # somebody was faster
            return
        if state is ImportState.PAUSED:
            await service.pause(session, kept, reason)
        else:
            await service.end(session, kept, state, reason)
    if state is not ImportState.PAUSED:
        _forget_staged(bench, one.id)
    log.info("import ended", import_id=str(one.id), state=state.value)


def _forget_staged(bench: Bench, import_id: UUID) -> None:
    for path in bench.rules.staging.glob(f"{import_id}*"):
        path.unlink(missing_ok=True)
