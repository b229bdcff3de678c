"""Signing in costs the same whoever exists; guessing becomes slow; nobody can be locked out for good."""

import asyncio
import base64
import hmac
import os
from collections.abc import Callable, Iterator

import psycopg
import pytest
from argon2 import low_level
from pydantic import ValidationError
from starlette.testclient import TestClient

from tests.people import PASSWORD, Visitor
from trouvaille.accounts import passwords as hashing
from trouvaille.accounts import throttle
from trouvaille.accounts.throttle import Pace, TooOften
from trouvaille.app import create_app
from trouvaille.core.db import Sessions, transaction
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
WRONG = "not the password"


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Memory and passes of every Argon2 computation."""
    done: list[tuple[int, int]] = []

    kdf = hashing.argon2id.kdf

    def counted(*given: object, opslimit: int, memlimit: int) -> bytes:
        done.append((memlimit // 1024, opslimit))
        return kdf(*given, opslimit=opslimit, memlimit=memlimit)  # type: ignore[arg-type]

    monkeypatch.setattr(hashing.argon2id, "kdf", counted)
    return done


def _move_clock(settings: Settings, seconds: float) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE attempts SET at = at - make_interval(secs => %s)", (seconds,))


def test_a_sign_in_computes_one_hash_whether_nobody_or_many_have_the_name(
    owner: Visitor, visitor: Visitors, computed: list[tuple[int, int]]
) -> None:
    for number in range(4):
        owner.make_event(f"EVENT{number}AA")
        visitor().register(f"EVENT{number}AA", "rose", password=f"password number {number}")
    for name, password in (
        ("rose", WRONG),
        ("nobody", WRONG),
        ("rose@example.org", WRONG),
        ("rose", "password number 2"),
    ):
        computed.clear()
        visitor().sign_in(name, password)
        assert computed == [(19456, 2)], name


def test_equal_passwords_of_one_name_are_kept_as_different_hashes(
    owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    owner.make_event("OTHER234")
    for code in ("PARTY234", "OTHER234"):
        visitor().register(code, "rose")
    with psycopg.connect(settings.database_url or "") as connection:
        kept = [row[0] for row in connection.execute("SELECT password_hash FROM guests")]
    parts = [part for each in kept for part in each.split("$")[2:]]
    assert len(parts) == len(set(parts)) == 6


def test_what_is_kept_is_argon2id_at_owasps_parameters(owner: Visitor, settings: Settings) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        (kept,) = connection.execute("SELECT password_hash FROM staff").fetchone() or ("",)
        salt_key, memory_kib, passes = connection.execute(
            "SELECT salt_key, memory_kib, passes FROM password_recipes"
        ).fetchone() or (b"", 0, 0)
    key = low_level.hash_secret_raw(
        PASSWORD.encode(),
        hmac.digest(salt_key, b"owner@example.org", "sha256")[:16],
        time_cost=passes,
        memory_cost=memory_kib,
        parallelism=1,
        hash_len=32,
        type=low_level.Type.ID,
    )
    salt, digest = kept.split("$")[2:]
    assert base64.urlsafe_b64encode(hmac.digest(key, salt.encode(), "sha256")).decode().rstrip("=") == digest
    assert memory_kib >= 19456 and passes >= 2


@pytest.mark.parametrize("lower", [{"password_memory_kib": 19455}, {"password_passes": 1}])
def test_no_setting_goes_below_owasps_parameters(lower: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Settings(**lower)  # type: ignore[arg-type]


@pytest.fixture
def raised(settings: Settings) -> Iterator[TestClient]:
    """The same instance after its setting has risen."""
    with TestClient(create_app(settings.model_copy(update={"password_passes": 3})), follow_redirects=False) as client:
        yield client


def test_a_password_is_hashed_anew_at_sign_in_once_the_setting_has_risen(
    owner: Visitor, visitor: Visitors, raised: TestClient, computed: list[tuple[int, int]], settings: Settings
) -> None:
    visitor().register("PARTY234", "rose")
    visitor().register("PARTY234", "lily")
    later = Visitor(raised)
    assert later.sign_in("rose").status_code == 303
    for name in ("rose", "lily", "nobody"):
        computed.clear()
        later.sign_in(name, WRONG)
        assert sorted(computed) == [(19456, 2), (19456, 3)], "who has not come back yet does not stand out"
    assert later.sign_in("rose@example.org").status_code == 303
    with psycopg.connect(settings.database_url or "") as connection:
        passes = connection.execute(
            "SELECT username, passes FROM guests JOIN password_recipes recipe"
            " ON split_part(password_hash, '$', 2) = replace(recipe.id::text, '-', '') ORDER BY username"
        ).fetchall()
    assert passes == [("lily", 2), ("rose", 3)]


def test_guessing_becomes_slow_and_says_when_to_try_again(
    owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    visitor().register("PARTY234", "rose")
    for name in ("nobody", "rose"):
        answers = [visitor().sign_in(name, WRONG) for _ in range(8)]
        assert [answer.status_code for answer in answers[:6]] == [422] * 6
        assert answers[6].status_code == 429, "a name that nobody has is treated alike"
        assert 1 <= int(answers[6].headers["retry-after"]) <= 3
        assert "Please try again in" in answers[6].text and 'href="/forgot"' in answers[6].text
    assert visitor().sign_in("rose").status_code == 429, "even with the right password"
    _move_clock(settings, 3)
    assert visitor().sign_in("rose").status_code == 303


def test_the_wait_doubles_up_to_its_longest_and_trying_on_does_not_prolong_it() -> None:
    waits = [throttle.NAME.wait_s(level) for level in range(1, 40)]
    assert waits[:9] == [0, 0, 0, 0, 0, 2, 4, 8, 16]
    assert waits[-1] == throttle.NAME.longest_s == 900


def test_who_guesses_from_elsewhere_does_not_lock_out_a_browser_that_was_in_before(
    owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    rose = visitor()
    rose.register("PARTY234", "rose")
    rose.post("/sign-out")
    for _ in range(7):
        visitor().sign_in("rose", WRONG)
    assert visitor().sign_in("rose").status_code == 429
    assert rose.sign_in("rose").status_code == 303


def test_a_browser_that_was_in_before_does_not_let_one_guess_for_ever(
    owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    rose = visitor()
    rose.register("PARTY234", "rose")
    answers = [rose.sign_in("rose", WRONG).status_code for _ in range(20)]
    assert answers[-1] == 429


def test_an_account_of_ones_own_by_the_same_name_opens_no_way_to_guess_anothers(
    owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    owner.make_event("OTHER234")
    visitor().register("PARTY234", "rose")
    attacker = visitor()
    attacker.register("OTHER234", "rose", email="x@example.org", password="the attacker's own")
    for _ in range(7):
        visitor().sign_in("rose", WRONG)
    # The right password of the victim, from the attacker's known browser, while the name is locked.
    assert attacker.sign_in("rose", PASSWORD).status_code == 422
    assert attacker.sign_in("rose", "the attacker's own").status_code == 303
    # On a slow machine the short wait may just be over: then the next guess starts a longer one.
    answers = {visitor().sign_in("rose", WRONG).status_code for _ in range(3)}
    assert 429 in answers, "a success of one's own wipes no trace"


@pytest.mark.anyio
async def test_many_attempts_at_once_are_all_counted(sessions: Sessions) -> None:
    key, pace = os.urandom(32), Pace(free=5, first_s=60, longest_s=60, forgets_one_in_s=600)
    answers = await asyncio.gather(*(throttle.charge(sessions, {key: pace}) for _ in range(15)), return_exceptions=True)
    assert sum(isinstance(answer, TooOften) for answer in answers) == 9
    async with transaction(sessions) as session:
        await throttle.clear(session, [key])
    assert await throttle.charge(sessions, {key: pace}) == 0


def test_all_of_an_ipv6_network_counts_as_one_sender() -> None:
    assert throttle.network_of("2001:db8::1") == throttle.network_of("2001:db8::ffff:1")
    assert throttle.network_of("192.0.2.1") != throttle.network_of("192.0.2.2")
    assert throttle.network_of(None) == ""


def test_attempts_name_nobody(owner: Visitor, visitor: Visitors, settings: Settings) -> None:
    visitor().sign_in("rose@example.org", WRONG)
    with psycopg.connect(settings.database_url or "") as connection:
        rows = connection.execute("SELECT key FROM attempts").fetchall()
    assert len(rows) >= 2 and all(len(key) == 32 and b"rose" not in key for (key,) in rows)


def test_old_counts_sessions_and_links_are_cleared_away(
    owner: Visitor, visitor: Visitors, settings: Settings, run_jobs: Callable[[], None]
) -> None:
    visitor().sign_in("rose", WRONG)
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE attempts SET at = now() - interval '3 days'")
        connection.execute("UPDATE sessions SET expires_at = now() - interval '1 second'")
        connection.execute("UPDATE account_links SET expires_at = now() - interval '1 second'")
    run_jobs()
    with psycopg.connect(settings.database_url or "") as connection:
        for table in ("attempts", "sessions", "session_proofs", "account_links"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_guessing_at_many_names_from_one_address_becomes_slow_too(
    owner: Visitor, visitor: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "ADDRESS", Pace(free=4, first_s=30, longest_s=300, forgets_one_in_s=10))
    visitor().register("PARTY234", "rose")
    answers = [visitor().sign_in(f"name{number}", WRONG).status_code for number in range(7)]
    assert answers == [422] * 5 + [429] * 2
    assert owner.sign_in("owner@example.org").status_code == 303, "a browser that was in before is not held up"


def test_a_recipe_goes_once_no_password_is_kept_by_it(
    owner: Visitor, visitor: Visitors, raised: TestClient, settings: Settings, run_jobs: Callable[[], None]
) -> None:
    def passes() -> list[int]:
        run_jobs()
        with psycopg.connect(settings.database_url or "") as connection:
            return sorted(row[0] for row in connection.execute("SELECT passes FROM password_recipes"))

    later = Visitor(raised)
    visitor().register("PARTY234", "rose")
    later.sign_in("owner@example.org")
    assert passes() == [2, 3]
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE password_recipes SET created_at = created_at - interval '8 days'")
    assert passes() == [2, 3], "one guest has not come back yet"
    later.sign_in("rose")
    assert passes() == [3]
