"""Removing bytes from the store as a job: asked for in the transaction that removes their rows, tried until done."""

from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.jobs import UPKEEP, Work, defer, job


async def erase(session: AsyncSession, *, keys: list[str] | None = None, prefix: str | None = None) -> None:
    """Remove these keys, or everything below a folder, once the transaction is committed."""
    await defer(session, "storage.erase", queue=UPKEEP, keys=keys or [], prefix=prefix)


@job("storage.erase", queue=UPKEEP)
async def _erase(work: Work, *, keys: list[str], prefix: str | None) -> None:
    await work.storage.delete(keys)
    if prefix:
        await work.storage.delete_under(prefix)
