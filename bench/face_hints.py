"""`make bench-face-hints FACES=folder`: how well the face finder of the selfie page sees, and how long it takes.

Labelled portraits, one folder a person, become frames as a phone's camera shows them: one face from near and from far,
two people side by side, and nobody. The page's own code (``frontend/parts/selfie/yunet.ts``) looks at them in Node,
whose engine is Chromium's. What the server's detector sees in the same frames is told beside it.
"""

import argparse
import json
import os
import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from trouvaille.vision import weights
from trouvaille.vision.detect import Detector
from trouvaille.vision.graphs import compile_graph

WIDTH, HEIGHT = 96, 128
ROOT = Path(__file__).parents[1]
SCORE = 0.6
LOOK = """
import { readFileSync } from "node:fs";
import { YuNet } from "%(root)s/frontend/parts/selfie/yunet.ts";
const bytes = (path) => new Uint8Array(readFileSync(path)).buffer;
const network = new YuNet(bytes("%(root)s/frontend/parts/selfie/yunet.bin"));
const frames = new Uint8ClampedArray(bytes(process.argv[2]));
const answers = [];
for (let at = 0; at < frames.length; at += %(size)d) {
  const began = performance.now();
  const faces = network.find(frames.subarray(at, at + %(size)d));
  answers.push({ faces, took_ms: performance.now() - began });
}
console.log(JSON.stringify(answers));
"""
Frame = NDArray[np.uint8]


def look(frames: list[Frame]) -> list[dict[str, Any]]:
    """What the page finds in frames of (128, 96, 3) RGB: ``faces`` and ``took_ms`` of each."""
    rgba = [np.dstack([frame, np.full((HEIGHT, WIDTH), 255, np.uint8)]).tobytes() for frame in frames]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "frames.bin").write_bytes(b"".join(rgba))
        script = Path(folder) / "look.mjs"
        script.write_text(LOOK % {"root": ROOT, "size": 4 * WIDTH * HEIGHT})
        argv = ["node", "--no-warnings", str(script), str(Path(folder) / "frames.bin")]
        answers: list[dict[str, Any]] = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
        return answers


def portrait(path: Path, share: float = 1.0) -> Frame:
    """A frame that a picture fills, or a smaller one on grey: ``share`` of the frame's width."""
    width, height = round(WIDTH * share), round(HEIGHT * share)
    small = pyvips.Image.thumbnail(str(path), width, height=height, crop="centre").colourspace("srgb")
    small = small.flatten() if small.hasalpha() else small
    return np.asarray(small.gravity("centre", WIDTH, HEIGHT, background=[128] * 3).numpy()[..., :3], np.uint8)


def beside(one: Path, other: Path) -> Frame:
    """Two people in one frame."""
    half = [pyvips.Image.thumbnail(str(path), WIDTH // 2, height=HEIGHT // 2, crop="centre") for path in (one, other)]
    both = half[0].join(half[1], "horizontal").colourspace("srgb")
    return np.asarray(both.gravity("centre", WIDTH, HEIGHT, background=[128] * 3).numpy()[..., :3], np.uint8)


def nobody(count: int) -> list[Frame]:
    """Walls, noise and stripes."""
    random = np.random.default_rng(1)
    coarse = [random.integers(0, 256, (8, 6, 3), np.uint8).repeat(16, 0).repeat(16, 1) for _ in range(count)]
    fine = [random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(count)]
    return [*coarse, *fine, *(np.full((HEIGHT, WIDTH, 3), level, np.uint8) for level in (0, 90, 255))]


def detector() -> Detector:
    """The server's own, for comparison."""
    onnx = weights.read(weights.locate().detector)
    return Detector(lambda shape: compile_graph(onnx, shape, channels="bgr", precision="f32", threads=1))


def run(folder: Path, most: int) -> dict[str, Any]:
    """Look at the frames and count."""
    people = sorted(each for each in folder.iterdir() if each.is_dir())[:most]
    files = [min(each for each in person.iterdir() if each.is_file()) for person in people]
    kinds = {
        "near": [portrait(path) for path in files],
        "far": [portrait(path, 0.5) for path in files],
        "two": [beside(one, other) for one, other in pairwise(files)],
        "nobody": nobody(len(files) // 2),
    }
    expected = {"near": 1, "far": 1, "two": 2, "nobody": 0}
    result: dict[str, Any] = {"people": len(files), "load_average": round(os.getloadavg()[0], 2)}
    server, took_ms = detector(), []
    for kind, frames in kinds.items():
        answers = look(frames)
        took_ms += [each["took_ms"] for each in answers]
        ours = np.array([len(each["faces"]) for each in answers])
        theirs = np.array([len(server.search(each, side_px=HEIGHT, score_limit=SCORE)) for each in frames])
        result[kind] = {
            "frames": len(frames),
            "right": round(float((ours == expected[kind]).mean()), 4),
            "none_found": round(float((ours == 0).mean()), 4),
            "right_on_the_server": round(float((theirs == expected[kind]).mean()), 4),
        }
    result["ms_p50"] = round(float(np.median(took_ms)), 1)
    result["ms_p95"] = round(float(np.quantile(took_ms, 0.95)), 1)
    return result


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path, help="folder of people's folders of portraits")
    parser.add_argument("--most", type=int, default=800)
    given = parser.parse_args()
    print(json.dumps(run(given.faces, given.most)))


if __name__ == "__main__":
    main()
