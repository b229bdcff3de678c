"""Looks an installation over, running or not, and says for each part what it found and what to do.

Nothing is changed: a database that does not run is not started, a store is written to only to see that it can be.
"""

import asyncio
import os
import shutil
import smtplib
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from time import time
from typing import Any
from urllib.parse import urlparse

import obstore
import psutil
import psycopg

from trouvaille import engines, schema
from trouvaille.core.db import plain_url
from trouvaille.core.errors import Refused
from trouvaille.core.postgres_folder import AlreadyRunning, PostgresFolder, Unusable
from trouvaille.core.relay import Security
from trouvaille.core.secrets import load_key
from trouvaille.core.storage import KEEP_FREE_BYTES, Storage
from trouvaille.settings import Settings
from trouvaille.vision.weights import ModelMisdescribed, ModelMissing, ModelTampered, read

GOOD, WARNING, BROKEN, SKIPPED = "good", "warning", "broken", "skipped"
SIGNS = {GOOD: "ok  ", WARNING: "warn", BROKEN: "FAIL", SKIPPED: "--  "}
WITHIN_S = 5.0
LEAST_FREE_BYTES = 2 * 1024**3
LEAST_MEMORY_BYTES = 1024**3
LEAST_FILES = 4096
CERTIFICATE_DAYS = 14
BACKUP_DAYS = 8
SKEW_S = 5.0
OLDEST_S = 600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and what to do where it is not good."""

    check: str
    state: str
    found: str
    advice: str = ""


Findings = Iterator[Finding]


def examine(settings: Settings) -> list[Finding]:
    """All checks; one that fails itself is broken and does not keep the others from being made."""
    database = list(_guarded("database", lambda: _database(settings)))
    findings = []
    for name, act in (
        ("data folder", lambda: _data_folder(settings)),
        ("disk", lambda: _disk(settings)),
        ("memory", _memory),
        ("open files", _open_files),
        ("weights", lambda: _weights(settings)),
    ):
        findings += _guarded(name, act)
    findings += database
    for name, act in (
        ("photo store", lambda: _store(settings)),
        ("mail", lambda: _mail(settings)),
        ("public address", lambda: _public(settings)),
    ):
        findings += _guarded(name, act)
    return findings


def in_words(findings: list[Finding]) -> str:
    """A line for each, with the advice below it."""
    lines = []
    for each in findings:
        lines.append(f"{SIGNS[each.state]}  {each.check}: {each.found}")
        if each.advice and each.state != GOOD:
            lines.append(f"      → {each.advice}")
    return "\n".join(lines)


def as_json(findings: list[Finding]) -> dict[str, Any]:
    """For scripts."""
    worst = next((state for state in (BROKEN, WARNING) if any(each.state == state for each in findings)), GOOD)
    return {"state": worst, "checks": [asdict(each) for each in findings]}


def _guarded(name: str, act: Callable[[], Findings]) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(act())
    except Exception as error:
        found.append(Finding(name, BROKEN, f"the check itself failed: {type(error).__name__}", "Please report it."))
    return found


def _data_folder(settings: Settings) -> Findings:
    folder = settings.data_dir
    if not folder.is_dir():
        yield Finding("data folder", BROKEN, f"{folder} is missing", "`trouvaille serve` makes it at the first start.")
        return
    others = stat.S_IMODE(folder.stat().st_mode) & 0o077
    # Root's PostgreSQL runs as another user, who passes through and may not list.
    allowed = 0o011 if hasattr(os, "geteuid") and os.geteuid() == 0 else 0
    writable = os.access(folder, os.W_OK)
    if not writable:
        yield Finding("data folder", BROKEN, f"{folder} can't be written to", "Run as the user who owns it.")
    elif others & ~allowed:
        yield Finding("data folder", WARNING, f"{folder} is open to other users", f"chmod go-rwx {folder}")
    else:
        yield Finding("data folder", GOOD, str(folder))
    for name, needed in (("secret.key", True), ("metrics.token", False)):
        file = folder / name
        if not file.exists():
            if needed:
                yield Finding(name, BROKEN, "missing", "It is made at the first start; else bring it from a backup.")
            continue
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            yield Finding(name, BROKEN, f"mode {mode:04o}: others can read it", f"chmod 600 {file}")
        else:
            yield Finding(name, GOOD, f"mode {mode:04o}")
    if (folder / "secret.key").exists():
        try:
            load_key(folder / "secret.key")
        except ValueError:
            yield Finding("secret.key", BROKEN, "is no key of this program", "Bring it back from a backup.")


def _disk(settings: Settings) -> Findings:
    if not settings.data_dir.is_dir():
        return
    free = shutil.disk_usage(settings.data_dir).free
    state = BROKEN if free < KEEP_FREE_BYTES else WARNING if free < LEAST_FREE_BYTES else GOOD
    yield Finding("disk", state, f"{free / 1e9:.1f} GB free", "Make room, or move the photos to an object store.")


def _memory() -> Findings:
    left = psutil.virtual_memory().available
    state = WARNING if left < LEAST_MEMORY_BYTES else GOOD
    yield Finding("memory", state, f"{left / 1e9:.1f} GB available", "Fewer TROUVAILLE_PHOTO_WORKERS: 400 MB each.")


def _open_files() -> Findings:
    if os.name != "posix":
        return
    import resource  # noqa: PLC0415 - Windows has none

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    few = hard != resource.RLIM_INFINITY and hard < LEAST_FILES
    shown = "unlimited" if hard == resource.RLIM_INFINITY else f"{hard:,}"
    yield Finding("open files", WARNING if few else GOOD, shown, "Raise LimitNOFILE: each guest's page is one.")


def _weights(settings: Settings) -> Findings:
    try:
        found = engines.weights(settings)
        read(found.detector)
        read(found.recogniser)
        engines.tail(settings)
    except (ModelMissing, ModelMisdescribed, ModelTampered, engines.NotCalibrated) as error:
        yield Finding("weights", BROKEN, str(error), "Install again, or mend the settings of the recogniser.")
    else:
        yield Finding("weights", GOOD, "present, and their hashes are right")


def _address(settings: Settings) -> tuple[str | None, str]:
    """Where the database is; None and why, when it does not run."""
    if settings.database_url is not None:
        return settings.database_url, ""
    folder = settings.data_dir / "postgres"
    if not folder.is_dir():
        return None, "none yet"
    place = PostgresFolder(folder, None)
    try:
        place.take()
    except AlreadyRunning as running:
        return running.url, ""
    except Unusable as error:
        return None, str(error)
    place.release()
    return None, "the instance is not running"


def _database(settings: Settings) -> Findings:
    url, why = _address(settings)
    if url is None:
        yield Finding("database", SKIPPED, why, "Start it with `trouvaille serve` to have the rest checked.")
        return
    try:
        connection = psycopg.connect(plain_url(url), connect_timeout=int(WITHIN_S), autocommit=True)
    except psycopg.Error as error:
        advice = "Look whether the server runs, and at DATABASE_URL."
        yield Finding("database", BROKEN, f"does not answer ({type(error).__name__})", advice)
        return
    with connection:
        number = connection.info.server_version
        yield Finding(
            "database", GOOD if number >= 150000 else WARNING, f"PostgreSQL {number // 10000}", "Use 15 or newer."
        )
        vector = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
        if vector is None:
            yield Finding("pgvector", BROKEN, "is missing", "As superuser: CREATE EXTENSION vector")
        else:
            old = tuple(map(int, vector[0].split(".")[:2])) < (0, 7)
            yield Finding("pgvector", BROKEN if old else GOOD, vector[0], "Use 0.7 or newer.")
        yield from _rows(connection, url)


def _rows(connection: psycopg.Connection[Any], url: str) -> Findings:
    if not schema.is_current(url):
        yield Finding("migrations", BROKEN, "the schema is not this program's", "trouvaille admin migrate")
        return
    yield Finding("migrations", GOOD, "at head")
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    skew_s = abs(time() - row[0]) if row else 0.0
    advice = "Let both machines set their clocks by NTP."
    yield Finding("clock", GOOD if skew_s < SKEW_S else BROKEN, f"{skew_s:.1f} s from the database's", advice)
    yield from _workers(connection)
    yield from _queue(connection)
    row = connection.execute("SELECT at FROM marks WHERE name = 'backup'").fetchone()
    if row is None:
        yield Finding("backup", WARNING, "none yet", "trouvaille backup FOLDER, every night, to another machine.")
    else:
        days = (datetime.now(UTC) - row[0]).total_seconds() / 86400
        yield Finding(
            "backup", GOOD if days < BACKUP_DAYS else WARNING, f"{days:.1f} days old", "trouvaille backup FOLDER"
        )


def _workers(connection: psycopg.Connection[Any]) -> Findings:
    rows = connection.execute(
        "SELECT queues FROM process_metrics WHERE at > now() - interval '30 s' AND slots > 0"
    ).fetchall()
    served = {queue for (queues,) in rows for queue in queues.split(",")}
    missing = [queue for queue in ("selfies", "photos", "upkeep", "mail") if queue not in served]
    if missing:
        yield Finding("workers", BROKEN, f"nobody serves {', '.join(missing)}", "Start `trouvaille serve` or a worker.")
    else:
        yield Finding("workers", GOOD, f"{len(rows)} alive")


def _queue(connection: psycopg.Connection[Any]) -> Findings:
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE status = 'failed'),"
        " count(*) FILTER (WHERE status = 'doing' AND NOT EXISTS (SELECT 1 FROM procrastinate_workers worker"
        "   WHERE worker.id = worker_id AND worker.last_heartbeat > now() - interval '5 min')),"
        " coalesce(extract(epoch FROM now() - min(greatest(scheduled_at,"
        "   to_timestamp((args->'_asked'->>'at')::float8))) FILTER"
        "   (WHERE status = 'todo' AND coalesce(scheduled_at, now()) <= now())), 0)::float8"
        " FROM procrastinate_jobs WHERE status IN ('todo', 'doing', 'failed')"
    ).fetchone()
    failed, stalled, oldest_s = row or (0, 0, 0.0)
    if failed:
        yield Finding("jobs", WARNING, f"{failed} were given up", "See Account → Status, and try them again there.")
    if stalled:
        yield Finding("jobs", WARNING, f"{stalled} are held by dead workers", "A running worker takes them up.")
    if oldest_s > OLDEST_S:
        yield Finding("jobs", WARNING, f"one waits for {oldest_s / 60:.0f} min", "More TROUVAILLE_PHOTO_WORKERS.")
    if not failed and not stalled and oldest_s <= OLDEST_S:
        yield Finding("jobs", GOOD, "none given up, none stalled")


def _store(settings: Settings) -> Findings:
    where = urlparse(settings.photos_url).scheme

    async def probe() -> bool:
        storage, key, word = Storage(settings.photos_url), f"health/doctor-{os.getpid()}", os.urandom(16)
        async with asyncio.timeout(4 * WITHIN_S):
            await storage.put(key, word)
            same = await storage.get(key) == word
            await storage.delete([key])
        return same

    if where == "file" and not settings.data_dir.is_dir():
        yield Finding("photo store", SKIPPED, "there is no data folder yet")
        return
    try:
        same = asyncio.run(probe())
    except (Refused, OSError, TimeoutError, ValueError, obstore.exceptions.BaseError) as error:
        advice = "Look at TROUVAILLE_STORAGE_URL, its credentials, and whether the store answers."
        yield Finding("photo store", BROKEN, f"{where}: {type(error).__name__}", advice)
    else:
        yield Finding(
            "photo store", GOOD if same else BROKEN, f"{where}: written, read and deleted", "It gave other bytes."
        )


def _mail(settings: Settings) -> Findings:
    relay = settings.relay()
    if relay is None:
        yield Finding("mail", SKIPPED, "no mail server is set")
        return
    context = ssl.create_default_context()
    kind = smtplib.SMTP_SSL if relay.security is Security.TLS else smtplib.SMTP
    more: dict[str, Any] = {"context": context} if relay.security is Security.TLS else {}
    try:
        with kind(relay.host, relay.port, timeout=WITHIN_S, **more) as smtp:
            if relay.security is Security.STARTTLS:
                smtp.starttls(context=context)
            if relay.user is not None:
                smtp.login(relay.user, relay.password or "")
            smtp.noop()
    except smtplib.SMTPAuthenticationError:
        yield Finding("mail", BROKEN, "the server refuses our name and password", "TROUVAILLE_SMTP_USER, …_PASSWORD")
    except (smtplib.SMTPException, OSError) as error:
        yield Finding(
            "mail", BROKEN, f"{relay.host}: {type(error).__name__}", "TROUVAILLE_SMTP_HOST, …_PORT, …_SECURITY"
        )
    else:
        yield Finding("mail", GOOD, f"{relay.host}:{relay.port} takes letters")


def _public(settings: Settings) -> Findings:
    if settings.public_url is None:
        yield Finding("public address", WARNING, "none is set", "TROUVAILLE_PUBLIC_URL, for links and QR codes.")
        return
    parsed = urlparse(settings.public_url)
    host, port = parsed.hostname or "", parsed.port or (443 if parsed.scheme == "https" else 80)
    if parsed.scheme != "https":
        yield Finding("public address", WARNING, "without TLS", "Phones give the camera to https pages only.")
    try:
        with socket.create_connection((host, port), timeout=WITHIN_S) as plain:
            if parsed.scheme != "https":
                yield Finding("public address", GOOD, f"{host}:{port} answers")
                return
            with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure:
                ends = ssl.cert_time_to_seconds(str((secure.getpeercert() or {})["notAfter"]))
    except ssl.SSLCertVerificationError as error:
        yield Finding("certificate", BROKEN, error.verify_message, "Renew it; guests' browsers refuse it.")
        return
    except OSError as error:
        advice = "Look at the reverse proxy and the name's DNS entry."
        yield Finding("public address", BROKEN, f"{host}:{port}: {type(error).__name__}", advice)
        return
    days = (ends - time()) / 86400
    yield Finding("certificate", GOOD if days > CERTIFICATE_DAYS else WARNING, f"{days:.0f} days left", "Renew it.")
