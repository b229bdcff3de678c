"""`make bench-selfie [FACES=50000]`: how long a guest of a large event waits, from sending a selfie to their matches.

The event is filled with made-up faces, and with pictures of the people who then send a selfie. Each selfie is a
12-megapixel JPEG, as a phone sends it. One is sent after the other, through storage, queue and the worker process.
"""

import argparse
import asyncio
import json
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyvips
from sqlalchemy import func, select

from bench.filling import Vectors, add_faces, lookalikes, strangers
from bench.real_path import Bench, running_event
from trouvaille import logs
from trouvaille.core.db import transaction
from trouvaille.demo.samples import fetch
from trouvaille.events.models import Event
from trouvaille.faces.models import Face
from trouvaille.guests import consent, selfies
from trouvaille.guests.models import Enrolment, EnrolmentState, Guest
from trouvaille.matching import service as matching
from trouvaille.matching.models import Match

PORTRAITS = ("obama.jpg", "obama2.jpg", "biden.jpg")
WIDTH_PX, HEIGHT_PX = 4000, 3000
# So many photos of the event show each person who sends a selfie.
PICTURES_EACH = 40
SIMILARITY = 0.75


def phone_jpeg(path: Path) -> bytes:
    """A portrait in the middle of a 12-megapixel picture."""
    portrait = pyvips.Image.thumbnail(str(path), WIDTH_PX, height=HEIGHT_PX, size="both")
    noise = pyvips.Image.gaussnoise(WIDTH_PX, HEIGHT_PX, mean=128, sigma=6, seed=1).cast("uchar")
    left, top = (WIDTH_PX - portrait.width) // 2, (HEIGHT_PX - portrait.height) // 2
    picture = noise.bandjoin([noise, noise]).copy(interpretation="srgb").insert(portrait, left, top)
    data: bytes = picture.jpegsave_buffer(Q=90)
    return data


async def fill(bench: Bench, portraits: Sequence[Path], faces: int) -> None:
    """Bring the event to ``faces`` faces: the portraits, other pictures of the same people, and strangers."""
    await bench.add_photos({path.name: path for path in portraits})
    await bench.wait()
    async with transaction(bench.sessions) as session:
        found = (await session.scalars(select(Face).where(Face.event_id == bench.event.id))).all()
    known: Vectors = np.stack([np.asarray(face.template, np.float32) for face in found])
    others = lookalikes(known, PICTURES_EACH, SIMILARITY, seed=1)
    crowd = strangers(max(0, faces - len(known) - len(others)), seed=2)
    # Everybody is spread over the photos.
    everybody = np.random.default_rng(3).permutation(np.concatenate([others, crowd]))
    await add_faces(bench.sessions, bench.event.id, everybody, found[0].engine)
    async with transaction(bench.sessions) as session:
        await matching.ask_to_settle(session, bench.event.id)
    await bench.wait()


async def _add_guest(bench: Bench, number: int) -> Guest:
    async with transaction(bench.sessions) as session:
        guest = Guest(event_id=bench.event.id, username=f"guest{number}", email=f"guest{number}@example.org")
        guest.display_name, guest.password_hash = f"Guest {number}", secrets.token_hex(8)
        session.add(guest)
        await session.flush()
        await consent.give_consent(session, guest, locale="en")
        return guest


async def seconds_until_matched(bench: Bench, guest: Guest, jpeg: bytes, *, patience_s: float = 60) -> float:
    """Send one selfie, and wait until what the worker made of it is committed."""
    started = time.perf_counter()
    async with transaction(bench.sessions) as session:
        event = await session.get_one(Event, bench.event.id)
        sender = await session.get_one(Guest, guest.id)
        sent = await selfies.submit_selfie(session, bench.storage, event, sender, [bench.vault.seal(jpeg)])
    while time.perf_counter() - started < patience_s:
        async with transaction(bench.sessions) as session:
            state = await session.scalar(select(Enrolment.state).where(Enrolment.id == sent.id))
        if state is not EnrolmentState.WAITING:
            return time.perf_counter() - started
        await asyncio.sleep(0.005)
    raise TimeoutError("a selfie was not looked at")


async def run(faces: int, selfies: int) -> dict[str, Any]:
    """Fill the event, send the selfies, and say how long each took."""
    samples = fetch()
    portraits = [samples[name] for name in PORTRAITS]
    jpegs = [phone_jpeg(path) for path in portraits]
    async with running_event() as bench:
        await fill(bench, portraits, faces)
        seconds = [
            await seconds_until_matched(bench, await _add_guest(bench, number), jpegs[number % len(jpegs)])
            for number in range(selfies)
        ]
        load = psutil.getloadavg()
        async with transaction(bench.sessions) as session:
            present = await session.scalar(select(func.count()).select_from(Face))
            matches = await session.scalar(select(func.count()).select_from(Match))
            refused = await session.scalar(
                select(func.count()).select_from(Enrolment).where(Enrolment.state == EnrolmentState.REFUSED)
            )
    return {
        "faces": present,
        "selfies": selfies,
        "refused": refused,
        "matches_per_selfie": round((matches or 0) / selfies, 1),
        "p50_ms": round(1000 * float(np.percentile(seconds, 50))),
        "p95_ms": round(1000 * float(np.percentile(seconds, 95))),
        "load_average": [round(value, 2) for value in load],
    }


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("--faces", type=int, default=50_000)
    cli.add_argument("--selfies", type=int, default=60)
    given = cli.parse_args()
    logs.configure("WARNING")
    print(json.dumps(asyncio.run(run(given.faces, given.selfies))))
