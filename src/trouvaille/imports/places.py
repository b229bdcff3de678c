"""Where files may be brought in from, as forms and addresses say it; light enough for a web process."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from trouvaille.core.addresses import is_public
from trouvaille.core.errors import N_, Invalid
from trouvaille.imports.sources import Away

SERVICES: Final = (
    ("s3", "S3"),
    ("webdav", "WebDAV, Nextcloud"),
    ("gdrive", "Google Drive"),
    ("dropbox", "Dropbox"),
    ("onedrive", "OneDrive"),
)
BY_TOKEN: Final = frozenset({"gdrive", "dropbox", "onedrive"})
FIELDS: Final = ("service", "endpoint", "bucket", "region", "user", "secret", "folder")


class NotAllowed(Invalid):
    """The path leads out of what the operator allows."""

    message = N_("The operator of this server does not allow imports from this folder.")


class PrivateAddress(Invalid):
    """It leads into a network that is not public."""

    message = N_("This address is not a public one, which the operator of this server does not allow.")


class NoHttps(Invalid):
    """It is not encrypted."""

    message = N_("Please give an address that begins with https://.")


def below(roots: Sequence[Path], wanted: str) -> tuple[Path, str]:
    """The root that a path lies below, and the way from there, without looking at the disk.

    Raises:
        NotAllowed
    """
    path = Path(wanted.strip())
    if path.is_absolute() and ".." not in path.parts and "\0" not in wanted:
        for root in sorted(roots, key=lambda each: len(each.parts), reverse=True):
            if path.is_relative_to(root):
                return root, path.relative_to(root).as_posix()
    raise NotAllowed(field="path")


def checked_path(roots: Sequence[Path], wanted: str) -> str:
    """A path that one may import from.

    Raises:
        NotAllowed
    """
    root, way = below(roots, wanted)
    return str(root / way)


def check_address(address: str, *, private_networks: bool) -> None:
    """Refuse addresses that this server must not be sent to.

    Raises:
        NoHttps, PrivateAddress
        Away: the name has no address.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise NoHttps(field="endpoint")
    if private_networks:
        return
    if parts.scheme != "https":
        raise NoHttps(field="endpoint")
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError) as error:
        raise Away from error
    for *_, place in found:
        if not is_public(str(place[0])):
            raise PrivateAddress(field="endpoint")


@dataclass(frozen=True, slots=True)
class Place:
    """A remote and how to get in; ``path`` is a folder, or a ZIP file, below its root."""

    service: str
    endpoint: str = ""
    bucket: str = ""
    region: str = ""
    user: str = ""
    secret: str = ""
    path: str = ""


def from_form(values: Mapping[str, str], *, private_networks: bool) -> Place:
    """A remote as it was typed in. Whether it is there, the import finds out.

    Raises:
        Invalid: with the field.
    """
    told = {name: values.get(name, "").strip()[:2000] for name in FIELDS}
    told["path"] = told.pop("folder")
    if told["service"] not in dict(SERVICES):
        raise Invalid(N_("Please choose a kind of server."), field="service")
    if told["service"] in BY_TOKEN:
        if not told["secret"]:
            raise Invalid(N_("Please enter an access token."), field="secret")
        return Place(told["service"], secret=told["secret"], path=told["path"])
    if not told["endpoint"] and told["service"] == "s3":
        told["endpoint"] = f"https://s3.{told['region'] or 'us-east-1'}.amazonaws.com"
    parts = urlsplit(told["endpoint"])
    if parts.scheme not in (("http", "https") if private_networks else ("https",)) or not parts.hostname:
        raise NoHttps(field="endpoint")
    if parts.username or parts.password:
        raise Invalid(N_("Please enter user and password in their own fields."), field="endpoint")
    if told["service"] == "s3" and not told["bucket"]:
        raise Invalid(N_("Please enter the bucket."), field="bucket")
    return Place(**told)


def title_of(place: Place) -> str:
    """A remote as people know it, without any secret."""
    host = urlsplit(place.endpoint).netloc or dict(SERVICES).get(place.service, place.service)
    return "/".join(each.strip("/") for each in (host, place.bucket, place.path) if each.strip("/"))
