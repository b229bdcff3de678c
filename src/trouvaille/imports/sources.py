"""What every source of files can do, whatever it is: name its files, and copy one to this machine."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, Protocol

from trouvaille import raw_files
from trouvaille.core.errors import N_, Invalid, NotFound, Refused, Unavailable
from trouvaille.core.images import FileTooLarge

PICTURES: Final = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".heic", ".heif", ".hif", ".avif", ".tif", ".tiff"}
    | {".nrw", ".sr2", ".3fr", ".iiq"}
    | set(raw_files.TYPES.values())
)
CLUTTER: Final = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
MOST_FILES: Final = 100_000
PIECE_BYTES: Final = 1024 * 1024


class TooManyFiles(Invalid):
    """More than one import may hold."""

    message = N_("There are more than 100,000 files. Please import them in parts.")


class NotThere(NotFound):
    """The folder, file or remote is gone, or never was."""

    message = N_("There is nothing at this place, or it can’t be read.")


class CantGetIn(Invalid):
    """The remote does not let us in."""

    message = N_("The server did not let us in. Please check the address, the user and the password.")


class Away(Unavailable):
    """A remote that does not answer."""

    retry_after_s = 30
    message = N_("The server that the files are on does not answer.")


class Gone(NotFound):
    """A file that was there when the source was looked through."""

    message = N_("This file is not there any more, or can’t be read.")


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of a source. ``refused``: why it can't be taken, where that is known before it is opened."""

    name: str
    size_bytes: int | None
    modified_at: datetime | None = None
    refused: Refused | None = None


class Source(Protocol):
    """Somewhere that files come from. Everything blocks, and is called in threads."""

    def files(self) -> Iterator[Listed]:
        """All files, hidden ones left out, the same ones in the same order each time unless they changed.

        Raises:
            NotThere, CantGetIn, Away, TooManyFiles
            Refused: the source as a whole is no good.
        """

    def fetch(self, place: int, name: str, target: BinaryIO, *, limit_bytes: int) -> None:
        """Copy a file, which was the nth when they were listed.

        Raises:
            FileTooLarge, Gone, Away
            Refused
        """

    def close(self) -> None:
        """Let go of it."""


def is_hidden(name: str) -> bool:
    """Whether any part of a path is hidden, or a program's own."""
    parts = [part for part in PurePosixPath(name).parts if part != ".."]
    return any(part.startswith((".", "~", "_$")) or part.lower() in CLUTTER for part in parts)


def looks_like_a_photo(name: str) -> bool:
    """Whether a file is worth opening, by its name."""
    return PurePosixPath(name).suffix.lower() in PICTURES


def clean(name: str) -> str:
    """A path fit to show and keep: printable, accents with their letters, as long as the column."""
    told = unicodedata.normalize("NFC", name.encode(errors="replace").decode())
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in told)[-1000:]


def copy(source: BinaryIO, target: BinaryIO, *, limit_bytes: int) -> int:
    """Copy in pieces, and stop at the limit whatever was said of the size; returns how many bytes there were.

    Raises:
        FileTooLarge
    """
    copied = 0
    while piece := source.read(PIECE_BYTES):
        copied += len(piece)
        if copied > limit_bytes:
            raise FileTooLarge(limit=limit_bytes // 1024**2)
        target.write(piece)
    return copied


def staged(folder: Path, name: str) -> Path:
    """A place for a file that is on its way, in a folder for us alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / name
