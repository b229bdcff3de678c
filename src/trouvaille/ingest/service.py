"""Uploads: beginning them, finding those of a viewer, and making photos of those that arrived whole."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar, cast
from uuid import UUID, uuid4

from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import Viewer, subject_of
from trouvaille.accounts.sessions import as_viewer
from trouvaille.core.clock import now
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.erase import erase
from trouvaille.core.errors import N_, Invalid, NotFound, Refused, Unavailable
from trouvaille.core.images import EmptyFile, check_size, shown_name
from trouvaille.core.rush import Answers, Rush
from trouvaille.core.storage import Storage
from trouvaille.events import rights
from trouvaille.events.rights import NoSuchEvent, Right
from trouvaille.events.states import Archived
from trouvaille.ingest.models import Outcome, Upload
from trouvaille.ingest.staging import LOCK_PATIENCE_S, Held, NoSuchFile, Staging, Turn
from trouvaille.ingest.steps import Steps
from trouvaille.ingest.tus import Metadata
from trouvaille.photos import intake, quotas
from trouvaille.photos.intake import Duplicate, Limits, Offer
from trouvaille.photos.models import Photo, Source

Result = TypeVar("Result")
THREADS = 8
MOMENT_S = 5.0
"""For so long after a request began, its sender is not asked for their rights once more."""


class NoSuchUpload(NotFound):
    """It never was, is over, or is somebody else's."""

    message = N_("This upload is not here any more. Please send the file again.")


class Damaged(Invalid):
    """The bytes are not those that the sender hashed."""

    message = N_("This file was damaged on its way. Please send it again.")


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a file. ``photo_id``: the photo that it is, None where that is not the sender's to know."""

    outcome: Outcome
    photo_id: UUID | None


class Archives(Protocol):
    """What takes over a ZIP that arrived, so that its photos are taken in one by one."""

    limit_bytes: int

    async def __call__(self, upload: Upload, path: Path) -> None:
        """Take it over; when this returns, it is durable.

        Raises:
            Refused
        """


class NotWhole(Exception):
    """There is nothing to finish yet."""


async def check_quota(session: AsyncSession, *, event_id: UUID, uploaded_by: UUID, size_bytes: int) -> None:
    """Refuse a file because somebody, or an event, has enough; asked at the beginning. At the end `intake` asks.

    Raises:
        QuotaReached
    """
    await quotas.check(session, event_id=event_id, uploaded_by=uploaded_by, files=1, size_bytes=size_bytes)


