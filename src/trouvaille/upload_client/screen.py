"""What the command shows while it sends, and what it says at the end."""

import threading
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from trouvaille.upload_client.run import Listener, Summary
from trouvaille.upload_client.server import Event

NAMED_AT_MOST = 50


class Screen(Listener):
    """A bar on a terminal, lines in a log file; always on standard error, since standard output is for the result."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._guard = threading.Lock()
        self._bytes: dict[str, int] = {}
        self._files = (0, 0)
        self._trouble: str | None = None
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[files]}", markup=False),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "Screen":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def totals(self, files: int, size_bytes: int) -> None:
        """How much there is to send in all."""
        with self._guard:
            self._files = (self._files[0], files)
            if self._task is None and files:
                self._task = self._progress.add_task("Sending", total=size_bytes, files="")
            if self._task is not None:
                self._progress.update(self._task, total=size_bytes, files=self._count())

    def progress(self, name: str, sent_bytes: int, size_bytes: int) -> None:
        """How far one file is."""
        with self._guard:
            self._bytes[name] = sent_bytes
            self._draw()

    def ended(self, name: str, result: str, reason: str = "") -> None:
        """What became of one file."""
        with self._guard:
            if result in ("accepted", "duplicate", "failed") and self._task is not None:
                self._files = (min(self._files[0] + 1, self._files[1]), self._files[1])
                self._draw()
            if result == "failed":
                self._say(f"{name}: {reason}", "red")
            elif result == "accepted" and not self._console.is_terminal:
                self._say(f"{name}: added", "")

    def trouble(self, what: str | None) -> None:
        """Something is tried again."""
        with self._guard:
            if what != self._trouble:
                self._trouble = what
                self._say(f"Waiting: {what}. It goes on by itself." if what else "Going on.", "yellow")

    def watching(self) -> None:
        """All is sent."""
        with self._guard:
            self._say("All is sent. Waiting for more photos; Ctrl-C ends.", "")

    def say(self, text: str) -> None:
        """A line."""
        with self._guard:
            self._say(text, "")

    def _count(self) -> str:
        return f"{self._files[0]}/{self._files[1]}"

    def _draw(self) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=sum(self._bytes.values()), files=self._count())

    def _say(self, text: str, style: str) -> None:
        # A file name is no markup, and no control sequence of the terminal either.
        shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
        self._console.print(Text(shown, style=style))


def in_words(summary: Summary, event: Event) -> list[str]:
    """The result, line by line."""
    lines = [
        f"{event.name} ({event.code}): {len(summary.accepted)} added, {len(summary.duplicate)} were already there,"
        f" {len(summary.already)} sent before, {len(summary.failed)} failed, {len(summary.unfinished)} not sent"
    ]
    lines += [f"  failed: {name}: {reason}" for name, reason in sorted(summary.failed.items())]
    lines += [f"  not sent: {name}" for name in summary.unfinished[:NAMED_AT_MOST]]
    if len(summary.unfinished) > NAMED_AT_MOST:
        lines.append(f"  … and {len(summary.unfinished) - NAMED_AT_MOST} more")
    if summary.raw:
        lines.append(f"  {summary.raw} raw files were left out; --raw sends them too")
    return ["".join(sign if sign.isprintable() else "\ufffd" for sign in line) for line in lines]
