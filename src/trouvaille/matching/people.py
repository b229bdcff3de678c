"""Who is who among the faces of one event: what can be told only once they are looked at together.

A face in a photo is helped by the other pictures of the same person: templates of faces that are almost certainly one
person are averaged (in image retrieval: database-side augmentation, Arandjelović and Zisserman, CVPR 2012), and a
guest's template with the faces that are almost certainly theirs (query expansion, Chum et al., ICCV 2007). Two faces in
one photo are never one person. A guest's own answers improve their template in the same way, and where one guest fits a
face better than another, the other is at most asked about it.

A face that is nearly the same picture as one that a guest is shown already is shown to them, too, and nobody is asked
about one that is nearly the same as a face that they said is not theirs. A poor face helps no other, and counts only
where it is very similar.

Everything here is a function of the set of faces, selfies and answers: the order in which they arrived is no input.
docs/accuracy.md tells what each part is worth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trouvaille.matching.calibration import Thresholds

Floats = NDArray[np.float32]
Places = NDArray[np.intp]
Flags = NDArray[np.bool_]

CLEARLY_BETTER: Final = 0.15
"""A guest who is this much more similar to a face than another is who it shows."""

TOO_GOOD_TO_DROP: Final = 0.6
"""Nobody this similar to a face ever gives way to somebody else: a person may be registered twice."""

MOST_HELP: Final = 0.07
"""The most that a face's other pictures add to its similarity with a guest: right links add less, wrong ones more."""

MOST_EXPANSION: Final = 0.05
"""The most that a guest's surest photos add to their similarity with another face."""

_CELLS_AT_ONCE: Final = 4_000_000  # of a similarity matrix; 16 MB.
_SQUARE: Final = 2_000  # faces; their similarities with as many others are 16 MB.
_OWN_AT_MOST: Final = 500  # faces of one guest that are compared with each other
_LINKS_AT_ONCE: Final = 32_768  # templates of 128 numbers: 16 MB.


@dataclass(frozen=True, slots=True)
class Gallery:
    """The faces of one event, of one engine.

    Attributes:
        templates: (n, d), unit length.
        photos: (n,), a number for the photo that each is in; ascending.
        poor: (n,), those too blurred, dark or small to be asked about, or to help others.
    """

    templates: Floats
    photos: Places
    poor: Flags


@dataclass(frozen=True, slots=True)
class Answers:
    """What guests said of photos.

    Attributes:
        guests: (a,), places among the probes.
        photos: (a,), numbers of photos, as in ``Gallery``.
        yes: (a,), whether the guest is in it.
    """

    guests: Places
    photos: Places
    yes: Flags


NO_ANSWERS: Final = Answers(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, bool))


@dataclass(frozen=True, slots=True)
class Refined:
    """The faces of an event, helped by each other.

    Attributes:
        templates: (n, d), unit length. A poor face and one without neighbours keep their template.
        people: how many people the faces are of, about: each face that is not poor counts as one in so many as it is
            linked with.
    """

    templates: Floats
    people: float


@dataclass(frozen=True, slots=True)
class Found:
    """Which guest is in which photo: at most one row for the two, by their most similar face.

    Attributes:
        guests: (m,), places among the probes.
        faces: (m,), places in the gallery.
        similarities: (m,), cosine.
        sure: (m,) bool, whether the guest is shown the photo without being asked.
    """

    guests: Places
    faces: Places
    similarities: Floats
    sure: Flags


@dataclass(frozen=True, slots=True)
class _Guests:
    """The enrolled guests of an event.

    Attributes:
        probes: (g, d), unit length.
        expanded: (g, d), helped by the faces that are almost certainly theirs.
        one_person: (g, g), whether two of them look like one person.
    """

    probes: Floats
    expanded: Floats
    one_person: Flags


def refined(gallery: Gallery, link: float) -> Refined:
    """Each face's template, averaged with those of the same person in other photos.

    Args:
        link: cosine similarity from which two faces count as one person.
    """
    templates, photos, poor = gallery.templates, gallery.photos, gallery.poor
    result, linked = templates.copy(), np.zeros(len(templates), np.intp)
    # Squares, each pair of faces once, and small enough that both sides of a product stay in the processor's cache.
    starts = range(0, len(templates), _SQUARE)
    # Fresh memory for each product would take longer than the product.
    memory = np.empty(min(_SQUARE, len(templates)) ** 2, np.float32)
    for top, left in ((top, left) for top in starts for left in starts if left >= top):
        some, others = templates[top : top + _SQUARE], templates[left : left + _SQUARE]
        square = memory[: len(some) * len(others)].reshape(len(some), len(others))
        similar = np.matmul(some, others.T, out=square)
        row, column = np.divmod(np.flatnonzero(similar >= link), len(others))
        apart = (top + row < left + column) & (photos[top + row] != photos[left + column])
        apart &= ~(poor[top + row] | poor[left + column])
        row, column = row[apart], column[apart]
        # Links are few among many pairs, so they are added up one by one rather than by another product.
        for part in range(0, len(row), _LINKS_AT_ONCE):
            here, there = row[part : part + _LINKS_AT_ONCE], column[part : part + _LINKS_AT_ONCE]
            alike = similar[here, there]
            _add_links(result, linked, top + here, alike, others[there])
            order = np.argsort(there, kind="stable")
            _add_links(result, linked, left + there[order], alike[order], some[here[order]])
    return Refined(_unit(result), float((1 / (1 + linked))[~poor].sum()))


