"""The command ``trouvaille``. Each command loads only what it needs: `web` must not load the face engine."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from trouvaille import __version__, logs
from trouvaille.core.ending import end_without_finalisation
from trouvaille.rekognition_commands import rekognition
from trouvaille.settings import Settings, of_command
from trouvaille.storage_commands import storage

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks print local variables, which may hold addresses and passwords
    help="Every guest finds the photos they are in.",
)
admin = typer.Typer(no_args_is_help=True, help="Accounts and upkeep of this instance.")
cli.add_typer(admin, name="admin")
cli.add_typer(rekognition, name="rekognition")
cli.add_typer(storage, name="storage")

Host = Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for the whole network.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder that holds everything of this instance.")]


@cli.command()
def serve(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Run everything on this machine: database, web and workers. Ctrl-C stops all."""
    from trouvaille import serving
    from trouvaille.supervisor import run_once, supervise

    settings = of_command(host=host, port=port, data_dir=data_dir)
    settings.relay()  # its password may be in a file that is not there
    logs.configure(settings.log_level, process="supervisor")
    serving.check_port(settings.host, settings.port)
    # The nurseries import while the database starts.
    with serving.nurseries() as made_by, serving.database(settings) as (ready, postgres):
        status = run_once(serving.preparation(ready, made_by))
        if status == 0:
            children = [
                *serving.web(ready, made_by),
                *serving.workers(ready, made_by),
                *serving.cameras(ready, made_by),
            ]
            status = asyncio.run(supervise(children, postgres=postgres))
    raise typer.Exit(status)


@cli.command(hidden=True)
def prepare() -> None:
    """What `serve` does first: check the engine, bring the database up to date, and say where to go."""
    from trouvaille.schema import migrate

    settings = of_command()
    logs.configure(settings.log_level, process="prepare")
    _check_engine(settings)
    migrate(settings.database_url or "")
    _say_where(settings)


def _check_engine(settings: Settings) -> None:
    """Say at once that something is missing, where a worker would only be started again and again."""
    from trouvaille import engines
    from trouvaille.rekognition.boto import check_installed
    from trouvaille.settings import Engine
    from trouvaille.vision.weights import ModelMissing, ModelTampered, read

    try:
        engines.tail(settings)
        read(engines.weights(settings).recogniser)
    except (engines.NotCalibrated, ModelMissing, ModelTampered) as error:
        sys.exit(str(error))
    if settings.engine is Engine.REKOGNITION:
        check_installed()


def _say_where(settings: Settings) -> None:
    """Tell the operator where to go; before the first account is made, with the code that proves who they are."""
    from trouvaille.accounts import service as accounts
    from trouvaille.core.db import connect, sessions_of, transaction
    from trouvaille.core.secrets import Vault, load_key

    async def is_new() -> bool:
        engine = connect(settings.database_url or "", pool_size=1)
        try:
            async with transaction(sessions_of(engine)) as session:
                return not await accounts.has_staff(session)
        finally:
            await engine.dispose()

    address = _address(settings)
    typer.echo(f"Trouvaille is at {address}")
    if asyncio.run(is_new()):
        token = Vault(load_key(settings.data_dir / "secret.key")).setup_token()
        typer.echo(f"First start: make your account at {address}/setup?token={token}")


def _address(settings: Settings) -> str:
    return (settings.public_url or f"http://{_shown_host(settings.host)}:{settings.port}").rstrip("/")


def _shown_host(host: str) -> str:
    return "localhost" if host in ("127.0.0.1", "0.0.0.0", "::1", "::") else host  # noqa: S104 - compared, not bound


@cli.command()
def web(
    host: Host = None, port: Port = None, at: Annotated[int | None, typer.Option("--socket", hidden=True)] = None
) -> None:
    """Run the web processes; needs DATABASE_URL."""
    settings = of_command(host=host, port=port)
    if settings.web_processes > 1 and at is None:
        raise typer.Exit(_several(settings))
    from trouvaille import web_process

    raise typer.Exit(web_process.run(settings, socket.socket(fileno=at) if at is not None else None))


def _several(settings: Settings) -> int:
    from trouvaille import serving
    from trouvaille.supervisor import supervise

    logs.configure(settings.log_level, process="supervisor")
    serving.check_port(settings.host, settings.port)
    with serving.nurseries() as made_by:
        return asyncio.run(supervise(serving.web(settings, made_by)))


def application() -> Any:
    """The ASGI application with settings from the environment, for uvicorn and other servers."""
    from trouvaille.app import create_app

    settings = of_command()
    logs.configure(settings.log_level, process="web")
    return create_app(settings)


