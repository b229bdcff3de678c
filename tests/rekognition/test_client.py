"""The client against a server that speaks the service's protocol: what is sent, and what becomes of the answers."""

import time
from uuid import UUID, uuid4

import pytest

from tests.rekognition.conftest import MakeCollections
from tests.rekognition.server import MODEL, Account, picture, problems
from trouvaille.rekognition.answers import Belonging, quality
from trouvaille.rekognition.boto import make_client
from trouvaille.rekognition.client import Collections
from trouvaille.rekognition.errors import Away, Misconfigured, Missing, PictureRefused, PictureTooLarge, QuotaReached

EVENT = UUID("11111111-2222-4333-8444-555555555555")


def test_the_server_holds_requests_to_the_services_model() -> None:
    shape = MODEL.operation_model("SearchFaces").input_shape
    good = {"CollectionId": "a", "FaceId": str(EVENT), "MaxFaces": 4096, "FaceMatchThreshold": 99.0}
    assert problems(good, shape) == []
    assert problems(good | {"MaxFaces": 4097}, shape)
    assert problems(good | {"MaxFaces": 0}, shape)
    assert problems(good | {"CollectionId": "a b"}, shape)
    assert problems(good | {"FaceId": str(EVENT).upper()[:-1]}, shape)
    assert problems(good | {"Unknown": 1}, shape)
    assert problems({"CollectionId": "a"}, shape)
    assert problems(
        {"CollectionId": "a", "Image": {}, "QualityFilter": "SOME"}, MODEL.operation_model("IndexFaces").input_shape
    )


def test_a_photo_is_indexed_with_all_its_faces_and_makes_its_collection(
    collections: Collections, account: Account
) -> None:
    photo_id = uuid4()
    faces = collections.index_photo(EVENT, photo_id, picture(10, 20, 30))
    assert [face.box_xyxy for face in faces] == [(0.25, 0.25, 0.75, 0.75)] * 3
    assert [round(face.score, 3) for face in faces] == [0.999] * 3
    assert {face.face_id for face in account.faces} == {str(face.id) for face in faces}
    assert {face.external_id for face in account.faces} == {f"photo:{photo_id}"}
    assert list(account.collections) == [collections.name_of(EVENT)]
    asked = [given for operation, given in account.requests if operation == "IndexFaces"][-1]
    assert asked["MaxFaces"] == 100
    assert asked["QualityFilter"] == "NONE"


def test_a_photo_without_faces_is_an_empty_result(collections: Collections) -> None:
    assert collections.index_photo(EVENT, uuid4(), picture()) == []


def test_no_more_than_a_hundred_faces_are_indexed(collections: Collections) -> None:
    assert len(collections.index_photo(EVENT, uuid4(), picture(*range(120)))) == 100


def test_a_box_over_the_edge_is_clipped(collections: Collections) -> None:
    over = {"who": 1, "box": (-0.1, 0.8, 0.4, 0.4)}
    [face] = collections.index_photo(EVENT, uuid4(), picture(over))
    assert face.box_xyxy == pytest.approx((0.0, 0.8, 0.3, 1.0))


def test_indexing_the_same_photo_again_keeps_no_face_twice(collections: Collections, account: Account) -> None:
    photo_id = uuid4()
    first = collections.index_photo(EVENT, photo_id, picture(10, 20))
    assert collections.index_photo(EVENT, photo_id, picture(10, 20)) == first
    assert len(account.faces) == 2


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"Quality": {"Sharpness": 80, "Brightness": 60}, "Pose": {"Yaw": 5, "Pitch": -3}}, 1.0),
        ({"Quality": {"Sharpness": 2, "Brightness": 60}, "Pose": {"Yaw": 5, "Pitch": -3}}, 0.1),
        ({"Quality": {"Sharpness": 80, "Brightness": 4}, "Pose": {"Yaw": 5, "Pitch": -3}}, 0.0),
        ({"Quality": {"Sharpness": 80, "Brightness": 60}, "Pose": {"Yaw": -65, "Pitch": 0}}, 0.5),
        ({}, 1.0),
    ],
)
def test_one_bad_sign_makes_a_face_poor(detail: dict[str, dict[str, float]], expected: float) -> None:
    assert quality(0.99, detail) == pytest.approx(expected)


