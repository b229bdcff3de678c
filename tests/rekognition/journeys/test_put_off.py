"""When the service can't be asked: everybody is told, and nothing is lost."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from tests.people import Visitor
from tests.rekognition.conftest import work_off
from tests.rekognition.journeys.looking import HERE, ROSE, rows, state, upload
from tests.rekognition.server import Account
from trouvaille.demo.party import selfie_jpeg
from trouvaille.settings import Settings
from trouvaille.vision.engine import LocalEngine

pytestmark = pytest.mark.slow

Jobs = Callable[[], None]
Visitors = Callable[[], Visitor]
PAUSED = "can’t be looked for right now"


def _hurry(settings: Settings) -> None:
    """Let the waiting time of retries and of the last refusal pass."""
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")
        connection.execute("UPDATE rekognition_instance SET trouble_at = trouble_at - interval '2 minutes'")


def _desk(owner: Visitor) -> str:
    """The desk as it is seen: without what is hidden."""
    text = owner.get(f"/studio/{owner.event_id}", headers={"accept-language": "en"}).text
    return text.replace('data-some="put_off" hidden', "").partition('data-some="put_off">')[2]


def test_at_the_ceiling_photos_and_selfies_wait_and_are_found_once_it_is_raised(
    owner: Visitor,
    visitor: Visitors,
    samples: dict[str, Path],
    engine: LocalEngine,
    with_rekognition: Settings,
    account: Account,
) -> None:
    names = upload(owner, samples, "sample1.jpg")
    work_off(with_rekognition, engine)
    poor = with_rekognition.model_copy(
        update={"rekognition_monthly_ceiling": Decimal(account.counts["IndexFaces"]) / 1000}
    )
    names |= upload(owner, samples, "sample3.jpg")
    before = account.counts["IndexFaces"]
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    work_off(poor, engine)
    guest.send_selfie(selfie_jpeg(ROSE, samples))
    work_off(poor, engine)
    assert account.counts["IndexFaces"] == before
    assert PAUSED in _desk(owner)
    assert rows(poor, "SELECT state, reason FROM photos ORDER BY reason") == [("ready", "put_off"), ("ready", None)]
    assert all(owner.get(f"{HERE}/p/{photo}/thumb").status_code == 200 for photo in names)
    assert state(guest)["state"] == "waiting"
    assert state(guest)["reason"] == "We have your selfie"
    assert "We have your selfie" in guest.get(f"{HERE}/selfie?lang=en").text
    assert "We have your selfie" in guest.get(f"{HERE}/photos?lang=en").text

    work_off(with_rekognition, engine)
    work_off(with_rekognition, engine)
    assert state(guest) == {"state": "accepted", "reason": None, "advice": None}
    assert {names[str(each)] for each in guest.photos()} == ROSE.truth
    assert PAUSED not in _desk(owner)


@pytest.mark.parametrize(
    "kind", ["ThrottlingException", *(pytest.param(each, marks=pytest.mark.slow) for each in ("500", "lose"))]
)
def test_a_busy_service_is_asked_again_by_the_queue(
    kind: str,
    owner: Visitor,
    enrolled: Callable[..., Visitor],
    samples: dict[str, Path],
    jobs: Jobs,
    account: Account,
    with_rekognition: Settings,
) -> None:
    guest = enrolled()
    account.trouble("IndexFaces", kind, times=5)
    upload(owner, samples, "sample1.jpg")
    jobs()
    assert PAUSED in _desk(owner)
    _hurry(with_rekognition)
    jobs()
    assert len(guest.photos()) == 1
    assert rows(with_rekognition, "SELECT trouble FROM rekognition_instance") == [(None,)]


def test_a_selfie_that_a_busy_service_did_not_take_is_asked_again(
    owner: Visitor, enrolled: Callable[..., Visitor], jobs: Jobs, account: Account, with_rekognition: Settings
) -> None:
    account.trouble("IndexFaces", "ThrottlingException", times=5)
    guest = enrolled()
    assert (state(guest)["state"], state(guest)["reason"]) == ("waiting", "We have your selfie")
    _hurry(with_rekognition)
    jobs()
    assert state(guest)["state"] == "accepted"


def test_a_search_that_did_not_get_through_is_made_again(
    owner: Visitor,
    enrolled: Callable[..., Visitor],
    samples: dict[str, Path],
    jobs: Jobs,
    account: Account,
    with_rekognition: Settings,
) -> None:
    upload(owner, samples, "sample1.jpg")
    jobs()
    account.trouble("SearchFaces", "ThrottlingException", times=5)
    guest = enrolled()
    assert state(guest)["state"] == "accepted"
    assert guest.photos() == []
    _hurry(with_rekognition)
    jobs()
    assert len(guest.photos()) == 1


def test_missing_rights_are_told_to_the_operator_and_cost_no_photo(
    owner: Visitor,
    enrolled: Callable[..., Visitor],
    samples: dict[str, Path],
    jobs: Jobs,
    account: Account,
    with_rekognition: Settings,
) -> None:
    guest = enrolled()
    account.trouble("IndexFaces", "AccessDeniedException", times=1)
    upload(owner, samples, "sample1.jpg")
    jobs()
    asked = account.counts["IndexFaces"]
    upload(owner, samples, "sample3.jpg")
    jobs()
    assert account.counts["IndexFaces"] == asked, "nobody asks in vain right after a refusal"
    assert "AccessDeniedException" in owner.get("/studio/costs").text
    for _ in range(3):
        _hurry(with_rekognition)
        jobs()
    assert len(guest.photos()) == 2
    assert "AccessDeniedException" not in owner.get("/studio/costs").text


def test_a_picture_that_the_service_refuses_is_reported_by_name(
    owner: Visitor, samples: dict[str, Path], jobs: Jobs, account: Account, with_rekognition: Settings
) -> None:
    upload(owner, samples, "sample1.jpg")
    jobs()
    account.trouble("IndexFaces", "InvalidImageFormatException", times=1)
    upload(owner, samples, "sample3.jpg")
    jobs()
    failed = rows(with_rekognition, "SELECT file_name, reason FROM photos WHERE state = 'failed'")
    assert failed == [("sample3.jpg", "unsupported")]


def test_the_operator_sees_what_it_costs_and_nobody_else(
    owner: Visitor, enrolled: Callable[..., Visitor], samples: dict[str, Path], jobs: Jobs
) -> None:
    guest = enrolled()
    upload(owner, samples, "sample1.jpg")
    jobs()
    assert "/studio/costs" in owner.get("/studio").text
    english = owner.get("/studio/costs?lang=en").text
    assert "IndexFaces" in english and "Photos and selfies sent" in english
    assert "$50.00" in english
    french = owner.get("/studio/costs?lang=fr").text
    assert "Photos et selfies envoyés" in french
    assert "IndexFaces" not in owner.get("/studio/costs?month=2020-01").text
    assert owner.get("/studio/costs?month=2020-13").status_code == 422
    assert guest.get("/studio/costs").status_code == 403


def test_the_operator_reads_that_the_ceiling_is_reached(owner: Visitor, with_rekognition: Settings) -> None:
    month = "date_trunc('month', now() AT TIME ZONE 'UTC')"
    rows(with_rekognition, f"INSERT INTO rekognition_calls VALUES ({month}, 'IndexFaces', 50000)")
    assert "The ceiling of this month is reached" in owner.get("/studio/costs?lang=en").text
