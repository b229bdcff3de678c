"""Turn aligned faces into identity templates."""

import threading
from typing import Final

import numpy as np
import openvino as ov
from numpy.typing import NDArray

_BATCH: Final = 8  # Larger batches are no faster on a CPU and need 5 MB of activations a face.


class Embedder:
    """A recognition model over a compiled graph; safe to call from several threads."""

    def __init__(
        self,
        graph: ov.CompiledModel,
        *,
        dimension: int = 128,
        population_mean: NDArray[np.float32] | None = None,
    ) -> None:
        """Args:
        graph: takes (n, side, side, 3) uint8 RGB, answers with (n, d).
        dimension: d.
        population_mean: (d,), what all faces' templates have in common; subtracted from each.
        """
        self._graph = graph
        # Some files are made for one face at a time and take no other batch.
        batch = graph.input(0).partial_shape[0]
        self._at_once = batch.get_length() if batch.is_static else _BATCH
        self._dimension = dimension
        self._mean = population_mean
        self._requests = threading.local()

    def embed(self, crops_rgb: NDArray[np.uint8], *, mirrored: bool = False) -> NDArray[np.float32]:
        """Identity templates of aligned faces.

        Args:
            crops_rgb: (n, side, side, 3), 0-255; n may be 0.
            mirrored: average the template of each face with that of its mirror image, which takes twice the time.

        Returns:
            (n, d), unit length, in input order.
        """
        step = self._at_once
        parts = [self._batch(crops_rgb[at : at + step], mirrored) for at in range(0, len(crops_rgb), step)]
        return np.concatenate([np.zeros((0, self._dimension), np.float32), *parts])

    def _batch(self, crops_rgb: NDArray[np.uint8], mirrored: bool) -> NDArray[np.float32]:
        templates = unit_length(self._infer(crops_rgb))
        if mirrored:
            templates = unit_length(templates + unit_length(self._infer(crops_rgb[:, :, ::-1])))
        return templates if self._mean is None else unit_length(templates - self._mean)

    def _infer(self, crops_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not hasattr(self._requests, "own"):
            self._requests.own = self._graph.create_infer_request()
        request: ov.InferRequest = self._requests.own
        request.infer([np.ascontiguousarray(crops_rgb)])
        return np.array(request.get_output_tensor(0).data, np.float32)


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row of (n, d) divided by its Euclidean length."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
