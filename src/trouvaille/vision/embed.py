"""Turn aligned faces into identity templates."""

import threading

import numpy as np
import openvino as ov
from numpy.typing import NDArray


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
        graph: takes (1, side, side, 3) uint8 RGB, answers with (1, d).
        dimension: d.
        population_mean: (d,), what all faces' templates have in common; subtracted from each.
        """
        self._graph = graph
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
        parts = [self._one(crops_rgb[row : row + 1], mirrored) for row in range(len(crops_rgb))]
        return np.concatenate([np.zeros((0, self._dimension), np.float32), *parts])

    def _one(self, crops_rgb: NDArray[np.uint8], mirrored: bool) -> NDArray[np.float32]:
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
