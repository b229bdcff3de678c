"""Letters: a subject, some sentences and one link, as plain text and as simple HTML, in the reader's language."""

from collections.abc import Sequence
from dataclasses import dataclass

from trouvaille.core.mail import Letter
from trouvaille.web.i18n import gettext_in
from trouvaille.web.render import environment


@dataclass(frozen=True, slots=True)
class Draft:
    """What a letter says; every text is a key of the translation catalogue, its places filled afterwards.

    Attributes:
        link: the words on the button, and its address; None for a letter that only tells something.
        after: sentences below the button.
        stop: the words and the address of a link at the very end by which one gets no more of these letters.
    """

    subject: str
    paragraphs: Sequence[str]
    link: tuple[str, str] | None = None
    after: Sequence[str] = ()
    stop: tuple[str, str] | None = None


def write(draft: Draft, *, to: str, locale: str, **places: object) -> Letter:
    """A letter that is ready to be posted.

    Args:
        places: fill the ``%(name)s`` of all texts.
    """

    def said(text: str) -> str:
        translated = gettext_in(locale, text)
        return translated % places if places else translated

    subject = " ".join(said(draft.subject).split())
    before, after = [said(each) for each in draft.paragraphs], [said(each) for each in draft.after]
    button = (said(draft.link[0]), draft.link[1]) if draft.link else None
    stop = (said(draft.stop[0]), draft.stop[1]) if draft.stop else None
    plain = [*before, *([f"{button[0]}:\n{button[1]}"] if button else []), *after]
    plain += [f"{stop[0]}:\n{stop[1]}"] if stop else []
    html = environment(locale).get_template("web/letter.html")
    return Letter(
        to=to,
        subject=subject,
        text="\n\n".join(plain) + "\n",
        html=html.render(locale=locale, subject=subject, before=before, button=button, after=after, stop=stop),
        locale=locale,
    )
