"""The addresses that guests are given."""

from fastapi import Request

from trouvaille.events.models import Event
from trouvaille.web.site import address_of


def link_of(request: Request, event: Event) -> str:
    """Where guests of an event come in."""
    return link_of_code(address_of(request), event.code)


def link_of_code(address: str, code: str) -> str:
    """Where guests come in with a code.

    Args:
        address: of the server from outside, without a slash at the end.
    """
    return f"{address}/e/{code}"
