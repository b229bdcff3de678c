"""Signed-in browsers: begun, recognised, listed, switched to another account, ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, LargeBinary, and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act
from trouvaille.accounts.devices import Device
from trouvaille.accounts.models import Proof, SignedIn
from trouvaille.accounts.service import BRIEF, SUBJECTS, Kind, Subject, Viewer, subject_of
from trouvaille.core.clock import now
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import NotFound
from trouvaille.core.reading import Prepared, Reader, place
from trouvaille.core.secrets import new_token, token_hash

SEEN_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a session lasts without being used, and at most."""

    idle_days: int
    absolute_days: int


async def start(
    session: AsyncSession, subject: Subject, *, lifetimes: Lifetimes, device: Device, proved: Sequence[Subject] = ()
) -> str:
    """Sign somebody in; returns the token for their cookie, which is kept nowhere else.

    Args:
        proved: other accounts that the same password opened.
    """
    token = new_token()
    row = SignedIn(
        token_hash=token_hash(token),
        kind=subject.kind,
        subject_id=subject.id,
        browser=device.browser,
        system=device.system,
        expires_at=now() + timedelta(days=lifetimes.absolute_days),
    )
    session.add(row)
    await session.flush()
    everybody = {who.id: who for who in (subject, *proved)}
    session.add_all(Proof(session_id=row.id, subject_id=who.id, kind=who.kind) for who in everybody.values())
    await audit.note(session, Act.SIGNED_IN, by=subject, event_id=subject.event_id)
    return token


async def viewer_of(session: AsyncSession, token: str | None, *, lifetimes: Lifetimes) -> Viewer | None:
    """Who holds this token, or None when it is unknown, expired, idle too long, or its person is gone."""
    if not token:
        return None
    signed_in = await session.scalar(
        select(SignedIn).where(SignedIn.token_hash == token_hash(token), *_alive(lifetimes))
    )
    if signed_in is None:
        return None
    subject = await subject_of(session, signed_in.kind, signed_in.subject_id)
    if subject is None:
        return None
    moment = now()
    if signed_in.last_seen_at < moment - SEEN_EVERY:
        await session.execute(update(SignedIn).where(SignedIn.id == signed_in.id).values(last_seen_at=moment))
    return as_viewer(subject, signed_in.id)


@cache
def _who() -> tuple[list[Kind], Prepared]:
    """A living session with whom it belongs to, in one query: a few columns of each kind of people, of which one has
    them. Made at the first use, when all slices have registered."""
    kinds = list(SUBJECTS)
    briefly = [SUBJECTS[kind].briefly.subquery() for kind in kinds]
    wanted = select(
        SignedIn.id, SignedIn.kind, SignedIn.last_seen_at, *(each.c[name] for each in briefly for name in BRIEF)
    ).select_from(SignedIn)
    for kind, each in zip(kinds, briefly, strict=True):
        wanted = wanted.outerjoin(each, and_(SignedIn.kind == kind, each.c.id == SignedIn.subject_id))
    return kinds, Prepared(wanted.where(*holds_token()))


def holds_token() -> tuple[ColumnElement[bool], ...]:
    """That a row of `SignedIn` is the living session of a token, in a prepared SELECT that gets `places_of` it."""
    moments = DateTime(timezone=True)
    return (
        SignedIn.token_hash == place("token", LargeBinary()),
        SignedIn.expires_at > place("moment", moments),
        SignedIn.last_seen_at > place("idle_since", moments),
    )


def places_of(token: str, lifetimes: Lifetimes) -> dict[str, Any]:
    """What a prepared SELECT with `holds_token` is given."""
    moment = now()
    return {
        "token": token_hash(token),
        "moment": moment,
        "idle_since": moment - timedelta(days=lifetimes.idle_days),
    }


async def recognise(reader: Reader, sessions: Sessions, token: str | None, *, lifetimes: Lifetimes) -> Viewer | None:
    """As ``viewer_of``, in one round trip: every request asks this first."""
    if not token:
        return None
    (kinds, wanted), given = _who(), places_of(token, lifetimes)
    moment = given["moment"]
    row = await reader.first(wanted, **given)
    if row is None or row[1] not in kinds:
        return None
    session_id, kind, last_seen_at, *columns = row
    first = kinds.index(kind) * len(BRIEF)
    known = dict(zip(BRIEF, columns[first : first + len(BRIEF)], strict=True))
    if known["id"] is None:
        return None
    if is_to_be_noted(last_seen_at, moment):
        async with transaction(sessions) as session:
            await session.execute(update(SignedIn).where(SignedIn.id == session_id).values(last_seen_at=moment))
    return Viewer(session_id=session_id, kind=kind, **known)


def is_to_be_noted(last_seen_at: datetime, moment: datetime) -> bool:
    """Whether it is worth writing down that a session is still used."""
    return last_seen_at < moment - SEEN_EVERY


def as_viewer(subject: Subject, session_id: UUID) -> Viewer:
    """Somebody as the pages know them."""
    return Viewer(
        session_id=session_id,
        kind=subject.kind,
        id=subject.id,
        display_name=subject.display_name,
        role=subject.role,
        event_id=subject.event_id,
        event_code=subject.event_code,
        email_confirmed=subject.email_confirmed,
    )


