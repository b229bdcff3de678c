"""Running the sample event: once, to see what is found, or as a server that one can walk around in."""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import typer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from trouvaille import instance, serving
from trouvaille.accounts import service as accounts
from trouvaille.accounts.models import Role
from trouvaille.accounts.passwords import Passwords
from trouvaille.accounts.service import Viewer
from trouvaille.core.db import Sessions, connect, sessions_of, transaction
from trouvaille.core.secrets import Vault, load_key
from trouvaille.core.storage import Storage
from trouvaille.demo.party import EVENT_NAME, GUESTS, PHOTOS, SampleGuest, selfie_jpeg
from trouvaille.demo.samples import fetch
from trouvaille.events import service as events
from trouvaille.events.codes import propose_code
from trouvaille.events.models import Event
from trouvaille.events.plans import EventPlan
from trouvaille.guests import registration, selfies
from trouvaille.guests.models import Enrolment, EnrolmentState, Guest
from trouvaille.guests.registration import Registration
from trouvaille.matching.models import Match
from trouvaille.matching.service import is_asked, is_mine
from trouvaille.photos import intake, listing
from trouvaille.photos import service as photos
from trouvaille.photos.intake import Limits, Offer
from trouvaille.photos.listing import Show, Wanted
from trouvaille.photos.models import Photo, PhotoState
from trouvaille.settings import Settings
from trouvaille.supervisor import Child, supervise

PATIENCE_S = 300
OWN_SETTINGS = ("DATA_DIR", "STORAGE_URL", "PUBLIC_URL", "SMTP_HOST")
STAFF_EMAIL = "studio@example.org"


class DemoFailed(RuntimeError):
    """The sample event was not worked off in time."""


@contextmanager
def scratch_settings(**overrides: Any) -> Iterator[Settings]:
    """Settings of an instance in a folder of its own, which is removed at the end whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="trouvaille-demo-"))
    try:
        # What is set for a real instance must not touch this one, nor this one it.
        for name in ("DATABASE_URL", *(f"TROUVAILLE_{part}" for part in OWN_SETTINGS)):
            os.environ.pop(name, None)
        yield Settings(data_dir=folder, log_level="WARNING", **overrides)
    finally:
        # Whoever presses Ctrl-C once more must not stop the cleaning up, which takes a moment only.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
        shutil.rmtree(folder, ignore_errors=True)


class Party:
    """The sample event inside one instance: making it, and reading what was found."""

    def __init__(self, settings: Settings, sessions: Sessions, samples: dict[str, Path]) -> None:
        self.sessions, self.samples = sessions, samples
        self.storage = Storage(settings.photos_url)
        self.vault = Vault(load_key(settings.data_dir / "secret.key"))
        self.limits = Limits(settings.photo_limit_bytes, settings.photo_limit_pixels)
        self.passwords = Passwords(1)
        self.password = secrets.token_urlsafe(9)
        self.event: Event

    async def open_event(self) -> None:
        """Make the organiser and the event."""
        async with transaction(self.sessions) as session:
            staff = await accounts.create_staff(
                session,
                self.passwords,
                email=STAFF_EMAIL,
                display_name="Studio",
                password=self.password,
                role=Role.ADMINISTRATOR,
            )
            viewer = Viewer(session_id=staff.id, kind="staff", id=staff.id, display_name=staff.display_name)
            today = datetime.now(UTC).date()
            plan = EventPlan(EVENT_NAME, propose_code(), today, today + timedelta(days=90), locales=("fr", "en"))
            self.event = await events.create(session, viewer, plan, attest_faces=True)

    async def add_photos(self) -> None:
        """Upload every sample photo, as the photographer's page does."""
        for name in PHOTOS:
            await intake.take_in(
                self.sessions,
                self.storage,
                self.limits,
                Offer(self.event.id, self.event.owner_id, name),
                self.samples[name].read_bytes(),
            )

    async def add_guest(self, sample: SampleGuest) -> None:
        """Register a sample guest, agree for them, and send their selfie."""
        email = f"{sample.username}@example.org"
        form = Registration(sample.name, sample.username, email, self.password, locale="fr", agrees=True)
        password_hash = await registration.hash_of(self.sessions, self.passwords, self.event, form)
        async with transaction(self.sessions) as session:
            guest = await registration.register(session, self.event, form, password_hash)
            selfie = selfie_jpeg(sample, self.samples)
            await selfies.submit_selfie(session, self.storage, self.event, guest, [self.vault.seal(selfie)])

    async def wait(self) -> None:
        """Until every photo and every selfie is decided.

        Raises:
            DemoFailed: it took more than ``PATIENCE_S``.
        """
        until = time.monotonic() + PATIENCE_S
        waiting_photos = select(Photo.id).where(Photo.state == PhotoState.WAITING).limit(1)
        waiting_selfies = select(Enrolment.id).where(Enrolment.state == EnrolmentState.WAITING).limit(1)
        while time.monotonic() < until:
            async with transaction(self.sessions) as session:
                if await session.scalar(waiting_photos) is None and await session.scalar(waiting_selfies) is None:
                    return
            await asyncio.sleep(0.1)
        raise DemoFailed(f"the sample event was not worked off within {PATIENCE_S} s")

    async def found(self) -> dict[str, Any]:
        """What was found: photos, faces, failures, and each guest's photos by file name."""
        async with transaction(self.sessions) as session:
            progress = await photos.progress(session, self.event.id)
            unread = await listing.page_of(session, Wanted(self.event.id, show=Show.FAILED), limit=200)
            failed = [photo.file_name for photo in unread.photos]
            rows = await session.execute(
                select(Guest.display_name, Photo.file_name, is_mine(), is_asked())
                .join(Match, Match.guest_id == Guest.id)
                .join(Photo, Photo.id == Match.photo_id)
                .where(Guest.event_id == self.event.id)
                .order_by(Photo.file_name)
            )
            found: dict[str, dict[str, list[str]]] = {guest.name: {"sure": [], "maybe": []} for guest in GUESTS}
            for name, file_name, mine, asked in rows:
                if mine or asked:
                    found[name]["sure" if mine else "maybe"].append(file_name)
        return {
            "photos": progress.total,
            "faces": progress.faces,
            "failed": failed,
            "guests": [{"name": name, **lists} for name, lists in found.items()],
        }


