"""Every query that a page makes finds its rows by an index, in an instance that has grown large.

The pages are asked for as people ask for them, what they ask the database is caught, and PostgreSQL says how it would
answer, with the statistics of 200 events, 100,000 photos and 50,000 guests.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine, make_url
from starlette.testclient import TestClient

from tests.conftest import drop_database
from tests.people import PASSWORD, Visitor, another_browser
from trouvaille import instance
from trouvaille.accounts.models import Role
from trouvaille.app import create_app
from trouvaille.core.db import connect, plain_url, sessions_of, transaction
from trouvaille.core.reading import Prepared
from trouvaille.news import invitations, rounds
from trouvaille.settings import Settings

EVENTS, PHOTOS, GUESTS = 200, 500, 250  # the latter two for each event
# What grows with the use of an instance; a sequential scan of any of them is slow one day.
GROWING = {
    *("events", "photos", "guests", "matches", "sessions", "session_proofs", "enrolments", "consents", "audit"),
    *("messages", "guest_invitations", "attempts", "account_links", "staff", "invitations", "procrastinate_jobs"),
    *("guest_news", "procrastinate_events", "outgoing_mail", "event_photographers", "event_pictures", "api_tokens"),
}
# The table and a part of the query that may scan it, and why that is all right.
ALLOWED: dict[tuple[str, str], str] = {
    (
        "events",
        "lower(guests.username) = lower(",
    ): "guests come by their indexes; 200 events are a dozen pages",
    ("events", "events.owner_id = "): "one's own events or those one works at; 200 events are a dozen pages",
    ("events", "FROM staff ORDER BY"): "counts the events of each of the staff, which together are all",
    ("events", "FROM guest_news"): "of fifty guests at a time; 200 events are a dozen pages",
    ("staff", "FROM staff"): "an instance has a handful of staff, and its pages list them all",
    ("staff", "JOIN staff ON staff.id = event_photographers.staff_id"): "a handful, against an event's photographers",
    ("invitations", "FROM invitations"): "open invitations of staff: a handful, and they expire",
    ("event_photographers", ""): "as many rows as events have photographers; the planner scans its few pages",
    ("event_pictures", ""): "at most two small rows an event, and this instance has none",
    ("api_tokens", ""): "a handful of scripts",
    ("account_links", ""): "an hour's links for passwords; this instance has none",
    ("outgoing_mail", ""): "letters on their way; this instance has none",
    ("session_proofs", ""): "this instance has none",
    ("procrastinate_jobs", "FROM procrastinate_jobs WHERE status IN"): "counts all that wait, for the operator's page",
    ("procrastinate_jobs", "queue_name = "): "the queue of selfies as a whole, once a second a process",
}


def _copied(connection: psycopg.Connection[Any], table: str, **changed: str) -> None:
    """Add rows like the one that is there, with some columns changed, in an INSERT … SELECT over ``rows``."""
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position", (table,)
    ).fetchall()
    columns = [name for (name,) in found]
    source = changed.pop("source")
    values = [changed.get(name, f"pattern.{name}") for name in columns]
    connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)}"  # type: ignore[arg-type]
        f" FROM (SELECT * FROM {table} LIMIT 1) AS pattern, {source}"
    )


def _fill(connection: psycopg.Connection[Any]) -> None:
    """The rest of the instance, in the image of what one visit left."""
    new = "gen_random_uuid()"
    _copied(
        connection,
        "events",
        id=new,
        code="'E' || lpad(n::text, 7, '0')",
        # The organiser has a few; the others are the administrator's.
        owner_id="CASE WHEN n < 5 THEN pattern.owner_id ELSE (SELECT id FROM staff WHERE role = 'administrator') END",
        source=f"generate_series(2, {EVENTS}) AS n",
    )
    connection.execute("CREATE TEMP TABLE every AS SELECT id, row_number() OVER () AS number FROM events")
    _copied(
        connection,
        "guests",
        id=new,
        event_id="every.id",
        username="'guest' || n",
        email="'guest' || n || '@example.org'",
        source=f"every, generate_series(1, {GUESTS}) AS n",
    )
    connection.execute(
        "INSERT INTO photos (id, event_id, file_name, sha256, size_bytes, media_type, state, source, standing,"
        " in_general, width_px, height_px, faces, shown_at, created_at)"
        " SELECT gen_random_uuid(), every.id, n || '.jpg', sha256(convert_to(every.id::text || n, 'UTF8')), 1,"
        " 'image/jpeg', 'ready', 'browser', 'shown', true, 3, 2, 1, now() - n * interval '1 s', now()"
        f" FROM every, generate_series(1, {PHOTOS}) AS n"
    )
    connection.execute(
        "INSERT INTO matches (guest_id, photo_id, event_id, similarity, tier, created_at)"
        " SELECT guests.id, photos.id, photos.event_id, 0.9, 'sure', now() FROM photos"
        " JOIN guests ON guests.event_id = photos.event_id WHERE guests.username IN ('guest1', 'guest2', 'rose')"
    )
    token = "sha256(convert_to(guests.id::text, 'UTF8'))"
    _copied(connection, "sessions", id=new, subject_id="guests.id", token_hash=token, source="guests")
    _copied(connection, "consents", id=new, guest_id="guests.id", event_id="guests.event_id", source="guests")
    _copied(connection, "enrolments", id=new, guest_id="guests.id", event_id="guests.event_id", source="guests")
    connection.execute(
        "INSERT INTO guest_news (guest_id, event_id, mail, bounced, known, counted, unanswered, check_at)"
        " SELECT id, event_id, true, false, 0, 0, 0, now() - random() * interval '20 min' FROM guests"
        " ON CONFLICT DO NOTHING"
    )
    _copied(
        connection,
        "audit",
        id=new,
        actor_kind="'guest'",
        actor_id="guests.id",
        about_id="guests.id",
        event_id="guests.event_id",
        source="guests",
    )
    _copied(connection, "messages", id=new, event_id="every.id", source="every, generate_series(1, 20) AS n")
    _copied(
        connection,
        "guest_invitations",
        id=new,
        event_id="every.id",
        token_hash="sha256(convert_to(every.id::text || n, 'UTF8'))",
        email="n || '@example.org'",
        source="every, generate_series(1, 50) AS n",
    )
    connection.execute(
        "INSERT INTO attempts (key, level, at) SELECT sha256(convert_to(n::text, 'UTF8')), 1, now()"
        " FROM generate_series(1, 20000) AS n"
    )
    connection.execute(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, attempts)"
        " SELECT 'photos', 'matching.index_photo', '{}', CASE WHEN n % 1000 = 0 THEN 'failed' ELSE 'todo' END"
        "::procrastinate_job_status, 0 FROM generate_series(1, 20000) AS n"
    )


Asked = list[tuple[str, Any]]


@pytest.fixture(scope="module")
def large(
    server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, Visitor], dict[str, str], TestClient]]:
    """A large instance, its people, and what its addresses are made of."""
    name = "large"
    folder = tmp_path_factory.mktemp("large")
    url = plain_url(make_url(server_url).set(database=name).render_as_string(hide_password=False))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE pattern")
    settings = Settings(data_dir=folder / "data", DATABASE_URL=url, log_level="ERROR")
    with TestClient(create_app(settings), follow_redirects=False) as site:
        everybody = ("administrator", "owner", "guest", "stranger")
        people = {who: Visitor(another_browser(site)) for who in everybody}
        owner, guest = people["owner"], people["guest"]
        people["administrator"].set_up_server()
        instance.create_staff(settings, email="o@example.org", name="O", password=PASSWORD, role=Role.ORGANISER)
        owner.sign_in("o@example.org")
        owner.make_event(gallery="guests", guest_pass="yes")
        guest.register("PARTY234", "rose")
        guest.agree()
        guest.send_selfie(_jpeg())
        guest.post("/e/PARTY234/contact", {"text": "Hello"})
        owner.post(
            f"/studio/{owner.event_id}/invitations", {"guests": "Lily <lily@example.org>", "text": "lily@example.org"}
        )
        with psycopg.connect(url) as connection:
            if not (connection.execute("SELECT count(*) FROM guest_invitations").fetchone() or (0,))[0]:
                connection.execute(
                    "INSERT INTO guest_invitations (id, event_id, name, email, token_hash, created_at) VALUES"
                    " (gen_random_uuid(), %s, 'Lily', 'lily@example.org', sha256('x'), now())",
                    (owner.event_id,),
                )
            _fill(connection)
            photo = connection.execute(
                "SELECT id FROM photos WHERE event_id = %s LIMIT 1", (owner.event_id,)
            ).fetchone()
            person = connection.execute("SELECT id FROM guests WHERE username = 'rose'").fetchone()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        fill = {"event_id": owner.event_id, "photo_id": str((photo or ("",))[0]), "guest_id": str((person or ("",))[0])}
        yield url, people, fill, site
    with psycopg.connect(server_url, autocommit=True) as connection:
        drop_database(connection, name)


def _jpeg() -> bytes:
    import io

    from PIL import Image

    made = io.BytesIO()
    Image.effect_noise((320, 240), 60).convert("RGB").save(made, "JPEG")
    return made.getvalue()


def _caught(ask: Callable[[], object]) -> Asked:
    asked: Asked = []

    def note(connection: object, cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            asked.append((statement, parameters))

    places = Prepared.places

    def filled(wanted: Prepared, given: Mapping[str, Any]) -> dict[str, Any]:  # once for each time that it is asked
        asked.append((wanted.sql, places(wanted, given)))
        return places(wanted, given)

    event.listen(Engine, "before_cursor_execute", note)
    Prepared.places = filled  # type: ignore[method-assign]
    try:
        ask()
    finally:
        Prepared.places = places  # type: ignore[method-assign]
        event.remove(Engine, "before_cursor_execute", note)
    return asked


def _scans(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for below in plan.get("Plans", ()):
        yield from _scans(below)


def _is_allowed(table: str, statement: str) -> bool:
    flat = " ".join(statement.split())
    return any(table == name and part in flat for name, part in ALLOWED)


PAGES = [
    ("stranger", "/e/PARTY234"),
    ("stranger", "/sign-in?event=PARTY234"),
    ("stranger", "/api/v1/check-code?code=PARTY234"),
    ("guest", "/e/PARTY234/photos"),
    ("guest", "/e/PARTY234/photos?show=all"),
    ("guest", "/e/PARTY234/photos?show=maybe"),
    ("guest", "/e/PARTY234/photos/{photo_id}"),
    ("guest", "/e/PARTY234/p/{photo_id}/thumb"),
    ("guest", "/e/PARTY234/selfie"),
    ("guest", "/e/PARTY234/selfie/status"),
    ("guest", "/e/PARTY234/me"),
    ("guest", "/account"),
    ("guest", "/account/devices"),
    ("owner", "/studio"),
    ("owner", "/studio/{event_id}"),
    ("owner", "/studio/{event_id}?camera=Canon&name=IMG&sort=name"),
    *(("owner", f"/studio/{{event_id}}/photos?sort={order}") for order in ("newest", "added", "name", "faces")),
    ("owner", "/studio/{event_id}/photos/changes?seen=999999999"),
    ("owner", "/studio/{event_id}/guests"),
    ("owner", "/studio/{event_id}/guests?q=guest7"),
    ("owner", "/studio/{event_id}/guests/{guest_id}"),
    ("owner", "/studio/{event_id}/guests.csv"),
    ("owner", "/studio/{event_id}/invitations"),
    ("owner", "/studio/{event_id}/messages"),
    ("owner", "/studio/{event_id}/people"),
    ("owner", "/studio/{event_id}/edit"),
    ("owner", "/studio/{event_id}/print"),
    ("administrator", "/server/audit"),
    ("administrator", "/server/audit?about={guest_id}"),
    ("administrator", "/server/staff"),
    ("administrator", "/studio/server/status"),
]


def _explained(url: str, asked: Asked) -> list[str]:
    wrong = []
    with psycopg.connect(url) as connection:
        for statement, given in asked:
            parameters = given[0] if isinstance(given, list) else given  # the first of many
            plain = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters).fetchone()  # type: ignore[arg-type]
            assert plain is not None
            for table in _scans((plain[0] if isinstance(plain[0], list) else json.loads(plain[0]))[0]["Plan"]):
                if table in GROWING and not _is_allowed(table, statement):
                    wrong.append(f"{table}: {' '.join(statement.split())[:1500]}")
    return wrong


@pytest.mark.parametrize(("who", "path"), PAGES)
def test_no_query_of_a_page_reads_a_growing_table_from_end_to_end(
    large: tuple[str, dict[str, Visitor], dict[str, str], TestClient], who: str, path: str
) -> None:
    url, people, fill, _ = large
    answers: list[int] = []
    asked = _caught(lambda: answers.append(people[who].get(path.format(**fill)).status_code))
    assert answers[0] in (200, 404 if path.endswith("/thumb") else 200)
    assert asked
    wrong = _explained(url, asked)
    assert wrong == [], "\n\n".join(wrong)


def test_signing_in_and_registering_read_no_growing_table_from_end_to_end(
    large: tuple[str, dict[str, Visitor], dict[str, str], TestClient],
) -> None:
    url, _, _, site = large
    fresh = Visitor(another_browser(site))

    def come() -> None:
        assert fresh.sign_in("rose", PASSWORD).status_code == 303
        assert fresh.register("PARTY234", "newcomer").status_code == 303
        assert fresh.agree().status_code == 303
        assert fresh.send_selfie(_jpeg()).status_code == 303

    wrong = _explained(url, _caught(come))
    assert wrong == [], "\n\n".join(wrong)


def test_the_round_of_news_finds_who_is_due_by_indexes(
    large: tuple[str, dict[str, Visitor], dict[str, str], TestClient],
) -> None:
    async def go() -> None:
        engine = connect(large[0])
        async with transaction(sessions_of(engine)) as session:
            await invitations.ask_for_waiting(session)
            await rounds.adopt(session)
            assert len(list(await session.execute(rounds.due()))) == rounds.AT_ONCE
            await session.rollback()
        await engine.dispose()

    asked = _caught(lambda: asyncio.run(go()))
    wrong = _explained(large[0], asked)
    assert wrong == [], "\n\n".join(wrong)


def test_the_check_would_see_a_scan(large: tuple[str, dict[str, Visitor], dict[str, str], TestClient]) -> None:
    wrong = _explained(large[0], [("SELECT * FROM photos WHERE camera = %s", ("Canon",))])
    assert len(wrong) == 1
    assert wrong[0].startswith("photos: ")
