"""Sending a folder: look, ask what the server has, send the rest in parallel, remember, and look again."""

import hashlib
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trouvaille.upload_client.folder import Found, Patience, Scan, scan
from trouvaille.upload_client.memory import Memory
from trouvaille.upload_client.server import Away, Changed, Event, Fatal, Rejected, Server, Stopped

LOOK_EVERY_S = 1.0
RESCAN_EVERY_S = 10.0
"""Shared folders tell nobody of their changes."""
WATCHING_STEP_S = 0.5
GIVEN_UP_AFTER_CHANGES = 5


@dataclass(slots=True)
class Summary:
    """What became of every file, each by its name below the folder."""

    accepted: list[str] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    """Sent by an earlier run."""
    failed: dict[str, str] = field(default_factory=dict)
    """With the reason."""
    unfinished: list[str] = field(default_factory=list)
    """Not sent, because they were still being written or somebody stopped."""
    others: int = 0
    raw: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every photo of the folder is in the event."""
        return not self.failed and not self.unfinished


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants."""

    folder: Path
    watch: bool = False
    raw: bool = False
    parallel: int = 3
    settle_s: float = 2.0


class Listener:
    """Is told what happens, from several threads; the one who draws does something."""

    def totals(self, files: int, size_bytes: int) -> None:
        """How much there is to send in all."""

    def progress(self, name: str, sent_bytes: int, size_bytes: int) -> None:
        """How far one file is."""

    def ended(self, name: str, result: str, reason: str = "") -> None:
        """What became of one file."""

    def trouble(self, what: str | None) -> None:
        """Something is tried again; None: it works again."""

    def watching(self) -> None:
        """All is sent, and we wait for more."""


