"""Only the answer to the question that this browser asked lets anybody in."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlparse

import pytest
from pydantic import ValidationError

from tests.crew.conftest import Query
from tests.people import Visitor
from tests.sign_on.conftest import Provider, SignOn
from trouvaille.core.openid import OpenId
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
FAILED = "Signing in there did not work."


def test_the_question_carries_state_nonce_and_a_challenge_and_the_secrets_stay_sealed(visitor: Visitors) -> None:
    rose = visitor()
    away = rose.get("/sign-on/oidc")
    asked = {name: values[0] for name, values in parse_qs(urlparse(away.headers["location"]).query).items()}
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == "http://testserver/sign-on/oidc/callback" and "openid" in asked["scope"].split()
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    cookie = away.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Max-Age=600" in cookie
    assert asked["state"] not in cookie and asked["nonce"] not in cookie
    again = parse_qs(urlparse(rose.get("/sign-on/oidc").headers["location"]).query)
    assert not {again[name][0] for name in ("state", "nonce", "code_challenge")} & set(asked.values())


@pytest.mark.parametrize("what", ["nonce", "issuer", "audience", "signature"])
def test_a_wrong_answer_lets_nobody_in(
    ada: Visitor, visitor: Visitors, provider: Provider, sign_on: SignOn, query: Query, what: str
) -> None:
    provider.spoil(what)
    answer = sign_on(visitor(), why="event=PARTY234")
    assert answer.status_code == 422 and FAILED in answer.text
    provider.spoil("")
    assert sign_on(visitor(), why="event=PARTY234").headers["location"] == "/e/PARTY234/sign-on"
    assert query("SELECT 1 FROM guests") == []


def test_a_wrong_or_foreign_state_lets_nobody_in(ada: Visitor, visitor: Visitors, provider: Provider) -> None:
    rose, other = visitor(), visitor()
    back = provider.say_yes(rose.get("/sign-on/oidc?event=PARTY234").headers["location"], "rose-1")
    assert FAILED in other.get(back).text  # a browser that asked nothing
    other.get("/sign-on/oidc?event=PARTY234")
    assert FAILED in other.get(back).text  # one that asked something else
    rose.get("/sign-on/oidc?event=PARTY234")
    assert FAILED in rose.get(back).text  # the older of two questions
    third = rose.get("/sign-on/oidc").headers["location"]
    good = provider.say_yes(third, "rose-1")
    state = parse_qs(urlparse(third).query)["state"][0]
    assert FAILED in rose.get(good.replace(state, state[:-1] + "~")).text


def test_an_answer_is_taken_once_and_a_used_code_is_refused(
    ada: Visitor, visitor: Visitors, provider: Provider
) -> None:
    rose = visitor()
    back = provider.say_yes(rose.get("/sign-on/oidc?event=PARTY234").headers["location"], "rose-1")
    cookies = dict(rose.browser.cookies)
    assert rose.get(back).status_code == 303
    assert FAILED in rose.get(back).text
    # Even a browser that kept its question gets nothing for the same code.
    rose.browser.cookies.update(cookies)
    assert FAILED in rose.get(back).text


def test_a_code_without_its_verifier_is_worth_nothing(ada: Visitor, visitor: Visitors, provider: Provider) -> None:
    """A code that somebody stole, put into the answer to a question of their own."""
    rose, thief = visitor(), visitor()
    stolen = provider.say_yes(rose.get("/sign-on/oidc?event=PARTY234").headers["location"], "rose-1")
    code = parse_qs(urlparse(stolen).query)["code"][0]
    state = parse_qs(urlparse(thief.get("/sign-on/oidc?event=PARTY234").headers["location"]).query)["state"][0]
    before = provider.refused_by_pkce()
    assert FAILED in thief.get(f"/sign-on/oidc/callback?code={code}&state={state}").text
    assert provider.refused_by_pkce() == before + 1


def test_an_answer_that_names_another_issuer_or_an_error_is_refused(
    ada: Visitor, visitor: Visitors, provider: Provider
) -> None:
    for more in ("&iss=https://evil.example", "&error=access_denied"):
        rose = visitor()
        back = provider.say_yes(rose.get("/sign-on/oidc").headers["location"], "rose-1")
        assert FAILED in rose.get(back + more).text


def test_a_provider_that_calls_itself_otherwise_is_not_believed(visitor: Visitors, provider: Provider) -> None:
    app = visitor().browser.app
    known = app.state.sign_on["oidc"]  # type: ignore[attr-defined]
    from dataclasses import replace

    elsewhere = replace(known.provider, issuer=provider.url.replace("127.0.0.1", "localhost") + "/")
    app.state.sign_on["oidc"] = OpenId(elsewhere, redirect_uri=known.redirect_uri)  # type: ignore[attr-defined]
    assert visitor().get("/sign-on/oidc").status_code == 503


def test_only_providers_that_are_set_have_an_address(visitor: Visitors) -> None:
    assert visitor().get("/sign-on/google").status_code == 404
    page = visitor().get("/sign-in").text
    assert "Continue with Club" in page and "Google" not in page


def test_google_and_another_issuer_are_set_with_secrets_from_files(settings: Settings, tmp_path: object) -> None:
    from pathlib import Path

    file = Path(str(tmp_path)) / "secret"
    file.write_text("from file\n")
    both = Settings(
        public_url="https://photos.example.org",
        google_client_id="g",
        google_client_secret_file=file,
        oidc_issuer="https://login.example.org/realm",
        oidc_client_id="o",
        oidc_client_secret="s",
        oidc_name="Our club",
    )
    google, club = both.providers()
    assert (google.issuer, google.client_secret) == ("https://accounts.google.com", "from file")
    assert (club.name, club.issuer, club.client_secret) == ("Our club", "https://login.example.org/realm", "s")
    assert "from file" not in repr(google)


@pytest.mark.parametrize(
    "given",
    [
        {"google_client_id": "g"},
        {"oidc_issuer": "https://a.example", "public_url": "https://b.example"},
        {"oidc_issuer": "http://a.example", "oidc_client_id": "o", "public_url": "https://b.example"},
        {"google_client_secret": "a", "google_client_secret_file": "b"},
    ],
)
def test_settings_that_would_not_be_safe_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings(**given)  # type: ignore[arg-type]
