"""Access tokens for scripts: shown once, kept hashed, good for their scopes alone."""

import re
from collections.abc import Callable

import psycopg
from starlette.testclient import TestClient

from tests.people import Visitor
from trouvaille import instance
from trouvaille.accounts.models import Role
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]


def _make(owner: Visitor, *scopes: str, **more: str) -> str:
    form: dict[str, object] = {"name": "Backup", "scopes": list(scopes), "days": "30", **more}
    page = owner.post("/account/tokens", form)
    assert page.status_code == 200, page.text
    token = re.search(r"trv_[\w-]{43}", page.text)
    assert token
    return token[0]


def _me(site: TestClient, token: str) -> tuple[int, dict[str, object]]:
    answer = site.get("/api/v1/me", headers={"authorization": f"Bearer {token}"})
    return answer.status_code, answer.json()


def test_a_script_acts_for_whoever_made_its_token(owner: Visitor, site: TestClient) -> None:
    status, who = _me(site, _make(owner, "account:read"))
    assert status == 200
    assert who["kind"] == "staff" and who["display_name"] == "Owner"


def test_a_token_is_good_for_its_scopes_alone_and_for_no_page(owner: Visitor, site: TestClient) -> None:
    token = _make(owner, "photos:read", "events:write")
    status, problem = _me(site, token)
    assert status == 403 and problem["detail"] == "This access token is not good for that."
    for path in ("/studio", "/account/tokens", "/server/audit"):
        assert site.get(path, headers={"authorization": f"Bearer {token}"}).status_code == 403


def test_a_token_ends_when_it_is_revoked_or_expired(owner: Visitor, site: TestClient, settings: Settings) -> None:
    token, other = _make(owner, "account:read"), _make(owner, "account:read")
    page = owner.get("/account/tokens").text
    assert token not in page
    with psycopg.connect(settings.database_url or "") as connection:
        assert token[4:] not in str(connection.execute("SELECT api_tokens::text FROM api_tokens").fetchall())
        first = connection.execute("SELECT id FROM api_tokens ORDER BY created_at LIMIT 1").fetchone()
        assert first
        assert owner.post(f"/account/tokens/{first[0]}/revoke").status_code == 303
        assert _me(site, token)[0] == 401 and _me(site, other)[0] == 200
        connection.execute("UPDATE api_tokens SET expires_at = now()")
        connection.commit()
    assert _me(site, other)[0] == 401


def test_an_unknown_token_is_told_how_to_authenticate(site: TestClient) -> None:
    for headers in ({}, {"authorization": "Bearer trv_nothing"}):
        answer = site.get("/api/v1/me", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_cookie_does_not_help_a_bad_token(owner: Visitor) -> None:
    assert owner.get("/studio", headers={"authorization": "Bearer trv_nothing"}).status_code == 401


def test_a_token_needs_a_name_and_a_scope(owner: Visitor) -> None:
    for form in ({"name": "", "scopes": "account:read"}, {"name": "x"}, {"name": "x", "scopes": "everything"}):
        assert owner.post("/account/tokens", dict(form)).status_code == 422


def test_revoking_anothers_token_is_not_possible(owner: Visitor, visitor: Visitors, settings: Settings) -> None:
    _make(owner, "account:read")
    instance.create_staff(settings, email="o@example.org", name="O", password="a long enough one", role=Role.ORGANISER)
    other = visitor()
    other.sign_in("o@example.org", "a long enough one")
    with psycopg.connect(settings.database_url or "") as connection:
        (token_id,) = connection.execute("SELECT id FROM api_tokens").fetchone() or (None,)
    assert other.post(f"/account/tokens/{token_id}/revoke").status_code == 404
