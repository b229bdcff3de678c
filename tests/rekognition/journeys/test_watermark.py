"""A watermark is for guests: the service gets a photo's pixels as they were taken."""

from pathlib import Path

from tests.people import Visitor
from tests.rekognition.conftest import work_off
from tests.rekognition.eyes import Eyes
from tests.rekognition.journeys.looking import rows, upload
from tests.rekognition.server import Account
from trouvaille.settings import Settings
from trouvaille.vision.engine import LocalEngine


def test_the_service_sees_no_mark(
    owner: Visitor,
    samples: dict[str, Path],
    engine: LocalEngine,
    with_rekognition: Settings,
    account: Account,
    eyes: Eyes,
) -> None:
    sent: list[bytes] = []

    def look(jpeg: bytes) -> list[dict[str, object]]:
        sent.append(jpeg)
        return eyes(jpeg)

    account.eyes = look
    form = {"kind": "text", "text": "Studio Rivage", "position": "tiled", "size": "20", "opacity": "100"}
    assert owner.post(f"/studio/{owner.event_id}/watermark", form).status_code == 303
    upload(owner, samples, "sample1.jpg")
    work_off(with_rekognition, engine)
    looked = engine.analyse_photo(samples["sample1.jpg"].read_bytes(), faces=False)
    assert sent == [next(each.jpeg for each in looked.renditions if each.name == "view")]
    ((marked, faces),) = rows(with_rekognition, "SELECT mark IS NOT NULL AND renditions ? 'full', faces FROM photos")
    assert marked
    assert faces > 1
