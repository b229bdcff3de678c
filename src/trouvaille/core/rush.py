"""A rush: guests wait for longer than they should, so whatever can wait lets them go first.

Web processes note it in a file of the data folder, and what works in bulk on the same machine looks at that file. A
worker on another machine takes no processor time from guests, and is told of nothing (docs/decisions/0051).
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from time import monotonic, time

SLOW_S = 0.25
"""An answer to a guest that takes longer is a sign of a rush."""
LASTS_S = 1.0
"""So long after the last sign it is over."""
PHOTO_WAITS_S, SETTLING_WAITS_S, FILE_WAITS_S = 2.0, 5.0, 0.5
"""In a rush a process looks at one photo in this time, at one event as a whole, and makes a photo of one file."""
NOTED_EVERY_S = LOOKED_EVERY_S = 0.1


class Rush:
    """What one process knows of it."""

    def __init__(self, folder: Path | None = None) -> None:
        """``folder``: where the processes of one machine meet; None for one that is alone."""
        self._sign = folder / "rush" if folder is not None else None
        self._noted_at = -NOTED_EVERY_S
        self._turn = asyncio.Lock()

    def answered(self, taken_s: float) -> None:
        """A guest's page or picture took so long."""
        if taken_s > SLOW_S:
            self.note()

    def note(self) -> None:
        """Somebody waits for this machine now."""
        if self._sign is None or monotonic() - self._noted_at < NOTED_EVERY_S:
            return
        self._noted_at = monotonic()
        with suppress(OSError):  # a full disk must not cost an answer
            self._sign.touch()

    def lasts(self) -> bool:
        """Whether there is one."""
        if self._sign is None:
            return False
        try:
            age_s = time() - self._sign.stat().st_mtime
        except OSError:
            return False
        return 0 <= age_s < LASTS_S  # below 0 after a clock was set back

    async def let_by(self, most_s: float) -> None:
        """Wait until it is over, but for no longer than this, so that bulk work goes on slowly all the while.

        Whoever waits in this process does so one after the other: ten that come at once would otherwise go on at once.
        """
        async with self._turn:
            until = monotonic() + most_s
            while self.lasts() and monotonic() < until:  # noqa: ASYNC110 - another process can only be asked
                await asyncio.sleep(LOOKED_EVERY_S)


class Answers:
    """What people wait for in this process right now: pages and pictures, until their first byte."""

    def __init__(self) -> None:
        self._open, self._last_at = 0, -LASTS_S
        self._none = asyncio.Event()
        self._none.set()

    def begun(self) -> None:
        """Somebody asks for something."""
        self._open += 1
        self._none.clear()

    def ended(self) -> None:
        """It is there."""
        self._open -= 1
        self._last_at = monotonic()
        if not self._open:
            self._none.set()

    def came_lately(self) -> bool:
        """Whether somebody looks at pages."""
        return self._open > 0 or monotonic() - self._last_at < LASTS_S

    async def let_by(self, most_s: float) -> None:
        """Wait until nobody waits, but for no longer than this."""
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self._none.wait()
