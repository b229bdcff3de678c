"""`trouvaille import` on the server."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.imports.conftest import jpeg
from tests.imports.remotes import KEY, SECRET, serving
from tests.people import Visitor
from trouvaille.import_command import WrongUse, run, where_of
from trouvaille.imports.models import Kind
from trouvaille.settings import Settings


@pytest.fixture
def owner(visitor: Callable[[], Visitor]) -> Visitor:
    made = visitor()
    made.set_up_server()
    made.make_event(faces=None)
    return made


def bring(settings: Settings, source: str, code: str = "PARTY234", user: str | None = None) -> int:
    return run(settings, source, code, user=user, as_json=True, quiet=True)


def test_any_folder_of_the_server_comes_in_and_is_shown_on_the_page(
    owner: Visitor, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "anywhere"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(jpeg())
    assert bring(settings, str(folder)) == 0
    (folder / "b.jpg").write_bytes(b"no picture")
    capsys.readouterr()
    assert bring(settings, str(folder)) == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["known"], result["refused"]) == (1, 1) and result["refused_files"][0]["name"] == "b.jpg"
    assert str(folder) in owner.get(f"/studio/{owner.event_id}/import").text
    with psycopg.connect(settings.database_url or "") as connection:
        (count,) = connection.execute("SELECT count(*) FROM photos WHERE source = 'import'").fetchone() or (0,)
    assert count == 1


def test_a_webdav_address_comes_in_with_its_password_from_the_environment(
    owner: Visitor, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TROUVAILLE_IMPORT_SECRET", SECRET)
    with serving("webdav", tmp_path / "dav", tmp_path / "dav.log") as server:
        (server.folder / "party").mkdir()
        (server.folder / "party" / "a.jpg").write_bytes(jpeg())
        address = server.address.replace("http://", "webdav://")
        assert bring(settings, f"{address}/party", user=KEY) == 0


@pytest.mark.parametrize("source", ["/nowhere/at/all", "gopher://x/y", "webdavs://u:p@host/x"])
def test_wrong_use_says_so(source: str, settings: Settings) -> None:
    with pytest.raises(WrongUse):
        where_of(source, user=None, secret=None)
    assert bring(settings, source) == 2


def test_an_unknown_event_is_wrong_use(owner: Visitor, settings: Settings, tmp_path: Path) -> None:
    assert bring(settings, str(tmp_path), "NOSUCH99") == 2


def test_addresses_are_taken_apart() -> None:
    kind, title, where = where_of("s3://pics/a%20b?endpoint=https://s3.example&region=eu", user="k", secret="s")
    assert (kind, title) == (Kind.REMOTE, "s3.example/pics/a b")
    assert where["place"]["path"] == "a b" and where["place"]["region"] == "eu"
    _, title, where = where_of("webdavs://cloud.example/dav/anna/party.zip", user="k", secret="s")
    assert where["place"]["endpoint"] == "https://cloud.example/dav/anna" and where["place"]["path"] == "party.zip"
