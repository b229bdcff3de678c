"""What the operator allows imports to do."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rules:
    """The bounds of all imports of one instance.

    Attributes:
        roots: folders below which organisers may import from.
        private_networks: whether remotes may lie at addresses that only this server's network knows, and speak HTTP.
        staging: a folder for files on their way, best on the photos' own file system.
        archive_bytes: what a ZIP may measure that somebody sends.
        photo_bytes, photo_pixels: what one photo may be.
    """

    roots: tuple[Path, ...]
    private_networks: bool
    staging: Path
    archive_bytes: int
    photo_bytes: int
    photo_pixels: int
