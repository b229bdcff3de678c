"""Photos from real S3 and WebDAV servers, and addresses that this server is not to be sent to."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import psycopg
import pytest

from tests.imports.conftest import Begin, finish, jpeg, photos, told
from tests.imports.remotes import KEY, SECRET, Elsewhere, serving
from tests.imports.test_archives import zipped
from trouvaille.imports.models import ImportState, Kind
from trouvaille.imports.places import NoHttps, Place, PrivateAddress, check_address, from_form, is_public, title_of
from trouvaille.imports.remotes import options
from trouvaille.imports.running import Bench, step
from trouvaille.imports.sources import Away
from trouvaille.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Elsewhere]:
    with serving("s3", tmp_path / "s3", tmp_path / "s3.log") as server:
        yield server


@pytest.fixture
def webdav(tmp_path: Path) -> Iterator[Elsewhere]:
    with serving("webdav", tmp_path / "dav", tmp_path / "dav.log") as server:
        yield server


@pytest.fixture(params=["s3", "webdav"])
def elsewhere(request: pytest.FixtureRequest) -> tuple[Elsewhere, Path, Place]:
    """A server, the folder of its files, and how to get in."""
    server: Elsewhere = request.getfixturevalue(request.param)
    if request.param == "s3":
        (server.folder / "pictures").mkdir()
        place = Place("s3", server.address, "pictures", "us-east-1", KEY, SECRET)
        return server, server.folder / "pictures", place
    return server, server.folder, Place("webdav", server.address, user=KEY, secret=SECRET)


async def test_a_folder_of_a_remote_comes_in_once_and_what_is_refused_is_told(
    bench: Bench, begin: Begin, elsewhere: tuple[Elsewhere, Path, Place]
) -> None:
    _, folder, place = elsewhere
    (folder / "wedding" / "day 1 é").mkdir(parents=True)
    for name in ("a.jpg", "day 1 é/b #1.jpg"):
        (folder / "wedding" / name).write_bytes(jpeg())
    (folder / "wedding" / "broken.jpg").write_bytes(b"no picture")
    (folder / "wedding" / "film.mp4").write_bytes(b"x")
    (folder / "other.jpg").write_bytes(jpeg())
    where = {"place": asdict(replace(place, path="wedding"))}
    one = await begin(Kind.REMOTE, **where)
    assert (await finish(bench, one)).state is ImportState.DONE
    found = await told(bench, one)
    assert found.pop("broken.jpg").startswith("refused: This file is not a picture")
    assert found == {"a.jpg": "added", "day 1 é/b #1.jpg": "added", "film.mp4": "left_out"}
    again = await begin(Kind.REMOTE, **where)
    await finish(bench, again)
    assert (await told(bench, again))["a.jpg"] == "known"
    assert await photos(bench) == ["a.jpg", "b #1.jpg"]


async def test_a_zip_on_a_remote_is_read_where_it_lies(
    bench: Bench, begin: Begin, elsewhere: tuple[Elsewhere, Path, Place]
) -> None:
    _, folder, place = elsewhere
    (folder / "party.zip").write_bytes(zipped(("a.jpg", jpeg()), ("deep/b.jpg", jpeg()), ("inner.zip", b"x")))
    one = await begin(Kind.REMOTE, place=asdict(replace(place, path="party.zip")))
    assert (await finish(bench, one)).state is ImportState.DONE
    assert await photos(bench) == ["a.jpg", "b.jpg"]


async def test_a_wrong_password_and_a_folder_that_is_not_there_end_the_import_with_a_reason(
    bench: Bench, begin: Begin, elsewhere: tuple[Elsewhere, Path, Place]
) -> None:
    _, folder, place = elsewhere
    (folder / "a.jpg").write_bytes(jpeg())
    for wrong in (replace(place, secret="guessed"), replace(place, path="nowhere")):
        ended = await finish(bench, await begin(Kind.REMOTE, place=asdict(wrong)))
        assert ended.state is ImportState.FAILED and ended.reason and ended.sealed is None
    assert await photos(bench) == []


async def test_a_remote_that_goes_away_is_gone_on_with_when_it_is_back(
    bench: Bench, begin: Begin, webdav: Elsewhere, tmp_path: Path
) -> None:
    for number in range(5):
        (webdav.folder / f"{number}.jpg").write_bytes(jpeg())
    place = Place("webdav", webdav.address, user=KEY, secret=SECRET)
    one = await begin(Kind.REMOTE, place=asdict(place))
    assert await step(bench, one, step_s=0)
    webdav.process.kill()
    webdav.process.wait()
    with pytest.raises(Away):
        await step(bench, one)
    with serving("webdav", webdav.folder, tmp_path / "again.log") as again:
        # A worker comes back to the same address; here it is another port.
        from sqlalchemy import update

        from trouvaille.core.db import transaction
        from trouvaille.imports.models import Import

        moved = bench.vault.seal_note("import", {"place": asdict(replace(place, endpoint=again.address))})
        async with transaction(bench.sessions) as session:
            await session.execute(update(Import).values(sealed=moved))
        assert (await finish(bench, one)).state is ImportState.DONE
    assert len(await photos(bench)) == 5


async def test_no_secret_of_a_remote_can_be_read_in_the_database(
    bench: Bench, begin: Begin, settings: Settings
) -> None:
    await begin(Kind.REMOTE, place=asdict(Place("s3", "https://s3.example", "b", "", "the-key-id", "the-secret")))
    with psycopg.connect(settings.database_url or "") as connection:
        (row,) = connection.execute("SELECT imports::text FROM imports").fetchone() or ("",)
    assert "the-secret" not in row and b"the-secret".hex() not in row and "the-key-id" not in row


async def test_without_the_operators_word_a_private_address_is_refused_when_it_is_to_be_fetched_from(
    bench: Bench, begin: Begin, webdav: Elsewhere
) -> None:
    (webdav.folder / "a.jpg").write_bytes(jpeg())
    strict = Bench(bench.sessions, bench.storage, bench.vault, replace(bench.rules, private_networks=False))
    place = Place("webdav", webdav.address.replace("http", "https"), user=KEY, secret=SECRET)
    ended = await finish(strict, await begin(Kind.REMOTE, place=asdict(place)))
    assert ended.state is ImportState.FAILED and "not a public one" in str(ended.reason)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:0a00:0001::",
    ],
)
def test_addresses_inside_of_networks_are_not_public_however_they_are_written(address: str) -> None:
    assert not is_public(address)


def test_public_addresses_are_public() -> None:
    assert is_public("93.184.215.14") and is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")


@pytest.mark.parametrize(
    "address", ["http://example.org", "ftp://x", "https://u:p@example.org", "https://", "file:///etc"]
)
def test_addresses_that_are_not_https_are_refused(address: str) -> None:
    with pytest.raises(NoHttps):
        check_address(address, private_networks=False)


def test_a_name_that_leads_to_this_machine_is_refused() -> None:
    with pytest.raises(PrivateAddress):
        check_address("https://localhost:8443/dav", private_networks=False)


def test_this_servers_own_rights_are_never_used_for_somebody_elses_bucket() -> None:
    told_s3 = options(Place("s3", "https://s3.example", "b"))
    assert told_s3["disable_config_load"] == told_s3["disable_ec2_metadata"] == told_s3["skip_signature"] == "true"


def test_a_remotes_title_has_no_secret() -> None:
    place = from_form(
        {"service": "s3", "bucket": "pics", "region": "eu-west-3", "user": "k", "secret": "s", "folder": "/a/"},
        private_networks=False,
    )
    assert title_of(place) == "s3.eu-west-3.amazonaws.com/pics/a"
