"""Creations that a script may ask for twice: the first answer is kept with what it made, and given again.

The row is written in the transaction of the creation, so there is never one without the other. Of two requests with one
key at the same time, the second waits until the first has committed or failed. Refusals are not kept.
"""

import hashlib
import re
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import LargeBinary, String, delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, lock_exclusive
from trouvaille.core.errors import N_, Invalid
from trouvaille.core.secrets import Vault
from trouvaille.web.site import site_of

LASTS = timedelta(hours=24)
KEY = re.compile(r"[\x21-\x7e]{1,200}")


class KeptAnswer(Base):
    """What was answered to a creation. Sealed, since it may hold a link or a token that is kept nowhere else."""

    __tablename__ = "kept_answers"

    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)


class OtherRequest(Invalid):
    """The key was used for something else."""

    message = N_("This Idempotency-Key was used for another request. Take a new one.")


class Once:
    """One creation, under the key that its sender gave it; without a key it is done each time."""

    def __init__(self, request: Request, key: str | None) -> None:
        self._request, self._key, self._owner = request, key, UUID(int=0)
        self._vault: Vault = site_of(request).vault
        self._hash = b""

    async def known(self, session: AsyncSession, owner_id: UUID) -> JSONResponse | None:
        """The answer that was given already; from here on, nobody else uses this key until the transaction ends.

        Raises:
            OtherRequest, Invalid
        """
        self._owner = owner_id
        if self._key is None:
            return None
        if not KEY.fullmatch(self._key):
            raise Invalid(N_("An Idempotency-Key has 1 to 200 visible ASCII characters."))
        what = f"{self._request.method} {self._request.url.path}\n".encode() + await self._request.body()
        self._hash = hashlib.sha256(what).digest()
        await lock_exclusive(session, f"once:{owner_id}:{self._key}")
        row = await session.get(KeptAnswer, (owner_id, self._key))
        if row is not None and row.created_at < now() - LASTS:
            await session.delete(row)
            await session.flush()
            row = None
        if row is None:
            return None
        if row.request_hash != self._hash:
            raise OtherRequest
        kept = self._vault.open_note("kept answer", row.sealed)
        return _answer(kept["content"], kept["status"], kept["location"], replayed=True)

    async def keep(
        self, session: AsyncSession, made: BaseModel, *, location: str | None = None, status: int = 201
    ) -> JSONResponse:
        """Answer with what was made, and keep the answer in the same transaction."""
        content = made.model_dump(mode="json")
        if self._key is not None:
            note = {"content": content, "status": status, "location": location}
            sealed = self._vault.seal_note("kept answer", note)
            row = KeptAnswer(owner_id=self._owner, key=self._key, request_hash=self._hash, sealed=sealed)
            session.add(row)
            await session.flush()
        return _answer(content, status, location)


def _answer(content: Any, status: int, location: str | None, *, replayed: bool = False) -> JSONResponse:
    headers = {"Cache-Control": "no-store"}
    if location is not None:
        headers["Location"] = location
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return JSONResponse(content, status_code=status, headers=headers)


async def _once(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key", description="Asking again with the same key within 24 hours makes nothing twice."
        ),
    ] = None,
) -> Once:
    return Once(request, key)


ThisOnce = Annotated[Once, Depends(_once)]


async def forget(session: AsyncSession) -> None:
    """Remove answers that are too old to be given again."""
    await session.execute(delete(KeptAnswer).where(KeptAnswer.created_at < now() - LASTS))
