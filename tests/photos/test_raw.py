"""A RAW file is a photo like any other: its preview is shown, and the file itself is what is kept and taken home."""

import io
from collections.abc import Callable

import psycopg
from PIL import Image

from tests.people import Visitor
from tests.vision.raw_samples import jpeg, raw
from trouvaille.settings import Settings


def test_a_raw_files_preview_is_shown_and_its_bytes_stay_untouched(
    settings: Settings, visitor: Callable[[], Visitor], run_jobs: Callable[[], None]
) -> None:
    owner = visitor()
    owner.set_up_server()
    owner.make_event()
    data = raw(jpeg(Image.new("RGB", (1200, 800), (200, 60, 40))), orientation=6)
    results = owner.upload(("DSC_0001.NEF", data), ("DSC_0002.NEF", raw(None)))
    assert len(results["accepted"]) == 2
    run_jobs()
    (shown,) = (each["id"] for each in results["accepted"] if each["file_name"] == "DSC_0001.NEF")
    view = owner.get(f"/e/{owner.code}/p/{shown}/view")
    assert Image.open(io.BytesIO(view.content)).size == (800, 1200)
    original = owner.get(f"/e/{owner.code}/p/{shown}/original")
    assert original.content == data
    assert "DSC_0001.NEF" in original.headers["content-disposition"]
    desk = owner.get(f"/studio/{owner.event_id}").text
    assert "no preview inside" in desk
    with psycopg.connect(settings.database_url or "") as connection:
        row = connection.execute("SELECT media_type, camera FROM photos WHERE id = %s", [shown]).fetchone()
    assert row == ("image/x-adobe-dng", "NIKON Z 6")
