"""Jobs of the news slice, and the round that looks every two minutes who is to be told something."""

from uuid import UUID

from trouvaille.core.db import transaction
from trouvaille.core.jobs import MAIL, Work, app, hold_askers, job
from trouvaille.news import invitations, rounds, service
from trouvaille.news.carriers import INVITE_JOB
from trouvaille.news.pace import Quiet

BATCHES_AT_MOST = 200


@job(INVITE_JOB, queue=MAIL)
async def send_invitations(work: Work, *, event_id: str) -> None:
    """Write to all who were invited to an event and have had no letter."""
    if work.relay is None or work.public_url is None:
        return
    public_url = work.public_url.rstrip("/")
    async with transaction(work.sessions) as session:
        await hold_askers(session, INVITE_JOB, event_id)
    more = True
    while more:
        async with transaction(work.sessions) as session:
            more = bool(await invitations.post_some(session, work.vault, UUID(event_id), public_url))


@job("news.round", queue=MAIL)
async def look_round(work: Work, *, timestamp: int) -> None:
    """Ask for all that has become due; a round that is missed is made up for by the next."""
    mail = work.relay is not None and work.public_url is not None
    if not mail and work.push is None:
        return
    if mail:
        async with transaction(work.sessions) as session:
            await invitations.ask_for_waiting(session)
            await rounds.adopt(session)
    telling = rounds.Telling(
        work.vault,
        (work.public_url or "").rstrip("/"),
        Quiet(*work.quiet_hours),
        mail=mail,
        push=work.push is not None,
    )
    for _ in range(BATCHES_AT_MOST):
        async with transaction(work.sessions) as session:
            if not await rounds.look_at_some(session, telling):
                break


@job("news.note_bounce", queue=MAIL)
async def note_bounce(work: Work, *, guest_id: str) -> None:
    """A letter to this guest came to no mailbox."""
    async with transaction(work.sessions) as session:
        await service.note_bounce(session, UUID(guest_id))


# However many workers there are, one of them asks for each round, and never for a second while one waits.
app.periodic(cron="*/2 * * * *", queueing_lock="news.round", lock="news.round")(app.tasks["news.round"])
