"""A real SMTP server for tests: it keeps what it is given, or says no."""

import email
import re
import socket
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope


@dataclass
class PostOffice:
    """One SMTP server on this machine."""

    port: int
    received: list[EmailMessage] = field(default_factory=list)
    # What it says to the next recipients, instead of taking their letters.
    refusals: list[str] = field(default_factory=list)
    _controller: Controller | None = None

    def open(self, *, certificate: ssl.SSLContext | None = None, tls: bool = False, user: str | None = None) -> None:
        """Listen, from the first byte with TLS where ``tls`` is set, otherwise with STARTTLS where there is a
        certificate."""
        more: dict[str, Any] = {"ssl_context": certificate} if tls else {"tls_context": certificate}
        if certificate is not None and not tls:
            more["require_starttls"] = True
        if user is not None:
            more |= {"authenticator": self._knows(user), "auth_required": not tls, "auth_require_tls": not tls}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **more)
        self._controller.start()

    def close(self) -> None:
        """Stop listening."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    @staticmethod
    def _knows(user: str) -> Any:
        def authenticate(server: object, session: object, envelope: object, mechanism: str, data: Any) -> AuthResult:
            name, _, password = user.partition(":")
            return AuthResult(success=(data.login, data.password) == (name.encode(), password.encode()))

        return authenticate

    async def handle_RCPT(
        self, server: object, session: object, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or refuse."""
        if self.refusals:
            return self.refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:
        """Keep a letter."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = email.message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        return "250 OK"

    def letters_to(self, address: str) -> list[EmailMessage]:
        """What came for somebody."""
        return [letter for letter in self.received if letter["To"] == address]

    def link_to(self, address: str, kind: str) -> str:
        """The path of the link in the newest letter for somebody that has one of this kind."""
        for letter in reversed(self.letters_to(address)):
            if found := re.search(rf"/{kind}/[\w-]+", plain(letter)):
                return found[0]
        raise AssertionError(f"no {kind} link for {address}")


def plain(letter: EmailMessage) -> str:
    """The plain text of a letter."""
    part = letter.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
