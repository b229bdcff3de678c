"""Where mail goes out; apart from sending, so that settings load no database."""

from dataclasses import dataclass
from enum import StrEnum


class Security(StrEnum):
    """How the connection to the relay is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Relay:
    """The SMTP server that takes our mail, and whom it comes from."""

    host: str
    port: int
    security: Security
    sender: str
    user: str | None = None
    password: str | None = None