@cli.command()
def worker(
    queues: Annotated[str, typer.Option(help="Queues to serve, separated by commas.")] = "selfies,photos,upkeep,mail",
    concurrency: Annotated[int | None, typer.Option(min=1, max=64, help="Jobs at the same time.")] = None,
) -> None:
    """Run a worker process; needs DATABASE_URL."""
    from trouvaille import worker as workers

    settings = of_command()
    logs.configure(settings.log_level, process="worker")
    names = [name.strip() for name in queues.split(",") if name.strip()]
    if unknown := sorted(set(names) - set(workers.QUEUES)):
        raise typer.BadParameter(f"unknown queue: {', '.join(unknown)}")
    _run(workers.run(settings, names, concurrency=concurrency or settings.photo_threads))


def _run(main: Coroutine[Any, Any, None]) -> None:
    """On the loop that web processes use too: waiting for the database is most of what a loop does."""
    try:
        import uvloop
    except ImportError:  # Windows
        asyncio.run(main)
    else:
        uvloop.run(main)


@cli.command()
def ftp(host: Host = None, port: Port = None) -> None:
    """Receive photos from cameras by FTP and FTPS; needs DATABASE_URL."""
    from trouvaille import ftp as receiving

    settings = of_command(ftp_host=host, ftp_port=port)
    logs.configure(settings.log_level, process="ftp")
    receiving.run(settings if settings.ftp_port is not None else settings.model_copy(update={"ftp_port": 2121}))


