"""The commands ``trouvaille storage``: what lies where it should not or does not lie where it should, and moving."""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trouvaille import logs
from trouvaille.settings import Settings, of_command

if TYPE_CHECKING:
    from trouvaille.core.db import Sessions
    from trouvaille.core.moving import Moved
    from trouvaille.core.storage import Storage
    from trouvaille.operations.stored import Found

storage = typer.Typer(no_args_is_help=True, help="The store of the photos.")
DataDir = Annotated[Path | None, typer.Option(help="Folder that holds everything of this instance.")]


@storage.callback()
def _quietly() -> None:
    logs.configure("ERROR", process="storage")


@storage.command()
def check(
    data_dir: DataDir = None,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what can be.")] = False,
    hours: Annotated[float, typer.Option(min=0, help="Files younger than this are left alone.")] = 24,
    as_json: Annotated[bool, typer.Option("--json", help="The result as one JSON object.")] = False,
) -> None:
    """Compare store and database, in both directions. 0: all is well or put right; 1: something is left to do."""
    from trouvaille import instance
    from trouvaille.core import moving
    from trouvaille.core.errors import Refused
    from trouvaille.core.storage import Storage
    from trouvaille.operations import stored

    async def act(sessions: "Sessions", ready: Settings) -> "Found":
        store = Storage(ready.photos_url)
        await moving.settle(sessions, store)
        return await stored.check(sessions, store, repair=repair, older_than_s=hours * 3600)

    try:
        found = instance.on_database(of_command(data_dir=data_dir), act)
    except Refused as error:
        sys.exit(f"The store could not be read: {error.text}")
    if as_json:
        typer.echo(json.dumps(found.as_dict()))
    else:
        for line in found.in_words():
            typer.echo(line)
    raise typer.Exit(0 if found.is_well(repaired=repair) else 1)


@storage.command()
def move(
    target: Annotated[str, typer.Argument(help="The new store's URL; docs/operator.md.")] = "",
    data_dir: DataDir = None,
    call_off: Annotated[bool, typer.Option("--call-off", help="Stay with the old store.")] = False,
) -> None:
    """Move all photos to another store while the instance works; the old one is left as it is."""
    from trouvaille import instance
    from trouvaille.core import moving
    from trouvaille.core.errors import Refused
    from trouvaille.core.storage import Storage
    from trouvaille.core.stores import WrongStore, check_url

    settings = of_command(data_dir=data_dir)

    async def act(sessions: "Sessions", ready: Settings) -> None:
        if call_off:
            await moving.call_off(sessions)
            return
        await moving.move(sessions, Storage(ready.photos_url), check_url(target), _say)

    try:
        if not call_off:
            asyncio.run(_try_out(Storage(check_url(target))))
        instance.on_database(settings, act)
    except (Refused, WrongStore, OSError) as error:
        sys.exit(str(error.args[0]) if isinstance(error, moving.CannotMove) and error.args else str(error))
    if call_off:
        typer.echo("The move is called off. What was copied may be removed from the new store.")
    else:
        typer.echo(f"Moved. Set TROUVAILLE_STORAGE_URL to {target} before the next restart.")
        typer.echo("The old store was left as it is; once `trouvaille storage check` is content, it may be removed.")


async def _try_out(store: "Storage") -> None:
    """Write, read and delete, so that a wrong address or key shows before anything begins."""
    await store.put("health/move", b"word")
    await store.get("health/move")
    await store.delete(["health/move"])


def _say(what: str, done: "Moved") -> None:
    typer.echo(f"{what}: {done.copied:,} files, {done.copied_bytes / 1e6:,.1f} MB", err=True)
