"""Files are written down a few at a time, and pages that somebody waits for come first.

All that a process answers takes turns on one event loop: eight files at once would have a page wait for eight others at
each of its questions to the database. What takes long without a processor, bytes on their way to a disk or a store, is
not held back.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trouvaille.core.rush import Answers

AT_ONCE = 2
PAGE_WAITS_S = 0.1
"""No longer does a file wait for pages that never stop coming."""


class Steps:
    """The transactions of files in one process."""

    def __init__(self, answers: Answers | None = None) -> None:
        """``answers``: what else this process does; None where it does nothing else."""
        self._answers = answers or Answers()
        self._few, self._one = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(1)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A transaction's turn; while pages are asked for one after the other, and after each of them."""
        async with self._few:
            if not self._answers.came_lately():
                yield
                return
            async with self._one:
                await self._answers.let_by(PAGE_WAITS_S)
                yield