@cli.command()
def upload(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Photos; folders below too.")],
    code: Annotated[str, typer.Option("--event", help="The event's code.")],
    server: Annotated[str | None, typer.Option(help="Its address; or TROUVAILLE_SERVER.")] = None,
    token: Annotated[str | None, typer.Option(help="Access token; better in TROUVAILLE_TOKEN.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="A file that holds the access token.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on and send what is added, until Ctrl-C.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Send raw files too.")] = False,
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Files at the same time.")] = 3,
    settle: Annotated[float, typer.Option(min=0.1, help="Seconds without a change before a file counts.")] = 2.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing until the end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as one JSON object.")] = False,
) -> None:
    """Send a folder of photos to an event, from anywhere. 0: all are there; 1: some are not; 2: wrong use."""
    from trouvaille.upload_client import command
    from trouvaille.upload_client.run import Wish

    wish = Wish(folder, watch=watch, raw=raw, parallel=parallel, settle_s=settle)
    raise typer.Exit(
        command.run(wish, code=code, server=server, token=token, token_file=token_file, as_json=as_json, quiet=quiet)
    )


@cli.command("import")
def import_(
    source: Annotated[str, typer.Argument(help="A folder, a ZIP, s3://BUCKET/FOLDER?endpoint=… or webdavs://HOST/…")],
    code: Annotated[str, typer.Option("--event", help="The event's code.")],
    user: Annotated[str | None, typer.Option(help="For a remote; its password in TROUVAILLE_IMPORT_SECRET.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing until the end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as one JSON object.")] = False,
) -> None:
    """Bring photos into an event, on the server itself. 0: all are there; 1: some are not; 2: wrong use."""
    from trouvaille import import_command

    logs.configure("WARNING", process="import")
    raise typer.Exit(import_command.run(of_command(), source, code, user=user, as_json=as_json, quiet=quiet))


@cli.command()
def demo(
    once: Annotated[bool, typer.Option(help="Do the work without a server, print what was found, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: one JSON object as the last line.")] = False,
    host: Host = None,
    port: Port = None,
) -> None:
    """Try it: a sample event with real photos, in a folder that is removed at the end."""
    from trouvaille.demo import run
    from trouvaille.demo.samples import SamplesMissing

    logs.configure("WARNING", process="demo")
    try:
        if once:
            result = run.once()
            typer.echo(json.dumps(result) if as_json else run.in_words(result))
        else:
            raise typer.Exit(run.serve(host=host, port=port))
    except SamplesMissing as error:
        typer.echo(f"The sample photos could not be fetched: {error}", err=True)
        raise typer.Exit(1) from error


@admin.callback()
def _quietly() -> None:
    logs.configure("WARNING", process="admin")


@admin.command()
def create(
    email: Annotated[str, typer.Option(prompt="E-mail")],
    name: Annotated[str, typer.Option(prompt="Name")],
    data_dir: DataDir = None,
    organiser: Annotated[bool, typer.Option(help="May work on their own events only.")] = False,
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
) -> None:
    """Make an account for a member of staff; an administrator unless told otherwise."""
    from trouvaille.accounts.models import Role
    from trouvaille.core.errors import Refused
    from trouvaille.instance import create_staff

    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    role = Role.ORGANISER if organiser else Role.ADMINISTRATOR
    try:
        create_staff(of_command(data_dir=data_dir), email=email, name=name, password=password, role=role)
    except Refused as error:
        for problem in getattr(error, "problems", (error,)):
            typer.echo(problem.text % problem.params if problem.params else problem.text, err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{name} can now sign in as {role.value}.")


@admin.command("reset-link")
def reset_link(email: Annotated[str, typer.Argument(help="Address of the account.")], data_dir: DataDir = None) -> None:
    """Print a link with which somebody who forgot their password chooses a new one; it works once, for an hour."""
    from trouvaille import instance
    from trouvaille.accounts import links
    from trouvaille.core.db import Sessions, transaction
    from trouvaille.core.errors import Refused

    async def make(sessions: Sessions, _: Settings) -> str:
        async with transaction(sessions) as session:
            return (await links.make_reset(session, email, by=None))[0]

    settings = of_command(data_dir=data_dir)
    try:
        token = instance.on_database(settings, make)
    except Refused as error:
        sys.exit(error.text)
    typer.echo(f"{_address(settings)}/reset/{token}")


@admin.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database to the newest schema; `serve` does it by itself."""
    from trouvaille.instance import database

    with database(of_command(data_dir=data_dir)):
        typer.echo("The database is up to date.")


@cli.command()
def calibrate(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="One folder of portraits a person.")],
    mean: Annotated[
        Path | None, typer.Option(help="Also write what all faces have in common, as a population mean, to this file.")
    ] = None,
) -> None:
    """Measure how alike strangers are to the recognition model of the settings, and print what to set."""
    from trouvaille import calibrate as calibration

    settings = of_command()
    logs.configure("WARNING", process="calibrate")
    try:
        found = calibration.measure(settings, folder, mean=mean)
    except ValueError as error:
        sys.exit(str(error))
    typer.echo(f"# {found.faces:,} faces of {found.people:,} people, {found.pairs:,} pairs of strangers")
    if mean is not None:
        typer.echo(f"TROUVAILLE_RECOGNISER_POPULATION_MEAN={mean}")
    typer.echo(f"TROUVAILLE_RECOGNISER_TAIL_OFFSET={found.tail.offset:.3f}")
    typer.echo(f"TROUVAILLE_RECOGNISER_TAIL_SLOPE={found.tail.slope:.3f}")


@cli.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    data_dir: DataDir = None,
) -> None:
    """Copy rows, photos and the instance's key into a folder; also while the instance runs."""
    from trouvaille import backup as backups

    logs.configure("WARNING", process="backup")
    try:
        made = backups.backup(of_command(data_dir=data_dir), folder, typer.echo)
    except backups.BackupFailed as error:
        sys.exit(str(error))
    typer.echo(f"{made.files:,} files, {made.bytes:,} bytes in {folder}")
    typer.echo("Keep it as secret as the instance itself: with its key, selfies can be read.")


@cli.command()
def restore(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="What `trouvaille backup` made.")],
    data_dir: DataDir = None,
) -> None:
    """Bring a backup back into an empty data folder (and an empty database and store, where others are set)."""
    from trouvaille import backup as backups

    logs.configure("WARNING", process="restore")
    try:
        found = backups.restore(of_command(data_dir=data_dir), folder, typer.echo)
    except backups.BackupFailed as error:
        sys.exit(str(error))
    typer.echo(f"Restored what was kept at {found.made_at}: {found.files:,} files.")


@cli.command()
def doctor(
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check this installation, running or not, and say what to mend; status 1 when something is broken."""
    from trouvaille import doctor as doctors

    logs.configure("CRITICAL", process="doctor")
    findings = doctors.examine(of_command(data_dir=data_dir))
    typer.echo(json.dumps(doctors.as_json(findings), indent=2) if as_json else doctors.in_words(findings))
    raise typer.Exit(1 if any(each.state == doctors.BROKEN for each in findings) else 0)


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Entry point of the console script."""
    end_without_finalisation(run)


def run() -> None:
    """Do what the arguments say, and tell what went wrong in a sentence."""
    from pydantic import ValidationError
    from sqlalchemy.exc import DBAPIError

    from trouvaille.core.postgres import AlreadyRunning, Unusable
    from trouvaille.rekognition.errors import OPERATORS

    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    try:
        cli()
    except AlreadyRunning as error:
        sys.exit(f"{error} Trouvaille is running there already.")
    except ValidationError as error:
        wrong = error.errors()[0]
        sys.exit(f"The setting {'.'.join(map(str, wrong['loc']))} is wrong: {wrong['msg']}.")
    except DBAPIError as error:
        sys.exit(f"The database refused: {str(error.orig).strip()}")
    except OPERATORS as error:
        sys.exit(str(error))
    except (Unusable, OSError) as error:
        sys.exit(str(error))
