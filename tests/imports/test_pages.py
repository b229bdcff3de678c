"""Imports by their page and by the receiver of photos, as people do them."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.imports.conftest import jpeg
from tests.imports.test_archives import zipped
from tests.ingest.sender import Sender
from tests.people import Visitor
from trouvaille.app import create_app
from trouvaille.settings import Settings


@pytest.fixture
def settings(settings: Settings, root: Path) -> Settings:
    return settings.model_copy(update={"import_roots": (root,)})


@pytest.fixture
def site(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), follow_redirects=False) as client:
        yield client


@pytest.fixture
def owner(visitor: Callable[[], Visitor]) -> Visitor:
    made = visitor()
    made.set_up_server()
    made.make_event(faces=None)
    return made


def page(visitor: Visitor) -> str:
    return visitor.get(f"/studio/{visitor.event_id}/import").text


def test_a_folder_of_the_server_becomes_photos_and_its_report_names_what_was_refused(
    owner: Visitor, run_jobs: Callable[[], None], root: Path
) -> None:
    (root / "a.jpg").write_bytes(jpeg())
    (root / "=cmd.jpg").write_bytes(b"no picture")
    base = f"/studio/{owner.event_id}/import"
    assert owner.post(f"{base}/folder", {"path": str(root)}).status_code == 303
    assert "Waiting" in page(owner)
    run_jobs()
    shown = page(owner)
    assert "Finished" in shown and "1 photo added" in shown and "1 file refused" in shown
    report = re.search(rf"{base}/[0-9a-f-]+/refused.csv", shown)
    assert report is not None
    rows = list(csv.reader(io.StringIO(owner.get(report[0]).text.lstrip("\ufeff"))))
    assert rows[0] == ["File", "Reason"] and rows[1][0] == "'=cmd.jpg" and "not a picture" in rows[1][1]
    assert "a.jpg" in owner.get(f"/studio/{owner.event_id}").text
    fragment = owner.browser.get(base, headers={"x-fragment": "1"})
    assert "Finished" in fragment.text and "<html" not in fragment.text


def test_a_path_outside_is_refused_on_the_page_and_stays_typed(owner: Visitor) -> None:
    answer = owner.post(f"/studio/{owner.event_id}/import/folder", {"path": "/etc"})
    assert answer.status_code == 422 and "does not allow imports" in answer.text and 'value="/etc"' in answer.text


def test_what_is_typed_of_a_remote_stays_but_its_password(owner: Visitor) -> None:
    form = {"service": "s3", "endpoint": "http://10.0.0.1", "bucket": "b", "user": "key-of-mine", "secret": "hush-hush"}
    answer = owner.post(f"/studio/{owner.event_id}/import/remote", form)
    assert answer.status_code == 422 and "begins with https://" in answer.text
    assert "key-of-mine" in answer.text and "hush-hush" not in answer.text


def test_a_zip_that_is_sent_like_a_photo_is_unpacked(
    owner: Visitor, run_jobs: Callable[[], None], settings: Settings
) -> None:
    data = zipped(("one.jpg", jpeg()), ("two.jpg", jpeg()), ("broken.jpg", b"x"))
    sender = Sender(owner.browser, f"/studio/{owner.event_id}/uploads")
    answer = sender.create(len(data), first=data, told={"filename": "Party.ZIP"})
    assert answer.headers["trouvaille-result"] == "accepted"
    assert "Party.ZIP" in page(owner)
    run_jobs()
    shown = page(owner)
    assert "2 photos added" in shown and "1 file refused" in shown
    assert not list((settings.data_dir / "photos").rglob("imports/*"))
    assert not [path for path in settings.staging_dir.rglob("*") if path.suffix == ".zip"]


def test_a_zip_that_is_cancelled_while_it_rests_leaves_nothing_behind(
    owner: Visitor, run_jobs: Callable[[], None], settings: Settings
) -> None:
    data = zipped(("one.jpg", jpeg()), ("two.jpg", jpeg()))
    sender = Sender(owner.browser, f"/studio/{owner.event_id}/uploads")
    sender.create(len(data), first=data, told={"filename": "party.zip"})
    base = f"/studio/{owner.event_id}/import"
    found = re.search(rf"{base}/([0-9a-f-]+)/pause", page(owner))
    assert found is not None
    owner.post(f"{base}/{found[1]}/pause")
    folder = settings.imports().staging
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{found[1]}.zip").write_bytes(data)  # as an earlier step fetched it
    run_jobs()
    assert list(folder.iterdir()) != []
    owner.post(f"{base}/{found[1]}/cancel")
    run_jobs()
    assert list(folder.iterdir()) == [] and "Cancelled" in page(owner)
    assert not list((settings.data_dir / "photos").rglob("imports/*"))


def test_an_import_is_paused_gone_on_with_and_cancelled_by_its_page(
    owner: Visitor, run_jobs: Callable[[], None], root: Path
) -> None:
    (root / "a.jpg").write_bytes(jpeg())
    base = f"/studio/{owner.event_id}/import"
    owner.post(f"{base}/folder", {"path": str(root)})
    found = re.search(rf"{base}/([0-9a-f-]+)/pause", page(owner))
    assert found is not None
    assert owner.post(f"{base}/{found[1]}/pause").status_code == 303
    run_jobs()
    assert "Paused" in page(owner) and "0 photos added" not in page(owner)
    owner.post(f"{base}/{found[1]}/resume")
    run_jobs()
    assert "1 photo added" in page(owner)
    assert owner.post(f"{base}/{found[1]}/cancel").status_code == 409


def test_photographers_see_their_own_imports_and_reach_neither_folders_nor_remotes(
    owner: Visitor, visitor: Callable[[], Visitor], root: Path
) -> None:
    anna = visitor()
    anna.accept(owner.invite(), "anna@example.org")
    anna.event_id = owner.event_id
    base = f"/studio/{owner.event_id}/import"
    owner.post(f"{base}/folder", {"path": str(root)})
    of_owner = re.search(rf"{base}/([0-9a-f-]+)/pause", page(owner))
    assert of_owner is not None
    data = zipped(("x.jpg", jpeg()))
    sender = Sender(anna.browser, f"/studio/{owner.event_id}/uploads")
    sender.create(len(data), first=data, told={"filename": "hers.zip"})
    shown = page(anna)
    assert "hers.zip" in shown and str(root) not in shown and "From another server" not in shown
    assert anna.post(f"{base}/folder", {"path": str(root)}).status_code == 404
    assert anna.post(f"{base}/remote", {"service": "s3"}).status_code == 404
    assert anna.post(f"{base}/{of_owner[1]}/cancel").status_code == 404
    assert anna.get(f"{base}/{of_owner[1]}/refused.csv").status_code == 404
