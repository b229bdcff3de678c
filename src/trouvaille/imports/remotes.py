"""Files on other machines, through OpenDAL: S3, WebDAV (Nextcloud and others), Google Drive, Dropbox, OneDrive.

An organiser says where to fetch from, so an address must not lead into the server's own network. Every address that its
name has must be public, asked for again at each step of an import; and it must be HTTPS, so that a name which changes
its address in between leads nowhere: whatever answers there has no certificate for it.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, Final, cast

import opendal
from opendal import exceptions
from opendal.layers import RetryLayer, TimeoutLayer

from trouvaille.imports.places import BY_TOKEN, Place, check_address
from trouvaille.imports.sources import (
    MOST_FILES,
    Away,
    CantGetIn,
    Gone,
    Listed,
    NotThere,
    TooManyFiles,
    copy,
    is_hidden,
)

QUIET_S: Final = 60.0
# They have no base class in common but Exception.
_TROUBLES: Final = (
    exceptions.Error,
    exceptions.ConditionNotMatch,
    exceptions.ConfigInvalid,
    exceptions.IsADirectory,
    exceptions.NotADirectory,
    exceptions.NotFound,
    exceptions.PermissionDenied,
    exceptions.RangeNotSatisfied,
    exceptions.RateLimited,
    exceptions.Unexpected,
    exceptions.Unsupported,
)


def options(place: Place) -> dict[str, str]:
    """For OpenDAL. What it would find on this machine by itself, as an instance's own rights, is switched off."""
    if place.service in BY_TOKEN:
        return {"access_token": place.secret, "root": "/"}
    if place.service == "webdav":
        return {"endpoint": place.endpoint, "username": place.user, "password": place.secret, "root": "/"}
    own = {"access_key_id": place.user, "secret_access_key": place.secret} if place.user else {"skip_signature": "true"}
    return own | {
        "endpoint": place.endpoint,
        "bucket": place.bucket,
        "region": place.region or "us-east-1",
        "root": "/",
        "disable_config_load": "true",
        "disable_ec2_metadata": "true",
    }


class Remote:
    """A folder on another machine."""

    def __init__(self, place: Place, *, private_networks: bool) -> None:
        """Connect; nothing is fetched yet.

        Raises:
            NoHttps, PrivateAddress, Away, CantGetIn
        """
        if place.service not in BY_TOKEN:
            check_address(place.endpoint, private_networks=private_networks)
        self._folder = place.path.strip("/")
        try:
            plain = opendal.Operator(place.service, **options(place))
        except (*_TROUBLES, ValueError) as error:
            raise CantGetIn from error
        self._operator = plain.layer(TimeoutLayer(timeout=QUIET_S, io_timeout=QUIET_S)).layer(RetryLayer(max_times=3))

    def files(self) -> Iterator[Listed]:
        """All files below the folder, by path."""
        prefix = f"{self._folder}/" if self._folder else ""
        found = []
        try:
            for entry in self._operator.list(prefix, recursive=True):
                name = entry.path.removeprefix(prefix)
                if not name or name.endswith("/") or is_hidden(name):
                    continue
                size = entry.metadata.content_length
                found.append(Listed(name, size or None, entry.metadata.last_modified))
                if len(found) > MOST_FILES:
                    raise TooManyFiles
        except _TROUBLES as error:
            raise _told(error, NotThere()) from error
        yield from sorted(found, key=lambda each: each.name)

    def fetch(self, _: int, name: str, target: BinaryIO, *, limit_bytes: int) -> None:
        """Copy a file to this machine."""
        path = f"{self._folder}/{name}" if self._folder else name
        try:
            with self._operator.open(path, "rb") as source:
                copy(cast("BinaryIO", _Far(source)), target, limit_bytes=limit_bytes)
        except _TROUBLES as error:
            raise _told(error, Gone()) from error

    def opened(self) -> BinaryIO:
        """The one file that the path names, to be read and searched in over there."""
        try:
            self._operator.stat(self._folder)
            file = self._operator.open(self._folder, "rb")
        except _TROUBLES as error:
            raise _told(error, NotThere()) from error
        return cast("BinaryIO", _Far(file))

    def close(self) -> None:
        """Connections end by themselves."""
        with suppress(AttributeError):
            del self._operator


class _Far:
    """A file over there, whose troubles are told in our words."""

    def __init__(self, file: opendal.file.File) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            Gone, Away
        """
        try:
            return bytes(self._file.read(size if size >= 0 else None))
        except FileNotFoundError as error:
            raise Gone from error
        except (OSError, *_TROUBLES) as error:
            raise Away from error

    def seek(self, at: int, whence: int = 0) -> int:
        """Go to a place."""
        return self._file.seek(at, whence)

    def tell(self) -> int:
        """The place."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


def _says_no(error: Exception) -> bool:
    """Some services tell a wrong password as something unexpected, with the status in its first line."""
    first = str(error).partition("\n")[0]
    return any(f"=> {status}" in first for status in ("401 ", "403 "))


def _told(error: Exception, missing: Exception) -> Exception:
    if isinstance(error, exceptions.NotFound):
        return missing
    if isinstance(error, exceptions.PermissionDenied | exceptions.ConfigInvalid) or _says_no(error):
        return CantGetIn()
    return Away()
