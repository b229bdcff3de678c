"""What another recognition model needs before its templates may decide anything: how alike strangers are to it."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trouvaille import engines
from trouvaille.matching.calibration import Tail, fit_tail
from trouvaille.settings import Settings
from trouvaille.vision.embed import unit_length
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.types import POOR_QUALITY, Unreadable


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found, and on how much it rests."""

    tail: Tail
    faces: int
    people: int
    pairs: int


def measure(settings: Settings, folder: Path, *, mean: Path | None = None) -> Calibration:
    """Compare everybody with everybody else.

    Args:
        folder: one folder a person; of each picture the largest face counts.
        mean: where to write the population mean, which the templates are then compared without. None takes the one of
            the settings, if there is one.

    Raises:
        ValueError: too few people.
        ModelMissing, ModelTampered, ModelMisdescribed
    """
    weights = engines.weights(settings)
    if mean is not None:
        weights = dataclasses.replace(weights, population_mean=None)
    engine = LocalEngine(weights, pixels_limit=settings.photo_limit_pixels)
    people = [each for each in sorted(folder.iterdir()) if each.is_dir()]
    rows = [(place, template) for place, person in enumerate(people) for template in _templates(engine, person)]
    if not rows:
        raise ValueError(f"{folder} holds no folders with portraits")
    owners, templates = np.array([place for place, _ in rows]), np.stack([template for _, template in rows])
    if mean is not None:
        # Of people, not of pictures: who has many portraits weighs no more than others.
        centre = np.stack([templates[owners == place].mean(axis=0) for place in np.unique(owners)]).mean(axis=0)
        with mean.open("wb") as file:
            np.save(file, centre.astype(np.float32), allow_pickle=False)
        templates = unit_length(templates - centre)
    strangers = _of_strangers(templates, owners)
    return Calibration(fit_tail(strangers), len(owners), len(np.unique(owners)), len(strangers))


def _templates(engine: LocalEngine, person: Path) -> Iterator[NDArray[np.float32]]:
    for picture in sorted(person.iterdir()):
        try:
            faces = engine.analyse_photo(picture.read_bytes()).faces
        except (Unreadable, OSError):
            continue
        largest = max(faces, key=lambda face: face.width_px, default=None)
        if largest is not None and largest.quality >= POOR_QUALITY:
            yield largest.template


def _of_strangers(templates: NDArray[np.float32], owners: NDArray[np.intp]) -> NDArray[np.float32]:
    parts = [
        templates[place] @ templates[place + 1 :][owners[place + 1 :] != owners[place]].T
        for place in range(len(templates))
    ]
    return np.concatenate(parts)
