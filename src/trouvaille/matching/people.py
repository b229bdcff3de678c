"""Who is who among the faces of one event: what can be told only once they are looked at together.

A face in a photo is helped by the other pictures of the same person: templates of faces that are almost certainly one
person are averaged (in image retrieval: database-side augmentation, Arandjelović and Zisserman, CVPR 2012). Two
faces in one photo are never one person. A guest's own answers improve their template in the same way, and where one
guest fits a face far better than another, the other is not asked about it.

Everything here is a function of the set of faces, selfies and answers: the order in which they arrived is no input.
docs/accuracy.md tells what each part is worth.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trouvaille.matching.calibration import Thresholds

Floats = NDArray[np.float32]
Places = NDArray[np.intp]

CLEARLY_BETTER: Final = 0.15
"""A guest who is this much more similar to a face than another is who it shows."""

TOO_GOOD_TO_DROP: Final = 0.6
"""Nobody this similar to a face is ever dropped for somebody else: a person may be registered twice."""

_CELLS_AT_ONCE: Final = 4_000_000  # of a similarity matrix; 16 MB.
_LINKS_AT_ONCE: Final = 32_768  # templates of 128 numbers: 16 MB.


@dataclass(frozen=True, slots=True)
class Gallery:
    """The faces of one event that may start a match, of one engine.

    Attributes:
        templates: (n, d), unit length.
        photos: (n,), a number for the photo that each is in; ascending.
    """

    templates: Floats
    photos: Places


@dataclass(frozen=True, slots=True)
class Found:
    """Which guest is in which photo: at most one row for the two, by their most similar face.

    Attributes:
        guests: (m,), places among the probes.
        faces: (m,), places in the gallery.
        similarities: (m,), cosine.
    """

    guests: Places
    faces: Places
    similarities: Floats


def refined(gallery: Gallery, link: float) -> Floats:
    """Each face's template, averaged with those of the same person in other photos.

    Args:
        link: cosine similarity from which two faces count as one person.

    Returns:
        (n, d), unit length. A face without such neighbours keeps its template.
    """
    templates, photos = gallery.templates, gallery.photos
    result = templates.copy()
    rows_at_once = max(1, _CELLS_AT_ONCE // max(1, len(templates)))
    # Fresh memory for each product would take longer than the product.
    products = np.empty((rows_at_once, len(templates)), np.float32)
    for start in range(0, len(templates), rows_at_once):
        some = templates[start : start + rows_at_once]
        similar = np.matmul(some, templates.T, out=products[: len(some)])
        row, other = np.divmod(np.flatnonzero(similar >= link), len(templates))
        apart = photos[start + row] != photos[other]
        row, other = row[apart], other[apart]
        # Links are few among many pairs, so they are added up one by one rather than by another product.
        for part in range(0, len(row), _LINKS_AT_ONCE):
            here, there = row[part : part + _LINKS_AT_ONCE], other[part : part + _LINKS_AT_ONCE]
            first = np.flatnonzero(np.diff(here, prepend=-1))
            weighted = similar[here, there][:, None] * templates[there]
            result[start + here[first]] += np.add.reduceat(weighted, first, axis=0)
    return _unit(result)


def refined_probes(probes: Floats, gallery: Gallery, guests: Places, photos: Places) -> Floats:
    """Each guest's template, averaged with their face in the photos that they said they are in.

    In such a photo their face is the one most similar to the selfie. All answers together weigh no more than the
    selfie, so that nobody can turn into somebody else by answers.

    Args:
        probes: (g, d), unit length: the templates of the selfies.
        guests: (a,), for each answer the place of the guest among the probes.
        photos: (a,), and the number of the photo.

    Returns:
        (g, d), unit length.
    """
    said = np.zeros_like(probes)
    first, last = np.searchsorted(gallery.photos, photos, "left"), np.searchsorted(gallery.photos, photos, "right")
    for guest, start, end in zip(guests, first, last, strict=True):
        faces = gallery.templates[start:end]
        if len(faces):
            said[guest] += faces[(faces @ probes[guest]).argmax()]
    length = np.linalg.norm(said, axis=1, keepdims=True)
    return _unit(probes + said / np.maximum(length, 1))


def found(probes: Floats, faces: Floats, photos: Places, limits: Thresholds) -> Found:
    """Compare all guests with all faces, and guests with each other where they fit the same face.

    Args:
        probes: (g, d), unit length.
        faces: (n, d), unit length.
        photos: (n,), the number of the photo that each face is in.

    Returns:
        Everything from ``limits.maybe`` upwards, sorted by guest and photo.
    """
    guests, places, similarities = [], [], []
    columns_at_once = max(1, _CELLS_AT_ONCE // max(1, len(probes)))
    for start in range(0, len(faces) if len(probes) else 0, columns_at_once):
        similar = probes @ faces[start : start + columns_at_once].T
        best = similar.max(axis=0)
        taken = (best >= limits.sure) & (similar < np.minimum(best - CLEARLY_BETTER, TOO_GOOD_TO_DROP))
        guest, face = np.nonzero((similar >= limits.maybe) & ~taken)
        guests.append(guest)
        places.append(face + start)
        similarities.append(similar[guest, face])
    if not guests:
        nothing = np.empty(0, np.intp)
        return Found(nothing, nothing, np.empty(0, np.float32))
    guest, face, similarity = np.concatenate(guests), np.concatenate(places), np.concatenate(similarities)
    order = np.lexsort((face, -similarity, photos[face], guest))
    guest, face, similarity = guest[order], face[order], similarity[order]
    photo = photos[face]
    first = np.ones(len(guest), bool)
    first[1:] = (guest[1:] != guest[:-1]) | (photo[1:] != photo[:-1])
    return Found(guest[first], face[first], similarity[first])


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
