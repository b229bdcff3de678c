"""What all tests stand on: a real PostgreSQL with a cloned database a test, real files and photos, a real worker."""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client.metrics import MetricWrapperBase
from sqlalchemy.engine import make_url
from starlette.testclient import TestClient

from tests.people import Visitor, another_browser
from tests.push_service import PushService
from tests.s3_server import s3, s3_prefix  # noqa: F401 - fixtures for all
from trouvaille import logs, schema, worker
from trouvaille.app import create_app
from trouvaille.core import metrics
from trouvaille.core.db import Sessions, connect, plain_url, sessions_of
from trouvaille.core.postgres import EmbeddedPostgres
from trouvaille.demo.samples import fetch
from trouvaille.settings import Settings
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.weights import locate

# A test that could be steered by the machine's own settings would prove nothing.
for name in [name for name in os.environ if name.startswith("TROUVAILLE_") and name != "TROUVAILLE_SAMPLES"]:
    del os.environ[name]
os.environ.pop("DATABASE_URL", None)
logs.configure("ERROR")


# Slices at the edge, and files whose tests take a minute or more together; `make test-all` runs them too.
AT_THE_EDGE = ("cameras", "imports", "rekognition", "sign_on", "upload_client")
LONG = (
    *(f"browser/test_{name}" for name in ("app", "desk", "imports", "offline", "people", "queue", "status", "studio")),
    *("browser/test_undo", "browser/test_wall", "browser/test_watermark", "browser/test_webkit", "core/test_postgres"),
    *("operations/test_stored", "photos/test_watermarks", "api/test_watermark", "news/test_push"),
    *(f"operations/test_{name}" for name in ("backup", "overload", "several_machines")),
    *("journeys/test_other_engine", "browser/test_camera", "bench/test_receiving"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slices at the edge and of long files."""
    here = Path(__file__).parent
    for item in items:
        place = item.path.relative_to(here).with_suffix("").as_posix()
        if place.partition("/")[0] in AT_THE_EDGE or place in LONG:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _counts_anew() -> None:
    """The metrics belong to the process: what thousands of tests have counted would be written down by each of them."""
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            metric.clear()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def samples() -> dict[str, Path]:
    """The sample photos by file name; `make samples` fetched them, the network is blocked here."""
    return fetch()


def _roomy_memory() -> str | None:
    """A file system in memory, if there is a large one: a database is copied and dropped for each test."""
    memory, least_bytes = Path("/dev/shm"), 8 * 1024**3
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > least_bytes else None


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder that PostgreSQL's own user may pass through, which pytest's is not for root."""
    folder = Path(tempfile.mkdtemp(prefix="trouvaille-test-", dir=_roomy_memory() or "/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server_url(scratch: Path) -> Iterator[str]:
    """A PostgreSQL of our own, with a migrated database ``template`` to clone from."""
    # What a test wrote need not survive the machine.
    relaxed = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
    with EmbeddedPostgres(scratch / "postgres", settings=relaxed) as postgres:
        url = postgres.start()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE pattern")
        schema.migrate(_named(url, "pattern"))
        yield url


def _named(url: str, database: str) -> str:
    return plain_url(make_url(url).set(database=database).render_as_string(hide_password=False))


@pytest.fixture
def database_url(server_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of this test's own, migrated as in production."""
    name = f"test_{os.urandom(6).hex()}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE pattern STRATEGY FILE_COPY")  # twice as quick
        yield _named(server_url, name)
        drop_database(connection, name)


def drop_database(connection: psycopg.Connection[Any], name: str, *, patience_s: float = 30) -> None:
    """Drop a database that somebody may still be connected to.

    An autovacuum worker that happens to be in it belongs to the superuser, so that we may not end it; it soon leaves.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        except psycopg.errors.InsufficientPrivilege:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    """Sessions on this test's database, for tests of services."""
    engine = connect(database_url, pool_size=20)
    yield sessions_of(engine)
    await engine.dispose()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of an instance in this test's folder."""
    return Settings(
        data_dir=tmp_path / "data", DATABASE_URL=database_url, stalled_after_s=3, log_level="ERROR", web_processes=1
    )


@pytest.fixture(scope="session")
def engine() -> LocalEngine:
    """The face engine, loaded once."""
    return LocalEngine(locate(), threads=2)


@pytest.fixture
def run_jobs(settings: Settings, engine: LocalEngine) -> Callable[[], None]:
    """Work off every job that waits, as a worker process does; a job that fails fails the test."""

    def run() -> None:
        asyncio.run(worker.run(settings, worker.QUEUES, concurrency=2, forever=False, engine=engine))
        with psycopg.connect(settings.database_url or "") as connection:
            failed = connection.execute("SELECT task_name FROM procrastinate_jobs WHERE status = 'failed'").fetchall()
        assert failed == []

    return run


@pytest.fixture
def push_service() -> Iterator[PushService]:
    """What browsers are reached through."""
    service = PushService()
    service.open()
    yield service
    service.close()


@pytest.fixture
def site(settings: Settings) -> Iterator[TestClient]:
    """A running web application; also the browser of a stranger."""
    with TestClient(create_app(settings), follow_redirects=False) as client:
        yield client


@pytest.fixture
def visitor(site: TestClient) -> Callable[[], Visitor]:
    """Makes visitors, each with a browser of their own."""
    return lambda: Visitor(another_browser(site))
