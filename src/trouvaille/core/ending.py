"""How a process ends: without Python's finalisation."""

import atexit
import os
import sys
from collections.abc import Callable
from contextlib import suppress


def end_without_finalisation(main: Callable[[], None]) -> None:
    """Run a program's main function and end its process with the status and the words that Python would end it with.

    Threads of a library in Rust, obstore's here, may ask for the interpreter's lock while Python finalises itself. It
    unwinds them through frames that forbid it, and the process aborts: one in five on a busy machine. So what threads
    and ``atexit`` have to do is done, what was printed is written, and the process ends there.

    ``main`` imports what registers with ``atexit``, for only what registers after this call is called.
    """
    status = 1

    def end() -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(status)

    atexit.register(end)  # the first that is registered is the last that is called
    try:
        main()
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        raise
    status = 0
