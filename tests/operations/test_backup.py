"""A backup of a running instance comes back whole, in another place."""

import asyncio
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from starlette.testclient import TestClient

from tests.people import PASSWORD, Visitor
from trouvaille import backup, schema
from trouvaille.app import create_app
from trouvaille.backup import BackupFailed
from trouvaille.core.postgres import EmbeddedPostgres
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.settings import Settings


@pytest.fixture
def kept(
    owner: Visitor,
    visitor: Callable[[], Visitor],
    settings: Settings,
    run_jobs: Callable[[], None],
    samples: dict[str, Path],
    tmp_path: Path,
) -> Path:
    """A backup, made while the web process runs."""
    owner.upload(samples["sample1.jpg"], samples["sample3.jpg"])
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    guest.send_selfie(selfie_jpeg(GUESTS[2], samples))
    run_jobs()
    folder = tmp_path / "backup"
    manifest = backup.backup(settings, folder)
    assert manifest.files > 6
    return folder


def test_a_restored_instance_shows_every_guest_their_photos(
    kept: Path, visitor: Callable[[], Visitor], scratch: Path
) -> None:
    before = visitor()
    before.sign_in("rose")
    before.code = "PARTY234"
    mine = before.photos()
    assert mine
    whole = before.get(f"/e/PARTY234/p/{mine[0]}/original").content
    assert len(whole) > 100_000
    new = scratch / "restored"
    elsewhere = Settings(data_dir=new, log_level="ERROR")
    backup.restore(elsewhere, kept)
    assert (new / "secret.key").stat().st_mode & 0o777 == 0o600
    with EmbeddedPostgres(new / "postgres") as postgres:
        ready = elsewhere.model_copy(update={"database_url": postgres.start()})
        assert schema.is_current(ready.database_url or "")
        with TestClient(create_app(ready), follow_redirects=False) as site:
            guest = Visitor(site)
            assert guest.sign_in("rose", PASSWORD).status_code == 303
            guest.code = "PARTY234"
            assert guest.photos() == mine
            assert guest.get(f"/e/PARTY234/p/{mine[0]}/original").content == whole
            # Sealed with the instance's key, so this needs the right one.
            assert guest.get("/e/PARTY234/me/selfie").status_code == 200
    with pytest.raises(BackupFailed, match="not empty"):
        backup.restore(elsewhere, kept)


def test_sha256sum_itself_finds_a_backup_sound(kept: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=kept, check=False)
    assert done.returncode == 0
    assert backup.check(kept).version


def test_a_backup_is_told_to_the_monitor(kept: Path, owner: Visitor, settings: Settings) -> None:
    headers = {"authorization": f"Bearer {(settings.data_dir / 'metrics.token').read_text().strip()}"}
    (age,) = re.findall(r"^trouvaille_backup_age_seconds ([\d.]+)", owner.get("/metrics", headers=headers).text, re.M)
    assert 0 <= float(age) < 300


@pytest.mark.parametrize("harm", ["manifest", "photo", "byte"])
def test_a_backup_that_is_not_whole_is_refused_before_anything_is_written(
    kept: Path, tmp_path: Path, harm: str
) -> None:
    photo = next(path for path in (kept / "photos").rglob("*") if path.is_file())
    if harm == "manifest":
        (kept / "manifest.json").unlink()
    elif harm == "photo":
        photo.unlink()
    else:
        data = bytearray(photo.read_bytes())
        data[10] ^= 1
        photo.write_bytes(data)
    new = Settings(data_dir=tmp_path / "new")
    with pytest.raises(BackupFailed):
        backup.restore(new, kept)
    assert not (tmp_path / "new" / "postgres").exists()


def test_a_backup_wants_a_folder_of_its_own(kept: Path, settings: Settings) -> None:
    with pytest.raises(BackupFailed, match="not empty"):
        backup.backup(settings, kept)


def test_rows_are_read_before_photos_so_that_none_comes_back_without_its_bytes(
    owner: Visitor,
    settings: Settings,
    run_jobs: Callable[[], None],
    samples: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner.upload(samples["sample1.jpg"])
    run_jobs()
    copy_out = backup._copy_out

    async def late(storage: object, folder: Path) -> dict[str, str]:
        # A photo that is taken in after the rows were read.
        await asyncio.to_thread(owner.upload, samples["sample2.jpg"])
        return await copy_out(storage, folder)  # type: ignore[arg-type]

    monkeypatch.setattr(backup, "_copy_out", late)
    folder = tmp_path / "backup"
    backup.backup(settings, folder)
    with psycopg.connect(settings.database_url or "") as connection:
        rows = connection.execute("SELECT id FROM photos ORDER BY created_at").fetchall()
    names = (folder / "SHA256SUMS").read_text()
    assert all(str(photo_id) in names for (photo_id,) in rows)
