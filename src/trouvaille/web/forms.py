"""What a page needs to show a form again: what was typed and what was wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trouvaille.core.errors import InvalidForm, Refused
from trouvaille.web.i18n import say

SECRET = {"password", "old_password", "new_password", "token"}


@dataclass(slots=True)
class Form:
    """The values and the problems of one form; the empty field name stands for the form as a whole."""

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """What was typed, or the proposed value, or nothing."""
        return self.values.get(name, "")

    def error(self, name: str) -> str | None:
        """What is wrong with a field, in the viewer's language."""
        return self.errors.get(name)

    def refused(self, error: Refused) -> "Form":
        """The same form with what was wrong; passwords are not sent back."""
        problems: tuple[Refused, ...] = error.problems if isinstance(error, InvalidForm) else (error,)
        return Form(
            values={name: value for name, value in self.values.items() if name not in SECRET},
            errors={problem.field: say(problem) for problem in reversed(problems)},
        )


def typed(form: Mapping[str, object], *names: str) -> Form:
    """The text fields of a posted form; files and unknown fields are left out, and NUL, which PostgreSQL can't keep."""
    return Form({name: str(form[name]).replace("\0", "")[:5000] for name in names if isinstance(form.get(name), str)})