def test_a_selfie_finds_the_photos_and_a_photo_finds_the_guest(collections: Collections) -> None:
    guest_id, other_id, photo_id = uuid4(), uuid4(), uuid4()
    selfie = collections.index_selfie(EVENT, guest_id, uuid4(), picture(50))
    other = collections.index_selfie(EVENT, other_id, uuid4(), picture(120))
    assert selfie and other
    assert collections.enrol(EVENT, guest_id, selfie)
    assert collections.enrol(EVENT, other_id, other)
    sure, maybe, stranger = collections.index_photo(EVENT, photo_id, picture(50.5, 45, 80))
    found = collections.search_guest(EVENT, selfie, threshold=0.9)
    assert [(face.id, round(face.similarity, 3)) for face in found] == [(sure.id, 0.995), (maybe.id, 0.95)]
    assert {face.belongs for face in found} == {Belonging(photo_id=photo_id)}
    [guest] = collections.search_photo_face(EVENT, sure.id, threshold=0.9)
    assert (guest.guest_id, round(guest.similarity, 3)) == (guest_id, 0.995)
    assert collections.search_photo_face(EVENT, stranger.id, threshold=0.9) == []


def test_a_selfie_is_not_among_the_photos_that_another_selfie_finds(collections: Collections) -> None:
    mine = collections.index_selfie(EVENT, uuid4(), uuid4(), picture(50))
    collections.index_selfie(EVENT, uuid4(), uuid4(), picture(50))
    assert mine
    assert collections.search_guest(EVENT, mine, threshold=0.9) == []


def test_only_the_largest_face_of_a_selfie_is_kept(collections: Collections, account: Account) -> None:
    collections.index_selfie(EVENT, uuid4(), uuid4(), picture(50, 60))
    assert [face.who for face in account.faces] == [50]


def test_a_selfie_in_which_the_service_sees_no_face_has_none(collections: Collections) -> None:
    assert collections.index_selfie(EVENT, uuid4(), uuid4(), picture()) is None


def test_enrolling_again_changes_nothing_and_a_new_look_is_taken(collections: Collections, account: Account) -> None:
    guest_id = uuid4()
    first = collections.index_selfie(EVENT, guest_id, uuid4(), picture(50))
    second = collections.index_selfie(EVENT, guest_id, uuid4(), picture(90))
    assert first and second
    for face_id in (first, first, second):
        collections.enrol(EVENT, guest_id, face_id)
    assert account.users == {str(guest_id)}
    assert {face.user for face in account.faces} == {str(guest_id)}


def test_a_user_that_the_service_still_makes_is_said_to_be_late(collections: Collections, account: Account) -> None:
    account.slow_users = True
    guest_id = uuid4()
    face_id = collections.index_selfie(EVENT, guest_id, uuid4(), picture(50))
    assert face_id
    assert not collections.enrol(EVENT, guest_id, face_id)


def test_a_face_that_cannot_be_associated_is_tried_again_later(collections: Collections) -> None:
    collections.create(EVENT)
    with pytest.raises(Away, match="FACE_NOT_FOUND"):
        collections.enrol(EVENT, uuid4(), uuid4())


def test_deleting_takes_faces_from_their_users_and_tells_what_is_gone(
    collections: Collections, account: Account
) -> None:
    guest_id, never = uuid4(), uuid4()
    selfie = collections.index_selfie(EVENT, guest_id, uuid4(), picture(50))
    stuck, loose = collections.index_photo(EVENT, uuid4(), picture(50, 60))
    assert selfie
    collections.enrol(EVENT, guest_id, selfie)
    account.undeletable.add(str(stuck.id))
    gone = collections.delete_faces(EVENT, [selfie, stuck.id, loose.id, never])
    assert gone == {selfie, loose.id, never}
    assert [face.face_id for face in account.faces] == [str(stuck.id)]


