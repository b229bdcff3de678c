"""What holds for the functions of all routes."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from fastapi.dependencies.models import Dependant

from trouvaille import app


def _called(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    if dependant.call is not None:
        yield dependant.call
    for below in dependant.dependencies:
        yield from _called(below)


def test_none_is_run_in_a_thread() -> None:
    """FastAPI runs what is no coroutine in a thread, which takes longer than most of these functions do."""
    seen, threaded = 0, set()
    for route in app._routes():
        for context in route.effective_route_contexts():  # type: ignore[attr-defined]
            for call in _called(context.dependant):
                seen += 1
                if not (inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)):
                    threaded.add(f"{call.__module__}.{call.__qualname__}")
    assert seen > 1000
    assert threaded == set()
