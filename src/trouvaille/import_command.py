"""The command ``trouvaille import``: a folder, a ZIP or a remote into an event, by the operator on the server."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import typer
from sqlalchemy import select

from trouvaille.core.db import Sessions, connect, sessions_of, transaction
from trouvaille.core.errors import Invalid, Refused
from trouvaille.core.secrets import Vault, load_key
from trouvaille.core.storage import Storage
from trouvaille.events.codes import is_code
from trouvaille.events.models import Event
from trouvaille.events.rights import NoSuchEvent
from trouvaille.events.states import check_changeable
from trouvaille.imports import service
from trouvaille.imports.models import Import, ImportFile, ImportState, Kind
from trouvaille.imports.places import Place, title_of
from trouvaille.imports.running import Bench, step
from trouvaille.imports.service import Progress
from trouvaille.instance import on_database
from trouvaille.settings import Settings

ALL_THERE, SOME_FAILED, USAGE = 0, 1, 2
NAMED = 1_000
SCHEMES = ("s3", "webdav", "webdavs")


class WrongUse(Exception):
    """What was asked for makes no sense; the message says why."""


def where_of(source: str, *, user: str | None, secret: str | None) -> tuple[Kind, str, dict[str, Any]]:
    """Kind, title and place of what the operator named.

    Raises:
        WrongUse
    """
    parts = urlsplit(source)
    if parts.scheme in SCHEMES:
        place = _place(source, user or "", secret or "")
        return Kind.REMOTE, title_of(place), {"by_operator": True, "place": asdict(place)}
    if "://" in source:
        raise WrongUse(f"{parts.scheme}:// is not known; there are {', '.join(f'{each}://' for each in SCHEMES)}")
    path = Path(source).absolute()
    if path.is_dir():
        return Kind.FOLDER, str(path), {"by_operator": True, "root": str(path), "way": "."}
    if path.is_file():
        return Kind.FOLDER, str(path), {"by_operator": True, "root": str(path.parent), "way": path.name}
    raise WrongUse(f"There is no folder and no file at {source}")


def _place(source: str, user: str, secret: str) -> Place:
    parts = urlsplit(source)
    path = unquote(parts.path).strip("/")
    if parts.username or parts.password:
        raise WrongUse("Give the user with --user, and the password in TROUVAILLE_IMPORT_SECRET.")
    if parts.scheme == "s3":
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        region = asked.get("region", "us-east-1")
        endpoint = asked.get("endpoint") or f"https://s3.{region}.amazonaws.com"
        return Place("s3", endpoint, parts.netloc, region, user, secret, path)
    scheme = "https" if parts.scheme == "webdavs" else "http"
    folder, _, last = path.rpartition("/")
    if not last.lower().endswith(".zip"):
        folder, last = path, ""
    return Place("webdav", f"{scheme}://{parts.netloc}/{folder}".rstrip("/"), user=user, secret=secret, path=last)


def run(settings: Settings, source: str, code: str, *, user: str | None, as_json: bool, quiet: bool) -> int:
    """Bring files in; returns the exit status."""
    secret = os.environ.get("TROUVAILLE_IMPORT_SECRET")
    try:
        kind, title, where = where_of(source, user=user or os.environ.get("TROUVAILLE_IMPORT_USER"), secret=secret)
    except WrongUse as error:
        typer.echo(str(error), err=True)
        return USAGE

    async def act(_: Sessions, ready: Settings) -> int:
        engine = connect(ready.database_url or "", pool_size=4, application="trouvaille import")
        try:
            bench = Bench(
                sessions_of(engine),
                Storage(ready.photos_url),
                Vault(load_key(ready.data_dir / "secret.key")),
                ready.imports(),
            )
            import_id = await _start(bench, code, kind, title, where)
            return await _follow(bench, import_id, as_json=as_json, quiet=quiet)
        finally:
            await engine.dispose()

    try:
        return on_database(settings, act)
    except Refused as error:
        typer.echo(error.text % error.params if error.params else error.text, err=True)
        return USAGE


async def _start(bench: Bench, code: str, kind: Kind, title: str, where: dict[str, Any]) -> UUID:
    async with transaction(bench.sessions) as session:
        try:
            event = await session.scalar(select(Event).where(is_code(code)))
        except Invalid as error:
            raise NoSuchEvent from error
        if event is None:
            raise NoSuchEvent
        check_changeable(event)
        made = await service.start(
            session,
            bench.vault,
            event_id=event.id,
            started_by=event.owner_id,
            kind=kind,
            title=title,
            where=where,
            run=False,
        )
        return made.id


async def _follow(bench: Bench, import_id: UUID, *, as_json: bool, quiet: bool) -> int:
    more = True
    while more:
        more = await step(bench, import_id, step_s=2)
        one, progress, refused = await _state(bench, import_id)
        if not quiet and not as_json:
            typer.echo(f"{progress.done} of {progress.found - progress.left_out} files", err=True)
    if as_json:
        typer.echo(json.dumps(_result(one, progress, refused)))
    else:
        for file in refused:
            typer.echo(f"{file.name}: {_reason(file)}")
        typer.echo(
            f"{progress.added} added, {progress.known} already there, {progress.refused} refused,"
            f" {progress.left_out} left out"
        )
        if one.reason:
            typer.echo(one.reason, err=True)
    return ALL_THERE if one.state is ImportState.DONE and not progress.refused else SOME_FAILED


async def _state(bench: Bench, import_id: UUID) -> tuple[Import, Progress, list[ImportFile]]:
    async with transaction(bench.sessions) as session:
        one = await session.get_one(Import, import_id)
        progress = (await service.progresses(session, [import_id])).get(import_id, Progress())
        return one, progress, await service.refused(session, import_id, limit=NAMED)


def _reason(file: ImportFile) -> str:
    return (file.reason or "") % file.params if file.params else file.reason or ""


def _result(one: Import, progress: Progress, refused: list[ImportFile]) -> dict[str, Any]:
    told = progress.figures() | {"state": one.state.value, "reason": one.reason}
    return {**told, "refused_files": [{"name": file.name, "reason": _reason(file)} for file in refused]}
