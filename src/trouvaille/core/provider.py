"""Where people sign on with an account that they have there; apart from the protocol, so that settings load none."""

from dataclasses import dataclass, field
from urllib.parse import urlparse

GOOGLE = "https://accounts.google.com"


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID Connect provider.

    Attributes:
        key: stands for it in addresses.
        name: on buttons.
        issuer: its URL, exactly as it calls itself.
    """

    key: str
    name: str
    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)


def is_safe(url: str) -> bool:
    """Whether codes and keys may be fetched from an address: by TLS, or from this machine."""
    parsed = urlparse(url)
    return parsed.scheme == "https" or (
        parsed.scheme == "http" and parsed.hostname in {"localhost", "127.0.0.1", "::1"}
    )
