"""Folders whose entries are on the disk: flushing one costs as much as writing a photo, so none is flushed in vain."""

import os
import threading
from collections import OrderedDict
from pathlib import Path

KNOWN_AT_MOST = 64


class _Folder:
    """An open folder. Who waits while somebody flushes it shares the next flush with all who wait."""

    handle = -1

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._flushing, self._counting = threading.Lock(), threading.Lock()
        self._asked = self._done = 0

    def __del__(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)

    def is_at(self, path: Path) -> bool:
        """Whether it is still what lies there. While it is open, no other folder gets its number."""
        try:
            return os.path.samestat(path.stat(), os.fstat(self.handle))
        except OSError:
            return False

    def flush(self) -> None:
        """Bring all entries that are there now to the disk."""
        with self._counting:
            self._asked += 1
            mine = self._asked
        with self._flushing:
            if self._done >= mine:
                return
            with self._counting:
                upto = self._asked
            os.fsync(self.handle)
            self._done = upto


class Folders:
    """The folders below one that this process found to be on the disk. For many threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: OrderedDict[Path, _Folder] = OrderedDict()
        self._mutex = threading.Lock()

    def flush_entry(self, path: Path) -> None:
        """Bring an entry, and every folder that leads to it, to the disk.

        Args:
            path: a file or folder below the root. Its own bytes are the caller's to flush.

        Raises:
            OSError
        """
        self._folder(path.parent).flush()

    def _folder(self, path: Path) -> _Folder:
        """An open folder whose own entry, and those of all above it, are on the disk."""
        with self._mutex:
            known = self._known.get(path)
            if known is not None:
                self._known.move_to_end(path)
        if known is not None and known.is_at(path):
            return known
        opened = _Folder(path)
        if path != self._root:
            self._folder(path.parent).flush()
        with self._mutex:
            self._known[path] = opened
            while len(self._known) > KNOWN_AT_MOST:
                self._known.popitem(last=False)
        return opened
