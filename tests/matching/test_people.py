"""What is told only once faces are looked at together; on templates made for it, since the truth is then known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.matching.vectors import like, random
from trouvaille.matching import people
from trouvaille.matching.calibration import thresholds
from trouvaille.matching.people import Gallery

LIMITS = thresholds(1000)
SIZE = 128


def _numbers(*numbers: int) -> NDArray[np.intp]:
    return np.array(numbers, np.intp)


def test_faces_of_one_person_become_more_alike_and_others_stay() -> None:
    anchor, *noise, stranger = random(1, 6)
    faces = np.stack([like(anchor, 0.75, aside) for aside in noise] + [stranger])
    refined = people.refined(Gallery(faces, _numbers(0, 1, 2, 3, 4)), LIMITS.link)
    assert (refined[:4] @ anchor > faces[:4] @ anchor + 0.05).all()
    assert refined[4] == pytest.approx(faces[4])
    assert np.linalg.norm(refined, axis=1) == pytest.approx(1)


def test_two_faces_in_one_photo_are_never_one_person() -> None:
    anchor, aside = random(2, 2)
    twins = np.stack([anchor, like(anchor, 0.9, aside)])
    assert people.refined(Gallery(twins, _numbers(7, 7)), LIMITS.link) == pytest.approx(twins)
    assert people.refined(Gallery(twins, _numbers(7, 8)), LIMITS.link) != pytest.approx(twins)


def test_refining_in_small_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    centres = random(3, 10)
    faces = np.stack([like(centres[each % 10], 0.8, aside) for each, aside in enumerate(random(4, 60))])
    gallery = Gallery(faces, np.arange(60) // 3)
    probes = random(5, 10) * 0.2 + centres
    whole = people.refined(gallery, LIMITS.link), people.found(probes, faces, gallery.photos, LIMITS)
    monkeypatch.setattr(people, "_CELLS_AT_ONCE", 130)
    monkeypatch.setattr(people, "_LINKS_AT_ONCE", 3)
    pieces = people.refined(gallery, LIMITS.link), people.found(probes, faces, gallery.photos, LIMITS)
    assert pieces[0] == pytest.approx(whole[0], abs=1e-6)
    assert (pieces[1].guests == whole[1].guests).all()
    assert (pieces[1].faces == whole[1].faces).all()


def test_the_order_of_the_faces_makes_no_difference() -> None:
    centres = random(6, 8)
    faces = np.stack([like(centres[each % 8], 0.7, aside) for each, aside in enumerate(random(7, 40))])
    photos = np.arange(40) // 2
    order = np.random.default_rng(8).permutation(20)
    mixed = np.concatenate([_numbers(2 * photo, 2 * photo + 1) for photo in order])

    def told(places: NDArray[np.intp]) -> set[tuple[int, int]]:
        gallery = Gallery(faces[places], photos)
        refined = people.refined(gallery, LIMITS.link)
        found = people.found(centres, refined, gallery.photos, LIMITS)
        return {(int(guest), int(places[face])) for guest, face in zip(found.guests, found.faces, strict=True)}

    assert told(mixed) == told(np.arange(40))


def test_an_answer_moves_a_guest_towards_their_face_in_that_photo() -> None:
    selfie, aside, stranger = random(9, 3)
    mine = like(selfie, 0.35, aside)
    gallery = Gallery(np.stack([stranger, mine]), _numbers(4, 4))
    probes = selfie[None]
    assert people.refined_probes(probes, gallery, _numbers(), _numbers()) == pytest.approx(probes)
    assert people.refined_probes(probes, gallery, _numbers(0), _numbers(5)) == pytest.approx(probes)
    moved = people.refined_probes(probes, gallery, _numbers(0), _numbers(4))[0]
    assert moved @ mine > selfie @ mine + 0.1
    assert moved @ stranger < LIMITS.maybe


def test_no_number_of_answers_turns_a_guest_into_somebody_else() -> None:
    selfie, other, *asides = random(10, 22)
    of_another = np.stack([like(other, 0.9, aside) for aside in asides])
    gallery = Gallery(of_another, np.arange(20))
    moved = people.refined_probes(selfie[None], gallery, np.zeros(20, np.intp), np.arange(20))[0]
    assert moved @ selfie >= 0.7


def test_who_fits_a_face_far_better_is_asked_alone() -> None:
    face, one, two = random(11, 3)
    clear = np.stack([like(face, LIMITS.sure + 0.1, one), like(face, LIMITS.sure - 0.08, two)])
    assert people.found(clear, face[None], _numbers(0), LIMITS).guests.tolist() == [0]
    close = np.stack([like(face, LIMITS.sure + 0.02, one), like(face, LIMITS.sure - 0.08, two)])
    assert people.found(close, face[None], _numbers(0), LIMITS).guests.tolist() == [0, 1]


def test_a_person_who_registered_twice_keeps_their_photos() -> None:
    face, one, two = random(12, 3)
    twice = np.stack([like(face, 0.95, one), like(face, 0.65, two)])
    assert people.found(twice, face[None], _numbers(0), LIMITS).guests.tolist() == [0, 1]


def test_a_guest_is_in_a_photo_once_by_their_most_similar_face() -> None:
    guest, one, two, three = random(13, 4)
    faces = np.stack([like(guest, 0.5, one), like(guest, 0.7, two), like(guest, 0.6, three)])
    found = people.found(guest[None], faces, _numbers(0, 0, 1), LIMITS)
    assert found.faces.tolist() == [1, 2]
    assert found.similarities == pytest.approx([0.7, 0.6], abs=1e-4)


def test_an_empty_event_is_no_error() -> None:
    nobody, nothing = np.empty((0, SIZE), np.float32), Gallery(np.empty((0, SIZE), np.float32), _numbers())
    assert len(people.refined(nothing, LIMITS.link)) == 0
    assert len(people.found(random(14, 2), nothing.templates, nothing.photos, LIMITS).guests) == 0
    assert len(people.found(nobody, random(15, 2), _numbers(0, 1), LIMITS).guests) == 0
