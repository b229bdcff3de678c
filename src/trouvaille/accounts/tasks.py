"""Jobs of the accounts slice."""

from trouvaille.accounts import letters
from trouvaille.core.db import transaction
from trouvaille.core.jobs import MAIL, Work, job


@job("accounts.send_reset", queue=MAIL)
async def send_reset(work: Work, *, asked: str) -> None:
    """Send a link for a new password to whoever has the address that was asked for."""
    if work.public_url is None:
        return
    email = work.vault.open_note("reset", asked.encode())["email"]
    async with transaction(work.sessions) as session:
        await letters.send_reset(session, work.vault, email=email, public_url=work.public_url.rstrip("/"))
