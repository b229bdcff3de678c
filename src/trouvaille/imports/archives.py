"""ZIP files, one member after another, with a limit on everything that one could lie about."""

import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import BinaryIO, Final

from trouvaille.core.errors import N_, Invalid, Refused
from trouvaille.core.images import FileTooLarge
from trouvaille.imports.sources import MOST_FILES, Gone, Listed, TooManyFiles, copy, is_hidden

MOST_MEMBERS_BYTES: Final = 1024**4
"""Of all members together, by their own word; each is held to the limit of one photo as it is unpacked."""
MOST_RATIO: Final = 200
"""Pictures hardly shrink at all: whatever is so much larger unpacked is no photo."""
FREE_BYTES: Final = 1024**2
"""Up to here any ratio will do."""
MOST_DIRECTORY_BYTES: Final = 256 * 1024**2
_END, _END64 = b"PK\5\6", b"PK\6\6"
_ZIPS: Final = (".zip", ".jar", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class NotAZip(Invalid):
    """It can't be read as a ZIP."""

    message = N_("This is no ZIP file that we can read, or its end is missing.")


class TooBig(Invalid):
    """What it says that it holds is too much."""

    message = N_("This ZIP file says that it holds more than this server unpacks.")


class Encrypted(Invalid):
    """A password is needed."""

    message = N_("This file is encrypted. Please make the ZIP without a password.")


class Nested(Invalid):
    """An archive in an archive."""

    message = N_("This is an archive inside the ZIP, which is not opened.")


class Bomb(Invalid):
    """It unpacks to far more than it is."""

    message = N_("This file unpacks to far more than it is, as no photo does.")


class NoFile(Invalid):
    """A link, or a device."""

    message = N_("This is no ordinary file.")


class Broken(Invalid):
    """One member is damaged."""

    message = N_("This file is damaged inside the ZIP.")


class Archive:
    """A ZIP file that is read where it lies."""

    def __init__(self, file: BinaryIO, close: Callable[[], None] | None = None) -> None:
        """Read its directory.

        Args:
            file: can be searched in.
            close: called at the end, beside closing the file.

        Raises:
            NotAZip, TooBig, TooManyFiles
        """
        self._file, self._close = file, close or (lambda: None)
        try:
            _check_directory(file)
            self._zip = zipfile.ZipFile(file)
            self._members = [
                each for each in self._zip.infolist() if not each.is_dir() and not is_hidden(each.filename)
            ]
        except Refused:
            self.close()
            raise
        except _BROKEN as error:
            self.close()
            raise NotAZip from error
        if len(self._members) > MOST_FILES:
            raise TooManyFiles
        if sum(each.file_size for each in self._members) > MOST_MEMBERS_BYTES:
            raise TooBig

    def files(self) -> Iterator[Listed]:
        """All members as they come, each by its path."""
        for each in self._members:
            yield Listed(each.filename, each.file_size, _moment(each), _problem(each))

    def fetch(self, place: int, name: str, target: BinaryIO, *, limit_bytes: int) -> None:
        """Unpack one member by its number: names need not be unique in a ZIP.

        Raises:
            Gone, FileTooLarge, Encrypted, Nested, Bomb, NoFile, Broken
        """
        if not 0 <= place < len(self._members):
            raise Gone
        member = self._members[place]
        if (problem := _problem(member)) is not None:
            raise problem
        # Whatever it says of itself, no more than this is unpacked.
        most = max(FREE_BYTES, member.compress_size * MOST_RATIO)
        try:
            with self._zip.open(member) as source:
                copy(source, target, limit_bytes=min(limit_bytes, most))  # type: ignore[arg-type]
        except FileTooLarge:
            if most < limit_bytes:
                raise Bomb from None
            raise
        except _BROKEN as error:
            raise Broken from error

    def close(self) -> None:
        """Close the file."""
        with suppress(Exception):
            self._file.close()
        self._close()


def _problem(member: zipfile.ZipInfo) -> Refused | None:
    mode = member.external_attr >> 16
    if member.flag_bits & 0x41:
        return Encrypted()
    if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
        return NoFile()
    if member.filename.lower().endswith(_ZIPS):
        return Nested()
    if member.file_size > max(FREE_BYTES, member.compress_size * MOST_RATIO):
        return Bomb()
    return None


def _moment(member: zipfile.ZipInfo) -> datetime | None:
    try:
        return datetime(*member.date_time, tzinfo=UTC)
    except ValueError:
        return None


def _check_directory(file: BinaryIO) -> None:
    """Refuse a directory that would fill the memory, before it is read."""
    size = file.seek(0, 2)
    start = max(0, size - 65_557 - 76)
    file.seek(start)
    tail = file.read(size - start)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise NotAZip
    directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    if directory == 0xFFFFFFFF:
        at64 = tail.rfind(_END64, 0, at)
        if at64 < 0:
            raise NotAZip
        directory = int.from_bytes(tail[at64 + 40 : at64 + 48], "little")
    if directory > min(size, MOST_DIRECTORY_BYTES):
        raise TooBig
    file.seek(0)
