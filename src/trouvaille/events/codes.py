"""Event codes: what guests type, in whatever way they type it."""

import re

from sqlalchemy import BindParameter, ColumnElement, func, text

from trouvaille.core.errors import N_, Invalid
from trouvaille.core.secrets import new_code
from trouvaille.events.models import Event

CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{2,30}[A-Z0-9]")
# What keyboards and word processors put for a hyphen.
HYPHENS = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d_]")


def clean_code(code: str) -> str:
    """An event code as it is kept: capitals, without the spaces that people type between groups.

    Raises:
        Invalid: it can't be a code.
    """
    code = re.sub(r"-{2,}", "-", HYPHENS.sub("-", re.sub(r"\s+", "", code))).upper()
    if not CODE.fullmatch(code) or len(code.replace("-", "")) < 4:
        raise Invalid(N_("A code has 4 to 32 letters, digits or hyphens."), field="code")
    return code


def is_code(code: str) -> ColumnElement[bool]:
    """Whether an event has this code; hyphens don't count.

    Raises:
        Invalid: it can't be a code.
    """
    return has_bare_code(bare(clean_code(code)))


def has_bare_code(code: str | BindParameter[str]) -> ColumnElement[bool]:
    """``is_code``, of what ``bare`` makes of a clean one."""
    return func.replace(func.lower(Event.code), text("'-'"), text("''")) == code


def bare(code: str) -> str:
    """A code as far as it tells events apart: without hyphens, in small letters."""
    return code.replace("-", "").casefold()


def same_code(one: str, other: str) -> bool:
    """Whether two codes mean the same event."""
    return bare(one) == bare(other)


def propose_code() -> str:
    """A code that is almost certainly free; the database has the last word."""
    return new_code()
