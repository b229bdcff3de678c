"""The API keeps to its description, whatever it is sent: requests made up by schemathesis, always the same ones."""

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as bounds
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.conftest import Script, jpeg
from tests.people import Visitor
from tests.web_process import web_process
from trouvaille.settings import Settings

schemathesis.serializer.alias("text/csv", "text/plain")
FEW, MANY = 2, 10
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def _proof(operation: Any, script: Script, guest: Visitor) -> dict[str, str]:
    """What lets somebody in; what is open to everybody has no scope, and no token is good for it."""
    if "x-session" in operation.definition.raw:
        # Anew for each: one of them signs out, one goes on as somebody else, one withdraws the consent.
        assert guest.sign_in("rose", event=guest.code).status_code == guest.agree().status_code == 303
        return {"Cookie": f"trouvaille={guest.browser.cookies['trouvaille']}"}
    return {"Authorization": f"Bearer {script.token}"} if _scope(operation) else {}


def _scope(operation: Any) -> str:
    return str(operation.definition.raw.get("x-scope", ""))


def _try(operation: Any, headers: dict[str, str], there: dict[str, str], examples: int) -> set[int]:
    """Send an operation requests that fit its description and such that don't; returns the statuses."""
    seen: set[int] = set()

    def ask(case: Case, exists: bool) -> None:
        if exists:  # made-up ids all end in the same 404
            known = {name: each for name, each in there.items() if f"{{{name}}}" in case.path}
            case.path_parameters = {**(case.path_parameters or {}), **known}
            if isinstance(case.body, dict):
                case.body.pop("code", None)  # an event with the documented one is there by now
        seen.add(case.call_and_validate(headers=headers, checks=CHECKS).status_code)

    bound = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    made_up = st.one_of(*(operation.as_strategy(mode) for mode in GenerationMode))
    seed(20_270_619)(bounds(max_examples=examples, **bound)(given(case=made_up, exists=st.booleans())(ask)))()
    if "requestBody" in operation.definition.raw:  # a made-up body of many fields is hardly ever good
        for documented in operation.get_strategies_from_examples():
            seed(20_270_619)(bounds(max_examples=1, **bound)(given(case=documented, exists=st.just(True))(ask)))()
    return seen


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "examples"),
    [
        ("organiser", FEW),
        pytest.param("organiser", MANY, marks=pytest.mark.slow),
        pytest.param("administrator", MANY, marks=pytest.mark.slow),
    ],
)
def test_no_request_breaks_the_server_and_every_answer_fits_the_description(
    kind: str,
    examples: int,
    organiser: Script,
    administrator: Script,
    settings: Settings,
    visitor: Callable[[], Visitor],
) -> None:
    script, other = (organiser, administrator) if kind == "organiser" else (administrator, organiser)
    guest = visitor()
    guest.register(other.person.code, "rose")  # in the event that stays as it is
    photo = script.person.upload(("photo.jpg", jpeg()))["accepted"][0]
    there = {"event_id": script.person.event_id, "photo_id": photo["id"]}
    with web_process(settings, pool_size=4) as address:
        schema = schemathesis.openapi.from_url(f"{address}/api/v1/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        statuses = {each.label: _try(each, _proof(each, script, guest), there, examples) for each in operations}
    # It would prove nothing if all requests had been turned away at the door.
    assert {201, 422} <= statuses["POST /api/v1/events"]
    assert {200, 422} <= statuses["PATCH /api/v1/events/{event_id}"]
    assert {200, 404} <= statuses["GET /api/v1/events/{event_id}/photos"]
    turned_away = {label for label, each in statuses.items() if each & {401, 403}}
    for_administrators = {each.label for each in operations if _scope(each).startswith("server:")}
    assert turned_away == (for_administrators if kind == "organiser" else set())
