"""Access tokens for scripts: made by staff, shown once, kept hashed, and good for their scopes alone."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from functools import cache
from uuid import UUID

from sqlalchemy import DateTime, LargeBinary, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts import audit, undo
from trouvaille.accounts.audit import Act
from trouvaille.accounts.models import ApiToken, Removed
from trouvaille.accounts.service import BRIEF, SUBJECTS, Viewer, clean_name
from trouvaille.core.clock import now
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import N_, Conflict, Forbidden, Invalid, NotFound, SignInNeeded
from trouvaille.core.reading import Prepared, Reader, place
from trouvaille.core.secrets import new_token, token_hash
from trouvaille.web.api import SCOPE_KEY

# A sign that secret scanners can look for.
PREFIX = "trv_"
USED_EVERY = timedelta(minutes=5)
AT_MOST = 50


class Scope(StrEnum):
    """What a token may be good for."""

    ACCOUNT_READ = "account:read"
    ACCOUNT_WRITE = "account:write"
    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"
    PHOTOS_READ = "photos:read"
    PHOTOS_WRITE = "photos:write"
    GUESTS_READ = "guests:read"
    GUESTS_WRITE = "guests:write"
    SERVER_READ = "server:read"
    SERVER_WRITE = "server:write"


LABELS: dict[Scope, str] = {
    Scope.ACCOUNT_READ: N_("See whose token it is, its devices and tokens"),
    Scope.ACCOUNT_WRITE: N_("Change your account, sign out devices and revoke tokens"),
    Scope.EVENTS_READ: N_("See events"),
    Scope.EVENTS_WRITE: N_("Create, change and delete events"),
    Scope.PHOTOS_READ: N_("See and download photos"),
    Scope.PHOTOS_WRITE: N_("Add and delete photos"),
    Scope.GUESTS_READ: N_("See guests"),
    Scope.GUESTS_WRITE: N_("Invite and remove guests"),
    Scope.SERVER_READ: N_("See staff and the audit log"),
    Scope.SERVER_WRITE: N_("Invite, change and delete staff"),
}
FOR_ADMINISTRATORS = {Scope.SERVER_READ, Scope.SERVER_WRITE}


def on_offer(viewer: Viewer) -> list[Scope]:
    """What a token of the viewer may be good for."""
    return [scope for scope in Scope if viewer.is_administrator or scope not in FOR_ADMINISTRATORS]


def wants(scope: Scope) -> dict[str, str]:
    """For a route's ``openapi_extra``: bearer tokens with this scope are let in."""
    return {SCOPE_KEY: scope.value}


async def make(
    session: AsyncSession, viewer: Viewer, *, name: str, scopes: Sequence[str], days: int | None
) -> tuple[ApiToken, str]:
    """Make a token for a member of staff.

    Args:
        days: how long it lasts; None for good.

    Returns:
        What is kept, and the token, which is kept nowhere.

    Raises:
        Invalid: no name, or no scope that we know.
        Conflict: there are too many.
    """
    name = clean_name(name, field="name")
    known = [scope.value for scope in on_offer(viewer) if scope.value in scopes]
    if not known:
        raise Invalid(N_("Choose at least one."), field="scopes")
    await _check_room(session, viewer)
    token = PREFIX + new_token()
    row = ApiToken(
        staff_id=viewer.id,
        name=name,
        token_hash=token_hash(token),
        scopes=known,
        expires_at=now() + timedelta(days=days) if days else None,
    )
    session.add(row)
    await session.flush()
    await audit.note(session, Act.TOKEN_MADE, by=viewer, about_id=row.id)
    return row, token


async def _check_room(session: AsyncSession, viewer: Viewer) -> None:
    if len(await of(session, viewer)) >= AT_MOST:
        raise Conflict(N_("There are too many. Revoke one that you no longer need."))


async def of(session: AsyncSession, viewer: Viewer) -> list[ApiToken]:
    """The viewer's tokens, the newest first."""
    rows = await session.scalars(
        select(ApiToken).where(ApiToken.staff_id == viewer.id).order_by(ApiToken.created_at.desc())
    )
    return list(rows)


async def revoke(session: AsyncSession, viewer: Viewer, token_id: UUID) -> UUID:
    """End a token at once.

    Returns:
        What ``undo.put_back`` takes.

    Raises:
        NotFound: it is none of theirs.
    """
    row = await session.get(ApiToken, token_id)
    if row is None or row.staff_id != viewer.id:
        raise NotFound
    removed = await undo.remove(session, [row], by=viewer.id)
    await audit.note(session, Act.TOKEN_REVOKED, by=viewer, about_id=token_id)
    return removed


async def _room(session: AsyncSession, viewer: Viewer, removed: Removed) -> None:
    await _check_room(session, viewer)


undo.offer(undo.Kind("token", ApiToken, may=_room, page=lambda removed: "/account/tokens?done=back"))


@cache
def _who() -> Prepared:
    """A living token with whose it is, in one query. Made at the first use, when staff have registered."""
    staff = SUBJECTS["staff"].briefly.subquery()
    moment = place("moment", DateTime(timezone=True))
    return Prepared(
        select(ApiToken.id, ApiToken.scopes, ApiToken.last_used_at, *(staff.c[name] for name in BRIEF))
        .join(staff, staff.c.id == ApiToken.staff_id)
        .where(ApiToken.token_hash == place("token", LargeBinary()))
        .where(or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > moment))
    )


async def viewer_of(reader: Reader, sessions: Sessions, token: str, *, scope: str | None) -> Viewer:
    """Who acts by this token. This is the one place where scopes are checked.

    Args:
        scope: what the route wants; None for routes that are not for scripts.

    Raises:
        SignInNeeded: unknown, expired or revoked.
        Forbidden: not for this.
    """
    moment = now()
    row = await reader.first(_who(), token=token_hash(token), moment=moment)
    if row is None:
        raise SignInNeeded
    token_id, scopes, last_used_at, *known = row
    if scope is None or scope not in scopes:
        raise Forbidden(N_("This access token is not good for that."))
    if last_used_at is None or last_used_at < moment - USED_EVERY:
        async with transaction(sessions) as session:
            await session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=moment))
    return Viewer(session_id=token_id, kind="staff", **dict(zip(BRIEF, known, strict=True)))
