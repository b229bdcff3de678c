"""Plain SFace: one detector pass, no close-ups, no mirror, no mean, one threshold for all, chosen by hindsight.

What one gets from the two models as they are, at the best threshold that shows strangers to no more guests than the
product does.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trouvaille.vision import weights
from trouvaille.vision.align import ALIGNED_PX, align
from trouvaille.vision.decode import decode
from trouvaille.vision.detect import Detections, Detector
from trouvaille.vision.embed import Embedder
from trouvaille.vision.graphs import compile_graph
from trouvaille.vision.selfie import prominence
from trouvaille.vision.shrink import shrunk

THREADS = 2
SCORE_LIMIT = 0.6
SIDE_PX = 2048


class PlainSFace:
    """The two models with nothing around them."""

    def __init__(self) -> None:
        known = weights.locate()
        detector, recogniser = weights.read(known.detector), weights.read(known.recogniser)
        self._detector = Detector(partial(compile_graph, detector, channels="bgr", precision="f32", threads=THREADS))
        self._embedder = Embedder(
            compile_graph(recogniser, (1, 3, ALIGNED_PX, ALIGNED_PX), channels="rgb", precision="f32", threads=THREADS),
        )

    def templates(self, path: Path, *, one: bool) -> NDArray[np.float32]:
        """(n, 128) of a picture; of its most prominent face alone with ``one``."""
        image_rgb = decode(path.read_bytes()).image_rgb
        found = self._find(image_rgb)
        if one and len(found):
            best = int(prominence(image_rgb.shape[1::-1], found.boxes_xyxy).argmax())
            found = found[slice(best, best + 1)]
        return self._embed(image_rgb, found)

    def largest(self, image_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(1, 128) of the largest face of a picture, or (0, 128)."""
        found = self._find(image_rgb)
        widths = found.boxes_xyxy[:, 2] - found.boxes_xyxy[:, 0]
        return self._embed(image_rgb, found[np.argsort(-widths)[:1]])

    def _find(self, image_rgb: NDArray[np.uint8]) -> Detections:
        searched_rgb = shrunk(image_rgb, SIDE_PX)
        return self._detector.once(searched_rgb, SCORE_LIMIT).moved(image_rgb.shape[1] / searched_rgb.shape[1])

    def _embed(self, image_rgb: NDArray[np.uint8], found: Detections) -> NDArray[np.float32]:
        crops = np.zeros((len(found), ALIGNED_PX, ALIGNED_PX, 3), np.uint8)
        for row, landmarks in enumerate(found.landmarks_xy):
            crops[row] = align(image_rgb, landmarks)
        return self._embedder.embed(crops)


def plain_scores(
    files: Mapping[str, Path], selfies: Mapping[str, Path], truth: Mapping[str, set[str]], *, strangers_allowed: int
) -> dict[str, Any]:
    """Recalls of plain SFace at its best threshold.

    Args:
        strangers_allowed: at most so many guests may see a stranger.
    """
    engine = PlainSFace()
    with ThreadPoolExecutor(THREADS) as pool:
        every = pool.map(lambda path: engine.templates(path, one=False), files.values())
        photos = dict(zip(files, every, strict=True))
        single = pool.map(lambda path: engine.templates(path, one=True), selfies.values())
        probes = dict(zip(selfies, single, strict=True))
    names, people = list(photos), list(probes)
    similarity = np.full((len(people), len(names)), -1.0, np.float32)
    for column, name in enumerate(names):
        if len(photos[name]):
            for row, person in enumerate(people):
                if len(probes[person]):
                    similarity[row, column] = (photos[name] @ probes[person][0]).max()
    own = np.array([[name in truth[person] for name in names] for person in people])
    strangers = np.sort(np.where(own, -1.0, similarity).max(axis=1))[::-1]
    last = min(strangers_allowed, len(strangers) - 1)
    threshold = float(strangers[last]) + 1e-6
    shown = own & (similarity >= threshold)
    counts = own.sum(axis=1)
    some = counts > 0
    return {
        "threshold": round(threshold, 4),
        "recall_macro": round(float((shown.sum(axis=1)[some] / counts[some]).mean()), 4),
        "recall_micro": round(float(shown.sum() / own.sum()), 4),
        "guests_with_a_stranger": int((strangers >= threshold).sum()),
    }