def _add_links(sums: Floats, linked: Places, faces: Places, similarities: Floats, templates: Floats) -> None:
    """Add to each face what it is linked with, weighted: ``faces`` (k,) ascend, with their neighbours beside them."""
    first = np.flatnonzero(np.diff(faces, prepend=-1))
    sums[faces[first]] += np.add.reduceat(similarities[:, None] * templates, first, axis=0)
    linked[faces[first]] += np.diff(first, append=len(faces))


def refined_probes(probes: Floats, gallery: Gallery, answers: Answers) -> Floats:
    """Each guest's template, averaged with their face in the photos that they said they are in.

    All answers together weigh no more than the selfie, so that nobody can turn into somebody else by answers.

    Args:
        probes: (g, d), unit length: the templates of the selfies.

    Returns:
        (g, d), unit length.
    """
    said = np.zeros_like(probes)
    guests, faces, yes = _answered(probes, gallery, answers)
    helps = yes & ~gallery.poor[faces]
    for guest, face in zip(guests[helps], faces[helps], strict=True):
        said[guest] += gallery.templates[face]
    length = np.linalg.norm(said, axis=1, keepdims=True)
    return _unit(probes + said / np.maximum(length, 1))


def _answered(probes: Floats, gallery: Gallery, answers: Answers) -> tuple[Places, Places, Flags]:
    """Guests, faces and whether they are theirs: in such a photo the one most similar to the selfie is meant."""
    first, last = (np.searchsorted(gallery.photos, answers.photos, side) for side in ("left", "right"))
    meant = [
        start + int((gallery.templates[start:end] @ probes[guest]).argmax()) if start < end else -1
        for guest, start, end in zip(answers.guests, first, last, strict=True)
    ]
    faces = np.array(meant, np.intp)
    there = faces >= 0
    return answers.guests[there], faces[there], answers.yes[there]


def found(probes: Floats, gallery: Gallery, faces: Floats, limits: Thresholds, answers: Answers = NO_ANSWERS) -> Found:
    """Compare all guests with all faces, and guests with each other where they fit the same face.

    Of two guests who fit a face, the one who fits it less well is at most asked about it, and not even that when the
    other fits it far better; unless the two look like one person.

    Args:
        probes: (g, d), unit length.
        faces: (n, d), unit length: the refined templates of ``gallery``.

    Returns:
        Everything from ``limits.maybe`` upwards, and of poor faces only what is sure, sorted by guest and photo.
    """
    guests = _Guests(
        probes,
        expanded=_expanded(probes, gallery, faces, limits.link),
        one_person=probes @ probes.T >= limits.link,
    )
    parts = [_candidates(guests, gallery, faces, limits, some) for some in _blocks(len(faces), len(probes))]
    if not parts:
        nothing = np.empty(0, np.intp)
        return Found(nothing, nothing, np.empty(0, np.float32), np.empty(0, bool))
    whose, places, similarities, sure, free = (np.concatenate(column) for column in zip(*parts, strict=True))
    every = Found(whose, places, similarities, sure)
    guest, face, yes = _answered(probes, gallery, answers)
    certain = sure & ~_said_no(every, gallery.photos, answers)
    shown = np.concatenate([whose[certain], guest[yes]]), np.concatenate([places[certain], face[yes]])
    like_shown = _nearly(every, *shown, gallery, limits.same)
    like_refused = _nearly(every, guest[~yes], face[~yes], gallery, limits.same)
    sure = sure | (free & like_shown & ~like_refused)
    # Who says no to a picture that they don't like of themselves is asked about the others of it.
    kept = sure | ~((like_refused & ~like_shown) | gallery.poor[places])
    return _one_face_a_photo(Found(whose[kept], places[kept], similarities[kept], sure[kept]), gallery.photos)


def _candidates(
    guests: _Guests, gallery: Gallery, faces: Floats, limits: Thresholds, some: slice
) -> tuple[Places, Places, Floats, Flags, Flags]:
    """Of some faces every guest and face that may be a match: the first four as in ``Found``, with poor faces.

    The fifth tells whether nobody else is shown the face because they fit it better.
    """
    poor = gallery.poor[some]
    similar = _helped(guests.probes, gallery, faces, some)
    further = np.minimum(_helped(guests.expanded, gallery, faces, some), similar + np.float32(MOST_EXPANSION))
    similar = np.where(poor, similar, np.maximum(similar, further))
    enough = np.where(poor, limits.link, limits.sure).astype(np.float32)
    best_guest, best = similar.argmax(axis=0), similar.max(axis=0)
    gives_way = ~guests.one_person[:, best_guest] & (similar < TOO_GOOD_TO_DROP) & (similar < best)
    taken = gives_way & (best >= enough) & (similar < best - CLEARLY_BETTER)
    guest, face = np.nonzero((similar >= limits.maybe) & ~taken)
    similarity, behind = similar[guest, face], gives_way[guest, face]
    sure = (similarity >= enough[face]) & ~behind
    free = ~(behind & (best >= enough)[face])
    return guest, face + some.start, similarity, sure, free


