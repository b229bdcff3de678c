"""An event of the wanted size: real photos through the real path, and copies of them with made-up faces."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pyvips
from pgvector import HalfVector
from psycopg.types.json import Jsonb
from sqlalchemy import select, text

from bench.filling import FACES_PER_PHOTO, Vectors, copy_rows, lookalikes, strangers
from bench.real_path import Bench, running_event
from trouvaille.accounts import tokens
from trouvaille.accounts.models import Staff
from trouvaille.accounts.service import Viewer
from trouvaille.accounts.tokens import Scope
from trouvaille.core.db import transaction
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.demo.samples import fetch
from trouvaille.events.models import Downloads, Event, Gallery
from trouvaille.faces.models import Face
from trouvaille.faces.service import partition_of
from trouvaille.matching import service as matching
from trouvaille.photos.models import Photo, PhotoState
from trouvaille.settings import Settings

SIMILARITY = 0.75
MOST_PEOPLE = 200
SELFIE_SIDE_PX = 1600


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the guests and the photographer need. ``token``: for `trouvaille upload`."""

    code: str
    event_id: UUID
    token: str
    people: int


async def prepare(settings: Settings, *, photos: int, faces: Path | None, selfies: Path) -> Prepared:
    """Fill an instance that is not running; it is stopped again afterwards.

    Args:
        photos: how many the event shows.
        faces: folder of people's folders of portraits; None takes the guests of the sample event.
        selfies: folder that gets a JPEG for each person that has photos in the event.
    """
    async with running_event(settings=settings) as bench:
        portraits = await asyncio.to_thread(_portraits, faces, selfies)
        party = {path.name: path for path in fetch().values() if path.suffix == ".jpg"}
        await bench.add_photos({f"portrait {path.name}": path for path in portraits} | party)
        await bench.wait()
        known = await _faces_of(bench, [f"portrait {path.name}" for path in portraits])
        for path in portraits:
            if f"portrait {path.name}" not in known:
                path.unlink()  # the photo's own judgement: a guest could not be found by it either
        await _fill(bench, settings, photos, np.stack(list(known.values())))
        token = await _open(bench)
        return Prepared(bench.event.code, bench.event.id, token, len(known))


def _portraits(faces: Path | None, selfies: Path) -> list[Path]:
    """Selfies as phones send them, one a person."""
    if faces is None:
        samples = fetch()
        for guest in GUESTS:
            (selfies / f"{guest.username}.jpg").write_bytes(selfie_jpeg(guest, samples))
    else:
        people = sorted(each for each in faces.iterdir() if each.is_dir())[:MOST_PEOPLE]
        for person in people:
            picture = min(each for each in person.iterdir() if each.is_file())
            image = pyvips.Image.thumbnail(str(picture), SELFIE_SIDE_PX)
            image.jpegsave(str(selfies / f"{person.name}.jpg"), Q=90, keep="none")
    return sorted(selfies.iterdir())


async def _faces_of(bench: Bench, names: Sequence[str]) -> dict[str, Vectors]:
    """The template of the largest face of each portrait."""
    async with transaction(bench.sessions) as session:
        rows = (
            await session.execute(
                select(Photo.file_name, Face.box_xyxy, Face.template)
                .join(Face, Face.photo_id == Photo.id)
                .where(Face.event_id == bench.event.id, Photo.file_name.in_(names))
            )
        ).all()
    largest: dict[str, tuple[float, Vectors]] = {}
    for name, box, template in rows:
        side = float(box[2] - box[0])
        if side > largest.get(name, (0.0, None))[0]:
            largest[name] = (side, np.asarray(template, np.float32))
    return {name: template for name, (_, template) in sorted(largest.items())}


async def _fill(bench: Bench, settings: Settings, photos: int, people: Vectors) -> None:
    """Copies of the real photos, renditions and all, with made-up faces: some of the people's, most of strangers."""
    async with transaction(bench.sessions) as session:
        patterns = list(
            await session.scalars(
                select(Photo).where(Photo.event_id == bench.event.id, Photo.state == PhotoState.READY, Photo.faces > 0)
            )
        )
    count = max(0, photos - len(patterns))
    each = max(4, min(40, count // (2 * len(people))))
    others = lookalikes(people, each, SIMILARITY, seed=1)
    crowd = strangers(max(0, count * FACES_PER_PHOTO - len(others)), seed=2)
    everybody = np.random.default_rng(3).permutation(np.concatenate([others, crowd]))[: count * FACES_PER_PHOTO]
    ids = [uuid4() for _ in range(count)]
    await asyncio.to_thread(_link, settings, patterns, ids)
    columns = [column.name for column in Photo.__table__.columns]
    engine = patterns[0].engine
    async with transaction(bench.sessions) as session:
        await copy_rows(
            session,
            "photos",
            ", ".join(columns),
            ([_value(column, patterns[n % len(patterns)], new, n) for column in columns] for n, new in enumerate(ids)),
        )
        await copy_rows(
            session,
            partition_of(bench.event.id),
            "event_id, id, photo_id, box_xyxy, score, quality, template, engine",
            (
                (
                    bench.event.id,
                    uuid4(),
                    ids[n // FACES_PER_PHOTO],
                    [0.1, 0.1, 0.2, 0.2],
                    0.9,
                    0.9,
                    HalfVector(template).to_text(),
                    engine,
                )
                for n, template in enumerate(everybody)
            ),
        )
    async with transaction(bench.sessions) as session:
        for table in ("photos", partition_of(bench.event.id)):
            await session.execute(text(f"ANALYZE {table}"))
        await matching.ask_to_settle(session, bench.event.id)
    await bench.wait()


def _value(column: str, pattern: Photo, new: UUID, number: int) -> object:
    special = {"id": new, "sha256": new.bytes * 2, "file_name": f"DSC_{number:05d}.jpg", "faces": FACES_PER_PHOTO}
    value = special.get(column, getattr(pattern, column))
    return Jsonb(value) if isinstance(value, dict | list) else getattr(value, "value", value)


def _link(settings: Settings, patterns: Sequence[Photo], ids: Sequence[UUID]) -> None:
    """The files of the copies: hard links, which take no room and are read as any file."""
    store = settings.data_dir / "photos"
    for number, new in enumerate(ids):
        pattern = patterns[number % len(patterns)]
        folder = store / pattern.folder
        goal = folder.parent / str(new)
        goal.mkdir(parents=True)
        for file in folder.iterdir():
            os.link(file, goal / file.name)


async def _open(bench: Bench) -> str:
    """Let guests see all photos and take them home; returns a token of the organiser's."""
    async with transaction(bench.sessions) as session:
        event = await session.get_one(Event, bench.event.id)
        event.gallery, event.downloads = Gallery.GUESTS, Downloads.ORIGINAL
        staff = await session.get_one(Staff, event.owner_id)
        viewer = Viewer(session_id=uuid4(), kind="staff", id=staff.id, display_name=staff.display_name)
        _, token = await tokens.make(session, viewer, name="load", scopes=[Scope.PHOTOS_WRITE], days=1)
        return token
