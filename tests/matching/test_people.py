"""What is told only once faces are looked at together; on templates made for it, since the truth is then known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.matching.vectors import like, random
from trouvaille.matching import people
from trouvaille.matching.calibration import thresholds
from trouvaille.matching.people import MOST_EXPANSION, MOST_HELP, NO_ANSWERS, Answers, Found, Gallery

LIMITS = thresholds(1000)
SIZE = 128


def _numbers(*numbers: int) -> NDArray[np.intp]:
    return np.array(numbers, np.intp)


def _gallery(faces: NDArray[np.float32], photos: NDArray[np.intp], *poor: int) -> Gallery:
    """``poor``: the places of the faces that are."""
    return Gallery(faces, photos, np.isin(np.arange(len(faces)), poor))


def _answers(guests: NDArray[np.intp], photos: NDArray[np.intp], yes: bool = True) -> Answers:
    return Answers(guests, photos, np.full(len(guests), yes))


def _found(
    probes: NDArray[np.float32],
    faces: NDArray[np.float32],
    photos: NDArray[np.intp],
    *poor: int,
    answers: Answers = NO_ANSWERS,
) -> Found:
    """Without help from other pictures."""
    return people.found(probes, _gallery(faces, photos, *poor), faces, LIMITS, answers)


def test_faces_of_one_person_become_more_alike_and_others_stay() -> None:
    anchor, *noise, stranger = random(1, 6)
    faces = np.stack([like(anchor, 0.75, aside) for aside in noise] + [stranger])
    refined = people.refined(_gallery(faces, _numbers(0, 1, 2, 3, 4)), LIMITS.link).templates
    assert (refined[:4] @ anchor > faces[:4] @ anchor + 0.05).all()
    assert refined[4] == pytest.approx(faces[4])
    assert np.linalg.norm(refined, axis=1) == pytest.approx(1)


def test_two_faces_in_one_photo_are_never_one_person() -> None:
    anchor, aside = random(2, 2)
    twins = np.stack([anchor, like(anchor, 0.9, aside)])
    assert people.refined(_gallery(twins, _numbers(7, 7)), LIMITS.link).templates == pytest.approx(twins)
    assert people.refined(_gallery(twins, _numbers(7, 8)), LIMITS.link).templates != pytest.approx(twins)


def test_refining_in_small_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    centres = random(3, 10)
    faces = np.stack([like(centres[each % 10], 0.8, aside) for each, aside in enumerate(random(4, 60))])
    gallery = _gallery(faces, np.arange(60) // 3)
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
        gallery = _gallery(faces[places], photos)
        refined = people.refined(gallery, LIMITS.link).templates
        found = people.found(centres, gallery, refined, LIMITS)
        return {(int(guest), int(places[face])) for guest, face in zip(found.guests, found.faces, strict=True)}

    assert told(mixed) == told(np.arange(40))


def test_an_answer_moves_a_guest_towards_their_face_in_that_photo() -> None:
    selfie, aside, stranger = random(9, 3)
    mine = like(selfie, 0.35, aside)
    gallery = _gallery(np.stack([stranger, mine]), _numbers(4, 4))
    probes = selfie[None]
    assert people.refined_probes(probes, gallery, NO_ANSWERS) == pytest.approx(probes)
    assert people.refined_probes(probes, gallery, _answers(_numbers(0), _numbers(5))) == pytest.approx(probes)
    moved = people.refined_probes(probes, gallery, _answers(_numbers(0), _numbers(4)))[0]
    assert people.refined_probes(probes, gallery, _answers(_numbers(0), _numbers(4), yes=False)) == pytest.approx(
        probes
    )
    assert moved @ mine > selfie @ mine + 0.1
    assert moved @ stranger < LIMITS.maybe


def test_no_number_of_answers_turns_a_guest_into_somebody_else() -> None:
    selfie, other, *asides = random(10, 22)
    of_another = np.stack([like(other, 0.9, aside) for aside in asides])
    gallery = _gallery(of_another, np.arange(20))
    moved = people.refined_probes(selfie[None], gallery, _answers(np.zeros(20, np.intp), np.arange(20)))[0]
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
    found = people.found(guest[None], _gallery(face[None], _numbers(0)), guest[None], LIMITS)
    assert found.similarities == pytest.approx([0.3 + MOST_HELP], abs=1e-4)


def test_ten_pictures_of_a_person_count_as_one_person() -> None:
    anchor, stranger, *noise = random(19, 12)
    faces = np.stack([like(anchor, 0.95, aside) for aside in noise] + [stranger])
    assert people.refined(_gallery(faces, np.arange(11)), LIMITS.link).people == pytest.approx(2)


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


def _burst(guest: NDArray[np.float32], *seeds: int) -> NDArray[np.float32]:
    """Nearly the same picture twice: the first is sure for the guest, the second alone is not."""
    one, two = random(seeds[0], 2)
    first = like(guest, LIMITS.sure + 0.02, one)
    # As similar to the first as asked, and on the far side of it from the guest.
    second = like(first, 0.8, two)
    second = second - guest * (second @ guest - np.float32(LIMITS.sure - 0.06))
    return np.stack([first, second / np.linalg.norm(second)])


def test_what_is_nearly_the_same_picture_as_a_sure_one_is_sure() -> None:
    guest = random(22, 1)[0]
    burst = _burst(guest, 23)
    assert burst[0] @ burst[1] > LIMITS.same and LIMITS.maybe < guest @ burst[1] < LIMITS.sure - MOST_EXPANSION
    assert _found(guest[None], burst[1:], _numbers(0)).sure.tolist() == [False]
    assert _found(guest[None], burst, _numbers(0, 1)).sure.tolist() == [True, True]
    other = like(guest, float(guest @ burst[1]), random(24, 1)[0])
    assert _found(guest[None], np.stack([burst[0], other]), _numbers(0, 1)).sure.tolist() == [True, False]


def test_a_yes_makes_nearly_the_same_picture_sure_and_a_no_stops_asking_about_it() -> None:
    guest, *asides = random(25, 3)
    first = like(guest, 0.32, asides[0])
    pictures = np.stack([first, like(first, 0.9, asides[1])])
    photos = _numbers(0, 1)
    assert _found(guest[None], pictures, photos).sure.tolist() == [False, False]
    said_yes = _found(guest[None], pictures, photos, answers=_answers(_numbers(0), _numbers(0)))
    assert said_yes.sure.tolist() == [False, True]  # the first is the guest's own word
    said_no = _found(guest[None], pictures, photos, answers=_answers(_numbers(0), _numbers(0), yes=False))
    assert said_no.faces.tolist() == [0]
    of_another = _found(
        np.stack([guest, random(26, 1)[0]]), pictures, photos, answers=_answers(_numbers(1), _numbers(0), yes=False)
    )
    assert of_another.faces.tolist() == [0, 1]


def test_who_says_no_to_one_of_several_pictures_of_themselves_is_asked_about_what_is_like_it() -> None:
    guest = random(34, 1)[0]
    first, third = _burst(guest, 35)
    second = like(first, 0.95, random(36, 1)[0])
    pictures = np.stack([first, second, third])
    photos = np.arange(3)
    assert _found(guest[None], pictures, photos).sure.tolist() == [True, True, True]
    found = _found(guest[None], pictures, photos, answers=_answers(_numbers(0), _numbers(1), yes=False))
    assert dict(zip(found.faces.tolist(), found.sure.tolist(), strict=True)) == {0: True, 1: True, 2: False}


def test_what_is_like_a_sure_picture_with_a_no_is_not_asked_about() -> None:
    guest = random(37, 1)[0]
    burst, photos = _burst(guest, 38), _numbers(0, 3)
    found = _found(guest[None], burst, photos, answers=_answers(_numbers(0), _numbers(0), yes=False))
    assert found.faces.tolist() == [0]  # the answer itself


def test_a_poor_face_is_what_an_answer_means_and_changes_no_template() -> None:
    guest, *asides = random(39, 3)
    blurred, neighbour = like(guest, 0.5, asides[0]), like(guest, 0.2, asides[1])
    gallery = _gallery(np.stack([blurred, neighbour]), _numbers(0, 0), 0)
    said = people.refined_probes(guest[None], gallery, _answers(_numbers(0), _numbers(0)))
    assert said == pytest.approx(guest[None])


def test_a_no_takes_nothing_away_that_is_sure_by_itself() -> None:
    guest, *asides = random(27, 3)
    first = like(guest, 0.6, asides[0])
    pictures = np.stack([first, like(first, 0.9, asides[1])])
    found = _found(guest[None], pictures, _numbers(0, 1), answers=_answers(_numbers(0), _numbers(0), yes=False))
    assert found.faces.tolist() == [0, 1] and found.sure[1]


def test_nearly_the_same_picture_is_not_shown_to_one_whom_somebody_else_fits_better() -> None:
    guest, aside = random(28, 2)
    burst = _burst(guest, 29)
    # Somebody like the second picture, and not like the first.
    neighbour = like(burst[1], LIMITS.sure + 0.015, aside - burst[0] * np.float32(0.4))
    found = _found(np.stack([guest, neighbour]), burst, _numbers(0, 1))
    told = zip(found.guests.tolist(), found.faces.tolist(), found.sure.tolist(), strict=True)
    assert {(0, 0, True), (0, 1, False), (1, 1, True)} <= set(told)


def test_two_faces_in_one_photo_are_not_the_same_picture() -> None:
    guest = random(30, 1)[0]
    burst = _burst(guest, 31)
    found = _found(guest[None], burst, _numbers(5, 5))
    assert found.faces.tolist() == [0]


def test_a_poor_face_counts_only_where_it_is_very_similar_and_helps_nobody() -> None:
    guest, one, two, three = random(32, 4)
    asked, barely = like(guest, LIMITS.sure + 0.01, one), like(guest, LIMITS.link + 0.01, two)
    faces = np.stack([asked, barely])
    assert _found(guest[None], faces, _numbers(0, 1)).faces.tolist() == [0, 1]
    found = _found(guest[None], faces, _numbers(0, 1), 0, 1)
    assert (found.faces.tolist(), found.sure.tolist()) == ([1], [True])
    twins = np.stack([barely, like(barely, 0.9, three)])
    refined = people.refined(_gallery(twins, _numbers(0, 1), 1), LIMITS.link)
    assert refined.templates == pytest.approx(twins)
    assert refined.people == 1
    # A poor picture of a burst comes with the others.
    burst = _burst(guest, 33)
    assert _found(guest[None], burst, _numbers(0, 1), 1).sure.tolist() == [True, True]


def test_a_poor_face_is_neither_helped_by_a_guests_surest_photos_nor_one_of_them() -> None:
    guest, one, two, three = random(40, 4)
    certain = like(guest, 0.55, one)
    doubtful = like(certain, 0.5, two)
    alone = float(guest @ doubtful)
    found = _found(guest[None], np.stack([certain, doubtful]), _numbers(0, 1), 0)
    assert found.similarities[1] == pytest.approx(alone, abs=1e-4)
    # Just below what a poor face needs, and above it with help.
    near = LIMITS.link - 0.02
    side = like(guest, 0.0, certain)
    rest = like(side, 0.0, like(guest, 0.0, three))
    along = (0.5 - near * (guest @ certain)) / (side @ certain)
    blurred = near * guest + along * side + np.sqrt(1 - near**2 - along**2) * rest
    blurred = np.asarray(blurred / np.linalg.norm(blurred), np.float32)
    assert certain @ blurred < LIMITS.same and abs(guest @ blurred - near) < 0.01
    faces = np.stack([certain, blurred])
    assert _found(guest[None], faces, _numbers(0, 1)).similarities[1] > LIMITS.link
    assert _found(guest[None], faces, _numbers(0, 1), 1).faces.tolist() == [0]


def test_an_empty_event_is_no_error() -> None:
    nobody, nothing = np.empty((0, SIZE), np.float32), _gallery(np.empty((0, SIZE), np.float32), _numbers())
    refined = people.refined(nothing, LIMITS.link)
    assert len(refined.templates) == 0 and refined.people == 0
    assert len(_found(random(14, 2), nothing.templates, nothing.photos).guests) == 0
    assert len(_found(nobody, random(15, 2), _numbers(0, 1)).guests) == 0
