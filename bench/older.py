"""An older engine for comparison: dlib with the settings that `face_recognition` has by default.

HOG detector with the picture enlarged once, five landmarks, one template of 128 numbers a face, without jitter. It is
installed by `make bench-index` alone; where it is missing there is nothing to compare with.
"""

import multiprocessing
import time
from collections.abc import Sequence
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

import numpy as np
import pyvips

LANDMARKS, TEMPLATES = "shape_predictor_5_face_landmarks.dat", "dlib_face_recognition_resnet_model_v1.dat"
UPSAMPLE, JITTERS = 1, 1

_models: list[Any] = []


def photos_per_s(data: Sequence[bytes], *, processes: int) -> float | None:
    """How many photos a second the older engine looks at, its loading left out; None if it is not installed."""
    paths = _weights()
    if find_spec("dlib") is None or paths is None:
        return None
    fresh = multiprocessing.get_context("spawn")
    loaded = fresh.Barrier(processes + 1)
    with fresh.Pool(processes, _load, (*paths, loaded)) as pool:
        loaded.wait(timeout=60)
        started = time.monotonic()
        pool.map(_faces, data, chunksize=1)
        return len(data) / (time.monotonic() - started)


def _weights() -> tuple[str, str] | None:
    """Where the two models lie. The package itself can't be imported without an old setuptools."""
    try:
        files = metadata.files("face-recognition-models") or []
    except metadata.PackageNotFoundError:
        return None
    paths = {path.name: str(path.locate()) for path in files}
    return paths[LANDMARKS], paths[TEMPLATES]


def _load(landmarks: str, templates: str, loaded: Any) -> None:
    dlib = import_module("dlib")
    _models[:] = [
        dlib.get_frontal_face_detector(),
        dlib.shape_predictor(landmarks),
        dlib.face_recognition_model_v1(templates),
    ]
    loaded.wait(timeout=60)


def _faces(data: bytes) -> int:
    detector, predictor, recogniser = _models
    image_rgb = np.ascontiguousarray(pyvips.Image.new_from_buffer(data, "").colourspace("srgb").numpy()[..., :3])
    boxes = detector(image_rgb, UPSAMPLE)
    for box in boxes:
        recogniser.compute_face_descriptor(image_rgb, predictor(image_rgb, box), JITTERS)
    return len(boxes)
