"""The tree of errors that a slice may raise; only the web layer knows their status codes.

``message`` is an English sentence fit for a guest and a key of the translation catalogue; ``params`` fill its
``%(name)s`` places after translation.
"""

from typing import ClassVar


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for "extract, translate later"
    """Mark a message for the catalogue where it is written; it is translated where it is shown."""
    return message


class Refused(Exception):
    """Something was asked that can't be done; subclasses say what kind of thing went wrong."""

    message: ClassVar[str] = N_("This could not be done.")

    def __init__(self, message: str | None = None, *, field: str = "", **params: object) -> None:
        self.text = message or self.message
        self.field = field
        self.params = params
        super().__init__(self.text)


class NotFound(Refused):
    """There is no such thing, or not for this viewer: the two are told in the same words on purpose."""

    message = N_("We could not find that.")


class SignInNeeded(Refused):
    """The viewer is nobody yet."""

    message = N_("Please sign in first.")


class Forbidden(Refused):
    """The viewer is known and may not do this."""

    message = N_("You are not allowed to do this.")


class Conflict(Refused):
    """The request is sound but the present state does not allow it."""

    message = N_("This is not possible at the moment.")


class Changed(Refused):
    """Somebody else changed it since the asker looked."""

    message = N_("Somebody has changed this since you looked. Please look again.")


class Gone(Refused):
    """It existed, and is over."""

    message = N_("This is no longer available.")


class Invalid(Refused):
    """What was sent is wrong; ``field`` names the form's field, empty for the form as a whole."""

    message = N_("Please check what you entered.")


class TooLarge(Refused):
    """More bytes than the limit allows."""

    message = N_("This file is too large.")


class TooMany(Refused):
    """Asked too often; ``retry_after_s`` says when to come back."""

    retry_after_s: int = 5
    message = N_("Too many attempts. Please wait a moment.")


class Unavailable(Refused):
    """A part that the answer needs is away; the same request may succeed after ``retry_after_s``."""

    retry_after_s: int = 5
    message = N_("The service is busy. Please try again in a moment.")


class InvalidForm(Invalid):
    """Several fields of one form are wrong at once; each entry keeps its own field, text and params."""

    def __init__(self, *problems: Invalid) -> None:
        self.problems = problems
        super().__init__(problems[0].text if problems else None)
