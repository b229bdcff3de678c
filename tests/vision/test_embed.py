"""Aligned faces become unit-length templates, the same ones in whatever company."""

from pathlib import Path

import numpy as np
import pytest

from trouvaille.vision import weights
from trouvaille.vision.embed import Embedder
from trouvaille.vision.graphs import compile_graph


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    onnx = weights.read(weights.locate().recogniser)
    return Embedder(compile_graph(onnx, (1, 3, 112, 112), channels="rgb", precision="f32", threads=1))


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (11, 112, 112, 3), dtype=np.uint8)


def test_no_faces_give_no_templates(embedder: Embedder) -> None:
    none = embedder.embed(np.zeros((0, 112, 112, 3), np.uint8))
    assert none.shape == (0, 128)
    assert none.dtype == np.float32


@pytest.mark.parametrize("count", [1, 8, 9, 11])
def test_many_faces_give_the_templates_that_each_gives_alone(count: int, embedder: Embedder, crops: np.ndarray) -> None:
    together = embedder.embed(crops[:count])
    alone = np.concatenate([embedder.embed(crops[row : row + 1]) for row in range(count)])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_a_face_and_its_mirror_image_have_one_template(embedder: Embedder, crops: np.ndarray) -> None:
    one, other = (embedder.embed(seen, mirrored=True) for seen in (crops[:2], crops[:2, :, ::-1]))
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_templates_equal_those_of_opencvs_own_sface(
    samples: dict[str, Path], embedder: Embedder, crops: np.ndarray
) -> None:
    cv2 = pytest.importorskip("cv2")
    # The official recipe (FaceRecognizerSF::feature): RGB, 0-255, no mean; one view.
    net = cv2.dnn.readNetFromONNX(str(weights.locate().recogniser.path), engine=cv2.dnn.ENGINE_CLASSIC)
    portrait = cv2.resize(cv2.imread(str(samples["obama.jpg"]))[90:420, 340:670], (112, 112))
    net.setInput(cv2.dnn.blobFromImage(portrait, 1, (112, 112), (0, 0, 0), True, False), "data")
    expected = net.forward()[0]
    plain = embedder
    ours = plain.embed(np.ascontiguousarray(portrait[None, :, :, ::-1]))[0]
    assert float(ours @ expected / np.linalg.norm(expected)) > 0.9999
