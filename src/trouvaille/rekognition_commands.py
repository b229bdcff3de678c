"""The commands ``trouvaille rekognition``: what the second engine costs, and what it keeps in the account."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from trouvaille import logs
from trouvaille.settings import Settings, of_command

rekognition = typer.Typer(no_args_is_help=True, help="What the second engine costs, and what it keeps in the account.")
DataDir = Annotated[Path | None, typer.Option(help="Folder that holds everything of this instance.")]


@rekognition.callback()
def _quietly() -> None:
    logs.configure("WARNING", process="rekognition")


@rekognition.command("costs")
def costs_of_month(
    data_dir: DataDir = None,
    month: Annotated[datetime | None, typer.Option(formats=["%Y-%m"], help="Another month than this one.")] = None,
) -> None:
    """Print the calls of a month and what they cost by the list price."""
    from trouvaille import instance
    from trouvaille.core.db import Sessions, transaction
    from trouvaille.engines import tariff
    from trouvaille.rekognition.costs import Costs, costs

    async def look(sessions: Sessions, settings: Settings) -> Costs:
        async with transaction(sessions) as session:
            return await costs(session, tariff(settings), month=month.date() if month else None)

    found = instance.on_database(of_command(data_dir=data_dir), look)
    typer.echo(f"{found.month:%Y-%m} (UTC)")
    for line in found.lines:
        typer.echo(f"{line.operation:<20}{line.calls:>12,} calls{line.dollars:>12,.2f} $")
    typer.echo(f"{'together':<20}{sum(line.calls for line in found.lines):>12,} calls{found.dollars:>12,.2f} $")
    typer.echo(f"ceiling {found.ceiling:,.2f} $ a month" + (": reached, nothing more is sent" if found.spent else ""))
    typer.echo(f"{found.stored_faces:,} faces in the account, about {found.storage_dollars:,.2f} $ a month more")


@rekognition.command()
def sweep(
    data_dir: DataDir = None,
    account: Annotated[
        bool, typer.Option("--all", help="Also collections of this instance that belong to no event.")
    ] = False,
) -> None:
    """Take out of the AWS account whatever has no photo, guest or event here; workers do it by themselves."""
    from trouvaille.rekognition import upkeep

    async def act(sessions: Any, service: Any) -> upkeep.Swept:
        swept = await upkeep.sweep(sessions, service)
        return swept + await upkeep.sweep_account(sessions, service) if account else swept

    swept = _with_rekognition(of_command(data_dir=data_dir), act)
    typer.echo(f"Deleted: {swept.collections} collections, {swept.faces} faces, {swept.users} users.")


@rekognition.command()
def leave(
    data_dir: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Delete everything of this instance from the AWS account, also of events that go on. Stop the workers first."""
    from trouvaille.rekognition import upkeep

    if not yes:
        typer.confirm("New photos and selfies find nobody until all are looked at again. Go on?", abort=True)
    swept = _with_rekognition(of_command(data_dir=data_dir), upkeep.leave)
    typer.echo(f"Deleted: {swept.collections} collections with all their faces and users.")


def _with_rekognition(settings: Settings, act: Callable[[Any, Any], Awaitable[Any]]) -> Any:
    """Do something with the service, whichever engine is chosen: one that was left must still be cleaned up."""
    from trouvaille import engines, instance
    from trouvaille.core.db import Sessions

    async def run(sessions: Sessions, ready: Settings) -> Any:
        service = await engines.rekognition(ready, sessions)
        try:
            return await act(sessions, service)
        finally:
            service.close()

    return instance.on_database(settings, run)
