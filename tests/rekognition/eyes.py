"""What the account sees in real photos: the sample guests, told apart by the local engine."""

from itertools import count
from pathlib import Path
from typing import Any

from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.vision.engine import LocalEngine

APART = 1000.0
LIKE = 0.36


class Eyes:
    """A person is a number of degrees, as with made-up pictures; everybody else is somebody new each time.

    Attributes:
        off: degrees by which faces look unlike themselves, for as long as it is set.
        poor: whether all that is seen is too blurred to start a match.
    """

    def __init__(self, engine: LocalEngine, samples: dict[str, Path]) -> None:
        self._engine = engine
        self._known = [engine.analyse_selfie([selfie_jpeg(guest, samples)]).template for guest in GUESTS]
        self._strangers = count(100 * APART, APART)
        self.off = 0.0
        self.poor = False

    def __call__(self, jpeg: bytes) -> list[dict[str, Any]]:
        faces = sorted(self._engine.analyse_photo(jpeg).faces, key=lambda face: -face.width_px)
        return [self._person(face.template, face.box_xyxy) for face in faces]

    def _person(self, template: Any, box: tuple[float, float, float, float]) -> dict[str, Any]:
        likeness = [float(known @ template) for known in self._known]
        best = max(range(len(likeness)), key=likeness.__getitem__)
        who = best * APART + self.off if likeness[best] >= LIKE else next(self._strangers)
        left, top, right, bottom = box
        person = {"who": who, "box": (left, top, right - left, bottom - top)}
        return {**person, "sharpness": 1.0} if self.poor else person
