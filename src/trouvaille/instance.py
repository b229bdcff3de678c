"""One instance on one machine, for commands that do something to it, whether it is being served or not."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from trouvaille import serving
from trouvaille.accounts import service as accounts
from trouvaille.accounts.models import Role
from trouvaille.accounts.passwords import Passwords
from trouvaille.core.db import Sessions, connect, sessions_of, transaction
from trouvaille.core.postgres import AlreadyRunning, EmbeddedPostgres
from trouvaille.schema import migrate
from trouvaille.settings import Settings

Result = TypeVar("Result")


@contextmanager
def database(settings: Settings) -> Iterator[tuple[Settings, EmbeddedPostgres | None]]:
    """Settings whose database is running and migrated: the one that was set, or the embedded one."""
    with serving.database(settings) as (ready, postgres):
        migrate(ready.database_url or "")
        yield ready, postgres


def hasher(settings: Settings, *, threads: int) -> Passwords:
    """Passwords as these settings want them."""
    return Passwords(threads, memory_kib=settings.password_memory_kib, passes=settings.password_passes)


def create_staff(settings: Settings, *, email: str, name: str, password: str, role: Role) -> None:
    """Make an account for a member of staff, also while the instance is running.

    Raises:
        Refused: a field is wrong, or the address is taken.
    """

    async def create(sessions: Sessions) -> None:
        passwords = hasher(settings, threads=1)
        try:
            async with transaction(sessions) as session:
                await accounts.create_staff(
                    session, passwords, email=email, display_name=name, password=password, role=role
                )
        finally:
            passwords.close()

    on_database(settings, lambda sessions, _: create(sessions))


def on_database(settings: Settings, act: Callable[[Sessions, Settings], Awaitable[Result]]) -> Result:
    """Do something with the instance's database, whether the instance is running or not.

    Args:
        act: gets sessions, and settings that name the database.
    """

    async def run(ready: Settings) -> Result:
        engine = connect(ready.database_url or "", pool_size=1)
        try:
            return await act(sessions_of(engine), ready)
        finally:
            await engine.dispose()

    try:
        with database(settings) as (ready, _):
            return asyncio.run(run(ready))
    except AlreadyRunning as running:
        return asyncio.run(run(settings.model_copy(update={"database_url": running.url})))
