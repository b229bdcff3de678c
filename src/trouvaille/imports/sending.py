"""ZIP files that somebody sends by the receiver of photos: each becomes an import."""

from dataclasses import dataclass
from pathlib import Path

from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import Refused
from trouvaille.core.secrets import Vault
from trouvaille.core.storage import Storage
from trouvaille.imports import service
from trouvaille.imports.models import Import, Kind
from trouvaille.ingest.models import Upload


@dataclass(frozen=True, slots=True)
class Archives:
    """Takes over what the receiver got. ``limit_bytes``: of one ZIP."""

    sessions: Sessions
    storage: Storage
    vault: Vault
    limit_bytes: int

    async def __call__(self, upload: Upload, path: Path) -> None:
        """Keep a ZIP and ask for it to be unpacked; when this returns, both are durable. Twice is as good as once.

        Raises:
            Busy, Unavailable
        """
        one = Import(id=upload.id, event_id=upload.event_id)
        async with transaction(self.sessions) as session:
            if await session.get(Import, upload.id) is not None:
                return
        await self.storage.put_file(one.archive_key, path)
        try:
            async with transaction(self.sessions) as session:
                await service.start(
                    session,
                    self.vault,
                    event_id=upload.event_id,
                    started_by=upload.uploaded_by,
                    kind=Kind.ARCHIVE,
                    title=upload.file_name or "photos.zip",
                    where={},
                    import_id=upload.id,
                )
        except Refused:
            await self.storage.delete([one.archive_key])
            raise