def test_faces_are_deleted_in_the_services_batches(collections: Collections, account: Account) -> None:
    collections.create(EVENT)
    ids = [uuid4() for _ in range(5000)]
    assert collections.delete_faces(EVENT, ids) == set(ids)
    batches = [len(given["FaceIds"]) for operation, given in account.requests if operation == "DeleteFaces"]
    assert batches == [4096, 904]


def test_deleting_what_is_gone_is_no_error(collections: Collections) -> None:
    face_id = uuid4()
    collections.delete(EVENT)
    collections.delete_user(EVENT, uuid4())
    collections.disassociate(EVENT, uuid4(), [face_id])
    assert collections.delete_faces(EVENT, [face_id]) == {face_id}
    assert collections.faces(EVENT) == []
    assert collections.users(EVENT) == []
    collections.create(EVENT)
    collections.create(EVENT)
    collections.delete_user(EVENT, uuid4())


def test_lists_are_read_to_their_last_page(collections: Collections, account: Account) -> None:
    account.page = 2
    photo_id, guests = uuid4(), [uuid4() for _ in range(5)]
    faces = collections.index_photo(EVENT, photo_id, picture(1, 2, 3, 4, 5))
    for guest_id, face in zip(guests, faces, strict=True):
        collections.enrol(EVENT, guest_id, face.id)
    assert {face.id for face in collections.faces(EVENT)} == {face.id for face in faces}
    assert {face.belongs for face in collections.faces(EVENT)} == {Belonging(photo_id=photo_id)}
    assert set(collections.users(EVENT)) == {str(guest_id) for guest_id in guests}
    events = [uuid4() for _ in range(5)]
    for event_id in events:
        collections.create(event_id)
    assert set(collections.events()) == {EVENT, *events}


def test_another_instance_in_the_same_account_is_not_ours(make_collections: MakeCollections, account: Account) -> None:
    ours, theirs = make_collections(), make_collections()
    ours.create(EVENT)
    theirs.create(EVENT)
    assert len(account.collections) == 2
    assert ours.events() == [EVENT]
    ours.delete(EVENT)
    assert list(account.collections) == [theirs.name_of(EVENT)]


def test_a_face_of_a_foreign_hand_belongs_to_nobody() -> None:
    assert Belonging.read("holiday.jpg") is None
    assert Belonging.read(None) is None
    assert Belonging.read("photo:no-uuid") is None
    assert Belonging.read(f"photo:{EVENT}:{EVENT}") is None
    for belongs in (Belonging(photo_id=EVENT), Belonging(guest_id=EVENT, enrolment_id=uuid4())):
        assert Belonging.read(str(belongs)) == belongs


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException", "500"])
def test_what_passes_is_retried_until_it_passes(collections: Collections, account: Account, code: str) -> None:
    collections.create(EVENT)
    account.trouble("IndexFaces", code, times=2)
    assert len(collections.index_photo(EVENT, uuid4(), picture(1))) == 1
    assert account.counts["IndexFaces"] == 3


@pytest.mark.parametrize("code", ["ThrottlingException", "500"])
def test_what_outlasts_the_retries_is_left_to_the_queue(
    make_collections: MakeCollections, account: Account, code: str
) -> None:
    collections = make_collections(attempts=2)
    collections.create(EVENT)
    account.trouble("IndexFaces", code, times=9)
    with pytest.raises(Away):
        collections.index_photo(EVENT, uuid4(), picture(1))
    assert account.counts["IndexFaces"] == 2


def test_an_answer_that_does_not_come_ends_and_is_asked_for_again(
    make_collections: MakeCollections, account: Account
) -> None:
    collections = make_collections(read_timeout_s=0.3)
    collections.create(EVENT)
    account.trouble("IndexFaces", "hang", seconds=1.5)
    before = time.monotonic()
    assert len(collections.index_photo(EVENT, uuid4(), picture(1))) == 1
    assert time.monotonic() - before < 1.5
    assert len(account.faces) == 1


