"""Every text of templates and code is in every catalogue, translated, with the same places to fill."""

import re
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from trouvaille.web.i18n import FOLDER, LANGUAGES

ROOT = Path(__file__).parents[2]
PLACE = re.compile(r"%\((\w+)\)s|\{(\w+)\}")
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}


def _texts() -> dict[str | tuple[str, ...], str]:
    """Every text by where it stands."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(ROOT / "src", method_map=methods, options_map=options, keywords=KEYWORDS)
    return {text: f"{name}:{line}" for name, line, text, _, _ in found if text}


def _catalogue(language: str) -> Catalog:
    return read_po(BytesIO((FOLDER / language / "LC_MESSAGES" / "messages.po").read_bytes()), locale=language)


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_every_text_is_translated(language: str) -> None:
    catalogue = _catalogue(language)
    missing = []
    for text, place in _texts().items():
        message = catalogue.get(text)
        forms = [] if message is None else [message.string] if isinstance(message.string, str) else message.string
        if message is None or message.fuzzy or not forms or not all(forms):
            missing.append(f"{place}: {text!r}")
    assert missing == [], "\n".join(["run `make messages` and translate:", *missing])


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_every_translation_has_the_places_of_its_text(language: str) -> None:
    wrong = []
    for message in _catalogue(language):
        if not message.id:
            continue
        sources = message.id if isinstance(message.id, tuple | list) else (message.id,)
        forms = message.string if isinstance(message.string, tuple | list) else (message.string,)
        wanted = set(PLACE.findall(sources[-1]))
        wrong += [form for form in forms if set(PLACE.findall(form)) != wanted]
    assert wrong == []


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_the_catalogue_holds_nothing_that_is_no_longer_said(language: str) -> None:
    texts = {text[0] if isinstance(text, tuple) else text for text in _texts()}
    known = {message.id[0] if isinstance(message.id, tuple | list) else message.id for message in _catalogue(language)}
    assert sorted(known - texts - {""}) == []