@asynccontextmanager
async def _party(settings: Settings, samples: dict[str, Path]) -> AsyncIterator[Party]:
    engine: AsyncEngine = connect(settings.database_url or "", pool_size=3, application="trouvaille demo")
    party = Party(settings, sessions_of(engine), samples)
    try:
        yield party
    finally:
        party.passwords.close()
        await engine.dispose()


async def _work_once(
    settings: Settings, postgres: Any, samples: dict[str, Path], workers: list[Child]
) -> dict[str, Any]:
    stop = asyncio.Event()
    minding = asyncio.create_task(supervise(workers, postgres=postgres, stop=stop))
    started = time.monotonic()
    try:
        async with _party(settings, samples) as party:
            await party.open_event()
            await party.add_photos()
            for sample in GUESTS:
                await party.add_guest(sample)
            await party.wait()
            found = await party.found()
    finally:
        stop.set()
        await minding
    return {**found, "seconds": round(time.monotonic() - started, 1)}


def once() -> dict[str, Any]:
    """Work the sample event off in a fresh folder with real worker processes, and remove everything.

    Raises:
        SamplesMissing: the photos could not be fetched.
        DemoFailed: the workers did not finish in time.
    """
    samples = fetch()
    with (
        serving.nurseries() as made_by,
        scratch_settings() as settings,
        instance.database(settings) as (ready, postgres),
    ):
        return asyncio.run(_work_once(ready, postgres, samples, serving.workers(ready, made_by)))


def in_words(result: dict[str, Any]) -> str:
    """The result of ``once`` for people."""
    lines = [f"{result['photos']} photos, {result['faces']} faces, {result['seconds']} s"]
    lines += [f"{guest['name']}: {', '.join(guest['sure']) or '-'}" for guest in result["guests"]]
    return "\n".join(lines)


def serve(*, host: str | None, port: int | None) -> int:
    """Serve the sample event until Ctrl-C. Everything lies in a temporary folder, which is removed then."""
    samples = fetch()
    overrides: dict[str, Any] = {"host": host or "127.0.0.1", "port": port or _free_port(8000)}
    serving.check_port(overrides["host"], overrides["port"])
    # A stop that is asked for while the database is starting must clean up like any other.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        with (
            serving.nurseries() as made_by,
            scratch_settings(**overrides) as settings,
            instance.database(settings) as (ready, postgres),
        ):
            children = [*serving.web(ready, made_by), *serving.workers(ready, made_by)]
            return asyncio.run(_serve(ready, postgres, samples, children))
    except KeyboardInterrupt:
        return 130


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


async def _serve(settings: Settings, postgres: Any, samples: dict[str, Path], children: list[Child]) -> int:
    minding = asyncio.create_task(supervise(children, postgres=postgres))
    async with _party(settings, samples) as party:
        await party.open_event()
        await party.add_photos()
        for sample in GUESTS[:2]:
            await party.add_guest(sample)
        selfies = _write_selfies(settings, samples)
        _welcome(settings, party, selfies)
    return await minding


def _write_selfies(settings: Settings, samples: dict[str, Path]) -> Path:
    folder = settings.data_dir / "selfies"
    folder.mkdir()
    for sample in GUESTS:
        (folder / f"{sample.username}.jpg").write_bytes(selfie_jpeg(sample, samples))
    return folder


def _welcome(settings: Settings, party: Party, selfies: Path) -> None:
    address = f"http://localhost:{settings.port}"
    typer.echo(
        f"""
  Trouvaille is at   {address}
  Event code         {party.event.code}     ({address}/e/{party.event.code})

  Organiser          {STAFF_EMAIL}   password {party.password}   ({address}/sign-in)
  Guests, enrolled   {GUESTS[0].username}, {GUESTS[1].username}           password {party.password}

  Register as a new guest with one of these selfies, or your own face:
  {selfies}

  Everything here is temporary. Ctrl-C ends all processes and removes it; `trouvaille serve` keeps it.
"""
    )


def _free_port(wanted: int) -> int:
    """The wanted port, or any other when somebody has it already."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port")
