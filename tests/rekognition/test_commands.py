"""What an operator types."""

import os
import subprocess
import sys
from uuid import uuid4

import psycopg
import pytest

from tests.rekognition.server import Account, picture
from trouvaille import serving
from trouvaille.settings import Engine, Settings

pytestmark = pytest.mark.usefixtures("_credentials")


def run(settings: Settings, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **serving.environment(settings), **more}
    command = [sys.executable, "-m", "trouvaille", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_costs_are_printed_by_operation(with_rekognition: Settings) -> None:
    with psycopg.connect(with_rekognition.database_url or "") as connection:
        connection.execute(
            "INSERT INTO rekognition_calls VALUES ('2026-03-01', 'IndexFaces', 12346), ('2026-03-01', 'ListFaces', 3)"
        )
    done = run(with_rekognition, "rekognition", "costs", "--month", "2026-03")
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines == [
        "2026-03 (UTC)",
        "IndexFaces 12,346 calls 12.35 $",
        "ListFaces 3 calls 0.00 $",
        "together 12,349 calls 12.35 $",
        "ceiling 50.00 $ a month",
        "0 faces in the account, about 0.00 $ a month more",
    ]
    assert "ListFaces" not in run(with_rekognition, "rekognition", "costs").stdout


def test_the_account_is_swept_by_hand_whichever_engine_is_chosen(with_rekognition: Settings, account: Account) -> None:
    local = with_rekognition.model_copy(update={"engine": Engine.LOCAL})
    assert run(local, "rekognition", "sweep").stdout == "Deleted: 0 collections, 0 faces, 0 users.\n"
    with psycopg.connect(local.database_url or "") as connection:
        row = connection.execute("SELECT id FROM rekognition_instance").fetchone()
    assert row is not None
    account.create_collection(f"trouvaille-{row[0].hex}-{uuid4()}")
    account.create_collection(f"trouvaille-{uuid4().hex}-{uuid4()}")
    assert run(local, "rekognition", "sweep").returncode == 0
    assert len(account.collections) == 2
    assert run(local, "rekognition", "sweep", "--all").stdout.startswith("Deleted: 1 collections")
    assert len(account.collections) == 1


def test_leaving_asks_first(with_rekognition: Settings, account: Account) -> None:
    run(with_rekognition, "rekognition", "sweep")
    with psycopg.connect(with_rekognition.database_url or "") as connection:
        row = connection.execute("SELECT id FROM rekognition_instance").fetchone()
    assert row is not None
    name = f"trouvaille-{row[0].hex}-{uuid4()}"
    account.create_collection(name)
    account.index_faces(name, {"Bytes": picture(1)}, "a", 1, "NONE")
    assert run(with_rekognition, "rekognition", "leave").returncode != 0
    assert account.faces
    assert run(with_rekognition, "rekognition", "leave", "--yes").returncode == 0
    assert account.collections == {}


def test_missing_rights_end_in_a_sentence(with_rekognition: Settings, account: Account) -> None:
    account.trouble("ListCollections", "AccessDeniedException")
    done = run(with_rekognition, "rekognition", "sweep", "--all")
    assert done.returncode == 1
    assert "AccessDeniedException" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_boto3_the_server_does_not_start_and_says_what_to_install(
    with_rekognition: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # A finder in front of all others that knows of no boto3.
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, package=None: None if name == 'boto3' else found(name, package)\n"
    )
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    for arguments in (["serve", "--port", "0"], ["rekognition", "sweep"]):
        done = run(with_rekognition, *arguments, PYTHONPATH=path)
        assert done.returncode == 1
        assert "pip install 'trouvaille[rekognition]'" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_wrong_pair_of_thresholds_is_refused() -> None:
    with pytest.raises(ValueError, match="MAYBE must not be above"):
        Settings(rekognition_sure=80, rekognition_maybe=90)
