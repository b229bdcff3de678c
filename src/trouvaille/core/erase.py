"""Removing bytes from the store as a job: asked for in the transaction that removes their rows, tried until done."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.jobs import UPKEEP, Work, defer, job


async def erase(
    session: AsyncSession,
    *,
    keys: list[str] | None = None,
    prefix: str | None = None,
    prefixes: Sequence[str] = (),
) -> None:
    """Remove these keys, and everything below one or several folders, once the transaction is committed."""
    folders = [*prefixes, *([prefix] if prefix else [])]
    await defer(session, "storage.erase", queue=UPKEEP, keys=keys or [], prefixes=folders)


# Tried for a day: what somebody wants gone must not stay because the store was away for an hour.
TRIES = 16


@job("storage.erase", queue=UPKEEP, tries=TRIES)
async def _erase(work: Work, *, keys: list[str], prefixes: Sequence[str] = (), prefix: str | None = None) -> None:
    await work.storage.delete(keys)
    # ``prefix``: of jobs that an older version asked for.
    for folder in [*prefixes, *([prefix] if prefix else [])]:
        await work.storage.delete_under(folder)
