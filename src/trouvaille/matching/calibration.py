"""How similar two faces must be, given how many faces an event has.

Every further face is one more chance to resemble a guest by accident. With a fixed threshold a guest of a large event
would see strangers; so the threshold rises with the number of faces just as fast as the chance of a stranger does.
docs/accuracy.md holds the measurements.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


# log10 of the share of impostor pairs at or above a similarity s is close to OFFSET + SLOPE s in the tail (shares under
# 0.001). A parabola fits the middle better and the rarest pairs worse: it would promise too much for large events.
@dataclass(frozen=True, slots=True)
class Tail:
    """How rare similar strangers are: log10 of the share of impostor pairs at or above s is ``offset + slope s``."""

    offset: float
    slope: float

    def similarity(self, impostor_share: float) -> float:
        """The similarity that this share of impostor pairs reaches."""
        return (math.log10(impostor_share) - self.offset) / self.slope


SFACE_TAIL: Final = Tail(2.449, -19.069)

SURE_STRANGERS: Final = 0.0025
"""Expected number of strangers among a guest's *sure* photos: a quarter of what we promise. Other people than those of
the fit resemble each other up to twice as often, and what other pictures add helps a stranger now and then, too."""

MAYBE_STRANGERS: Final = 2.0
"""Expected number of strangers' faces among what a guest is asked about."""

LINKED_STRANGERS: Final = 0.001
"""Expected number of strangers' faces among those that a face is averaged with."""

SAME_STRANGERS: Final = SURE_STRANGERS / 250
"""Expected number of strangers' faces that pass for a picture of a face: so that 250 sure photos of a guest bring no
more of them than the selfie does."""

FEWEST_PAIRS: Final = 100_000
FEWEST_FACES: Final = 50
MOST_FACES: Final = 500_000


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Cosine similarities of two templates: at least ``sure`` is shown, at least ``maybe`` is asked.

    From ``link`` on, two faces in photos count as one person. From ``same`` on they are nearly the same picture of one,
    and what is sure of the one is sure of the other.
    """

    sure: float
    maybe: float
    link: float
    same: float


def thresholds(faces_in_event: int, tail: Tail = SFACE_TAIL, *, people: float | None = None) -> Thresholds:
    """Thresholds for an event.

    Args:
        faces_in_event: faces that a guest is compared with. Below ``FEWEST_FACES`` and above ``MOST_FACES`` the
            thresholds stay what they are there.
        tail: of the engine that made the templates.
        people: how many people these faces are of, where that is known. Ten pictures of a stranger are one chance to be
            taken for a guest and not ten, so *sure* counts people.

    Returns:
        ``maybe`` < ``sure`` < ``link`` < ``same``; all grow with the event.
    """
    faces, sure_of = (
        min(max(count, FEWEST_FACES), MOST_FACES)
        for count in (faces_in_event, faces_in_event if people is None else min(people, faces_in_event))
    )
    return Thresholds(
        sure=tail.similarity(SURE_STRANGERS / sure_of),
        maybe=tail.similarity(MAYBE_STRANGERS / faces),
        link=tail.similarity(LINKED_STRANGERS / faces),
        same=tail.similarity(SAME_STRANGERS / faces),
    )


def fit_tail(impostors: NDArray[np.floating[Any]]) -> Tail:
    """The line through the tail of strangers' similarities, from the tenth highest pair down to a share of 0.001.

    Args:
        impostors: (n,), the cosine of every pair of faces of two different people.

    Raises:
        ValueError: fewer than 100,000 pairs (some 450 people) say nothing of rare ones.
    """
    if len(impostors) < FEWEST_PAIRS:
        raise ValueError(f"{len(impostors)} pairs of strangers are too few: {FEWEST_PAIRS} are needed")
    count = len(impostors) // 1000
    highest = np.sort(np.partition(impostors, -count)[-count:])[::-1]
    ranks = np.arange(9, count)
    slope, offset = np.polyfit(highest[ranks].astype(np.float64), np.log10((ranks + 1) / len(impostors)), 1)
    return Tail(float(offset), float(slope))
