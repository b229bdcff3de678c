"""The embedded database with real servers, real kills and real folders."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from trouvaille.core.db import driver_url, plain_url
from trouvaille.core.postgres import AlreadyRunning, EmbeddedPostgres, Unusable
from trouvaille.core.processes import working_in

UNSYNCED = {"fsync": "off"}  # these tests kill processes, never the machine
LAUNCHER = """
import sys, time
from pathlib import Path
from trouvaille.core.postgres import EmbeddedPostgres
postgres = EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off"})
print(postgres.start(), postgres.pid, flush=True)
time.sleep(600)
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another account")
with_proc = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and the parent-death signal of Linux")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's account can enter; pytest's own is closed to all but root."""
    made = Path(tempfile.mkdtemp(prefix="tv-", dir="/tmp")).resolve()
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def make(folder: Path) -> Iterator[Callable[..., EmbeddedPostgres]]:
    """Makes servers, in ``data`` of the folder unless told otherwise, that are stopped after the test."""
    made: list[EmbeddedPostgres] = []

    def build(name: str = "data", **options: object) -> EmbeddedPostgres:
        settings = {**UNSYNCED, **options.pop("settings", {})}  # type: ignore[dict-item]
        made.append(EmbeddedPostgres(folder / name, settings=settings, **options))  # type: ignore[arg-type]
        return made[-1]

    yield build
    for postgres in made:
        postgres.stop()


@pytest.fixture
def launcher(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """Another process that runs the database of ``data``: the process, the address, the server's number."""
    argv = (sys.executable, "-c", LAUNCHER, str(folder / "data"))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("postgresql://"))
        url, pid = line.split()
        yield process, url, int(pid)
        process.kill()
        wait_until(lambda: not lives(int(pid)))


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def socket_dir(url: str) -> Path:
    return Path(psycopg.conninfo.conninfo_to_dict(url)["host"])  # type: ignore[arg-type]


