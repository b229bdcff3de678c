"""A client that costs next to nothing, so that a bench measures the server: HTTP/1.1 over one plain socket."""

import socket
from collections.abc import Iterable, Mapping
from urllib.parse import urlparse


class Wire:
    """One kept connection to a server on this machine."""

    def __init__(self, address: str) -> None:
        where = urlparse(address)
        self._host = where.netloc
        self._socket = socket.create_connection((where.hostname or "", where.port or 80), timeout=600)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Iterable[bytes | memoryview] = (),
        length: int = 0,
    ) -> tuple[int, dict[str, str]]:
        """Send one request with a body of ``length`` bytes; returns status and headers of the answer.

        Raises:
            ConnectionError: the server hung up.
        """
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._host}", f"content-length: {length}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        pieces = iter(body)
        # A small body goes out together with its headers.
        self._socket.sendall(head + next(pieces, b"") if length < 2**17 else head)
        for piece in pieces:
            self._socket.sendall(piece)
        return self._answer()

    def _answer(self) -> tuple[int, dict[str, str]]:
        first = self._answers.readline()
        if not first:
            raise ConnectionError("the server hung up")
        headers = {}
        while (line := self._answers.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        self._answers.read(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers

    def close(self) -> None:
        """Hang up."""
        self._answers.close()
        self._socket.close()
