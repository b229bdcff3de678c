"""Other weights by settings: a real model of another make, template length, colour order and pixel range."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import models
from trouvaille import engines
from trouvaille.settings import Settings
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.weights import ModelMisdescribed


def _settings(tmp_path: Path, **more: Any) -> Settings:
    return Settings(data_dir=tmp_path, recogniser_path=models.fetch(), **(models.SETTINGS | more))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> LocalEngine:
    return engines.local(_settings(tmp_path_factory.mktemp("second")), threads=1)


def test_it_tells_people_apart_by_templates_of_its_own_length(second: LocalEngine, samples: dict[str, Path]) -> None:
    one, same, other = (
        max(second.analyse_photo(samples[name].read_bytes()).faces, key=lambda face: face.width_px).template
        for name in ("obama.jpg", "obama2.jpg", "biden.jpg")
    )
    assert one.shape == (512,)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert one @ same > 0.5
    assert one @ other < 0.3


def test_several_faces_of_one_photo_have_the_templates_that_each_has_alone(
    second: LocalEngine, samples: dict[str, Path]
) -> None:
    faces = second.analyse_photo(samples["sample1.jpg"].read_bytes()).faces
    assert len(faces) > 2
    alike = np.stack([face.template for face in faces]) @ np.stack([face.template for face in faces]).T
    assert np.count_nonzero(alike > 0.6) == len(faces)


def test_its_identity_names_weights_and_input(second: LocalEngine, engine: LocalEngine, tmp_path: Path) -> None:
    otherwise = engines.weights(_settings(tmp_path, recogniser_channels="rgb"))
    assert models.SHA256[:12] in second.identity
    assert len({second.identity, engine.identity, otherwise.recogniser_name}) == 3
    assert otherwise.recogniser_name not in second.identity


def test_faces_are_aligned_to_the_size_that_is_wanted(tmp_path: Path, samples: dict[str, Path]) -> None:
    # SFace ends in a layer of fixed size, so it refuses any other picture; the refusal is what can be seen of it.
    official = engines.weights(Settings(data_dir=tmp_path)).recogniser
    described = {"recogniser_path": official.path, "recogniser_sha256": official.sha256}
    with pytest.raises(ModelMisdescribed, match="128 x 128"):
        engines.local(Settings(data_dir=tmp_path, recogniser_side_px=128, **described), threads=1)


def test_a_model_that_was_described_wrongly_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelMisdescribed, match="256 numbers"):
        engines.local(_settings(tmp_path, recogniser_dimension=256), threads=1)


def test_without_a_calibration_it_decides_nothing(tmp_path: Path) -> None:
    with pytest.raises(engines.NotCalibrated, match="calibrate"):
        engines.tail(_settings(tmp_path))
    found = engines.tail(_settings(tmp_path, recogniser_tail_offset=2.0, recogniser_tail_slope=-15.0))
    assert (found.offset, found.slope) == (2.0, -15.0)


def test_settings_survive_the_way_to_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trouvaille.serving import environment

    given = _settings(
        tmp_path, recogniser_mean=(1.0, 2.0, 3.5), recogniser_tail_offset=2.0, recogniser_tail_slope=-15.0
    )
    for name, value in environment(given).items():
        if name.startswith("TROUVAILLE_"):
            monkeypatch.setenv(name, value)
    assert engines.weights(Settings()) == engines.weights(given)
    assert engines.tail(Settings()) == engines.tail(given)


@pytest.mark.parametrize(
    "wrong",
    [{"recogniser_mean": "1,2"}, {"recogniser_scale": "0"}, {"recogniser_mean": "x"}, {"recogniser_sha256": "ab"}],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        _settings(tmp_path, **wrong)