def account_of(path: Path) -> dict[str, object]:
    """What makes a process run as the owner of a path, where that is another account."""
    owner = path.stat()
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(true: Callable[[], bool], within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_the_address_works_for_libpq_and_for_sqlalchemy(make: Callable[..., EmbeddedPostgres]) -> None:
    url = make().start()
    assert value(url, "SELECT current_database() || '/' || current_user") == "trouvaille/trouvaille"
    assert value(plain_url(url), "SELECT 1") == 1
    engine = create_engine(driver_url(url))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_setting('server_encoding')")).scalar() == "UTF8"
    engine.dispose()


def test_vectors_can_be_stored_here_and_in_every_database_that_the_role_makes(
    make: Callable[..., EmbeddedPostgres],
) -> None:
    url = make().start()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE another")
    for place in (url, url.replace("/trouvaille?", "/another?")):
        with psycopg.connect(place) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute("CREATE TABLE points (at halfvec(2))")
            connection.execute("INSERT INTO points VALUES ('[1,2]'), ('[5,5]')")
            nearest = connection.execute("SELECT at::text FROM points ORDER BY at <=> '[1,1]' LIMIT 1").fetchone()
            assert nearest == ("[5,5]",)


def test_the_role_reaches_neither_files_nor_programs(make: Callable[..., EmbeddedPostgres]) -> None:
    url = make().start()
    assert value(url, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'trouvaille'") == "trouvaille"
    for statement in ("COPY (SELECT 1) TO PROGRAM 'cat'", "SELECT pg_read_file('/etc/hostname')"):
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_the_server_is_durable_checked_and_on_a_socket_only(make: Callable[..., EmbeddedPostgres]) -> None:
    url = make(settings={"fsync": "on", "shared_buffers": "64MB"}).start()
    wanted = {
        "listen_addresses": "",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "autovacuum": "on",
        "jit": "off",
        "shared_buffers": "64MB",
        "max_connections": "100",
        "TimeZone": "UTC",
    }
    assert {name: value(url, f"SHOW {name}") for name in wanted} == wanted


def test_data_survive_a_stop_and_a_start(make: Callable[..., EmbeddedPostgres]) -> None:
    postgres = make()
    url = postgres.start()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    postgres.stop()
    assert not postgres.is_alive()
    assert postgres.pid is None
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    assert postgres.start() == url
    assert value(url, "SELECT answer FROM kept") == 42


def test_starting_and_stopping_twice_does_no_harm(make: Callable[..., EmbeddedPostgres]) -> None:
    postgres = make()
    postgres.stop()
    url, pid = postgres.start(), postgres.pid
    assert (postgres.start(), postgres.pid) == (url, pid)
    postgres.stop()
    postgres.stop()
    assert postgres.pid is None


def test_a_block_stops_the_server_when_it_fails(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError), EmbeddedPostgres(folder / "data", settings=UNSYNCED) as postgres:
        pid = postgres.pid or 0
        assert pid
        raise ZeroDivisionError
    assert not lives(pid)


def test_a_second_launcher_in_the_same_process_is_told_where_the_database_is(
    make: Callable[..., EmbeddedPostgres],
) -> None:
    first, second = make(), make()
    url = first.start()
    with pytest.raises(AlreadyRunning) as told:
        second.start()
    assert told.value.url == url
    second.stop()
    assert value(url, "SELECT 1") == 1
    first.stop()
    assert second.start()


def test_a_second_launcher_in_another_process_is_told_where_the_database_is(
    launcher: tuple[subprocess.Popen[str], str, int], make: Callable[..., EmbeddedPostgres]
) -> None:
    with pytest.raises(AlreadyRunning) as told:
        make().start()
    assert told.value.url == launcher[1]
    assert value(told.value.url, "SELECT 1") == 1


def test_a_killed_server_is_seen_as_dead_and_recovers_at_the_same_address(
    make: Callable[..., EmbeddedPostgres],
) -> None:
    postgres = make()
    url, pid = postgres.start(), postgres.pid
    assert pid is not None
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not postgres.is_alive())
    assert postgres.start() == url
    assert postgres.pid != pid
    assert value(url, "SELECT answer FROM kept") == 42


def test_a_restart_that_fails_keeps_the_address_and_the_folder_for_the_next(
    make: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    data = folder / ("long" * 30)  # so that the socket lies in a folder with a random name
    postgres = make(data.name)
    url, pid = postgres.start(), postgres.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not postgres.is_alive())
    rules = data / "18" / "pg_hba.conf"
    hidden = rules.rename(rules.with_suffix(".hidden"))
    with pytest.raises(Unusable, match=r"pg_hba\.conf"):
        postgres.start()
    assert not postgres.is_alive()
    with pytest.raises(AlreadyRunning):
        make(data.name).start()
    hidden.rename(rules)
    assert postgres.start() == url
    assert value(url, "SELECT 1") == 1


@with_proc
def test_a_worker_that_is_busy_when_its_server_is_killed_does_not_block_the_next(
    make: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    postgres = make()
    url, pid = postgres.start(), postgres.pid
    assert pid is not None
    busy = psycopg.connect(url)
    worker = busy.info.backend_pid
    # A stopped worker can't notice that its server has died, as one in a long computation does not.
    os.kill(worker, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not postgres.is_alive())
    assert worker in working_in(folder / "data" / "18", "postgres")
    assert postgres.start() == url
    assert worker not in working_in(folder / "data" / "18", "postgres")
    assert value(url, "SELECT 1") == 1
    busy.close()


@with_proc
def test_no_server_outlives_a_killed_launcher_and_the_next_start_works(
    launcher: tuple[subprocess.Popen[str], str, int], make: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    process, url, _ = launcher
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    process.kill()
    process.wait()
    wait_until(lambda: working_in(folder / "data" / "18", "postgres") == [])
    # It had the time to shut down properly: nothing was left to recover.
    assert "database system is shut down" in (folder / "data" / "server.log").read_text()
    assert value(make().start(), "SELECT answer FROM kept") == 42


def test_a_start_right_after_the_launcher_was_killed_waits_for_its_server_to_end(
    launcher: tuple[subprocess.Popen[str], str, int], make: Callable[..., EmbeddedPostgres]
) -> None:
    process, _, before = launcher
    process.kill()
    process.wait()
    postgres = make()
    assert value(postgres.start(), "SELECT 1") == 1
    assert postgres.pid != before


@with_proc
def test_a_server_that_nobody_launched_is_stopped_and_replaced(
    make: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    postgres = make()
    postgres.start()
    argv = Path(f"/proc/{postgres.pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    postgres.stop()
    (folder / "data" / "run").mkdir()
    owner = (folder / "data").stat()
    os.chown(folder / "data" / "run", owner.st_uid, owner.st_gid)
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL, **account_of(folder / "data")) as stranger:  # type: ignore[call-overload]
        wait_until((folder / "data" / "run" / ".s.PGSQL.5432").exists)
        assert value(postgres.start(), "SELECT 1") == 1
        assert stranger.wait(1) == 0
        assert postgres.pid != stranger.pid


def test_a_stale_pid_file_that_names_a_stranger_neither_blocks_the_start_nor_hurts_the_stranger(
    make: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    postgres = make()
    postgres.start()
    cluster = folder / "data" / "18"
    pid_file = (cluster / "postmaster.pid").read_text()
    postgres.stop()
    # Of the server's own account: a stranger of another one PostgreSQL recognises by itself.
    with subprocess.Popen(("sleep", "60"), cwd=cluster, **account_of(cluster)) as stranger:  # type: ignore[call-overload]
        _, _, rest = pid_file.partition("\n")
        (cluster / "postmaster.pid").write_text(f"{stranger.pid}\n{rest}")
        assert value(postgres.start(), "SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


def test_a_first_start_that_was_cut_off_begins_anew(make: Callable[..., EmbeddedPostgres], folder: Path) -> None:
    half = folder / "data" / "18.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert value(make().start(), "SELECT 1") == 1
    assert not half.exists()


def test_data_and_socket_are_closed_to_others_and_parents_stay_as_they_are(
    make: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    parent = folder / "parent"
    parent.mkdir(mode=0o755)
    parent.chmod(0o751)
    before = [(path, path.stat().st_mode, path.stat().st_uid) for path in (parent, folder, Path("/tmp"))]
    url = make("parent/data").start()
    data = parent / "data"
    places = (data, data / "18", socket_dir(url))
    assert {mode(path) for path in places} == {0o700}
    assert socket_dir(url) == data / "run"
    assert mode(socket_dir(url) / ".s.PGSQL.5432") == 0o700
    assert mode(data / "server.log") == 0o600
    assert [(path, path.stat().st_mode, path.stat().st_uid) for path in (parent, folder, Path("/tmp"))] == before


@pytest.mark.parametrize("name", ["long" * 30, "with space, comma & Ümlaut"])
def test_a_folder_whose_path_no_socket_can_have_gets_a_private_one_elsewhere(
    name: str, make: Callable[..., EmbeddedPostgres]
) -> None:
    postgres = make(f"{name}/data")
    url = postgres.start()
    assert value(plain_url(url), "SELECT 1") == 1
    place = socket_dir(url)
    assert len(str(place / ".s.PGSQL.5432")) <= 100
    assert mode(place) == 0o700
    postgres.stop()
    assert not place.exists()


def test_the_private_socket_folder_of_a_killed_launcher_is_removed(
    make: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    data = folder / ("long" * 30)
    with subprocess.Popen((sys.executable, "-c", LAUNCHER, str(data)), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = next(line for line in process.stdout if line.startswith("postgresql://")).split()[0]
        process.kill()
    place = socket_dir(url)
    assert place.exists()
    assert socket_dir(make(data.name).start()) != place
    assert not place.exists()


def test_a_pgport_in_the_environment_changes_nothing(
    make: Callable[..., EmbeddedPostgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "6000")
    assert value(make().start(), "SHOW port") == "5432"


def test_what_people_entered_stays_out_of_the_servers_log(make: Callable[..., EmbeddedPostgres], folder: Path) -> None:
    with psycopg.connect(make().start(), autocommit=True) as connection:
        connection.execute("CREATE TABLE guests (email text UNIQUE)")
        connection.execute("INSERT INTO guests VALUES ('ada@example.org')")
        with pytest.raises(psycopg.errors.UniqueViolation, match="ada@example"):
            connection.execute("INSERT INTO guests VALUES ('ada@example.org')")
    said = (folder / "data" / "server.log").read_text()
    assert "duplicate key value" in said
    assert "ada@example" not in said


def test_a_large_log_makes_room_at_the_start(make: Callable[..., EmbeddedPostgres], folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "server.log").write_bytes(b"x" * 10_000_001)
    make().start()
    assert (folder / "data" / "server.log").stat().st_size < 10_000
    assert (folder / "data" / "server.log.1").stat().st_size == 10_000_001


def test_a_folder_with_something_else_in_it_is_left_alone(make: Callable[..., EmbeddedPostgres], folder: Path) -> None:
    data = folder / "data"
    data.mkdir(mode=0o755)
    (data / "holiday.jpg").touch()
    before = data.stat()
    with pytest.raises(Unusable, match=r"holiday\.jpg"):
        make().start()
    after = data.stat()
    assert (after.st_mode, after.st_uid, list(data.iterdir())) == (
        before.st_mode,
        before.st_uid,
        [data / "holiday.jpg"],
    )


def test_data_of_another_major_version_are_refused_in_words(
    make: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    (folder / "data" / "16").mkdir(parents=True)
    (folder / "data" / "16" / "PG_VERSION").write_text("16\n")
    with pytest.raises(Unusable, match=r"data/16 holds data of another PostgreSQL than 18"):
        make().start()


def test_a_server_that_refuses_its_settings_says_why_and_frees_the_folder(
    make: Callable[..., EmbeddedPostgres],
) -> None:
    with pytest.raises(Unusable, match="shared_buffers"):
        make(settings={"shared_buffers": "much"}).start()
    assert value(make().start(), "SELECT 1") == 1


@as_root
def test_as_root_the_server_and_its_data_belong_to_an_unprivileged_account(
    make: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    postgres = make(user="nobody")
    postgres.start()
    nobody = pwd.getpwnam("nobody").pw_uid
    assert Path(f"/proc/{postgres.pid}").stat().st_uid == nobody
    owners = {path.stat().st_uid for path in (folder / "data").rglob("*")} | {(folder / "data").stat().st_uid}
    assert owners == {nobody}
    supplementary = Path(f"/proc/{postgres.pid}/status").read_text()
    assert f"Uid:\t{nobody}\t{nobody}\t{nobody}\t{nobody}" in supplementary


@as_root
def test_data_keep_their_account_unless_another_is_asked_for(make: Callable[..., EmbeddedPostgres]) -> None:
    first = make(user="nobody")
    first.start()
    first.stop()
    same = make()
    same.start()
    assert Path(f"/proc/{same.pid}").owner() == "nobody"
    same.stop()
    other = make(user="daemon")
    assert value(other.start(), "SELECT 1") == 1
    assert Path(f"/proc/{other.pid}").owner() == "daemon"


@as_root
def test_an_account_that_may_not_enter_is_named_together_with_the_folder(
    make: Callable[..., EmbeddedPostgres], folder: Path
) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Unusable, match=rf"runs as nobody, who may not enter {closed}\. .*chmod o\+x {closed}"):
        make("closed/data", user="nobody").start()
    assert mode(closed) == 0o700


@as_root
def test_an_account_that_does_not_exist_is_refused_in_words(make: Callable[..., EmbeddedPostgres]) -> None:
    with pytest.raises(Unusable, match="no account named nosuchuser"):
        make(user="nosuchuser").start()


@pytest.fixture
def python_for_all() -> tuple[str, dict[str, str]]:
    """A Python like ours that every account can run, and the environment in which it finds our packages."""
    for program in (sys.executable, "/usr/bin/python3"):
        argv = (program, "-c", "import sys; print(sys.version_info[:2])")
        try:
            told = subprocess.run(argv, capture_output=True, text=True, check=True, user="daemon").stdout.strip()
        except OSError:
            continue
        if told == str(sys.version_info[:2]):
            return program, {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    pytest.skip("no Python of our version that other accounts can run")


@as_root
def test_an_ordinary_user_needs_no_other_account_and_finds_the_data_of_root_closed(
    python_for_all: tuple[str, dict[str, str]], folder: Path, make: Callable[..., EmbeddedPostgres]
) -> None:
    python, env = python_for_all

    def as_daemon(data: str) -> subprocess.CompletedProcess[str]:
        argv = (python, "-c", LAUNCHER.replace("time.sleep(600)", "postgres.stop()"), str(folder / data))
        who = {"user": "daemon", "group": "daemon", "extra_groups": ()}
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, **who)  # type: ignore[call-overload, no-any-return]

    folder.chmod(0o777)
    done = as_daemon("own")
    assert done.returncode == 0, done.stderr
    assert "postgresql://trouvaille@" in done.stdout
    assert (folder / "own" / "18").owner() == "daemon"

    of_root = make(user="nobody")
    of_root.start()
    of_root.stop()
    refused = as_daemon("data")
    assert refused.returncode == 1
    assert "Unusable: The database in" in refused.stderr
    assert "Permission denied" in refused.stderr
