"""Everything that is kept about a guest: as a file to take home, and as the count of what was erased."""

import asyncio
import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import mail
from trouvaille.core.clock import now
from trouvaille.core.errors import NotFound
from trouvaille.core.secrets import Vault
from trouvaille.core.storage import Storage
from trouvaille.events.models import Event
from trouvaille.guests import consent, selfies
from trouvaille.guests.kept import Part, plain
from trouvaille.guests.models import Enrolment, Guest
from trouvaille.web.i18n import number

Counts = dict[str, int]


async def counts(session: AsyncSession, parts: Sequence[Part], guest: Guest) -> Counts:
    """How many rows each part has that is worth counting."""
    return {part.name: len(await part.rows(session, guest)) for part in parts if part.counted is not None}


def erased(before: Counts, after: Counts) -> Counts:
    """What went; parts of which nothing did are left out."""
    gone = {name: count - after.get(name, 0) for name, count in before.items()}
    return {name: count for name, count in gone.items() if count > 0}


def in_words(parts: Sequence[Part], gone: Counts) -> list[str]:
    """One line a part, in the viewer's language."""
    return [
        part.counted(gone[part.name]) % {"n": number(gone[part.name])}
        for part in parts
        if part.counted is not None and gone.get(part.name)
    ]


async def everything(
    session: AsyncSession, vault: Vault, parts: Sequence[Part], event: Event, guest: Guest, *, region: str | None
) -> Any:
    """All that the database keeps about a guest, for JSON."""
    text = consent.shown(region)
    kept: dict[str, Any] = {
        "written_at": now().isoformat(),
        "event": {"name": event.name, "code": event.code},
        "consent_text": {"version": text.version, "paragraphs": text.paragraphs},
    }
    for part in parts:
        kept[part.name] = await part.rows(session, guest)
    kept["letters_on_their_way"] = await _letters(session, vault, guest)
    return kept


async def _letters(session: AsyncSession, vault: Vault, guest: Guest) -> list[dict[str, str]]:
    """Letters to the guest that no relay has taken yet, without their links.

    Only for an address that the guest has shown to be theirs: others may type any.
    """
    if guest.email is None or guest.email_confirmed_at is None:
        return []
    found = []
    for row in await session.scalars(select(mail.Outgoing).order_by(mail.Outgoing.created_at)):
        letter = vault.open_note("mail", row.sealed)
        if letter["to"].lower() == guest.email.lower():
            found.append({"subject": letter["subject"], "created_at": row.created_at.isoformat()})
    return found


async def pictures(session: AsyncSession, storage: Storage, vault: Vault, guest: Guest) -> dict[str, bytes]:
    """Every picture that is kept of a guest's selfies, JPEG, by its name in the file."""
    found: dict[str, bytes] = {}
    for enrolment in await session.scalars(select(Enrolment).where(Enrolment.guest_id == guest.id)):
        try:
            frames = await selfies.frames_of(storage, enrolment)
        except NotFound:  # refused, or being erased
            continue
        for place, sealed in enumerate(frames, start=1):
            found[f"selfies/{enrolment.id}-{place}.jpg"] = await asyncio.to_thread(vault.unseal, sealed)
    return found


def zipped(kept: Any, images: dict[str, bytes]) -> bytes:
    """A ZIP with ``data.json`` and the pictures."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.json", json.dumps(kept, default=plain, ensure_ascii=False, indent=2))
        for name, jpeg in images.items():
            archive.writestr(zipfile.ZipInfo(name), jpeg)
    return made.getvalue()
