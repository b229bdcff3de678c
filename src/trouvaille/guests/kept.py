"""What is kept about a guest: each slice names its part, so that downloading and erasing leave nothing out.

A test compares the tables that know guests with the parts, so a new one can't be forgotten.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
from pgvector import HalfVector
from sqlalchemy import String, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.models import AuditEntry, Link, Proof, SignedIn
from trouvaille.core.db import Base
from trouvaille.guests.models import Consent, Enrolment, Guest, GuestIdentity, GuestInvitation, Message
from trouvaille.web.i18n import ngettext

Rows = list[dict[str, Any]]
SECRETS = {"password_hash", "token_hash"}
"""Proofs, not knowledge: whoever holds the file must not be able to try them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of thing that is kept about a guest.

    ``counted`` says how many were erased, in the viewer's language; without it the part is not worth counting.
    """

    name: str
    tables: frozenset[str]
    rows: Callable[[AsyncSession, Guest], Awaitable[Rows]]
    counted: Callable[[int], str] | None = None


def plain(value: Any) -> Any:
    """A value of a column that JSON does not know, for ``json.dumps``."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, HalfVector):
        return value.to_list()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(type(value))


def row_of(row: Base) -> dict[str, Any]:
    """All columns of a row but for secrets."""
    keys = (column.key for column in row.__mapper__.column_attrs)
    return {key: getattr(row, key) for key in keys if key not in SECRETS}


def of_table(table: Any, column: Any) -> Callable[[AsyncSession, Guest], Awaitable[Rows]]:
    """All rows whose ``column`` is the guest's id."""

    async def rows(session: AsyncSession, guest: Guest) -> Rows:
        return [row_of(each) for each in await session.scalars(select(table).where(column == guest.id))]

    return rows


async def _account(session: AsyncSession, guest: Guest) -> Rows:
    return [row_of(guest) | {"has_password": guest.password_hash is not None}]


async def _links(session: AsyncSession, guest: Guest) -> Rows:
    itself = func.jsonb_build_array(func.jsonb_build_array("guest", cast(str(guest.id), String)))
    return [row_of(each) for each in await session.scalars(select(Link).where(Link.subjects.contains(itself)))]


async def _log(session: AsyncSession, guest: Guest) -> Rows:
    query = select(AuditEntry).where(or_(AuditEntry.actor_id == guest.id, AuditEntry.about_id == guest.id))
    return [row_of(each) for each in await session.scalars(query.order_by(AuditEntry.at))]


async def _proofs(session: AsyncSession, guest: Guest) -> Rows:
    return [row_of(each) for each in await session.scalars(select(Proof).where(Proof.subject_id == guest.id))]


PARTS = (
    Part("account", frozenset({"guests"}), _account),
    Part("signs_in_with", frozenset({"guest_identities"}), of_table(GuestIdentity, GuestIdentity.account_id)),
    Part(
        "devices",
        frozenset({"sessions"}),
        of_table(SignedIn, SignedIn.subject_id),
        lambda n: ngettext("%(n)s signed-in device", "%(n)s signed-in devices", n),
    ),
    Part("account_on_devices", frozenset({"session_proofs"}), _proofs),
    Part("links_by_mail", frozenset({"account_links"}), _links),
    Part("consents", frozenset({"consents"}), of_table(Consent, Consent.guest_id)),
    Part(
        "selfies",
        frozenset({"enrolments"}),
        of_table(Enrolment, Enrolment.guest_id),
        lambda n: ngettext("%(n)s selfie", "%(n)s selfies", n),
    ),
    Part("invitations", frozenset({"guest_invitations"}), of_table(GuestInvitation, GuestInvitation.guest_id)),
    Part(
        "messages",
        frozenset({"messages"}),
        of_table(Message, Message.guest_id),
        lambda n: ngettext("%(n)s message", "%(n)s messages", n),
    ),
    Part("security_log", frozenset({"audit"}), _log),
)
