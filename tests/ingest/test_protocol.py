"""The receiver speaks tus 1.0, and answers a whole file with what became of it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.ingest.sender import BODY, Sender, checksum, metadata, token_of
from tests.people import Visitor
from trouvaille.ingest.sweeper import Swept
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]


def staged(settings: Settings) -> list[Path]:
    """The files in the staging folder."""
    return [path for path in settings.staging_dir.iterdir() if path.name != "folder.id"]


def originals(settings: Settings) -> list[bytes]:
    """The files in the store."""
    return [path.read_bytes() for path in (settings.data_dir / "photos").rglob("original*")]


def test_a_file_sent_in_parts_becomes_a_photo(sender: Sender, photo: bytes, settings: Settings, owner: Visitor) -> None:
    created = sender.create(len(photo))
    assert (created.status_code, created.headers["tus-resumable"]) == (201, "1.0.0")
    path, half = created.headers["location"], len(photo) // 2
    assert path.startswith(f"/studio/{owner.event_id}/uploads/")
    first = sender.patch(path, 0, photo[:half])
    assert (first.status_code, first.headers["upload-offset"]) == (204, str(half))
    assert first.headers["upload-expires"].endswith(" GMT")
    looked = sender.head(path)
    assert (looked.headers["upload-offset"], looked.headers["upload-length"]) == (str(half), str(len(photo)))
    assert looked.headers["cache-control"] == "no-store"
    last = sender.patch(path, half, photo[half:])
    assert (last.status_code, last.headers["trouvaille-result"]) == (204, "accepted")
    again = sender.head(path)
    assert again.headers["trouvaille-photo"] == last.headers["trouvaille-photo"]
    assert again.headers["upload-offset"] == str(len(photo))
    assert originals(settings) == [photo]
    assert staged(settings) == []


def test_a_file_sent_with_its_creation_takes_one_request(sender: Sender, photo: bytes, settings: Settings) -> None:
    created = sender.create(len(photo), first=photo)
    assert (created.status_code, created.headers["trouvaille-result"]) == (201, "accepted")
    assert created.headers["upload-offset"] == str(len(photo))
    assert (originals(settings), staged(settings)) == ([photo], [])


def test_the_first_bytes_may_come_with_the_creation(sender: Sender, photo: bytes) -> None:
    created = sender.create(len(photo), first=photo[:100])
    assert (created.status_code, created.headers["upload-offset"]) == (201, "100")
    assert "trouvaille-result" not in created.headers
    assert sender.patch(created.headers["location"], 100, photo[100:]).headers["trouvaille-result"] == "accepted"


def test_options_tell_what_the_server_can_do(sender: Sender, settings: Settings) -> None:
    answer = sender.ask("OPTIONS", sender.base, tus_resumable="")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    extensions = {"creation", "creation-with-upload", "termination", "expiration", "checksum"}
    assert set(answer.headers["tus-extension"].split(",")) == extensions
    assert answer.headers["tus-max-size"] == str(settings.photo_limit_bytes)
    assert "sha1" in answer.headers["tus-checksum-algorithm"]


@pytest.mark.parametrize("version", ["", "0.2.2", "2.0.0"])
def test_another_version_of_the_protocol_is_refused(sender: Sender, photo: bytes, version: str) -> None:
    path = sender.create(len(photo)).headers["location"]
    answer = sender.patch(path, 0, photo, tus_resumable=version)
    assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")
    assert sender.head(path).headers["upload-offset"] == "0"


@pytest.mark.parametrize("offset", ["1", "99", "101", "-100", "1e2", "", "9" * 30, "٣"])
def test_bytes_at_another_offset_than_the_files_end_are_refused(sender: Sender, photo: bytes, offset: str) -> None:
    path = sender.create(len(photo), first=photo[:100]).headers["location"]
    headers = {b"upload-offset": offset.encode()}
    more = {b"tus-resumable": b"1.0.0", b"content-type": BODY["content-type"].encode()}
    answer = sender.browser.request("PATCH", path, content=b"x", headers=list((more | headers).items()))
    assert answer.status_code == (409 if offset.isascii() and offset.isdigit() and len(offset) < 19 else 400)
    assert sender.head(path).headers["upload-offset"] == "100"


def test_a_body_that_is_not_said_to_be_bytes_of_a_file_is_refused(sender: Sender, photo: bytes) -> None:
    path = sender.create(len(photo)).headers["location"]
    for kind in ("image/jpeg", "application/x-www-form-urlencoded", ""):
        assert sender.patch(path, 0, photo, content_type=kind).status_code == 415
    assert sender.ask("POST", sender.base, content=photo, upload_length=str(len(photo))).status_code == 415
    assert sender.head(path).headers["upload-offset"] == "0"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_bytes_that_do_not_fit_their_checksum_are_dropped(sender: Sender, photo: bytes, algorithm: str) -> None:
    path = sender.create(len(photo), first=photo[:1000]).headers["location"]
    wrong = sender.patch(path, 1000, photo[1000:], upload_checksum=checksum(b"else", algorithm)["upload-checksum"])
    assert wrong.status_code == 460
    assert sender.head(path).headers["upload-offset"] == "1000"
    right = checksum(photo[1000:], algorithm)["upload-checksum"]
    assert sender.patch(path, 1000, photo[1000:], upload_checksum=right).headers["trouvaille-result"] == "accepted"


@pytest.mark.parametrize("told", ["md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha1 AAAA", "sha1 ???", "sha1"])
def test_a_checksum_that_we_can_not_compare_is_refused(sender: Sender, photo: bytes, told: str) -> None:
    path = sender.create(len(photo)).headers["location"]
    assert sender.patch(path, 0, photo, upload_checksum=told).status_code == 400
    assert sender.head(path).headers["upload-offset"] == "0"


def test_more_bytes_than_the_file_was_said_to_have_are_refused(sender: Sender, photo: bytes) -> None:
    path = sender.create(100, first=photo[:50]).headers["location"]
    assert sender.patch(path, 50, photo[50:200]).status_code == 413
    assert sender.head(path).headers["upload-offset"] == "50"
    answer = sender.browser.request(
        "PATCH",
        path,
        content=iter([photo[50:80], photo[80:200]]),
        headers={**_patch(50), "transfer-encoding": "chunked"},
    )
    assert answer.status_code == 413
    assert int(sender.head(path).headers["upload-offset"]) <= 80


def _patch(offset: int) -> dict[str, str]:
    return {"tus-resumable": "1.0.0", "upload-offset": str(offset), **BODY}


def test_a_file_over_the_limit_or_without_bytes_is_refused_before_it_is_sent(
    sender: Sender, settings: Settings
) -> None:
    large = sender.create(settings.photo_limit_bytes + 1)
    assert (large.status_code, large.json()["detail"]) == (413, "This file is larger than 100 MB.")
    empty = sender.create(0)
    assert (empty.status_code, empty.json()["detail"]) == (422, "This file is empty.")
    assert staged(settings) == []


def test_a_quota_is_asked_before_a_file_is_sent_and_again_at_its_end(
    owner: Visitor, sender: Sender, photo: bytes, settings: Settings
) -> None:
    assert owner.post(f"/studio/{owner.event_id}/people/quotas", {"event-photos": "1"}).status_code == 303
    first, second = (sender.create(len(photo) + each, first=photo[:10]).headers["location"] for each in (0, 1))
    assert sender.patch(first, 10, photo[10:]).headers["trouvaille-result"] == "accepted"
    for late in (sender.create(100), sender.patch(second, 10, photo[10:] + b"x")):
        assert late.status_code in (413, 422)
        assert "1 of 1 photos" in late.json()["detail"]
    assert sender.head(second).status_code == 404
    assert (originals(settings), staged(settings)) == ([photo], [])


def test_a_file_counts_as_whole_only_once_its_bytes_are_on_the_disk(
    sender: Sender, photo: bytes, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sender.create(len(photo)).headers["location"]
    upload = settings.staging_dir / path.rsplit("/", 1)[1]
    fsync, asked = os.fsync, []

    def broken(handle: int) -> None:
        if os.fstat(handle).st_ino == upload.stat().st_ino:
            asked.append(os.fstat(handle).st_size)
            raise OSError(errno.EIO, "Input/output error")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", broken)
    answer = sender.patch(path, 0, photo)
    assert (answer.status_code, asked) == (503, [len(photo)])
    assert "trouvaille-result" not in answer.headers
    monkeypatch.undo()
    # What the system could not write it may have thrown away: the file has to come once more.
    assert sender.head(path).headers["upload-offset"] == "0"
    assert sender.patch(path, 0, photo).headers["trouvaille-result"] == "accepted"
    assert originals(settings) == [photo]


def test_a_length_must_be_told_at_the_creation(sender: Sender) -> None:
    assert sender.ask("POST", sender.base).status_code == 400
    assert sender.ask("POST", sender.base, upload_defer_length="1").status_code == 400
    assert sender.ask("POST", sender.base, upload_length="-1").status_code == 400


@pytest.mark.parametrize("told", ["filename ???", "filename /w==", "modified eA==x", "modified eA==", "sha256 YWI="])
def test_what_is_told_of_a_file_must_be_readable(sender: Sender, told: str) -> None:
    assert sender.ask("POST", sender.base, upload_length="10", upload_metadata=told).status_code == 400


def test_an_upload_that_was_given_up_leaves_nothing(sender: Sender, photo: bytes, settings: Settings) -> None:
    path = sender.create(len(photo), first=photo[:1000]).headers["location"]
    assert sender.delete(path).status_code == 204
    assert sender.head(path).status_code == 404
    assert sender.patch(path, 1000, photo[1000:]).status_code == 404
    assert sender.delete(path).status_code == 404
    assert staged(settings) == []


def test_a_file_that_is_no_picture_is_refused_in_the_viewers_language_and_gone(
    sender: Sender, photo: bytes, settings: Settings
) -> None:
    for data, words in ((b"no picture" * 10, "image"), (photo[:-2000], "incomplet")):
        path = sender.create(len(data)).headers["location"]
        answer = sender.patch(path, 0, data, accept_language="fr")
        assert answer.status_code == 422
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert words in answer.json()["detail"]
        assert sender.head(path).status_code == 404
    assert (staged(settings), originals(settings)) == ([], [])


def test_too_many_pixels_are_a_fault_of_the_file(owner: Visitor, sender: Sender, photo: bytes) -> None:
    owner.browser.app.state.receiver.limits = type(owner.browser.app.state.receiver.limits)(10**8, 1000)
    assert sender.create(len(photo), first=photo).status_code == 422


def test_a_file_that_is_not_what_its_sender_hashed_is_refused(sender: Sender, photo: bytes) -> None:
    assert sender.create(len(photo), first=photo, told={"sha256": "ab" * 32}).status_code == 422


def test_the_same_file_again_is_a_duplicate(sender: Sender, photo: bytes, settings: Settings) -> None:
    first = sender.create(len(photo), first=photo)
    second = sender.create(len(photo), first=photo)
    assert (second.status_code, second.headers["trouvaille-result"]) == (201, "duplicate")
    assert second.headers["trouvaille-photo"] == first.headers["trouvaille-photo"]
    assert sender.head(second.headers["location"]).headers["trouvaille-result"] == "duplicate"
    assert originals(settings) == [photo]


def test_last_bytes_that_come_once_more_are_answered_as_before(sender: Sender, photo: bytes) -> None:
    path = sender.create(len(photo)).headers["location"]
    result = sender.patch(path, 0, photo).headers["trouvaille-photo"]
    assert sender.patch(path, 0, photo).status_code == 409
    again = sender.patch(path, len(photo), b"")
    assert (again.status_code, again.headers["trouvaille-photo"]) == (204, result)


def test_what_lets_no_patch_through_may_send_a_post(sender: Sender, photo: bytes) -> None:
    path = sender.create(len(photo)).headers["location"]
    headers = {**_patch(0), "x-http-method-override": "PATCH"}
    answer = sender.browser.request("POST", path, content=photo, headers=headers)
    assert answer.headers["trouvaille-result"] == "accepted"
    assert sender.ask("POST", path).status_code == 400


def _source(settings: Settings) -> str:
    with psycopg.connect(settings.database_url or "") as connection:
        (source,) = connection.execute("SELECT source FROM photos").fetchone() or ("",)
    return str(source)


def test_scripts_send_with_a_token_and_are_believed_to_be_the_command(
    owner: Visitor, visitor: Visitors, photo: bytes, settings: Settings
) -> None:
    base = f"/api/v1/events/{owner.event_id}/uploads"
    script = Sender(visitor().browser, base, token_of(owner, "photos:write"))
    done = script.create(len(photo), first=photo, told={"source": "command"})
    assert done.headers["trouvaille-result"] == "accepted"
    assert done.headers["location"].startswith(base)
    assert script.head(done.headers["location"]).status_code == 200
    assert _source(settings) == "command"
    reader = Sender(visitor().browser, base, token_of(owner, "photos:read"))
    assert reader.create(10).status_code == 403
    stranger = Sender(visitor().browser, base).create(10)
    assert (stranger.status_code, stranger.headers["tus-resumable"]) == (401, "1.0.0")


def test_a_page_is_not_believed_to_be_the_command(sender: Sender, photo: bytes, settings: Settings) -> None:
    sender.create(len(photo), first=photo, told={"source": "command"})
    assert _source(settings) == "browser"


def test_an_upload_is_its_senders_alone(owner: Visitor, sender: Sender, visitor: Visitors, photo: bytes) -> None:
    zoe = visitor()
    zoe.accept(owner.invite(), "zoe@example.org")
    hers = Sender(zoe.browser, sender.base)
    path = hers.create(len(photo), first=photo[:10]).headers["location"]
    assert (sender.head(path).status_code, sender.delete(path).status_code) == (404, 404)
    assert sender.patch(path, 10, photo[10:]).status_code == 404
    assert hers.head(path).headers["upload-offset"] == "10"
    assert sender.head(f"{sender.base}/{uuid4()}").status_code == 404


def test_whose_photo_a_duplicate_is_a_photographer_does_not_learn(
    owner: Visitor, sender: Sender, visitor: Visitors, photo: bytes
) -> None:
    sender.create(len(photo), first=photo)
    zoe = visitor()
    zoe.accept(owner.invite(), "zoe@example.org")
    answer = Sender(zoe.browser, sender.base).create(len(photo), first=photo)
    assert answer.headers["trouvaille-result"] == "duplicate"
    assert "trouvaille-photo" not in answer.headers


def test_nothing_is_read_or_written_of_who_may_not(
    owner: Visitor, sender: Sender, visitor: Visitors, photo: bytes, settings: Settings
) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    for who, status in ((visitor(), 401), (guest, 403)):
        assert Sender(who.browser, sender.base).create(len(photo), first=photo).status_code == status
    evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert Sender(owner.browser, sender.base, evil).create(len(photo), first=photo).status_code == 403
    assert staged(settings) == []


def test_an_upload_waits_while_its_event_is_archived_and_goes_on_under_another_name_and_code(
    owner: Visitor, sender: Sender, photo: bytes, settings: Settings
) -> None:
    path, half = sender.create(len(photo)).headers["location"], len(photo) // 2
    sender.patch(path, 0, photo[:half])
    owner.move("archived")
    refused = sender.patch(path, half, photo[half:])
    assert (refused.status_code, refused.json()["code"]) == (409, "archived")
    assert sender.create(len(photo)).json()["code"] == "archived"
    assert originals(settings) == []
    owner.move("closed")
    owner.change(name="Lea, Tom & Mia", code="OTHER234", faces="yes")
    assert sender.head(path).headers["upload-offset"] == str(half), "what came before is kept"
    assert sender.patch(path, half, photo[half:]).headers["trouvaille-result"] == "accepted"
    assert originals(settings) == [photo]


def test_an_upload_ends_with_its_event_and_leaves_nothing(
    owner: Visitor, sender: Sender, photo: bytes, settings: Settings, sweeping: Callable[..., Swept]
) -> None:
    path, half = sender.create(len(photo)).headers["location"], len(photo) // 2
    sender.patch(path, 0, photo[:half])
    owner.post(f"/studio/{owner.event_id}/delete", {"name": "Lea & Tom"})
    assert sender.patch(path, half, photo[half:]).status_code == 404
    sweeping(stray_s=0)
    assert (originals(settings), staged(settings)) == ([], [])


def test_the_staging_folder_is_closed_to_others(sender: Sender, photo: bytes, settings: Settings) -> None:
    sender.create(len(photo), first=photo[:10])
    assert settings.staging_dir.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in staged(settings)} == {0o600}


def test_the_words_of_metadata_are_told_in_base64() -> None:
    assert metadata(filename="é.jpg") == "filename w6kuanBn"
