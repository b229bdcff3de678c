"""Templates with known similarities."""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


def random(seed: int, count: int, size: int = 128) -> NDArray[np.float32]:
    """(count, size) unit vectors that are almost at right angles to each other."""
    vectors = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def like(anchor: Vector, similarity: float, other: Vector) -> Vector:
    """A unit vector with this cosine to ``anchor``, towards ``other``."""
    aside = other - (other @ anchor) * anchor
    aside /= np.linalg.norm(aside)
    return np.asarray(similarity * anchor + np.sqrt(1 - similarity**2) * aside, np.float32)
