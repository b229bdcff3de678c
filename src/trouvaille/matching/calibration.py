"""How similar two faces must be, given how many faces an event has.

Every further face is one more chance to resemble a guest by accident. With a fixed threshold a guest of a large event
would see strangers; so the threshold rises with the number of faces just as fast as the chance of a stranger does.
docs/accuracy.md holds the measurements.
"""

import math
from dataclasses import dataclass
from typing import Final

# log10 of the share of impostor pairs at or above a similarity s is close to OFFSET + SLOPE s in the tail (shares under
# 0.001). A parabola fits the middle better and the rarest pairs worse: it would promise too much for large events.
_OFFSET: Final = 2.972
_SLOPE: Final = -20.845

SURE_STRANGERS: Final = 0.005
"""Expected number of strangers' faces among a guest's *sure* photos: half of what we promise, because other people than
those of the fit resembled each other up to twice as often."""

MAYBE_STRANGERS: Final = 2.0
"""Expected number of strangers' faces among what a guest is asked about."""

LINKED_STRANGERS: Final = 0.001
"""Expected number of strangers' faces among those that a face is averaged with."""

FEWEST_FACES: Final = 50
MOST_FACES: Final = 500_000


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Cosine similarities of two templates: at least ``sure`` is shown, at least ``maybe`` is asked.

    From ``link`` on, two faces in photos count as one person.
    """

    sure: float
    maybe: float
    link: float


def thresholds(faces_in_event: int) -> Thresholds:
    """Thresholds for an event.

    Args:
        faces_in_event: faces that a guest is compared with. Below ``FEWEST_FACES`` and above ``MOST_FACES`` the
            thresholds stay what they are there.

    Returns:
        ``maybe`` < ``sure`` < ``link``; all grow with the number of faces.
    """
    faces = min(max(faces_in_event, FEWEST_FACES), MOST_FACES)
    return Thresholds(
        sure=_similarity(SURE_STRANGERS / faces),
        maybe=_similarity(MAYBE_STRANGERS / faces),
        link=_similarity(LINKED_STRANGERS / faces),
    )


def _similarity(impostor_share: float) -> float:
    """The similarity that this share of impostor pairs reaches."""
    return (math.log10(impostor_share) - _OFFSET) / _SLOPE
