"""Who answers for an instance; apart from the pages, so that settings load no web part."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Legal:
    """What the legal pages are filled from.

    Attributes:
        name, address, email: of whoever runs this server and answers for the data on it.
        authority: where people complain about it.
        host: whose machines it runs on.
        texts_dir: a folder with texts of the operator's own.
        audit_days: how long the log of who did what is kept.
        region: where Amazon Rekognition compares faces; None where this server does.
    """

    name: str | None = None
    address: str | None = None
    email: str | None = None
    authority: str | None = None
    host: str | None = None
    texts_dir: Path | None = None
    audit_days: int = 365
    region: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The settings without which the pages do not say what they have to."""
        needed = {
            "TROUVAILLE_LEGAL_NAME": self.name,
            "TROUVAILLE_LEGAL_ADDRESS": self.address,
            "TROUVAILLE_LEGAL_EMAIL": self.email,
            "TROUVAILLE_LEGAL_AUTHORITY": self.authority,
            "TROUVAILLE_LEGAL_HOST": self.host,
        }
        return tuple(setting for setting, value in needed.items() if not (value or "").strip())