def test_a_service_that_never_answers_is_away(make_collections: MakeCollections, account: Account) -> None:
    collections = make_collections(read_timeout_s=0.2, attempts=2)
    account.trouble("ListCollections", "hang", times=9, seconds=0.5)
    with pytest.raises(Away, match="ReadTimeout"):
        collections.events()


@pytest.mark.parametrize("trouble", ["lose", "refuse"])
def test_a_lost_answer_is_asked_for_again_and_keeps_nothing_twice(
    collections: Collections, account: Account, trouble: str
) -> None:
    guest_id = uuid4()
    collections.create(EVENT)
    account.trouble("IndexFaces", trouble)
    face_id = collections.index_selfie(EVENT, guest_id, uuid4(), picture(1))
    assert face_id
    account.trouble("CreateUser", trouble)
    account.trouble("AssociateFaces", trouble)
    collections.enrol(EVENT, guest_id, face_id)
    assert [face.user for face in account.faces] == [str(guest_id)]


def test_nobody_at_the_address_is_away(make_collections: MakeCollections) -> None:
    with pytest.raises(Away, match="EndpointConnection"):
        make_collections(url="http://127.0.0.1:9", attempts=2).create(EVENT)


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException"])
def test_missing_rights_are_named_and_not_retried(collections: Collections, account: Account, code: str) -> None:
    account.trouble("CreateCollection", code)
    with pytest.raises(Misconfigured, match=code):
        collections.create(EVENT)
    assert account.counts["CreateCollection"] == 1


def test_missing_credentials_are_named_and_nothing_is_sent(
    make_collections: MakeCollections, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Misconfigured, match="credentials"):
        make_collections().create(EVENT)
    assert account.requests == []


def test_a_missing_region_is_named() -> None:
    with pytest.raises(Misconfigured, match="region"):
        make_client(region=None, endpoint_url=None)


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(Misconfigured):
        make_client(region="us-east-1", endpoint_url="no address")


def test_a_full_collection_is_named(collections: Collections, account: Account) -> None:
    collections.create(EVENT)
    account.trouble("IndexFaces", "ServiceQuotaExceededException")
    with pytest.raises(QuotaReached):
        collections.index_photo(EVENT, uuid4(), picture(1))


def test_a_picture_that_the_service_cannot_read_is_the_photos_fault(collections: Collections, account: Account) -> None:
    with pytest.raises(PictureRefused) as refused:
        collections.index_photo(EVENT, uuid4(), b"GIF89a")
    assert refused.value.reason == "unsupported"
    account.trouble("IndexFaces", "ImageTooLargeException")
    with pytest.raises(PictureRefused) as refused:
        collections.index_photo(EVENT, uuid4(), picture(1))
    assert refused.value.reason == "too_many_pixels"


def test_a_picture_over_five_mebibytes_is_not_sent(collections: Collections, account: Account) -> None:
    with pytest.raises(PictureTooLarge):
        collections.index_photo(EVENT, uuid4(), picture(1, size=5 * 1024**2 + 1))
    assert account.requests == []
    assert collections.index_photo(EVENT, uuid4(), picture(1, size=5 * 1024**2))


def test_searching_with_a_face_that_is_gone_says_so(collections: Collections) -> None:
    collections.create(EVENT)
    with pytest.raises(Missing):
        collections.search_guest(EVENT, uuid4(), threshold=0.9)
    with pytest.raises(Missing):
        collections.search_photo_face(EVENT, uuid4(), threshold=0.9)


def test_a_collection_that_vanishes_again_and_again_is_left_to_the_queue(
    collections: Collections, account: Account
) -> None:
    account.trouble("IndexFaces", "ResourceNotFoundException", times=9)
    with pytest.raises(Away):
        collections.index_photo(EVENT, uuid4(), picture(1))
    assert account.counts["IndexFaces"] == 2
