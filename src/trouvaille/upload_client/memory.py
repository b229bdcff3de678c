"""What was sent before, in a small file, so that starting again neither sends nor hashes anything twice."""

import hashlib
import os
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from trouvaille.upload_client.folder import Found

TABLE = """
CREATE TABLE IF NOT EXISTS files (
    name TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
    sha256 TEXT, upload_url TEXT, result TEXT
)
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a file. ``upload_url``: where it was being sent; ``result``: what became of it."""

    sha256: str | None
    upload_url: str | None
    result: str | None


def usual_path(server: str, event_id: str, folder: Path) -> Path:
    """Where the file lies: beside the user's other programs' state, since the folder may be read-only."""
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    what = hashlib.sha256(f"{server}\n{event_id}\n{folder.resolve()}".encode(errors="replace")).hexdigest()[:24]
    return base / "trouvaille" / "uploads" / f"{what}.sqlite"


class Memory:
    """May be used from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or make it; one that is damaged is begun anew, since all it saves is time."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._guard = threading.Lock()
        try:
            self._open(path)
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            self._open(path)

    def _open(self, path: Path) -> None:
        self._file = sqlite3.connect(path, check_same_thread=False, timeout=30, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = NORMAL")
        self._file.execute(TABLE)

    def of(self, photo: Found) -> Known | None:
        """What is known of a file as it is now; nothing once it has changed."""
        with self._guard:
            row = self._file.execute(
                "SELECT sha256, upload_url, result FROM files WHERE name = ? AND size_bytes = ? AND modified_ns = ?",
                (photo.name, *photo.look),
            ).fetchone()
        return Known(*row) if row else None

    def note(self, photo: Found, *, sha256: str | None, upload_url: str | None, result: str | None) -> None:
        """Keep what is known of a file, in place of what was."""
        row = (photo.name, *photo.look, sha256, upload_url, result)
        with self._guard:
            self._file.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        """Close the file."""
        with self._guard:
            self._file.close()
