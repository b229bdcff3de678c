"""`make bench-durability [KILLS=100] [FILES=1000]`: what is left of files while everything is killed with -9.

Eight senders bring files to a real instance by the tus protocol, in pieces, over the command line client's address.
Meanwhile web process, worker and PostgreSQL are killed at random moments, one after the other, as often as was asked
for; the files are let go step by step, so that the last kill falls among the last files. Senders do what the protocol
says: ask where the file ends, go on from there, begin anew where there is nothing.

At the end every acknowledged file must be in the store with its SHA-256, once, with a photo that was looked at. A photo
that the product gave up and says so, because two workers died over it, is retried once, as its photographer would.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil
from sqlalchemy import select

from bench.instances import Served, picture, served
from trouvaille import instance, logs
from trouvaille.core.db import Sessions, transaction
from trouvaille.photos import service as photos
from trouvaille.photos.models import Photo, PhotoState

SENDERS = 8
PIECE_BYTES = 128 * 1024
LARGEST_BYTES = 1_500_000
PATIENCE_S = 900.0
IDLE_S = 30.0
"""So long a kill waits for bytes that got through since the one before: a server that is still down is no test."""
BODY = "application/offset+octet-stream"


@dataclass
class Run:
    """What happens while it happens.

    Attributes:
        acknowledged: name by SHA-256.
        told: how often a sender learned of a failure, by what it was told.
        untold: files that were given up though their sender was told of no failure.
        pieces: requests that brought bytes and were answered well.
    """

    files: int
    kills: int
    killed: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[bytes, str] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    untold: int = 0
    pieces: int = 0

    @property
    def kills_done(self) -> int:
        """How many processes have been killed."""
        return sum(self.killed.values())


async def _send(client: httpx2.AsyncClient, server: Served, run: Run, number: int) -> None:
    data = picture(number, random.Random(number).randrange(50_000, LARGEST_BYTES))
    digest, path, at = hashlib.sha256(data), "", 0
    told = {"filename": f"{number}.jpg", "sha256": digest.hexdigest(), "source": "command"}
    metadata = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items())
    until, failures = time.monotonic() + PATIENCE_S, 0
    while time.monotonic() < until:
        try:
            if not path:
                headers = {"upload-length": str(len(data)), "upload-metadata": metadata}
                answer = await client.post(server.uploads, headers=headers)
                path, at = answer.headers.get("location", ""), 0
            else:
                headers = {"upload-offset": str(at), "content-type": BODY}
                answer = await client.patch(
                    f"{server.address}{path}", content=data[at : at + PIECE_BYTES], headers=headers
                )
            if answer.status_code >= 400:
                run.told[str(answer.status_code)] += 1
                failures += 1
                await asyncio.sleep(0.3)
                path, at = await _where(client, server, path)
        except httpx2.TransportError as error:
            run.told[type(error).__name__] += 1
            failures += 1
            await asyncio.sleep(0.3)
            answer, (path, at) = None, await _where(client, server, path)
        if answer is not None and answer.status_code < 300 and "upload-offset" in answer.headers:
            at = int(answer.headers["upload-offset"])
            run.pieces += 1
        if (answer is not None and "trouvaille-result" in answer.headers) or at == -1:
            run.acknowledged[digest.digest()] = f"{number}.jpg"
            return
    run.untold += failures == 0


async def _where(client: httpx2.AsyncClient, server: Served, path: str) -> tuple[str, int]:
    """Where to go on: an address, empty to begin anew, and an offset; -1 when the file is done."""
    while path:
        try:
            answer = await client.head(f"{server.address}{path}")
        except httpx2.TransportError:
            await asyncio.sleep(0.3)
            continue
        if answer.status_code == 404:
            break
        if answer.status_code == 200:
            done = "trouvaille-result" in answer.headers
            return path, -1 if done else int(answer.headers["upload-offset"])
        await asyncio.sleep(0.3)
    return "", 0


async def _kill(server: Served, run: Run, dice: random.Random) -> None:
    while run.kills_done < run.kills:
        pieces, until = run.pieces, time.monotonic() + IDLE_S
        await asyncio.sleep(dice.uniform(0.2, 1.5))
        while run.pieces == pieces and time.monotonic() < until:  # noqa: ASYNC110 - senders tell nobody
            await asyncio.sleep(0.01)
        alive = {kind: found for kind, found in server.victims().items() if found}
        if not alive:
            continue
        kind = dice.choice(sorted(alive))
        dice.choice(alive[kind]).kill()
        run.killed[kind] += 1


async def _send_all(server: Served, run: Run) -> None:
    numbers = iter(range(run.files))

    async def sender() -> None:
        limits = httpx2.Limits(max_connections=1)
        async with httpx2.AsyncClient(headers=server.headers, timeout=30, limits=limits) as client:
            for number in numbers:
                # Not faster than the kills, or the last ones would fall on a server at rest.
                while number / run.files > (run.kills_done + 1) / (run.kills + 1):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                await _send(client, server, run, number)

    await asyncio.gather(*(sender() for _ in range(SENDERS)), _kill(server, run, random.Random(run.kills)))


async def _wait_for_worker(sessions: Sessions, *, still_s: float = 90) -> int:
    """Until every photo was looked at, or nothing has moved for long; returns how many were given up and retried."""
    retried, left, moved_at = set(), -1, time.monotonic()
    while time.monotonic() - moved_at < still_s:
        async with transaction(sessions) as session:
            rows = list(await session.scalars(select(Photo).where(Photo.state != PhotoState.READY)))
            for photo in rows:
                if photo.state is PhotoState.FAILED and photo.id not in retried:
                    retried.add(photo.id)
                    await photos.make_anew(session, photo.id)
        if not rows:
            break
        if len(rows) != left:
            left, moved_at = len(rows), time.monotonic()
        await asyncio.sleep(0.5)
    return len(retried)


async def _judge(sessions: Sessions, store: Path, run: Run) -> dict[str, int]:
    """Compare what was acknowledged with rows and with every byte in the store."""
    async with transaction(sessions) as session:
        rows = list(await session.scalars(select(Photo)))
    on_disk = await asyncio.to_thread(_hashes, store)
    by_hash = Counter(on_disk.values())
    rows_of = Counter(photo.sha256 for photo in rows)
    ready = {photo.sha256 for photo in rows if photo.state is PhotoState.READY}
    right = {photo.sha256 for photo in rows if on_disk.get(str(photo.id)) == photo.sha256}
    return {
        "acknowledged": len(run.acknowledged),
        "lost": sum(digest not in right for digest in run.acknowledged),
        "doubled": sum(by_hash[digest] > 1 or rows_of[digest] > 1 for digest in run.acknowledged),
        "unprocessed": sum(digest not in ready for digest in run.acknowledged),
        "kills": run.kills_done,
    }


def _hashes(store: Path) -> dict[str, bytes]:
    """SHA-256 of every original in the store, by the name of its folder."""
    return {path.parent.name: hashlib.sha256(path.read_bytes()).digest() for path in store.rglob("original*")}


def run(kills: int, files: int) -> dict[str, Any]:
    """Send, kill, wait, and compare; returns what `make bench-durability` prints."""
    going = Run(files, kills)
    began = time.monotonic()
    with served(photo_workers=1, stalled_after_s=4) as server:
        asyncio.run(_send_all(server, going))
        retried = instance.on_database(server.settings, lambda sessions, _: _wait_for_worker(sessions))
        store = server.settings.data_dir / "photos"
        result = instance.on_database(server.settings, lambda sessions, _: _judge(sessions, store, going))
    more = {
        "files": files,
        "never_acknowledged": files - len(going.acknowledged),
        "killed": dict(going.killed),
        "told": dict(going.told),
        "untold": going.untold,
        "given_up_and_retried": retried,
        "seconds": round(time.monotonic() - began),
        "load_average": [round(value, 2) for value in psutil.getloadavg()],
    }
    print(json.dumps(more), file=sys.stderr)
    return result


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("--kills", type=int, default=100)
    cli.add_argument("--files", type=int, default=1000)
    given = cli.parse_args()
    logs.configure("ERROR")
    outcome = run(given.kills, given.files)
    print(json.dumps(outcome))
    sys.exit(any(outcome[wrong] for wrong in ("lost", "doubled", "unprocessed")))
