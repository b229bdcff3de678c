"""What every request can reach: the parts of this web process, and the request's one transaction."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.db import Sessions, transaction
from trouvaille.core.import_rules import Rules
from trouvaille.core.legal import Legal
from trouvaille.core.live import Hub
from trouvaille.core.provider import Provider
from trouvaille.core.reading import Reader
from trouvaille.core.secrets import Vault
from trouvaille.core.storage import Storage
from trouvaille.core.webpush import Sender


@dataclass(frozen=True, slots=True)
class Limits:
    """What this server accepts, and for how long a deleted photo can be brought back."""

    photo_bytes: int
    photo_pixels: int
    upload_bytes: int
    selfie_bytes: int
    bin_days: int = 7


@dataclass(frozen=True, slots=True)
class Site:
    """The parts of one web process; made once by the application factory.

    ``has_costs`` says that faces are told apart for money, so that administrators are led to the page about it.
    """

    sessions: Sessions
    reader: Reader
    storage: Storage
    vault: Vault
    hub: Hub
    limits: Limits
    public_url: str | None
    session_idle_days: int
    session_absolute_days: int
    import_rules: Rules
    has_costs: bool = False
    sends_mail: bool = False
    operator_contact: str | None = None
    # Where cameras send to by FTP; None where they can't. ``ftp_plain``: also those that know no TLS.
    ftp_port: int | None = None
    ftp_plain: bool = False
    ftp_host: str | None = None
    providers: tuple[Provider, ...] = ()
    legal: Legal = field(default_factory=Legal)
    # Who we are to push services; None where no browser is told of anything.
    push: Sender | None = None
    # Whether guests' browsers keep what works without a network; docs/decisions/0040-without-a-network.md.
    service_worker: bool = True


def site_of(request: Request) -> Site:
    """The parts of the process that serves this request."""
    site: Site = request.app.state.site
    return site


def address_of(request: Request) -> str:
    """Where this server is reached from outside, without a slash at the end."""
    return (site_of(request).public_url or str(request.base_url)).rstrip("/")


def sender_of(request: Request) -> str:
    """The address that a request comes from; empty when it is not known."""
    return request.client.host if request.client else ""


# These read their large bodies themselves, after a first look at who sends them.
LARGE_BODIES = ("/selfie", "/photos", "/picture")
# A file, whole or in parts; the receiver holds it to the size that it was said to have.
FILE_BODY = re.compile(r"/(studio|api/v1/events)/[^/]+/uploads(/[0-9a-fA-F-]{36})?")


async def read_form(request: Request) -> None:
    """Read a small form before a transaction is opened: a sender who dawdles must not hold a connection meanwhile.

    The request keeps what was read, so the page's own reading costs nothing.
    """
    path = request.url.path
    if request.method == "POST" and not path.endswith(LARGE_BODIES) and not FILE_BODY.fullmatch(path):
        await request.form()


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    async with transaction(site_of(request).sessions) as session:
        yield session


# Function scope: the commit comes before the answer, so a failed commit can't answer 200.
Session = Annotated[AsyncSession, Depends(_session, scope="function")]


async def _this_site(request: Request) -> Site:
    # FastAPI runs a dependency that is no coroutine in a thread, which costs more than most of them do.
    return site_of(request)


ThisSite = Annotated[Site, Depends(_this_site)]
