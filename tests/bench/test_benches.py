"""That the benches run and say what they should, on tiny inputs; how fast anything is, is not asserted."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import checks, first_photos, guests, index, job, pages, selfie

PHOTOS = ("sample1.jpg", "obama2.jpg")


@pytest.fixture(autouse=True)
def signals_stay() -> Iterator[None]:
    """A bench is a process of its own, which ends deaf to signals; the other tests must not inherit that."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.slow
@pytest.mark.anyio
async def test_matching_a_photo_takes_as_many_queries_for_many_guests() -> None:
    result = await guests.run((4, 40), (1, 2), faces=40, repeats=3)
    assert [(each["events"], each["guests"]) for each in result["results"]] == [(1, 4), (1, 40), (2, 4), (2, 40)]
    assert result["queries_differ"] is False
    assert all(each["queries"] >= 1 and each["p50_ms"] > 0 for each in result["results"])


def test_a_phone_picture_has_twelve_megapixels(samples: dict[str, Path]) -> None:
    picture = selfie.phone_jpeg(samples["biden.jpg"])
    assert picture.startswith(b"\xff\xd8")
    assert len(picture) > 1_000_000


@pytest.mark.slow
@pytest.mark.anyio
async def test_selfies_in_a_filled_event_are_timed() -> None:
    result = await selfie.run(300, 2)
    assert result["faces"] == 300
    assert result["refused"] == 0
    assert result["matches_per_selfie"] >= selfie.PICTURES_EACH / 2
    assert 0 < result["p50_ms"] <= result["p95_ms"]


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_shares_of_the_job_make_up_the_whole(samples: dict[str, Path]) -> None:
    result = await job.shares([samples[name].read_bytes() for name in PHOTOS])
    parts = [result[name] for name in ("database", "storage", "engine_and_rest")]
    assert all(0 < part < 1 for part in parts)
    assert sum(parts) == pytest.approx(1, abs=0.01)


@pytest.mark.slow
def test_photos_of_another_size_are_indexed(samples: dict[str, Path], tmp_path: Path) -> None:
    for name in PHOTOS:
        (tmp_path / name).write_bytes(samples[name].read_bytes())
    result = index.run(tmp_path, 2, megapixels=1, older=1)
    assert (result["megapixels"], result["photos"]) == (1, 2)
    assert result["faces"] >= 3
    assert result["photos_per_s"] > 0
    assert set(result["job"]) == {"ms_per_photo", "database", "storage", "engine_and_rest"}
    assert (result["dlib"] is None) == (result["times_faster_than_dlib"] is None)


@pytest.mark.slow
def test_questions_of_a_form_are_timed_beside_an_answer_that_asks_nothing() -> None:
    result = checks.run(30, 5)
    assert result["guests"] == 30
    assert result["livez"]["times_livez"] == 1
    assert all(
        0 < result[name]["p50_ms"] <= result[name]["p95_ms"] for name in ("check code", "name free", "name taken")
    )


@pytest.mark.slow
def test_each_step_of_a_visit_is_measured_apart() -> None:
    result = pages.run(20, None, 20, "livez|thumbnail")
    assert set(result["steps"]) == {"livez", "thumbnail"}
    assert result["steps"]["livez"]["p50_ms"] < result["steps"]["thumbnail"]["p50_ms"]


@pytest.mark.slow
def test_the_first_photos_of_a_slow_phone_are_timed() -> None:
    result = first_photos.run(20, 1)
    assert result["photos_on_the_first_screen"] > 0
    assert 0 < result["first_contentful_paint_ms"] <= result["first_photo_ms"] <= result["first_screen_ms"]
    assert result["cls"] <= 0.05
    assert 0 < result["bytes_before_the_first_photo"] < result["bytes"]
