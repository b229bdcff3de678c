"""Handing messages to push services: the browsers' makers run them, and a subscription says which one it is.

An endpoint is chosen by whoever subscribes, so it is a way to have this server ask other machines: only public
addresses are connected to, nothing leads on elsewhere, and next to nothing is read of the answer.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpcore2

from trouvaille.core.addresses import NotPublic, PublicOnly, public_addresses
from trouvaille.core.clock import now
from trouvaille.core.errors import Invalid, Refused, Unavailable
from trouvaille.core.webpush import BrowserKeys, Sender, encrypt

ENDPOINT_SIGNS = 2000
WITHIN_S = 10
LOOKED_UP_WITHIN_S = 3
READ_BYTES = 4096
LONGEST_WAIT_S = 6 * 3600.0
IDLE_S = 30.0


class NoPushService(Invalid):
    """The endpoint is none that we would send anything to. Browsers give no such one, so nobody needs more words."""


class PutOff(Unavailable):
    """The push service is away, or wants to be left alone for ``wait_s``."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class SubscriptionGone(Refused):
    """The browser has given the subscription up."""


class PushRefused(Refused):
    """The push service does not take this message, and would not another time."""


async def check_endpoint(endpoint: str, *, private_networks: bool) -> str:
    """The host of an endpoint that we would send to.

    Raises:
        NoPushService
    """
    if len(endpoint) > ENDPOINT_SIGNS or not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint:
        raise NoPushService
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port or 443
    except ValueError as error:
        raise NoPushService from error
    if parts.scheme not in (("https", "http") if private_networks else ("https",)):
        raise NoPushService
    if not host or len(host) > 253 or parts.username is not None or parts.password is not None or parts.fragment:
        raise NoPushService
    if not private_networks:
        try:
            async with asyncio.timeout(LOOKED_UP_WITHIN_S):
                await public_addresses(host, port)
        except (NotPublic, OSError) as error:  # a TimeoutError is one, too
            raise NoPushService from error
    return host


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to one browser.

    Attributes:
        content: as the browser reads it; at most ``webpush.CONTENT_BYTES``.
        ttl_s: how long the push service keeps it for a browser that is away.
        topic: of two that wait, the later takes the earlier one's place; at most 32 signs of base64.
        urgency: of RFC 8030; a phone that saves its battery leaves what is not urgent for later.
    """

    content: bytes
    ttl_s: int
    topic: str
    urgency: str = "normal"


class PushServices:
    """The connections of one process to push services."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self._pool: httpcore2.AsyncConnectionPool | None = None

    def _connections(self) -> httpcore2.AsyncConnectionPool:
        if self._pool is None:
            self._pool = httpcore2.AsyncConnectionPool(
                ssl_context=ssl.create_default_context(),
                keepalive_expiry=IDLE_S,
                network_backend=None if self.sender.private_networks else PublicOnly(),
            )
        return self._pool

    async def close(self) -> None:
        """End all connections."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    async def send(self, endpoint: str, keys: BrowserKeys, message: Message) -> None:
        """Hand one message over. Errors name neither the endpoint nor what the service says.

        Raises:
            PutOff, SubscriptionGone, PushRefused
        """
        headers: dict[bytes | str, bytes | str] = {
            "Authorization": self.sender.authorization(endpoint),
            "Content-Type": "application/octet-stream",
            "Content-Encoding": "aes128gcm",
            "TTL": str(message.ttl_s),
            "Urgency": message.urgency,
            "Topic": message.topic,
        }
        failure: Refused
        try:
            async with asyncio.timeout(WITHIN_S):
                status, wait_s = await self._ask(endpoint, headers, encrypt(message.content, keys))
            if 200 <= status < 300:
                return
            failure = _by_status(status, wait_s)
        except NotPublic:
            failure = PushRefused("its address is not public")
        except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, OSError) as error:
            failure = PutOff(f"the push service is away: {type(error).__name__}")
        raise failure from None

    async def _ask(self, endpoint: str, headers: Mapping[bytes | str, bytes | str], body: bytes) -> tuple[int, float]:
        """The status of the answer, and how long it asks to wait. No answer leads anywhere else."""
        async with self._connections().stream("POST", endpoint, headers=headers, content=body) as answer:
            read = 0
            # A connection can be used again once its answer is read; a long one is left alone.
            async for part in answer.aiter_stream():
                read += len(part)
                if read > READ_BYTES:
                    break
            asked = next((value for name, value in answer.headers if name.lower() == b"retry-after"), b"")
            return answer.status, waiting_s(asked.decode("latin-1"))


def _by_status(status: int, wait_s: float) -> Refused:
    if status in (404, 410):
        return SubscriptionGone(f"gone with {status}")
    if status in (408, 425, 429) or status >= 500:
        return PutOff(f"put off with {status}", wait_s)
    return PushRefused(f"refused with {status}")


def waiting_s(retry_after: str) -> float:
    """What ``Retry-After`` says, in seconds or as a date; 0 for nothing that can be read, and never very long."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT_S)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now()).total_seconds()), LONGEST_WAIT_S)
