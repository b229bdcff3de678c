"""An event, photos, and what an import works with, without a face engine: photos wait in the queue meanwhile."""

import io
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import select

from trouvaille.accounts.models import Role, Staff
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.import_rules import Rules
from trouvaille.core.secrets import Vault
from trouvaille.core.storage import Storage
from trouvaille.events.models import Event
from trouvaille.imports import service
from trouvaille.imports.models import FileState, Import, ImportFile, ImportState, Kind
from trouvaille.imports.running import Bench, step
from trouvaille.photos.models import Photo
from trouvaille.settings import Settings

NUMBERS = itertools.count(1)


def jpeg() -> bytes:
    """A photo like no other."""
    number, made = next(NUMBERS), io.BytesIO()
    Image.new("RGB", (32, 24), (40, 90, 7)).save(made, "JPEG", comment=f"{number}".encode())
    return made.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that the operator allows."""
    folder = tmp_path / "server photos"
    folder.mkdir()
    return folder


@pytest.fixture
def bench(sessions: Sessions, settings: Settings, root: Path) -> Bench:
    """What imports work with."""
    rules = replace(settings.imports(), roots=(root,), private_networks=True)
    return Bench(sessions, Storage(settings.photos_url), Vault(bytes(32)), rules)


@pytest.fixture
async def event(sessions: Sessions) -> Event:
    """An event and its owner."""
    async with transaction(sessions) as session:
        owner = Staff(display_name="Owner", email="owner@example.org", password_hash="-", role=Role.ORGANISER)
        session.add(owner)
        await session.flush()
        made = Event(code="PARTY234", name="Party", owner_id=owner.id, accent="#b4532a")
        session.add(made)
    return made


Begin = Callable[..., Awaitable[UUID]]


@pytest.fixture
def begin(bench: Bench, event: Event) -> Begin:
    """Starts an import in the owner's name; no worker is asked for."""

    async def start(kind: Kind = Kind.FOLDER, **where: Any) -> UUID:
        async with transaction(bench.sessions) as session:
            made = await service.start(
                session,
                bench.vault,
                event_id=event.id,
                started_by=event.owner_id,
                kind=kind,
                title="x",
                where=where,
                run=False,
            )
        return made.id

    return start


async def finish(bench: Bench, import_id: UUID) -> Import:
    """Work on an import until there is nothing to do."""
    while await step(bench, import_id):
        pass
    async with transaction(bench.sessions) as session:
        return await session.get_one(Import, import_id)


async def told(bench: Bench, import_id: UUID) -> dict[str, str]:
    """What became of each file: the state, and of refused ones the reason."""
    async with transaction(bench.sessions) as session:
        rows = await session.scalars(select(ImportFile).where(ImportFile.import_id == import_id))
        return {
            row.name: f"refused: {row.reason}" if row.state is FileState.REFUSED else row.state.value for row in rows
        }


async def photos(bench: Bench) -> list[str]:
    """The names of all photos."""
    async with transaction(bench.sessions) as session:
        return sorted(await session.scalars(select(Photo.file_name)))


__all__ = ["FileState", "ImportState", "Rules"]