class Run:
    """One run over one folder."""

    def __init__(
        self, wish: Wish, server: Server, event: Event, memory: Memory, listener: Listener, stop: threading.Event
    ) -> None:
        self._wish, self._server, self._event = wish, server, event
        self._memory, self._listener, self._stop = memory, listener, stop
        self._patience = Patience(wish.settle_s)
        self._settled: dict[str, tuple[int, int]] = {}
        self._changes: dict[str, int] = {}
        self._totals = (0, 0)
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self.summary = Summary()

    def __call__(self) -> Summary:
        """Send everything; while watching, until ``stop``.

        Raises:
            Fatal, OSError
        """
        watcher = threading.Thread(target=self._watch, name="watch", daemon=True) if self._wish.watch else None
        if watcher:
            watcher.start()
        busy: dict[Future[None], Found] = {}
        pool = ThreadPoolExecutor(self._wish.parallel, thread_name_prefix="send")
        try:
            self._loop(pool, busy)
        except BaseException:
            self._stop.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            self._close(busy)
        return self.summary

    def _loop(self, pool: ThreadPoolExecutor, busy: dict[Future[None], Found]) -> None:
        told = False
        while not self._stop.is_set():
            self._wake.clear()
            found = scan(self._wish.folder, raw=self._wish.raw)
            self.summary.others, self.summary.raw = found.others, found.raw
            pending = self._pending(found, {photo.name for photo in busy.values()})
            ready = list(self._patience.complete(pending, clock_s=time.monotonic(), wall_s=time.time()))
            for photo in self._unknown(ready):
                busy[pool.submit(self._send, photo)] = photo
                told = False
            if not busy and not self._wish.watch and not self._still_written(pending, ready):
                return
            if not busy and self._wish.watch and not pending and not told:
                self._listener.watching()
                told = True
            self._reap(busy, pending=bool(pending))

    def _still_written(self, pending: list[Found], ready: list[Found]) -> list[Found]:
        """Files to wait for. An empty one that nobody fills is no photo."""
        names = {photo.name for photo in ready}
        for photo in pending:
            if not photo.size_bytes and time.time() - photo.modified_ns / 1e9 > 2 * self._wish.settle_s:
                self._settle(photo, "failed", "This file is empty.")
        return [photo for photo in pending if photo.name not in names and photo.name not in self._settled]

    def _reap(self, busy: dict[Future[None], Found], *, pending: bool) -> None:
        """Wait a little, for a file to be sent, for the folder to change, or for a second look."""
        if busy:
            done, _ = wait(busy, timeout=LOOK_EVERY_S, return_when=FIRST_COMPLETED)
            for future in done:
                busy.pop(future)
                future.result()
            if len(busy) >= self._wish.parallel:
                return
        elif pending:
            self._stop.wait(min(LOOK_EVERY_S, max(0.05, self._wish.settle_s / 4)))
        else:
            until = time.monotonic() + RESCAN_EVERY_S
            while time.monotonic() < until and not self._stop.is_set() and not self._wake.wait(WATCHING_STEP_S):
                pass

    def _pending(self, found: Scan, busy: set[str]) -> list[Found]:
        """What is neither sent nor being sent."""
        pending = []
        for photo in found.photos:
            if photo.name in busy or self._settled.get(photo.name) == photo.look:
                continue
            known = self._memory.of(photo)
            if known and known.result:
                self._settle(photo, "already")
                continue
            pending.append(photo)
        return pending

    def _unknown(self, ready: list[Found]) -> list[Found]:
        """Those that the server does not have yet, as far as name, size and date tell; others are compared by hash."""
        if not ready:
            return []
        asked = [
            {"name": each.name, "size": each.size_bytes, "modified": each.modified_ns // 1_000_000} for each in ready
        ]
        send: list[Found] = []
        maybe: list[Found] = []
        try:
            for photo, known in zip(ready, self._server.known(self._event, asked), strict=True):
                (send if known == "no" else maybe).append(photo)
            hashes = []
            for photo in maybe:
                if self._stop.is_set():
                    return []
                try:
                    hashes.append((photo, self._sha256(photo)))
                except OSError as error:
                    self._settle(photo, "failed", _reason(error))
            asked = [{"name": photo.name, "size": photo.size_bytes, "sha256": sha256} for photo, sha256 in hashes]
            for (photo, sha256), known in zip(hashes, self._server.known(self._event, asked), strict=True):
                if known == "yes":
                    self._memory.note(photo, sha256=sha256, upload_url=None, result="duplicate")
                    self._settle(photo, "duplicate")
                else:
                    send.append(photo)
        except Stopped:
            return []
        except Away as error:
            raise Fatal(f"The server can't be reached: {error}.") from error
        files, size_bytes = self._totals
        self._totals = files + len(send), size_bytes + sum(photo.size_bytes for photo in send)
        self._listener.totals(*self._totals)
        return send

    def _send(self, photo: Found) -> None:
        try:
            known = self._memory.of(photo)
            sha256 = (known and known.sha256) or self._sha256(photo)

            def note(url: str) -> None:
                self._memory.note(photo, sha256=sha256, upload_url=url, result=None)

            sent = self._server.send(
                self._event,
                photo,
                sha256=sha256,
                upload_url=known.upload_url if known else None,
                on_begun=note,
                on_bytes=lambda count: self._listener.progress(photo.name, count, photo.size_bytes),
            )
            self._memory.note(photo, sha256=sha256, upload_url=None, result=sent.result)
            self._settle(photo, sent.result)
        except Stopped:
            return
        except Changed:
            self._again_later(photo)
        except Rejected as error:
            # Damaged on its way, or changed while it was read: then it is another file by now.
            if _look(photo) != photo.look:
                self._again_later(photo)
            else:
                self._settle(photo, "failed", str(error))
        except Away as error:
            self._settle(photo, "failed", f"The server can't be reached: {error}.")
        except OSError as error:
            self._settle(photo, "failed", _reason(error))

    def _again_later(self, photo: Found) -> None:
        """It is still being written after all: it is looked at again, but not for ever."""
        with self._guard:
            self._changes[photo.name] = self._changes.get(photo.name, 0) + 1
            often = self._changes[photo.name]
        if often >= GIVEN_UP_AFTER_CHANGES and not self._wish.watch:
            self._settle(photo, "failed", "This file keeps changing.")

    def _sha256(self, photo: Found) -> str:
        with photo.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _settle(self, photo: Found, result: str, reason: str = "") -> None:
        with self._guard:
            self._settled[photo.name] = photo.look
            summary = self.summary
            for names in (summary.accepted, summary.duplicate, summary.already):
                if photo.name in names:  # a file that has changed since
                    names.remove(photo.name)
            summary.failed.pop(photo.name, None)
            if result == "failed":
                summary.failed[photo.name] = reason
            else:
                getattr(summary, result).append(photo.name)
        self._listener.ended(photo.name, result, reason)

    def _close(self, busy: dict[Future[None], Found]) -> None:
        """What is left when the run ends."""
        try:
            left = self._pending(scan(self._wish.folder, raw=self._wish.raw), set())
        except OSError:
            left = list(busy.values())
        self.summary.unfinished = sorted(photo.name for photo in left)

    def _watch(self) -> None:
        """Wake the loop when something changes; it looks by itself as well, so that a failure here costs seconds."""
        from watchfiles import watch  # noqa: PLC0415 - only who watches needs it

        try:
            for _ in watch(self._wish.folder, stop_event=self._stop, raise_interrupt=False, watch_filter=None):
                self._wake.set()
        except (OSError, RuntimeError, FileNotFoundError):
            return


def _look(photo: Found) -> tuple[int, int] | None:
    try:
        status = photo.path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _reason(error: OSError) -> str:
    return f"It can't be read: {error.strerror or type(error).__name__}."


def as_dict(summary: Summary, event: Event) -> dict[str, Any]:
    """The summary for scripts."""
    return {
        "event": {"id": event.id, "name": event.name, "code": event.code},
        "accepted": sorted(summary.accepted),
        "duplicate": sorted(summary.duplicate),
        "already": sorted(summary.already),
        "failed": dict(sorted(summary.failed.items())),
        "unfinished": summary.unfinished,
        "left_out": summary.others,
    }
