"""`python -m bench.ranges FACES`: what the layers of SFace see, as ``vision/sface_ranges.json`` holds it.

FACES holds one folder a person. Every second person in alphabetical order is used, as for the population mean, one
picture of each.
"""

import json
import sys
from pathlib import Path

import numpy as np

from trouvaille.vision import weights
from trouvaille.vision.align import align
from trouvaille.vision.decode import decode
from trouvaille.vision.detect import Detections
from trouvaille.vision.engine import DETECT_SIDE_PX, LocalEngine
from trouvaille.vision.graphs import observed_ranges, read_graph

PEOPLE, AT_ONCE = 128, 16


def crops(folder: Path) -> np.ndarray:
    """(n, 112, 112, 3), one face of each person."""
    engine = LocalEngine(weights.locate(), precision="bf16")
    made = []
    for person in sorted(each for each in folder.iterdir() if each.is_dir())[::2][:PEOPLE]:
        image_rgb = decode(min(person.iterdir()).read_bytes()).image_rgb
        coarse = engine._detector.search(image_rgb, side_px=DETECT_SIDE_PX, score_limit=0.6)
        best: Detections = engine._detector.refine(image_rgb, coarse[:1])
        made += [align(image_rgb, landmarks) for landmarks in best.landmarks_xy]
    return np.stack(made)


def run(folder: Path) -> dict[str, tuple[float, float]]:
    """The ranges by layer."""
    seen = crops(folder).astype(np.float32).transpose(0, 3, 1, 2)
    model = read_graph(weights.read(weights.locate().recogniser), (-1, 3, 112, 112))
    return observed_ranges(model, [seen[at : at + AT_ONCE] for at in range(0, len(seen) - AT_ONCE + 1, AT_ONCE)])


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1])), indent=1))
