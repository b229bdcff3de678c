"""Bytes from the wire to the file: gathered, written in a thread while the next come, never more than two handfuls."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from trouvaille.ingest.service import Receiver
from trouvaille.ingest.staging import Turn
from trouvaille.ingest.tus import Checksum, TooMuch, TooSlow, WrongChecksum

HANDFUL_BYTES = 1024**2
HANDFUL_S = 1.0
"""A slow sender's bytes are written so often."""
SILENCE_S = 60.0


async def receive(
    receiver: Receiver, turn: Turn, body: AsyncIterator[bytes], *, size_bytes: int, checksum: Checksum | None = None
) -> None:
    """Write a body at the end of a file. What came is kept when the sender goes, unless it has a checksum.

    Args:
        size_bytes: of the whole file.

    Raises:
        TooMuch, TooSlow, WrongChecksum, Overtaken, Unavailable
        ClientDisconnect: from the body.
    """
    if checksum is None:
        await _receive(receiver, turn, body, size_bytes)
        return
    hashed = hashlib.new(checksum.algorithm, usedforsecurity=False)
    good = False
    await receiver.run(turn.begin_check)
    try:
        await _receive(receiver, turn, _through(body, hashed.update), size_bytes)
        good = hashed.digest() == checksum.digest
    finally:
        await receiver.run(turn.end_check, good=good)
    if not good:
        raise WrongChecksum("The checksum does not fit the bytes.")


async def _through(body: AsyncIterator[bytes], look: object) -> AsyncIterator[bytes]:
    async for piece in body:
        look(piece)  # type: ignore[operator]
        yield piece


async def _receive(receiver: Receiver, turn: Turn, body: AsyncIterator[bytes], size_bytes: int) -> None:
    loop = asyncio.get_running_loop()
    room = size_bytes - turn.offset
    handful: list[bytes] = []
    held_bytes, since = 0, loop.time()
    writing: asyncio.Future[None] | None = None

    async def write(*, last: bool = False) -> None:
        nonlocal writing, handful, held_bytes, since
        if writing is not None:
            await writing
        writing = asyncio.ensure_future(receiver.run(turn.append, handful, last=last))
        handful, held_bytes, since = [], 0, loop.time()

    try:
        async with asyncio.timeout(SILENCE_S) as patience:
            async for piece in body:
                patience.reschedule(loop.time() + SILENCE_S)
                room -= len(piece)
                if room < 0:
                    raise TooMuch("These are more bytes than the file was said to have.")
                if piece:
                    handful.append(piece)
                    held_bytes += len(piece)
                if held_bytes >= HANDFUL_BYTES or loop.time() - since > HANDFUL_S:
                    await write()
    except TimeoutError:
        raise TooSlow("Nothing came for a minute.") from None
    finally:
        await write(last=room == 0)
        assert writing is not None
        await writing
