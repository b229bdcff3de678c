"""Putting right what people and dead processes leave: whole files become photos, forgotten ones go.

Every web process sweeps the staging folder of its machine, at its start and then again and again. That two do it at the
same time does no harm, since each file is held by one of them.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, select

from trouvaille.core.clock import now
from trouvaille.core.db import connect, sessions_of, transaction
from trouvaille.core.errors import Refused, Unavailable
from trouvaille.events.states import Archived
from trouvaille.ingest.models import Upload
from trouvaille.ingest.service import NotWhole, Receiver
from trouvaille.ingest.staging import Busy, NoSuchFile

log = structlog.get_logger()
EVERY_S = 30.0
UNTOUCHED_S = 10.0
"""A file that got its last byte just now has somebody who cares."""
STRAY_S = 600.0
"""So long a row may have no file, and a file no row."""
ANSWERS_KEPT = timedelta(days=1)


@dataclass
class Swept:
    """What one round did."""

    finished: int = 0
    refused: int = 0
    expired: int = 0
    strays: int = 0


async def keep_sweeping(receiver: Receiver, database_url: str) -> None:
    """Sweep at once, also files that were touched just now, and then again and again, until cancelled.

    It has connections of its own, so that no request waits behind it.
    """
    engine = connect(database_url, pool_size=2, application="trouvaille sweeper")
    own = receiver.on(sessions_of(engine))
    untouched_s = 0.0
    try:
        while True:
            try:
                await sweep(own, untouched_s=untouched_s)
            except Exception as error:  # the next round tries again
                log.warning("sweeping failed", kind=type(error).__name__)
            untouched_s = UNTOUCHED_S
            await engine.dispose()  # no connection is kept while nothing is done
            await asyncio.sleep(EVERY_S)
    finally:
        await engine.dispose()


async def sweep(receiver: Receiver, *, untouched_s: float = UNTOUCHED_S, stray_s: float = STRAY_S) -> Swept:
    """One round.

    Args:
        untouched_s: files that got a byte later than so long ago are left alone.
        stray_s: rows without file and files without row are left alone for so long.
    """
    swept = Swept()
    files = await receiver.run(receiver.staging.listed)
    async with transaction(receiver.sessions) as session:
        rows = await session.scalars(
            select(Upload).where(Upload.folder_id == receiver.staging.id, Upload.finished_at.is_(None))
        )
        uploads = {upload.id: upload for upload in rows}
    moment, is_away = time.time(), False
    for upload_id, (size_bytes, touched_at) in files.items():
        age_s = moment - touched_at
        if upload_id not in uploads:
            if age_s >= stray_s:
                swept.strays += await _clear(receiver, upload_id)
        elif size_bytes == uploads[upload_id].size_bytes and age_s >= untouched_s and not is_away:
            is_away = not await _finish(receiver, uploads[upload_id], swept)
        if upload_id in uploads and age_s >= receiver.kept_s:
            swept.expired += await _expire(receiver, upload_id)
    before = now() - timedelta(seconds=stray_s)
    lost = [key for key, upload in uploads.items() if key not in files and upload.created_at <= before]
    async with transaction(receiver.sessions) as session:
        await session.execute(delete(Upload).where(Upload.id.in_(lost), Upload.finished_at.is_(None)))
        await session.execute(delete(Upload).where(Upload.finished_at < now() - ANSWERS_KEPT))
    swept.strays += len(lost)
    await receiver.run(receiver.staging.sweep_stray_turns, older_than_s=stray_s)
    if swept != Swept():
        log.info("swept", finished=swept.finished, refused=swept.refused, expired=swept.expired, strays=swept.strays)
    return swept


async def _finish(receiver: Receiver, upload: Upload, swept: Swept) -> bool:
    """Whether the store took it, or would take others."""
    try:
        await receiver.finish(upload, patience_s=0)
        swept.finished += 1
    except (NotWhole, Archived, Busy):
        return True
    except Unavailable:
        return False
    except Refused as error:
        log.info("upload refused", upload=str(upload.id), kind=type(error).__name__)
        swept.refused += 1
    return True


async def _expire(receiver: Receiver, upload_id: UUID) -> bool:
    with suppress(NoSuchFile, Busy):
        async with receiver.held(upload_id, patience_s=0) as held:
            if time.time() - held.touched_at >= receiver.kept_s:
                await receiver.drop(upload_id, held)
                return True
    return False


async def _clear(receiver: Receiver, upload_id: UUID) -> bool:
    """Remove a file that is no unfinished upload's."""
    try:
        async with receiver.held(upload_id, patience_s=0) as held:
            async with transaction(receiver.sessions) as session:
                upload = await session.get(Upload, upload_id)
            if upload is not None and upload.outcome is None:
                return False
            await receiver.run(held.discard)
    except NoSuchFile:
        await receiver.run(receiver.staging.unlink, upload_id)
    except Busy:
        return False
    return True
