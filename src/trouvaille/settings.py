"""Every setting of the product, in one place.

Only the entry points (CLI, supervisor, application factory, worker) read this; they hand values on. Each setting is an
environment variable with the prefix ``TROUVAILLE_``, except ``DATABASE_URL``, whose name is a convention of its own.
"""

import os
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from trouvaille.core.import_rules import Rules
from trouvaille.core.legal import Legal
from trouvaille.core.provider import GOOGLE, Provider, is_safe
from trouvaille.core.quota import Defaults
from trouvaille.core.relay import Relay, Security
from trouvaille.core.secrets import Vault
from trouvaille.core.stores import check_url
from trouvaille.core.webpush import Sender, contact_of, key_of, read_key


def default_data_dir() -> Path:
    """Where an instance keeps everything: a system folder for root, the user's own otherwise.

    Root's home is closed to other users, and PostgreSQL refuses to run as root, so root's data can't lie there.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/trouvaille")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "trouvaille"


def _secret(value: str | None, file: Path | None) -> str | None:
    """A secret that is set, or lies in a file."""
    return file.read_text().strip() if file else value


class Engine(StrEnum):
    """Who tells faces apart: this machine, or Amazon Rekognition."""

    LOCAL = "local"
    REKOGNITION = "rekognition"


class Settings(BaseSettings):
    """One frozen set of settings; an entry point makes it once."""

    model_config = SettingsConfigDict(env_prefix="TROUVAILLE_", frozen=True, extra="ignore")

    data_dir: Path = Field(default_factory=default_data_dir)
    database_url: Annotated[str | None, Field(validation_alias="DATABASE_URL")] = None
    database_pool_size: int = Field(6, ge=1, le=200)
    storage_url: str | None = None
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    public_url: str | None = None
    trusted_proxies: str = "127.0.0.1"
    # A process answers on one core; each takes some 180 MB.
    web_processes: int = Field(default_factory=lambda: max(1, min(2, os.cpu_count() or 1)), ge=1, le=64)
    # A process a core indexes a fifth faster than a thread a core, for 350 MB more memory each.
    photo_workers: int = Field(default_factory=lambda: max(1, os.cpu_count() or 1), ge=0, le=64)
    photo_threads: int = Field(1, ge=1, le=64)
    photo_limit_bytes: int = Field(100 * 1024**2, ge=1024)
    photo_limit_pixels: int = Field(200_000_000, ge=10_000)
    uploads_dir: Path | None = None
    uploads_kept_hours: float = Field(24, gt=0)
    upload_limit_bytes: int = Field(4 * 1024**3, ge=1024)
    # Imports; docs/operator.md. Folders are separated by commas.
    import_roots: Annotated[tuple[Path, ...], NoDecode] = ()
    import_private_networks: bool = False
    archive_limit_bytes: int = Field(32 * 1024**3, ge=1024)
    selfie_limit_bytes: int = Field(20 * 1024**2, ge=1024)
    # How much may be added to one event, by all and by one photographer, unless the event says otherwise.
    event_quota_photos: int | None = Field(None, ge=0, le=2**31 - 1)
    event_quota_bytes: int | None = Field(None, ge=0, le=2**62)
    photographer_quota_photos: int | None = Field(None, ge=0, le=2**31 - 1)
    photographer_quota_bytes: int | None = Field(None, ge=0, le=2**62)
    # Off, guests' browsers remove the service worker that they have, and all that it kept.
    service_worker: bool = True
    session_idle_days: int = Field(30, ge=1)
    session_absolute_days: int = Field(180, ge=1)
    hashing_threads: int = Field(1, ge=1, le=64)
    # OWASP's parameters for Argon2id are the floor; docs/operator.md.
    password_memory_kib: int = Field(19456, ge=19456, le=1024**2)
    password_passes: int = Field(2, ge=2, le=20)
    audit_days: int = Field(365, ge=90)
    bin_days: int = Field(7, ge=0)
    operator_contact: str | None = None
    # Cameras; docs/operator.md. Off without a port.
    ftp_port: int | None = Field(None, ge=0, le=65535)
    ftp_host: str | None = None
    ftp_plain: bool = False
    ftp_certificate: Path | None = None
    ftp_key: Path | None = None
    ftp_public_address: str | None = None
    ftp_passive_ports: str | None = Field(None, pattern=r"^\d{1,5}-\d{1,5}$")
    smtp_host: str | None = None
    smtp_port: int | None = Field(None, ge=1, le=65535)
    smtp_security: Security = Security.STARTTLS
    smtp_sender: str | None = None
    smtp_user: str | None = None
    smtp_password: str | None = Field(None, repr=False)
    smtp_password_file: Path | None = None
    # Who answers for this server, for its legal pages; docs/operator.md.
    legal_name: str | None = None
    legal_address: str | None = None
    legal_email: str | None = None
    legal_authority: str | None = None
    legal_host: str | None = None
    legal_texts: Path | None = None
    # Hours at the event's place in which guests are told of nothing; the same twice for none.
    quiet_hours: str = Field("22-8", pattern=r"^([01]?\d|2[0-3])-([01]?\d|2[0-3])$")
    # Web push; docs/operator.md.
    push: bool = True
    push_key: str | None = Field(None, repr=False)
    push_key_file: Path | None = None
    push_private_networks: bool = False
    google_client_id: str | None = None
    google_client_secret: str | None = Field(None, repr=False)
    google_client_secret_file: Path | None = None
    oidc_issuer: str | None = None
    oidc_name: str = "OpenID"
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = Field(None, repr=False)
    oidc_client_secret_file: Path | None = None
    metrics_token: str | None = Field(None, min_length=16, repr=False)
    hashing_wait_s: float = Field(15.0, ge=1)
    streams_at_once: int = Field(5000, ge=1)
    streams_per_address: int = Field(2500, ge=1)
    stalled_after_s: float = Field(15.0, ge=2)
    log_level: str = "INFO"

    engine: Engine = Engine.LOCAL
    # Another recognition model than SFace; docs/operator.md. Numbers a channel are separated by commas.
    recogniser_path: Path | None = None
    recogniser_sha256: str | None = Field(None, pattern="^[0-9a-fA-F]{64}$")
    recogniser_side_px: int = Field(112, ge=32, le=512)
    recogniser_channels: Literal["rgb", "bgr"] = "rgb"
    recogniser_mean: Annotated[tuple[float, ...], NoDecode] = (0.0,)
    recogniser_scale: Annotated[tuple[float, ...], NoDecode] = (1.0,)
    recogniser_dimension: int = Field(128, ge=16, le=4096)
    recogniser_population_mean: Path | None = None
    # `trouvaille calibrate` measures them.
    recogniser_tail_offset: float | None = None
    recogniser_tail_slope: float | None = Field(None, lt=0)
    rekognition_region: str | None = None
    rekognition_endpoint_url: str | None = None
    rekognition_calls_at_once: int = Field(30, ge=1, le=30)
    # US dollars. The price is that of 1,000 billed calls; docs/rekognition.md says which and where it comes from.
    rekognition_monthly_ceiling: Decimal = Field(Decimal(50), ge=0, allow_inf_nan=False)
    rekognition_price_per_1000: Decimal = Field(Decimal("1.00"), gt=0, allow_inf_nan=False)
    # The service's scale, 0-100. Never measured here: 99 is what AWS advises where a wrong match does harm, 90 leaves
    # room above its own default of 80 for what a guest is asked about.
    rekognition_sure: float = Field(99.0, ge=0, le=100)
    rekognition_maybe: float = Field(90.0, ge=0, le=100)

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("DATABASE_URL must start with postgresql://")
        return value

    @field_validator("storage_url")
    @classmethod
    def _known_store(cls, value: str | None) -> str | None:
        return value and check_url(value)

    @field_validator("ftp_passive_ports")
    @classmethod
    def _ports(cls, value: str | None) -> str | None:
        if value is not None:
            first, last = map(int, value.split("-"))
            if not 0 < first <= last <= 65535:
                raise ValueError("give the first and the last port, as 60000-60100")
        return value

    @field_validator("import_roots", mode="before")
    @classmethod
    def _folders(cls, value: object) -> object:
        return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value

    @field_validator("import_roots")
    @classmethod
    def _absolute(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        if not all(each.is_absolute() and ".." not in each.parts for each in value):
            raise ValueError("give whole paths, separated by commas")
        return value

    @field_validator("recogniser_mean", "recogniser_scale", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value

    @field_validator("recogniser_mean", "recogniser_scale")
    @classmethod
    def _one_or_three(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(value) not in (1, 3):
            raise ValueError("give one number, or three separated by commas")
        return value

    @field_validator("recogniser_scale")
    @classmethod
    def _not_zero(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if 0 in value:
            raise ValueError("pixels are divided by it, so it must not be 0")
        return value

    @model_validator(mode="after")
    def _recogniser_is_described(self) -> Self:
        if (self.recogniser_path is None) is not (self.recogniser_sha256 is None):
            raise ValueError("TROUVAILLE_RECOGNISER_PATH and TROUVAILLE_RECOGNISER_SHA256 are set together")
        return self

    @model_validator(mode="after")
    def _maybe_below_sure(self) -> Self:
        if self.rekognition_maybe > self.rekognition_sure:
            raise ValueError("TROUVAILLE_REKOGNITION_MAYBE must not be above TROUVAILLE_REKOGNITION_SURE")
        return self

    @model_validator(mode="after")
    def _mail_is_described(self) -> Self:
        if self.smtp_host is not None and (self.smtp_sender is None or self.public_url is None):
            raise ValueError(
                "TROUVAILLE_SMTP_HOST needs TROUVAILLE_SMTP_SENDER, and TROUVAILLE_PUBLIC_URL for the links in mails"
            )
        if self.smtp_password is not None and self.smtp_password_file is not None:
            raise ValueError("set TROUVAILLE_SMTP_PASSWORD or TROUVAILLE_SMTP_PASSWORD_FILE, not both")
        return self

    @model_validator(mode="after")
    def _push_has_one_key(self) -> Self:
        if self.push_key is not None and self.push_key_file is not None:
            raise ValueError("set TROUVAILLE_PUSH_KEY or TROUVAILLE_PUSH_KEY_FILE, not both")
        if self.push_key is not None:
            try:
                read_key(self.push_key)
            except ValueError:
                raise ValueError("TROUVAILLE_PUSH_KEY is no key of P-256, as PEM or as 32 bytes in base64") from None
        return self

    @model_validator(mode="after")
    def _sign_on_is_described(self) -> Self:
        if (self.oidc_issuer is None) is not (self.oidc_client_id is None):
            raise ValueError("TROUVAILLE_OIDC_ISSUER and TROUVAILLE_OIDC_CLIENT_ID are set together")
        if self.oidc_issuer is not None and not is_safe(self.oidc_issuer):
            raise ValueError("TROUVAILLE_OIDC_ISSUER must start with https://")
        if (self.google_client_id or self.oidc_client_id) and self.public_url is None:
            raise ValueError("signing on elsewhere needs TROUVAILLE_PUBLIC_URL, for the way back")
        for name in ("google", "oidc"):
            if getattr(self, f"{name}_client_secret") and getattr(self, f"{name}_client_secret_file"):
                upper = f"TROUVAILLE_{name.upper()}_CLIENT_SECRET"
                raise ValueError(f"set {upper} or {upper}_FILE, not both")
        return self

    def providers(self) -> tuple[Provider, ...]:
        """Where people may sign on, in the order of the buttons."""
        found = []
        if self.google_client_id is not None:
            secret = _secret(self.google_client_secret, self.google_client_secret_file)
            found.append(Provider("google", "Google", GOOGLE, self.google_client_id, secret))
        if self.oidc_issuer is not None and self.oidc_client_id is not None:
            secret = _secret(self.oidc_client_secret, self.oidc_client_secret_file)
            found.append(Provider("oidc", self.oidc_name, self.oidc_issuer, self.oidc_client_id, secret))
        return tuple(found)

    def relay(self) -> Relay | None:
        """The server that takes our mail; None when none is set."""
        if self.smtp_host is None or self.smtp_sender is None:
            return None
        usual = {Security.NONE: 25, Security.STARTTLS: 587, Security.TLS: 465}
        password = _secret(self.smtp_password, self.smtp_password_file)
        return Relay(
            host=self.smtp_host,
            port=self.smtp_port or usual[self.smtp_security],
            security=self.smtp_security,
            sender=self.smtp_sender,
            user=self.smtp_user,
            password=password,
        )

    def legal(self) -> Legal:
        """What the legal pages are filled from. A backslash and an n in a setting begin a new line."""
        name, address, email, authority, host = (
            value.replace("\\n", "\n") if value else None
            for value in (self.legal_name, self.legal_address, self.legal_email, self.legal_authority, self.legal_host)
        )
        region = (self.rekognition_region or "AWS") if self.engine is Engine.REKOGNITION else None
        return Legal(name, address, email, authority, host, self.legal_texts, self.audit_days, region)

    def push_sender(self, vault: Vault) -> Sender | None:
        """Who we are to push services; None where nobody is told by them.

        A browser needs our service worker for it, and TLS or a server on its own machine. Without a public address we
        can't know which it has, and leave it to the browser.

        Raises:
            ValueError: the key that is set is none.
        """
        url = urlsplit(self.public_url or "https:")
        if (
            not self.push
            or not self.service_worker
            or (url.scheme != "https" and url.hostname not in ("localhost", "127.0.0.1", "::1"))
        ):
            return None
        given = _secret(self.push_key, self.push_key_file)
        return Sender(
            read_key(given) if given else key_of(vault.push_seed()),
            contact_of(self.operator_contact, self.legal_email, self.public_url) or "https://localhost",
            self.push_private_networks,
        )

    def quiet(self) -> tuple[int, int]:
        """From which hour until which nobody is told of new photos."""
        begins, ends = map(int, self.quiet_hours.split("-"))
        return begins, ends

    def passive_ports(self) -> range | None:
        """The ports for the second connection of each FTP transfer; None for any."""
        if self.ftp_passive_ports is None:
            return None
        first, last = map(int, self.ftp_passive_ports.split("-"))
        return range(first, last + 1)

    def imports(self) -> Rules:
        """What imports may do."""
        return Rules(
            roots=self.import_roots,
            private_networks=self.import_private_networks,
            staging=self.staging_dir / "imports",
            archive_bytes=self.archive_limit_bytes,
            photo_bytes=self.photo_limit_bytes,
            photo_pixels=self.photo_limit_pixels,
        )

    def quotas(self) -> Defaults:
        """How much may be added to one event, where the event itself says nothing."""
        return Defaults(
            self.event_quota_photos,
            self.event_quota_bytes,
            self.photographer_quota_photos,
            self.photographer_quota_bytes,
        )

    @property
    def staging_dir(self) -> Path:
        """Where files lie while they arrive; on the photos' own file system nothing has to be copied."""
        return self.uploads_dir or self.data_dir.absolute() / "uploads"

    @property
    def photos_url(self) -> str:
        """The object store's URL; a folder of the data folder unless another is set."""
        return self.storage_url or (self.data_dir.absolute() / "photos").as_uri()


def of_command(**given: Any) -> Settings:
    """Settings of a command: from the environment, with what was given on the command line in front."""
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    return settings.model_copy(update={"data_dir": settings.data_dir.absolute()})
