"""Thresholds rise with the event just as fast as the chance of a stranger does."""

import itertools

import numpy as np
import pytest

from trouvaille.matching.calibration import MAYBE_STRANGERS, SURE_STRANGERS, Tail, Thresholds, fit_tail, thresholds

SIZES = [50, 150, 500, 1_500, 5_000, 50_000, 500_000]


@pytest.mark.parametrize("faces", [0, 1, *SIZES, 10_000_000])
def test_what_is_shown_is_always_more_alike_than_what_is_asked(faces: int) -> None:
    found = thresholds(faces)
    assert -1 < found.maybe < found.sure < found.link < found.same < 1


def test_a_larger_event_never_asks_for_less() -> None:
    curve = [thresholds(faces) for faces in SIZES]
    for smaller, larger in itertools.pairwise(curve):
        assert smaller.sure < larger.sure and smaller.maybe < larger.maybe


def test_ten_times_the_faces_raise_both_thresholds_by_the_same_step() -> None:
    steps = [thresholds(10 * faces).sure - thresholds(faces).sure for faces in (50, 500, 5_000, 50_000)]
    assert steps == pytest.approx([steps[0]] * 4)
    assert steps[0] == pytest.approx(thresholds(5_000).maybe - thresholds(500).maybe)


def test_maybe_of_an_event_is_sure_of_one_with_fewer_faces_by_the_ratio_of_allowed_strangers() -> None:
    ratio = round(MAYBE_STRANGERS / SURE_STRANGERS)
    assert thresholds(100 * ratio).maybe == pytest.approx(thresholds(100).sure)


def test_tiny_and_enormous_events_use_the_nearest_measured_size() -> None:
    assert thresholds(0) == thresholds(50)
    assert thresholds(10**9) == thresholds(500_000)


def test_the_thresholds_of_the_measured_events_are_those_of_the_document() -> None:
    # docs/accuracy.md reports recall and strangers at these values: whoever moves them has to measure again.
    assert thresholds(600) == Thresholds(
        sure=pytest.approx(0.411, abs=0.001),
        maybe=pytest.approx(0.258, abs=0.001),
        link=pytest.approx(0.431, abs=0.001),
        same=pytest.approx(0.536, abs=0.001),
    )


def test_sure_follows_the_number_of_people_and_maybe_that_of_faces() -> None:
    assert thresholds(5_000, people=500).sure == pytest.approx(thresholds(500).sure)
    assert thresholds(5_000, people=500).maybe == thresholds(5_000).maybe
    assert thresholds(500, people=5_000) == thresholds(500)


def test_fitting_finds_the_line_that_pairs_were_made_from() -> None:
    made = Tail(2.5, -18.0)
    shares = (np.arange(200_000) + 1) / 200_000
    found = fit_tail(np.array([made.similarity(share) for share in shares], np.float32))
    assert (found.offset, found.slope) == (pytest.approx(2.5, abs=0.02), pytest.approx(-18.0, abs=0.1))


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit_tail(np.zeros(1000, np.float32))