class Receiver:
    """The parts of one process that takes files in."""

    def __init__(
        self,
        sessions: Sessions,
        storage: Storage,
        limits: Limits,
        *,
        folder: Path,
        rush: Rush | None = None,
        answers: Answers | None = None,
        kept_hours: float = 24,
    ) -> None:
        self.sessions, self.storage, self.limits, self.rush = sessions, storage, limits, rush or Rush()
        self.staging = Staging(folder)
        self.steps = Steps(answers)
        self.kept_s = kept_hours * 3600
        self.archives: Archives | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ingest")

    def on(self, sessions: Sessions) -> "Receiver":
        """The same receiver on other database connections."""
        made = copy(self)
        made.sessions = sessions
        return made

    def close(self) -> None:
        """Let what is being written be written."""
        self._threads.shutdown(wait=True)

    async def run(self, act: Callable[..., Result], *given: object, **named: object) -> Result:
        """Do something that blocks in a thread of the receiver's own, which photos and passwords don't wait for."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(act, *given, **named))

    def close_turn(self, turn: Turn) -> None:
        """Let go of a turn, in a thread: one may still be writing for it."""
        self._threads.submit(turn.close)

    async def begin(
        self, viewer: Viewer, event_id: UUID, size_bytes: int, told: Metadata, *, by_command: bool = False
    ) -> tuple[Upload, Turn]:
        """Let somebody send a file. Nothing is written before they were found to be allowed to.

        Args:
            by_command: they say that they are the command line client, and may.

        Returns:
            The committed row, and the turn to write its file.

        Raises:
            NoSuchEvent, Archived, EmptyFile, FileTooLarge, Unavailable
        """
        upload = Upload(
            id=uuid4(),
            event_id=event_id,
            uploaded_by=viewer.id,
            folder_id=self.staging.id,
            file_name=shown_name(told.file_name) or None,
            size_bytes=size_bytes,
            modified_at=told.modified_at,
            sha256=told.sha256,
            source=Source.COMMAND if by_command else Source.BROWSER,
        )
        async with self.steps.turn(), transaction(self.sessions) as session:
            await rights.to_change(session, viewer, event_id, Right.UPLOAD)
            if size_bytes == 0:
                raise EmptyFile
            is_archive = self.archives is not None and _is_named_zip(told.file_name)
            most = self.archives.limit_bytes if self.archives and is_archive else self.limits.bytes
            check_size(size_bytes, limit_bytes=most)
            await check_quota(session, event_id=event_id, uploaded_by=viewer.id, size_bytes=size_bytes)
            self.staging.check_room(size_bytes)
            session.add(upload)
        try:
            return upload, await self.run(self.staging.create, upload.id)
        except Unavailable:
            await self.forget(upload.id)
            raise

    async def find(self, viewer: Viewer, event_id: UUID, upload_id: UUID) -> Upload:
        """An upload that the viewer began, and may go on with.

        Raises:
            NoSuchEvent, Archived, NoSuchUpload
        """
        async with transaction(self.sessions) as session:
            await rights.to_change(session, viewer, event_id, Right.UPLOAD)
            upload = await session.get(Upload, upload_id)
        if upload is None or (upload.event_id, upload.uploaded_by) != (event_id, viewer.id):
            raise NoSuchUpload
        if upload.outcome is None and upload.folder_id != self.staging.id:
            raise NoSuchUpload  # it lies on another machine
        return upload

    async def forget(self, upload_id: UUID) -> None:
        """Remove the row."""
        async with transaction(self.sessions) as session:
            await session.execute(delete(Upload).where(Upload.id == upload_id))

    async def terminate(self, upload: Upload) -> None:
        """End an upload and remove what came of it; a photo that it became stays."""
        try:
            async with self.held(upload.id) as held:
                await self.drop(upload.id, held)
        except NoSuchFile:
            await self.forget(upload.id)

    @asynccontextmanager
    async def held(self, upload_id: UUID, *, patience_s: float = LOCK_PATIENCE_S) -> AsyncIterator[Held]:
        """A file that is nobody else's meanwhile.

        Args:
            patience_s: how long to wait for who holds it now.

        Raises:
            NoSuchFile, Busy, Unavailable
        """
        held = await self.run(self.staging.hold, upload_id, patience_s=patience_s)
        try:
            yield held
        finally:
            held.close()

    async def finish(
        self, upload: Upload, *, turn: Turn | None = None, patience_s: float = LOCK_PATIENCE_S
    ) -> Finished:
        """Make a photo of a file that arrived whole; when this returns, photo, job and outcome are durable.

        It is done once, whoever asks how often at the same time, and begun anew where a process died in the middle.

        Args:
            upload: as it was found; what matters is read anew.
            turn: who has just written the last byte.

        Raises:
            NoSuchUpload, NotWhole
            Unavailable: the file stays, and it can be tried again.
            Refused: the file is no good, or not allowed any more; it is gone.
        """
        try:
            async with self.held(upload.id, patience_s=patience_s) as held:
                if held.size_bytes != upload.size_bytes:
                    raise NotWhole
                await self.run(held.sync)
                return await self._finish(upload, held, turn)
        except NoSuchFile:
            return await self._outcome(upload.id)

    async def _finish(self, upload: Upload, held: Held, turn: Turn | None) -> Finished:
        sha256 = turn.sha256_for(held) if turn else None
        # Who takes a turn has just been asked for their rights.
        noting = _Noting(upload, self.steps, was_asked=turn is not None and time.monotonic() - turn.taken_at < MOMENT_S)
        try:
            finished = await self._take_in(upload, held.path, sha256, noting)
        except _OverAlready:
            finished = await self._outcome(upload.id)
        except (Unavailable, Archived):
            raise
        except Refused:
            await self.drop(upload.id, held)
            raise
        else:
            if not noting.is_noted:
                async with transaction(self.sessions) as session:
                    await _note(session, upload.id, finished)
                    finished = await self._told(session, upload, finished)
        await self.run(held.discard)
        return finished

    async def _take_in(self, upload: Upload, path: Path, sha256: bytes | None, noting: "_Noting") -> Finished:
        sha256 = sha256 or await asyncio.to_thread(intake.sha256_of, path)
        if upload.sha256 not in (None, sha256):
            raise Damaged
        if self.archives is not None and _is_named_zip(upload.file_name) and await asyncio.to_thread(_is_zip, path):
            async with transaction(self.sessions) as session:
                await noting.first(session)
            await self.archives(upload, path)
            return Finished(Outcome.ACCEPTED, None)
        offer = Offer(
            upload.event_id, upload.uploaded_by, upload.file_name, upload.source, upload.id, upload.modified_at
        )
        try:
            taken = await intake.take_in_file(
                self.sessions, self.storage, self.limits, offer, path, sha256=sha256, within=noting
            )
        except Duplicate as known:
            # A photo of our own id was made by ourselves, before a death that kept us from noting it.
            ours = known.photo_id == upload.id
            return Finished(Outcome.ACCEPTED if ours else Outcome.DUPLICATE, known.photo_id)
        return Finished(Outcome.ACCEPTED, taken.id)

    async def _outcome(self, upload_id: UUID) -> Finished:
        """What became of an upload that is over."""
        async with transaction(self.sessions) as session:
            upload = await session.get(Upload, upload_id)
            if upload is None or upload.outcome is None:
                raise NoSuchUpload
            return await self._told(session, upload)

    async def _told(self, session: AsyncSession, upload: Upload, finished: Finished | None = None) -> Finished:
        """The outcome as its sender may know it: whose photo a duplicate is, they may not."""
        outcome = finished.outcome if finished else upload.outcome
        photo_id = finished.photo_id if finished else upload.photo_id
        assert outcome is not None
        if outcome is Outcome.DUPLICATE and photo_id is not None:
            viewer = await _sender_of(session, upload)
            event = await rights.for_staff(session, viewer, upload.event_id, Right.UPLOAD)
            shown = await rights.uploader_shown(session, viewer, event)
            owner = await session.scalar(select(Photo.uploaded_by).where(Photo.id == photo_id))
            photo_id = photo_id if shown is None or owner == shown else None
        return Finished(outcome, photo_id)

    async def drop(self, upload_id: UUID, held: Held) -> None:
        """Remove file and row, and bytes in the store that a death left without a photo."""
        async with transaction(self.sessions) as session:
            gone = delete(Upload).where(Upload.id == upload_id).returning(Upload.event_id, Upload.size_bytes)
            row = (await session.execute(gone)).first()
            is_photo = await session.scalar(select(Photo.id).where(Photo.id == upload_id))
            if row is not None and row.size_bytes == held.size_bytes and is_photo is None:
                await erase(session, keys=[Photo(id=upload_id, event_id=row.event_id).original_key])
        await self.run(held.discard)


class _OverAlready(Exception):
    """Somebody finished this upload, and died before the file was gone."""


class _Noting:
    """Asks and writes what is the receiver's in the transactions of the photo."""

    def __init__(self, upload: Upload, steps: Steps, *, was_asked: bool) -> None:
        self._upload, self.turn = upload, steps.turn
        self.was_asked = was_asked
        self.is_noted = False

    async def first(self, session: AsyncSession) -> None:
        """Minutes or hours have passed: an invitation may have been taken back, an event archived."""
        upload = await session.get(Upload, self._upload.id)
        if upload is None:
            raise NoSuchUpload
        if upload.outcome is not None:
            raise _OverAlready
        await rights.to_change(session, await _sender_of(session, upload), upload.event_id, Right.UPLOAD)

    async def made(self, session: AsyncSession) -> None:
        """The outcome lands with the photo."""
        await _note(session, self._upload.id, Finished(Outcome.ACCEPTED, self._upload.id))
        self.is_noted = True


_UPLOADS = cast("Table", Upload.__table__)
# Of each file that comes in; making the statement would take as long as asking it.
_NOTE = (
    update(_UPLOADS)
    .where(_UPLOADS.c.id == bindparam("upload"))
    .values(outcome=bindparam("outcome"), photo_id=bindparam("photo"), finished_at=bindparam("at"))
)


async def _note(session: AsyncSession, upload_id: UUID, finished: Finished) -> None:
    given = {"upload": upload_id, "outcome": finished.outcome, "photo": finished.photo_id, "at": now()}
    await session.execute(_NOTE, given)


async def _sender_of(session: AsyncSession, upload: Upload) -> Viewer:
    subject = await subject_of(session, "staff", upload.uploaded_by)
    if subject is None:
        raise NoSuchEvent
    return as_viewer(subject, upload.id)


def _is_named_zip(name: str | None) -> bool:
    return (name or "").lower().endswith(".zip")


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\3\4", b"PK\5\6")
