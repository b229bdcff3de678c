"""What no answer ever holds, whoever asks: walked over every address that the application itself names."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from httpx2 import Response
from starlette.testclient import TestClient

from tests.test_authorisation import World, _ask, _routes, world
from trouvaille.settings import Settings

__all__ = ["world"]  # a fixture

WORDS = ("$argon2", "argon2id", "password_hash", "token_hash", "secret_key", "sealed_token")
# A number that counts up tells how many there are, and invites trying the next one.
NUMBERED_ADDRESS = re.compile(r"""(?:href|action|src|data-url)=["'][^"'?#]*/\d+(?:[/?#"']|$)""")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# What is looked at beyond the plain address.
ALSO = {
    "GET /e/{code}/photos": ["?show=mine", "?show=maybe", "?show=all", "?show=favourites"],
    "GET /studio": ["?search=a"],
    "GET /studio/{event_id}/photos": ["?show=bin"],
    "GET /studio/{event_id}/guests": ["?only=no_selfie", "?search=e"],
    "GET /server/audit": ["?act=sign_in.done"],
    "GET /api/v1/events/{event_id}/guests": ["?limit=1"],
    "GET /api/v1/events/{event_id}/requests": ["?kind=veil", "?open=true"],
    "GET /api/v1/staff": ["?search=organiser"],
}
LOOKING = (
    "stranger",
    "revoked",
    "guest",
    "other guest",
    "photographer",
    "organiser",
    "other organiser",
    "administrator",
)


@dataclass(frozen=True)
class Kept:
    """What the database keeps that nobody is to see, or not everybody."""

    proofs: list[str]
    templates: list[str]
    addresses: set[str]
    guests_of: dict[str, set[str]]


def _kept(settings: Settings) -> Kept:
    with psycopg.connect(settings.database_url or "") as connection:

        def all_of(query: str) -> list[tuple[Any, ...]]:
            return connection.execute(query).fetchall()

        hashes = [each for (each,) in all_of("SELECT password_hash FROM staff UNION SELECT password_hash FROM guests")]
        tokens = all_of(
            "SELECT token_hash FROM sessions UNION SELECT token_hash FROM api_tokens UNION"
            " SELECT token_hash FROM guest_invitations UNION SELECT token_hash FROM invitations"
        )
        vectors = all_of("SELECT template::text FROM probes UNION SELECT template::text FROM faces")
        guests = all_of(
            "SELECT code, guests.email FROM guests JOIN events ON events.id = event_id WHERE email IS NOT NULL UNION"
            " SELECT code, email FROM guest_invitations JOIN events ON events.id = event_id"
        )
        staff = {email for (email,) in all_of("SELECT email FROM staff")}
    assert len(hashes) > 5 and len(tokens) > 5 and vectors != [] and len(guests) > 4
    return Kept(
        proofs=[part for each in hashes if each for part in each.split("$")[2:]] + [bytes(t).hex() for (t,) in tokens],
        # Three numbers of it in a row, as any list of numbers would show them.
        templates=[",".join(text.strip("[]").split(",")[:3]) for (text,) in vectors if text],
        addresses=staff | {email for _, email in guests},
        guests_of={code: {email for its, email in guests if its == code} for code, _ in guests},
    )


def _texts(answer: Response) -> Iterator[str]:
    """All that an answer says: a ZIP is opened."""
    if answer.headers.get("content-type") == "application/zip":
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            yield from (archive.read(name).decode("latin-1") for name in archive.namelist())
    else:
        yield answer.content.decode("latin-1")
    yield str(answer.headers)


def _may_know(kind: str, kept: Kept) -> set[str]:
    """The addresses that somebody may read; what guests are told of each other is nothing."""
    own = {f"{kind.replace(' ', '-' if 'organiser' in kind or 'photographer' in kind else '.')}@example.org"}
    if kind == "administrator":
        return kept.addresses
    if kind == "organiser":
        return own | kept.guests_of["MINE2345"] | {"photographer@example.org"}
    if kind == "other organiser":
        return own | kept.guests_of["THEIRS23"] | {"other-photographer@example.org"}
    return set() if kind in ("stranger", "revoked") else own


def _numbers(found: Any, name: str = "") -> Iterator[str]:
    """Ids in JSON that are numbers."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield from _numbers(value, key)
    elif isinstance(found, list):
        for value in found:
            yield from _numbers(value, name)
    elif isinstance(found, int) and not isinstance(found, bool) and re.search(r"(^|_)ids?$", name):
        yield f"{name}={found}"


def _wrong(route: str, kind: str, answer: Response, kept: Kept) -> Iterator[str]:
    own_data = route.endswith("/data.zip")  # one's own template is one's own
    forbidden = kept.addresses - _may_know(kind, kept)
    for text in _texts(answer):
        yield from (word for word in (*WORDS, *kept.proofs) if word in text)
        numbers = text.replace(" ", "").replace("\n", "")
        yield from (f"template {each}" for each in kept.templates if each in numbers and not own_data)
        yield from (each for each in ADDRESS.findall(text.lower()) if each in forbidden)
        yield from NUMBERED_ADDRESS.findall(text)
    if "json" in answer.headers.get("content-type", ""):
        yield from _numbers(json.loads(answer.content))


def test_no_answer_holds_a_hash_a_template_the_address_of_another_or_a_number_that_counts_up(
    world: World, site: TestClient, settings: Settings
) -> None:
    kept, wrong, seen = _kept(settings), [], 0
    routes = [route for route in _routes(site.app) if route.startswith("GET ")]  # type: ignore[arg-type]
    assert len(routes) > 100 and any(route.startswith("GET /api/v1/") for route in routes)
    for kind in LOOKING:
        person = world.people[kind]
        for route in routes:
            answer = _ask(person, route, world.fill)
            more = [person.get(answer.request.url.path + query) for query in ALSO.get(route, [])]
            for each in (answer, *more):
                seen += each.status_code == 200
                wrong += [f"{kind}: {each.request.url} holds {what}" for what in _wrong(route, kind, each, kept)]
    assert wrong == [], "\n".join(wrong)
    assert seen > 250, "the walk has got in nowhere"
