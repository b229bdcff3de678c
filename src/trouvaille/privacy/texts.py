"""An operator's own legal texts: Markdown files that take the place of ours."""

from dataclasses import dataclass, field
from pathlib import Path

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

from trouvaille.web.i18n import LANGUAGES

NAMES = ("notice", "privacy", "terms")
LIMIT_BYTES = 500_000
TAGS = {
    *("h1", "h2", "h3", "h4", "p", "br", "hr", "ul", "ol", "li", "strong", "em", "a", "blockquote", "code", "pre"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


class UnreadableText(ValueError):
    """A file in the folder of legal texts can't be shown."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Those that there are, as HTML, by name and language; a language of None stands for all."""

    html: dict[tuple[str, str | None], Markup] = field(default_factory=dict)

    def of(self, name: str, locale: str) -> Markup | None:
        """The operator's text in this language, or the one for all; None where there is none."""
        return self.html.get((name, locale)) or self.html.get((name, None))


def load(folder: Path | None) -> Texts:
    """Read ``notice.md``, or ``notice.fr.md`` for one language, and the same for ``privacy`` and ``terms``.

    They are read once, at the start: what a public page says does not change behind the operator's back.

    Raises:
        UnreadableText
    """
    if folder is None:
        return Texts()
    if not folder.is_dir():
        raise UnreadableText(f"TROUVAILLE_LEGAL_TEXTS names {folder}, which is no folder")
    found: dict[tuple[str, str | None], Markup] = {}
    for name in NAMES:
        for locale in (None, *LANGUAGES):
            path = folder / (f"{name}.{locale}.md" if locale else f"{name}.md")
            if path.is_file():
                found[name, locale] = _read(path)
    if not found:
        raise UnreadableText(f"{folder} has none of {', '.join(f'{name}.md' for name in NAMES)}")
    return Texts(found)


def _read(path: Path) -> Markup:
    data = path.read_bytes()
    if len(data) > LIMIT_BYTES:
        raise UnreadableText(f"{path} is larger than {LIMIT_BYTES} bytes")
    try:
        return rendered(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UnreadableText(f"{path} is not in UTF-8") from error


def rendered(markdown: str) -> Markup:
    """Markdown (CommonMark and tables) as HTML that holds no script, style, picture or form, whatever was written."""
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    clean = nh3.clean(
        html, tags=TAGS, attributes={"a": {"href"}}, url_schemes={"http", "https", "mailto", "tel"}, link_rel="noopener"
    )
    return Markup(clean)  # noqa: S704 - cleaned by the line above
