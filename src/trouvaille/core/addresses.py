"""Which addresses of the network this server may be sent to by people outside, and connections to no others."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import httpcore2


class NotPublic(Exception):
    """The address is one that only this server's own network knows."""


def is_public(address: str) -> bool:
    """Whether an address is one of the public Internet, also where it is one of IPv4 in the clothes of IPv6."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


async def public_addresses(host: str, port: int) -> list[str]:
    """What a name leads to.

    Raises:
        NotPublic: one of its addresses is of a private network.
        OSError: it leads nowhere.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (UnicodeError, ValueError) as error:
        raise OSError("this is no name of a host") from error
    addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
    if not all(map(is_public, addresses)):
        raise NotPublic
    return addresses


class PublicOnly(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses alone, and to the very one that was looked at: a name that is asked for twice may
    lead elsewhere the second time. Certificates are still checked against the name."""

    def __init__(self) -> None:
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """As the library, after a look at where it leads.

        Raises:
            NotPublic
            httpcore2.ConnectError: the name leads nowhere, or nobody answers there.
        """
        try:
            addresses = await public_addresses(host, port)
        except OSError as error:
            raise httpcore2.ConnectError("the name leads nowhere") from error
        failure: Exception = httpcore2.ConnectError("the name leads nowhere")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout=timeout, local_address=local_address, socket_options=socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """As the library."""
        await self._inner.sleep(seconds)
