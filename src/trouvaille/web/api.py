"""What all of the JSON API is made of: pages of lists, problems (RFC 9457), and its description (OpenAPI 3.1)."""

from typing import Annotated, Any, Generic, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi.openapi.utils import get_openapi
from pydantic import AfterValidator, BaseModel, Field

Item = TypeVar("Item", bound=BaseModel)
MOST = 200
USUAL = 50
# Where a route says which scope a token needs.
SCOPE_KEY = "x-scope"
# Where a route says whose session it wants, and takes no token.
SESSION_KEY = "x-session"
OF_GUESTS = {SESSION_KEY: "guest"}
OF_BROWSERS = {SESSION_KEY: "anybody"}
"""For a route's ``openapi_extra``: it takes the session of a browser, and no token."""

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
Cursor = Annotated[str, Query(max_length=2000, description="`next` of the page before; leave it out for the first.")]


def _storable(value: str) -> str:
    if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise ValueError("a sign that can’t be kept")
    return value


# A text that the database can keep: without NUL, and without half of a sign.
Text = Annotated[str, AfterValidator(_storable)]


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: str | None = Field(description="Cursor of the next page; null on the last.", examples=[None])


def page_of(request: Request, response: Response, items: list[Item], cursor: str | None) -> Page[Item]:
    """A page, with the address of the next one in a ``Link`` header."""
    response.headers["Cache-Control"] = "no-store"
    if cursor is not None:
        following = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return Page(items=items, next=cursor)


PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "Where this kind is described."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for people, in the language of Accept-Language."},
        "code": {"type": "string", "description": "A word for programs, which stays the same."},
        "errors": {
            "type": "array",
            "description": "What is wrong, by field.",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
    "examples": [
        {
            "type": "/api#conflict",
            "title": "Not possible right now",
            "status": 409,
            "detail": "Another event already has this code. Please choose a different one.",
            "code": "code_taken",
            "errors": [{"field": "code", "detail": "Another event already has this code."}],
        }
    ],
}
ANSWERS = {
    "400": "The request can't be read.",
    "401": "No token or session, or one that is unknown, expired or revoked.",
    "403": "The token lacks the scope, or the account may not do this.",
    "404": "There is no such thing, or not for this account: the two are told in the same words on purpose.",
    "409": "The present state does not allow it.",
    "410": "It is over.",
    "412": "It was changed meanwhile.",
    "413": "Too large.",
    "415": "The body is of another type than is taken here.",
    "422": "Something in the request is wrong; `errors` says what.",
    "429": "Asked too often; `Retry-After` says when to come back.",
    "503": "A part is away; `Retry-After` says when to come back.",
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The description of the API, made once: routes of pages are not in it."""
    if app.openapi_schema is None:
        made = get_openapi(
            title="Trouvaille",
            version="1",
            openapi_version="3.1.0",
            summary="Everything that the pages do, for programs.",
            description="How to get a token, pages of lists, idempotency and errors: docs/api.md.",
            routes=app.routes,
        )
        parts = made.setdefault("components", {})
        parts.setdefault("schemas", {})["Problem"] = PROBLEM
        for unused in ("HTTPValidationError", "ValidationError"):
            parts["schemas"].pop(unused, None)
        parts["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "An access token, made under Account."},
            "session": {"type": "apiKey", "in": "cookie", "name": "trouvaille", "description": "A signed-in browser."},
        }
        parts["responses"] = {f"Problem{status}": _problem(status, text) for status, text in ANSWERS.items()}
        for operations in made["paths"].values():
            for operation in operations.values():
                _complete(operation)
        app.openapi_schema = made
    return app.openapi_schema


def _problem(status: str, text: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answer: dict[str, Any] = {"description": text, "content": content}
    if status in ("429", "503"):
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return answer


def _complete(operation: dict[str, Any]) -> None:
    """Give an operation its problems, and say what lets somebody in."""
    for status in ANSWERS:
        operation["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}
    if SESSION_KEY in operation:
        operation["security"] = [{"session": []}]
        whose = "a guest’s browser; there are no tokens for guests."
        if operation[SESSION_KEY] != "guest":
            whose = "a browser, which no token stands for."
        operation["description"] = f"{operation.get('description', '')}\n\nBy the session of {whose}"
    scope = operation.get(SCOPE_KEY)
    if scope is not None:
        operation["security"] = [{"token": [scope]}, {"session": []}]
        said = operation.get("description", "")
        operation["description"] = f"{said}\n\nScope: `{scope}`".strip()
