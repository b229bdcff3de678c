"""What is told only once faces are looked at together; on templates made for it, since the truth is then known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.matching.vectors import like, random
from trouvaille.matching import people
from trouvaille.matching.calibration import thresholds
from trouvaille.matching.people import MOST_EXPANSION, MOST_HELP, Found, Gallery

LIMITS = thresholds(1000)
SIZE = 128


def _numbers(*numbers: int) -> NDArray[np.intp]:
    return np.array(numbers, np.intp)


def _found(probes: NDArray[np.float32], faces: NDArray[np.float32], photos: NDArray[np.intp]) -> Found:
    """Without help from other pictures."""
    return people.found(probes, Gallery(faces, photos), faces, LIMITS)


def test_faces_of_one_person_become_more_alike_and_others_stay() -> None:
    anchor, *noise, stranger = random(1, 6)
    faces = np.stack([like(anchor, 0.75, aside) for aside in noise] + [stranger])
    refined = people.refined(Gallery(faces, _numbers(0, 1, 2, 3, 4)), LIMITS.link).templates
    assert (refined[:4] @ anchor > faces[:4] @ anchor + 0.05).all()
    assert refined[4] == pytest.approx(faces[4])
    assert np.linalg.norm(refined, axis=1) == pytest.approx(1)


def test_two_faces_in_one_photo_are_never_one_person() -> None:
    anchor, aside = random(2, 2)
    twins = np.stack([anchor, like(anchor, 0.9, aside)])
    assert people.refined(Gallery(twins, _numbers(7, 7)), LIMITS.link).templates == pytest.approx(twins)
    assert people.refined(Gallery(twins, _numbers(7, 8)), LIMITS.link).templates != pytest.approx(twins)


def test_refining_in_small_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    centres = random(3, 10)
    faces = np.stack([like(centres[each % 10], 0.8, aside) for each, aside in enumerate(random(4, 60))])
    gallery = Gallery(faces, np.arange(60) // 3)
    probes = random(5, 10) * 0.2 + centres
    whole = people.refined(gallery, LIMITS.link), people.found(probes, gallery, faces, LIMITS)
    monkeypatch.setattr(people, "_CELLS_AT_ONCE", 130)
    monkeypatch.setattr(people, "_SQUARE", 7)
    monkeypatch.setattr(people, "_LINKS_AT_ONCE", 3)
    pieces = people.refined(gallery, LIMITS.link), people.found(probes, gallery, faces, LIMITS)
    assert pieces[0].templates == pytest.approx(whole[0].templates, abs=1e-6)
    assert pieces[0].people == pytest.approx(whole[0].people)
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
        refined = people.refined(gallery, LIMITS.link).templates
        found = people.found(centres, gallery, refined, LIMITS)
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
    assert _found(clear, face[None], _numbers(0)).guests.tolist() == [0]
    close = np.stack([like(face, LIMITS.sure + 0.02, one), like(face, LIMITS.sure - 0.08, two)])
    assert _found(close, face[None], _numbers(0)).guests.tolist() == [0, 1]


def test_a_person_who_registered_twice_keeps_their_photos() -> None:
    face, one, two = random(12, 3)
    twice = np.stack([like(face, 0.95, one), like(face, 0.65, two)])
    assert _found(twice, face[None], _numbers(0)).guests.tolist() == [0, 1]


def test_of_two_guests_who_fit_a_face_only_the_better_one_is_shown_it() -> None:
    face, one, two = random(16, 3)
    both = np.stack([like(face, LIMITS.sure + 0.05, one), like(face, LIMITS.sure + 0.02, two)])
    assert _found(both, face[None], _numbers(0)).sure.tolist() == [True, False]


def test_guests_who_look_like_one_person_do_not_compete() -> None:
    face, aside, other = random(17, 3)
    one = like(face, LIMITS.sure + 0.05, aside)
    twice = np.stack([one, like(one, 0.9, other)])
    found = _found(twice, face[None], _numbers(0))
    assert found.guests.tolist() == [0, 1]
    assert found.sure.tolist() == [bool(each >= LIMITS.sure) for each in twice @ face]


def test_other_pictures_help_a_face_by_so_much_and_no_more() -> None:
    guest, aside = random(18, 2)
    face = like(guest, 0.3, aside)
    found = people.found(guest[None], Gallery(face[None], _numbers(0)), guest[None], LIMITS)
    assert found.similarities == pytest.approx([0.3 + MOST_HELP], abs=1e-4)


def test_ten_pictures_of_a_person_count_as_one_person() -> None:
    anchor, stranger, *noise = random(19, 12)
    faces = np.stack([like(anchor, 0.95, aside) for aside in noise] + [stranger])
    assert people.refined(Gallery(faces, np.arange(11)), LIMITS.link).people == pytest.approx(2)


def test_a_guest_is_in_a_photo_once_by_their_most_similar_face() -> None:
    guest, one, two, three = random(13, 4)
    faces = np.stack([like(guest, 0.3, one), like(guest, 0.4, two), like(guest, 0.35, three)])
    found = _found(guest[None], faces, _numbers(0, 0, 1))
    assert found.faces.tolist() == [1, 2]
    assert found.similarities == pytest.approx([0.4, 0.35], abs=1e-4)


def test_a_guests_surest_photos_help_to_find_others_by_so_much_and_no_more() -> None:
    guest, one, two = random(20, 3)
    certain = like(guest, 0.55, one)
    doubtful = like(certain, 0.5, two)
    alone = float(guest @ doubtful)
    assert LIMITS.maybe < alone < LIMITS.sure
    found = _found(guest[None], np.stack([certain, doubtful]), _numbers(0, 1))
    assert found.similarities[1] == pytest.approx(alone + MOST_EXPANSION, abs=1e-4)
    assert _found(guest[None], doubtful[None], _numbers(0)).similarities == pytest.approx([alone], abs=1e-4)


def test_thirty_copies_of_one_picture_do_not_outvote_another() -> None:
    guest, one, two, three = random(21, 4)
    pictures = like(guest, 0.6, one), like(guest, 0.6, two)
    other = like(pictures[1], 0.5, three)
    once = _found(guest[None], np.stack([*pictures, other]), np.arange(3))
    often = _found(guest[None], np.stack([*[pictures[0]] * 30, pictures[1], other]), np.arange(32))
    assert often.similarities[-1] == pytest.approx(once.similarities[-1], abs=1e-3)


def test_an_empty_event_is_no_error() -> None:
    nobody, nothing = np.empty((0, SIZE), np.float32), Gallery(np.empty((0, SIZE), np.float32), _numbers())
    refined = people.refined(nothing, LIMITS.link)
    assert len(refined.templates) == 0 and refined.people == 0
    assert len(_found(random(14, 2), nothing.templates, nothing.photos).guests) == 0
    assert len(_found(nobody, random(15, 2), _numbers(0, 1)).guests) == 0
