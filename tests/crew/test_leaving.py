"""Who is deleted leaves exactly what was said; the last administrator stays."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from PIL import Image

from tests.crew.conftest import Query
from tests.people import Visitor
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Organisers = Callable[[str], Visitor]


def _jpeg(colour: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(made, "JPEG")
    return made.getvalue()


@pytest.fixture
def id_of(query: Query) -> Callable[[str], str]:
    """The id of a member of staff, by the first part of their address."""
    return lambda name: str(query("SELECT id FROM staff WHERE email = %s", f"{name}@example.org")[0][0])


def test_events_go_where_it_was_said_and_photos_elsewhere_are_deleted(
    administrator: Visitor,
    ada: Visitor,
    organisers: Organisers,
    id_of: Callable[[str], str],
    query: Query,
    run_jobs: Callable[[], None],
    settings: Settings,
) -> None:
    bob = organisers("bob")
    kept, dropped, bobs = ada.event_id, ada.make_event("GONE2345", name="Gone"), bob.make_event("BOBS2345")
    ada.post(bob.invite())
    for event_id, colour in ((kept, "red"), (dropped, "blue"), (bobs, "green")):
        ada.event_id = event_id
        ada.upload((f"{colour}.jpg", _jpeg(colour)))
    bob.upload(("own.jpg", _jpeg("white")))
    run_jobs()
    page = administrator.get(f"/server/staff/{id_of('ada')}/delete").text
    assert "Lea &amp; Tom" in page and "Gone" in page and "1 photo" in page
    form = {f"event-{kept}": id_of("bob"), f"event-{dropped}": "delete", f"name-{dropped}": "gone"}
    form |= {"uploads": "delete", "confirm": "ada@example.org"}
    assert administrator.post(f"/server/staff/{id_of('ada')}/delete", form).status_code == 303
    run_jobs()
    assert query("SELECT id::text, (SELECT email FROM staff WHERE id = owner_id) FROM events ORDER BY id") == sorted(
        [(kept, "bob@example.org"), (bobs, "bob@example.org")]
    )
    assert query("SELECT file_name, uploaded_by IS NULL FROM photos ORDER BY 1") == [
        ("own.jpg", False),
        ("red.jpg", True),
    ]
    store = settings.data_dir / "photos"
    assert len([path for path in store.rglob("*") if path.is_file()]) == 2 * 3
    assert ada.get("/studio").status_code == 303 and ada.sign_in("ada@example.org").status_code == 422
    acts = [act for (act,) in query("SELECT act FROM audit")]
    assert {"staff.deleted", "photos.deleted", "event.deleted", "event.handed_over"} <= set(acts)


def test_photos_in_others_events_may_stay_without_a_name(
    administrator: Visitor, ada: Visitor, visitor: Visitors, id_of: Callable[[str], str], query: Query
) -> None:
    zoe = visitor()
    zoe.accept(ada.invite(), "zoe@example.org")
    zoe.event_id = ada.event_id
    zoe.upload(("zoe.jpg", _jpeg("red")))
    form = {"uploads": "keep", "confirm": "zoe@example.org"}
    assert administrator.post(f"/server/staff/{id_of('zoe')}/delete", form).status_code == 303
    assert query("SELECT file_name, uploaded_by FROM photos") == [("zoe.jpg", None)]
    assert query("SELECT 1 FROM event_photographers") == []


def test_nothing_happens_before_everything_is_decided_and_confirmed(
    administrator: Visitor, ada: Visitor, organisers: Organisers, id_of: Callable[[str], str], query: Query
) -> None:
    organisers("bob")
    path, choice, name = f"/server/staff/{id_of('ada')}/delete", f"event-{ada.event_id}", f"name-{ada.event_id}"
    good = {choice: "delete", name: "Lea & Tom", "confirm": "ada@example.org"}
    for wrong in (
        {choice: ""},
        {choice: str(uuid4())},
        {choice: id_of("ada")},
        {name: "Something else"},
        {"confirm": "bob@example.org"},
    ):
        assert administrator.post(path, good | wrong).status_code == 422
    assert administrator.post(path, {"confirm": "ada@example.org"}).status_code == 409
    assert query("SELECT count(*) FROM events, staff") == [(3,)]
    assert administrator.post(path, good).status_code == 303
    assert query("SELECT count(*) FROM events") == [(0,)]


def test_an_event_made_meanwhile_is_not_swept_away(
    administrator: Visitor, ada: Visitor, id_of: Callable[[str], str], query: Query
) -> None:
    form = {f"event-{ada.event_id}": "delete", f"name-{ada.event_id}": "Lea & Tom", "confirm": "ada@example.org"}
    ada.make_event("NEWS2345")
    answer = administrator.post(f"/server/staff/{id_of('ada')}/delete", form)
    assert answer.status_code == 409 and "Please look again." in answer.text
    assert query("SELECT count(*) FROM events") == [(2,)]


def test_the_last_administrator_can_not_be_deleted_or_demoted(
    administrator: Visitor, ada: Visitor, id_of: Callable[[str], str], query: Query
) -> None:
    own = f"/server/staff/{id_of('owner')}"
    answer = administrator.post(f"{own}/role", {"role": "organiser"})
    assert answer.status_code == 409 and "last administrator" in answer.text
    assert administrator.get(f"{own}/delete").status_code == 409
    assert administrator.post(f"{own}/delete", {"confirm": "owner@example.org"}).status_code == 409
    administrator.post(f"/server/staff/{id_of('ada')}/role", {"role": "administrator"})
    gone = administrator.post(f"{own}/role", {"role": "photographer"})
    assert gone.headers["location"] == "/studio"
    assert administrator.get("/server/staff").status_code == 403
    assert ada.get("/server/staff").status_code == 200


def test_two_administrators_who_demote_each_other_leave_one(
    administrator: Visitor, ada: Visitor, id_of: Callable[[str], str], query: Query
) -> None:
    administrator.post(f"/server/staff/{id_of('ada')}/role", {"role": "administrator"})
    jobs = [(administrator, id_of("ada")), (ada, id_of("owner"))]
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(
            lambda job: job[0].post(f"/server/staff/{job[1]}/role", {"role": "organiser"}).status_code, jobs
        )
    assert sorted(answers)[0] == 303
    assert query("SELECT count(*) FROM staff WHERE role = 'administrator'") == [(1,)]


def test_an_organiser_with_events_does_not_become_photographer(
    administrator: Visitor, ada: Visitor, id_of: Callable[[str], str]
) -> None:
    answer = administrator.post(f"/server/staff/{id_of('ada')}/role", {"role": "photographer"})
    assert answer.status_code == 409 and "Hand these over first." in answer.text
    assert administrator.post(f"/server/staff/{id_of('ada')}/role", {"role": "nothing"}).status_code == 422
    assert administrator.post(f"/server/staff/{uuid4()}/role", {"role": "organiser"}).status_code == 404


def test_who_attested_stays_on_record(
    administrator: Visitor, ada: Visitor, organisers: Organisers, id_of: Callable[[str], str], query: Query
) -> None:
    organisers("bob")
    ada_id = id_of("ada")
    form = {f"event-{ada.event_id}": id_of("bob"), "confirm": "ada@example.org"}
    assert administrator.post(f"/server/staff/{ada_id}/delete", form).status_code == 303
    assert query("SELECT faces_attested_by::text FROM events") == [(ada_id,)]


def test_the_list_of_staff_says_who_has_what(administrator: Visitor, ada: Visitor, visitor: Visitors) -> None:
    visitor().accept(ada.invite(), "zoe@example.org")
    page = administrator.get("/server/staff").text
    assert "1 event" in page and "photographer of 1 event" in page and "zoe@example.org" in page
