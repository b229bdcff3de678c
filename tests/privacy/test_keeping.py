"""Everything that is kept about a guest comes with the download, and is counted when it goes."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.people import Visitor
from trouvaille.core.db import Base
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]
ROSE = GUESTS[2]
KNOWS_GUESTS = {"guest_id", "subject_id", "subjects", "about_id"}
# Kept about a guest under no name that leads to them, or about others.
NOT_THEIRS = {"veiled_photos": "whose faces are hidden: the same as their veils"}


@pytest.fixture
def rose(owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs) -> Visitor:
    """Rose, about whom something of every kind is kept; she is in one of two photos."""
    owner.change(gallery="guests")
    first, second = owner.upload(samples["sample1.jpg"], samples["sample2.jpg"])["accepted"]
    rose = visitor()
    rose.register("PARTY234", "rose", agree="yes")
    rose.send_selfie(selfie_jpeg(ROSE, samples))
    run_jobs()
    photos = "/e/PARTY234/photos"
    for path, form in (
        (f"{photos}/{first['id']}/verdict", {"answer": "yes"}),
        (f"{photos}/{first['id']}/favourite", {"on": "yes"}),
        (f"{photos}/{second['id']}/report", {"reason": "other", "text": "Not ours"}),
        (f"{photos}/{first['id']}/veil", {}),
        (f"{photos}/{second['id']}/near", {"near": "In red"}),
        ("/e/PARTY234/contact", {"text": "Hello there"}),
    ):
        assert rose.post(path, form).status_code == 303, path
    return rose


def _download(guest: Visitor) -> tuple[dict[str, Any], dict[str, bytes]]:
    answer = guest.get(f"/e/{guest.code}/me/data.zip")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip" and "no-store" in answer.headers["cache-control"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(files.pop("data.json")), files


def _in_words(guest: Visitor) -> str:
    """How many matches there are; beside the sure one, others may be asked about."""
    count = len(_download(guest)[0]["matches"])
    assert count
    return "1 match with a photo" if count == 1 else f"{count} matches with photos"


def test_every_table_that_knows_guests_has_its_part(site: TestClient) -> None:
    covered = {table for part in site.app.state.kept for table in part.tables}  # type: ignore[attr-defined]
    known = {
        table.name
        for table in Base.metadata.tables.values()
        if any(column.name in KNOWS_GUESTS for column in table.columns)
        or any(key.column.table.name == "guests" for key in table.foreign_keys)
    }
    assert "matches" in known and "account_links" in known
    assert known - set(NOT_THEIRS) <= covered, "a part in a slice's kept.py is missing"


def test_the_download_has_something_of_every_kind_and_no_secret(rose: Visitor) -> None:
    kept, pictures = _download(rose)
    assert kept["account"][0]["email"] == "rose@example.org"
    assert kept["account"][0]["has_password"] is True
    assert kept["consents"][0]["text_version"] == kept["consent_text"]["version"]
    assert kept["selfies"][0]["state"] == "accepted"
    (template,) = kept["templates"]
    assert len(template["template"]) == 128 and template["engine"]
    match = next(each for each in kept["matches"] if each["file_name"] == "sample1.jpg")
    assert match["verdict"] == "yes" and match["tier"] == "sure"
    assert len(match["face_box_xyxy"]) == 4 and 0 < match["similarity"] <= 1
    assert kept["reports"][0]["text"] == "Not ours"
    assert kept["near_requests"][0]["text"] == "In red"
    assert kept["messages"][0]["text"] == "Hello there"
    for name in ("favourites", "hidden_faces", "devices", "security_log", "links_by_mail"):
        assert kept[name], name
    (picture,) = pictures.values()
    assert Image.open(io.BytesIO(picture)).format == "JPEG"
    text = json.dumps(kept)
    assert "$argon2" not in text and "password_hash" not in text and "token_hash" not in text


def test_letters_come_along_only_once_the_address_is_shown_to_be_ones_own(
    rose: Visitor, visitor: Visitors, settings: Settings, run_jobs: Jobs
) -> None:
    rose.post("/account/confirm")
    assert _download(rose)[0]["letters_on_their_way"] == []  # the address may be another's
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE guests SET email_confirmed_at = now() WHERE username = 'rose'")
    visitor().post("/forgot", {"email": "rose@example.org"})
    letters = _download(rose)[0]["letters_on_their_way"]
    assert letters and all(set(each) == {"subject", "created_at"} for each in letters)


def test_nothing_of_others_is_in_the_download(
    owner: Visitor, rose: Visitor, visitor: Visitors, samples: dict[str, Path]
) -> None:
    lily = visitor()
    lily.register("PARTY234", "lily")
    lily.post("/e/PARTY234/contact", {"text": "From Lily"})
    kept, pictures = _download(lily)
    assert [each["text"] for each in kept["messages"]] == ["From Lily"]
    assert kept["matches"] == kept["templates"] == kept["selfies"] == [] and pictures == {}
    assert "rose" not in json.dumps(kept).lower()
    assert owner.get("/e/PARTY234/me/data.zip").status_code in (303, 401, 403)


def test_withdrawing_says_what_was_erased_and_it_is(rose: Visitor, run_jobs: Jobs, settings: Settings) -> None:
    matches = _in_words(rose)
    answer = rose.post("/e/PARTY234/me/withdraw", {"confirm": "yes"})
    page = rose.get(answer.headers["location"]).text
    erased = re.findall(r"<li>([^<]+)</li>", page[page.index("Your consent is withdrawn") :])
    assert erased[:3] == ["1 selfie", "1 template of your face", matches]
    kept, pictures = _download(rose)
    assert kept["selfies"] == kept["templates"] == kept["matches"] == [] and pictures == {}
    assert kept["consents"][0]["withdrawn_at"] is not None
    assert kept["favourites"] and kept["messages"]  # which no face led to
    assert rose.get("/e/PARTY234/me/selfie").status_code == 404
    run_jobs()
    assert [path for path in settings.data_dir.rglob("selfies/*/*") if path.is_file()] == []
    # What a page says was erased is not taken from the address.
    assert "Your consent is withdrawn" not in rose.get("/e/PARTY234/me?erased=forged").text


def test_deleting_the_account_says_what_was_erased_and_signs_out_everywhere(
    rose: Visitor, visitor: Visitors, run_jobs: Jobs, settings: Settings
) -> None:
    elsewhere = visitor()
    elsewhere.sign_in("rose")
    matches = _in_words(rose)
    answer = rose.post("/e/PARTY234/me/delete", {"username": "rose"})
    page = rose.get(answer.headers["location"]).text
    assert "Your account is deleted" in page
    for line in (
        "2 signed-in devices",
        "1 selfie",
        "1 template of your face",
        matches,
        "1 favourite",
        "1 report of a photo",
        "1 request to be looked for",
        "1 message",
    ):
        assert f"<li>{line}</li>" in page, line
    for browser in (rose, elsewhere):
        assert browser.get("/e/PARTY234/me").status_code in (303, 401)
    run_jobs()
    with psycopg.connect(settings.database_url or "") as connection:
        for table in ("guests", "consents", "enrolments", "probes", "matches", "favourites", "messages", "reports"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table  # type: ignore[arg-type]
    assert [path for path in settings.data_dir.rglob("selfies/*/*") if path.is_file()] == []
    assert visitor().get("/e/PARTY234/gone").headers["location"] == "/e/PARTY234"
