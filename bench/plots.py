"""`make bench-plots FACES=DIR`: the two plots of docs/accuracy.md, drawn anew from labelled portraits.

FACES holds one folder a person. People in alphabetical order, every second one: half A made the population mean and the
line of the thresholds, half B shows whether they hold for others. The largest face of each picture counts.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from bench.plain import PlainSFace
from trouvaille.matching.calibration import SFACE_TAIL
from trouvaille.vision import weights
from trouvaille.vision.decode import decode
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.types import POOR_QUALITY

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "trouvaille"  # the same data give the same file
from matplotlib import pyplot  # noqa: E402

SHARES = np.logspace(-5.3, -1, 60)
Rows = list[tuple[int, NDArray[np.float32]]]


def pictures(folder: Path) -> Iterator[tuple[int, Path]]:
    """Every picture with the number of its person."""
    for number, person in enumerate(sorted(each for each in folder.iterdir() if each.is_dir())):
        for picture in sorted(person.iterdir()):
            yield number, picture


def templates(folder: Path) -> tuple[Rows, Rows]:
    """Of the largest face of each picture: by the product, and by plain SFace."""
    engine, plain = LocalEngine(weights.locate()), PlainSFace()
    ours: Rows = []
    theirs: Rows = []
    for person, path in pictures(folder):
        data = path.read_bytes()
        faces = [face for face in engine.analyse_photo(data).faces if face.quality >= POOR_QUALITY]
        if faces:
            ours.append((person, max(faces, key=lambda face: face.width_px).template))
        found = plain.largest(decode(data).image_rgb)
        if len(found):
            theirs.append((person, found[0]))
    return ours, theirs


def pairs(rows: Rows, half: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Similarities of all pairs of one half, of strangers (descending) and of one person."""
    some = [row for row in rows if row[0] % 2 == half]
    owners, vectors = np.array([owner for owner, _ in some]), np.stack([vector for _, vector in some])
    first, second = np.triu_indices(len(some), 1)
    similar, same = (vectors @ vectors.T)[first, second], owners[first] == owners[second]
    return np.sort(similar[~same])[::-1], similar[same]


def tail_plot(ours: Rows, file: Path) -> None:
    """How rare similar strangers are, and the line that the thresholds follow."""
    _, axes = pyplot.subplots(figsize=(7, 4.2))
    for half, name in ((0, "half A, which made the line"), (1, "half B, other people")):
        strangers = pairs(ours, half)[0]
        ranks = np.unique(np.logspace(0, np.log10(len(strangers) * 0.02), 200).astype(int))
        axes.plot(strangers[ranks - 1], ranks / len(strangers), label=name)
    line = np.linspace(0.2, 0.5, 2)
    axes.plot(line, 10 ** (SFACE_TAIL.offset + SFACE_TAIL.slope * line), "--", color="0.4", label="the line")
    axes.set(yscale="log", xlabel="similarity (cosine)", ylabel="share of pairs of strangers above", xlim=(0.15, 0.55))
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    pyplot.tight_layout()
    pyplot.savefig(file, metadata={"Date": None})


def roc_plot(ours: Rows, theirs: Rows, file: Path) -> None:
    """What of one's own is missed, by how many strangers pass."""
    _, axes = pyplot.subplots(figsize=(7, 4.2))
    for rows, name in ((theirs, "plain SFace"), (ours, "Trouvaille, single faces")):
        strangers, own = pairs(rows, 1)
        limits = strangers[np.minimum((SHARES * len(strangers)).astype(int), len(strangers) - 1)]
        axes.plot(SHARES, [(own < limit).mean() for limit in limits], label=name)
    axes.set(
        xscale="log", yscale="log", xlabel="share of pairs of strangers above (FMR)", ylabel="own pairs missed (FNMR)"
    )
    axes.legend(frameon=False)
    axes.grid(alpha=0.3, which="both")
    pyplot.tight_layout()
    pyplot.savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    images = Path("docs/images")
    of_product, of_plain = templates(Path(sys.argv[1]))
    tail_plot(of_product, images / "tail.svg")
    roc_plot(of_product, of_plain, images / "roc.svg")