def _alive(lifetimes: Lifetimes) -> tuple[ColumnElement[bool], ...]:
    moment = now()
    return (SignedIn.expires_at > moment, SignedIn.last_seen_at > moment - timedelta(days=lifetimes.idle_days))


@dataclass(frozen=True, slots=True)
class Place:
    """One signed-in browser, as its owner sees it."""

    id: UUID
    browser: str | None
    system: str | None
    created_at: datetime
    last_seen_at: datetime
    is_this: bool


async def places(session: AsyncSession, viewer: Viewer, *, lifetimes: Lifetimes) -> list[Place]:
    """Every browser that is signed in as the viewer, or may switch to them; this one first, then the latest."""
    rows = await session.scalars(
        select(SignedIn)
        .join(Proof, Proof.session_id == SignedIn.id)
        .where(Proof.subject_id == viewer.id, *_alive(lifetimes))
        .order_by((SignedIn.id == viewer.session_id).desc(), SignedIn.last_seen_at.desc())
        .limit(100)
    )
    return [
        Place(row.id, row.browser, row.system, row.created_at, row.last_seen_at, row.id == viewer.session_id)
        for row in rows
    ]


async def revoke(session: AsyncSession, viewer: Viewer, session_id: UUID) -> None:
    """Sign one of the viewer's browsers out.

    Raises:
        NotFound: it is none of theirs.
    """
    theirs = select(Proof).where(Proof.session_id == session_id, Proof.subject_id == viewer.id)
    if await session.scalar(theirs) is None:
        raise NotFound
    await _leave(session, viewer.id, [session_id])
    await audit.note(session, Act.SESSION_REVOKED, by=viewer, about_id=session_id, event_id=viewer.event_id)


async def revoke_others(session: AsyncSession, viewer: Viewer) -> int:
    """Sign all the viewer's other browsers out; returns how many there were."""
    others = await session.scalars(
        select(Proof.session_id).where(Proof.subject_id == viewer.id, Proof.session_id != viewer.session_id)
    )
    ended = list(others)
    await _leave(session, viewer.id, ended)
    for session_id in ended:
        await audit.note(session, Act.SESSION_REVOKED, by=viewer, about_id=session_id, event_id=viewer.event_id)
    return len(ended)


async def _leave(session: AsyncSession, subject_id: UUID, session_ids: Sequence[UUID]) -> None:
    """Take a person out of sessions. One that is used as another of their accounts goes on without this one."""
    here = SignedIn.id.in_(session_ids)
    await session.execute(delete(SignedIn).where(here, SignedIn.subject_id == subject_id))
    await session.execute(delete(Proof).where(Proof.session_id.in_(session_ids), Proof.subject_id == subject_id))


async def others_of(session: AsyncSession, viewer: Viewer) -> list[Subject]:
    """The accounts that this browser may switch to."""
    rows = await session.scalars(
        select(Proof).where(Proof.session_id == viewer.session_id, Proof.subject_id != viewer.id)
    )
    found = [await subject_of(session, row.kind, row.subject_id) for row in rows]
    return sorted((who for who in found if who is not None), key=lambda who: (who.kind != "staff", who.detail))


async def prove(session: AsyncSession, viewer: Viewer, subject: Subject) -> None:
    """Let the viewer's session switch to an account that they have just made in it."""
    session.add(Proof(session_id=viewer.session_id, subject_id=subject.id, kind=subject.kind))
    await session.flush()


async def switch(session: AsyncSession, viewer: Viewer, subject: Subject) -> tuple[str, datetime]:
    """Go on as another account that was proved when this session began.

    Returns:
        A new token that replaces the old one, and when the session ends: no later than before.

    Raises:
        NotFound: it was not proved.
    """
    proof = await session.get(Proof, (viewer.session_id, subject.id))
    row = await session.get(SignedIn, viewer.session_id)
    if proof is None or row is None:
        raise NotFound
    token = new_token()
    row.token_hash, row.kind, row.subject_id = token_hash(token), subject.kind, subject.id
    await audit.note(session, Act.SWITCHED, by=viewer, about_id=subject.id, event_id=subject.event_id)
    return token, row.expires_at


async def end(session: AsyncSession, token: str | None) -> None:
    """Sign this browser out; an unknown token is no error."""
    if token:
        await session.execute(delete(SignedIn).where(SignedIn.token_hash == token_hash(token)))


async def end_all(session: AsyncSession, subject_id: UUID, *, but: UUID | None = None) -> None:
    """Sign a person out everywhere.

    Args:
        but: a session that stays.
    """
    theirs = select(Proof.session_id).where(Proof.subject_id == subject_id, Proof.session_id != but)
    await _leave(session, subject_id, list(await session.scalars(theirs)))


async def forget_expired(session: AsyncSession) -> None:
    """Remove sessions that nobody can use any more."""
    await session.execute(delete(SignedIn).where(SignedIn.expires_at < now()))