def _said_no(every: Found, photos: Places, answers: Answers) -> Flags:
    """Whether the guest said that they are not in the photo: (m,)."""
    span = int(photos[-1]) + 1  # of numbers that ascend
    refused = (answers.guests * span + answers.photos)[~answers.yes]
    return np.isin(every.guests * span + photos[every.faces], refused)


def _nearly(every: Found, guests: Places, faces: Places, gallery: Gallery, same: float) -> Flags:
    """Whether what is not sure is nearly the same picture as a face of that guest in another photo: (m,).

    Args:
        guests: (k,), places among the probes.
        faces: (k,), a face of each in the gallery.
    """
    nearly = np.zeros(len(every.guests), bool)
    open_rows = np.flatnonzero(~every.sure)
    open_rows = open_rows[np.argsort(every.guests[open_rows], kind="stable")]
    order = np.argsort(guests, kind="stable")
    guests, faces = guests[order], faces[order]
    for guest in np.intersect1d(guests, every.guests[open_rows]):
        known = faces[_run(guests, guest)]
        rows = open_rows[_run(every.guests[open_rows], guest)]
        at_once = max(1, _CELLS_AT_ONCE // len(known))
        for start in range(0, len(rows), at_once):
            some = rows[start : start + at_once]
            asked = every.faces[some]
            alike = gallery.templates[asked] @ gallery.templates[known].T >= same
            apart = gallery.photos[asked][:, None] != gallery.photos[known]
            nearly[some] = (alike & apart).any(axis=1)
    return nearly


def _run(ascending: Places, value: int) -> slice:
    """Where a value lies."""
    return slice(*(int(np.searchsorted(ascending, value, side)) for side in ("left", "right")))


def _blocks(faces: int, guests: int) -> Iterator[slice]:
    """All faces in pieces, so that a matrix of guests and faces stays small; none where there are no guests."""
    at_once = max(1, _CELLS_AT_ONCE // max(1, guests))
    for start in range(0, faces if guests else 0, at_once):
        yield slice(start, min(start + at_once, faces))


def _helped(probes: Floats, gallery: Gallery, faces: Floats, some: slice) -> Floats:
    """(g, n): similarities with some refined faces, as far as the faces alone bear them out."""
    alone = probes @ gallery.templates[some].T
    return np.asarray(np.minimum(probes @ faces[some].T, alone + np.float32(MOST_HELP)), np.float32)


def _expanded(probes: Floats, gallery: Gallery, faces: Floats, link: float) -> Floats:
    """Each guest's template, averaged with the faces that are almost certainly theirs (query expansion).

    A face counts for the guest who fits it best alone. Pictures that are alike count as one, so that a face seen in
    thirty photos does not outvote the same person seen otherwise; and all of them weigh no more than the selfie.

    Args:
        link: cosine similarity from which a guest and a face, or two faces, count as one person.
    """
    owners, owned = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    for some in _blocks(len(faces), len(probes)):
        similar = _helped(probes, gallery, faces, some)
        guest, face = similar.argmax(axis=0), np.flatnonzero((similar.max(axis=0) >= link) & ~gallery.poor[some])
        owners.append(guest[face])
        owned.append(face + some.start)
    owner, face = np.concatenate(owners), np.concatenate(owned)
    order = np.argsort(owner, kind="stable")
    owner, face = owner[order], face[order]
    result = probes.copy()
    for guest, start in zip(*np.unique(owner, return_index=True), strict=True):
        own = faces[face[start : np.searchsorted(owner, guest, "right")]]
        own = own[:: -(-len(own) // _OWN_AT_MOST)]
        alike = (own @ own.T >= link).sum(axis=1)
        together = ((own @ probes[guest]) / alike) @ own
        result[guest] += together / max(float(np.linalg.norm(together)), 1.0)
    return _unit(result)


def _one_face_a_photo(every: Found, photos: Places) -> Found:
    """Of a guest's faces in one photo the surest, then the most similar."""
    photo = photos[every.faces]
    order = np.lexsort((every.faces, -every.similarities, ~every.sure, photo, every.guests))
    guest, photo = every.guests[order], photo[order]
    first = np.ones(len(guest), bool)
    first[1:] = (guest[1:] != guest[:-1]) | (photo[1:] != photo[:-1])
    kept = order[first]
    return Found(every.guests[kept], every.faces[kept], every.similarities[kept], every.sure[kept])


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
