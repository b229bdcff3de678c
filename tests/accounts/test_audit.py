"""The audit log: written with each act, changed by nobody, read by administrators, without anybody's name."""

import re
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from tests.people import Visitor
from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act
from trouvaille.accounts.models import AuditEntry
from trouvaille.core.clock import now
from trouvaille.core.db import Sessions, transaction
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]


def _acts(settings: Settings) -> list[str]:
    with psycopg.connect(settings.database_url or "") as connection:
        return [row[0] for row in connection.execute("SELECT act FROM audit ORDER BY at, id")]


def test_what_matters_for_security_is_noted_with_ids_alone(
    owner: Visitor, visitor: Visitors, settings: Settings, run_jobs: Callable[[], None]
) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    guest.post("/e/PARTY234/me/withdraw", {"confirm": "yes"})
    guest.post("/forgot", {"email": "rose@example.org"})
    run_jobs()
    for _ in range(13):
        visitor().sign_in("rose", "not the password")
        with psycopg.connect(settings.database_url or "") as connection:
            connection.execute("UPDATE attempts SET at = at - interval '10 minutes', level = level + 1")
    guest.post("/e/PARTY234/me/delete", {"username": "rose"})
    owner.post(f"/studio/{owner.event_id}/delete", {"name": "Lea & Tom"})
    owner.post("/sign-out")
    noted = _acts(settings)
    assert noted[:6] == [
        *("staff.created", "sign_in.done", "event.created", "faces.attested", "guest.registered", "sign_in.done")
    ]
    assert {
        "consent.given",
        "consent.withdrawn",
        "reset.asked",
        "sign_in.failed",
        "sign_in.locked",
        "guest.deleted",
        "event.deleted",
        "sign_out",
    } <= set(noted)
    with psycopg.connect(settings.database_url or "") as connection:
        everything = str(connection.execute("SELECT audit::text FROM audit").fetchall()).lower()
    assert not re.search("rose|owner|example|testclient|lea", everything)


def test_what_becomes_of_an_event_and_whom_it_expects_is_noted(owner: Visitor, settings: Settings) -> None:
    before = len(_acts(settings))
    owner.change(code="PARTY345", faces="yes")
    owner.change(code="PARTY345", faces="yes", name="Lea and Tom")
    here = f"/studio/{owner.event_id}"
    owner.post(f"{here}/code", {"sure": "yes"})
    owner.post(f"{here}/invitations", {"people": "Mia, mia@example.org"})
    invitation = re.search(rf"{here}/invitations/([0-9a-f-]{{36}})/link", owner.get(f"{here}/invitations").text)
    assert invitation
    owner.post(f"{here}/invitations/{invitation[1]}/link")
    owner.post(f"{here}/invitations/{invitation[1]}/withdraw")
    for _ in range(2):
        owner.move("closed")
    assert _acts(settings)[before:] == [
        *("event.code_changed", "event.code_changed", "guest_invitation.made", "guest_invitation.link_made"),
        *("guest_invitation.withdrawn", "event.state_changed"),
    ]
    with psycopg.connect(settings.database_url or "") as connection:
        about = "SELECT count(*) FROM audit WHERE about_id = %s AND actor_id = (SELECT id FROM staff)"
        assert connection.execute(about, (invitation[1],)).fetchone() == (3,)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET act = 'nothing'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE at < now() - interval '1 year'",
        "TRUNCATE audit",
        "SELECT set_config('trouvaille.audit_purge', 'on', true); DELETE FROM audit",
        "SELECT set_config('trouvaille.audit_purge', 'on', true); UPDATE audit SET act = 'nothing'",
        "SELECT set_config('trouvaille.audit_purge', 'on', true); TRUNCATE audit",
    ],
)
def test_what_is_noted_can_not_be_changed_or_removed(owner: Visitor, settings: Settings, change: str) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(
            "INSERT INTO audit (id, at, act) VALUES (gen_random_uuid(), now() - interval '2 years', 'old')"
        )
        connection.commit()
        with pytest.raises(psycopg.Error, match="append-only"):
            connection.execute(change)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_the_retention_removes_what_is_older_and_nothing_younger_than_ninety_days(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        for days in (1, 100, 400):
            session.add(AuditEntry(act="x", at=now() - timedelta(days=days)))
    async with transaction(sessions) as session:
        assert await audit.forget(session, older_than_days=365) == 1
    with pytest.raises(Exception, match="append-only"):
        async with transaction(sessions) as session:
            await audit.forget(session, older_than_days=0)
    async with transaction(sessions) as session:
        assert len((await audit.entries(session)).items) == 2


def test_administrators_read_it_page_by_page_and_by_act_and_person(
    owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(
            "INSERT INTO audit (id, at, act) SELECT gen_random_uuid(), now() - interval '1 hour', 'token.made'"
            " FROM generate_series(1, 120)"
        )
        (owner_id,) = connection.execute("SELECT id FROM staff").fetchone() or (None,)
    seen, path = 0, "/server/audit?act=token.made"
    for _ in range(3):
        page = owner.get(path).text
        seen += page.count('class="log__act">Access token made')
        following = re.search(r'href="(/server/audit\?[^"]*after=[^"]+)">Older', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert seen == 120 and path == ""
    mine = owner.get(f"/server/audit?about={owner_id}").text
    assert "Event created" in mine and 'class="log__act">Access token made' not in mine
    assert owner.get("/server/audit?about=nobody").status_code == 422
    assert owner.get("/server/audit?after=nonsense").status_code == 422
    assert "Événement créé" in owner.get("/server/audit?lang=fr").text


def test_every_act_has_words() -> None:
    assert set(audit.LABELS) == set(Act)
