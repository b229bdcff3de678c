"""What a template says the same each time is in its compiled form, and what differs is not."""

from collections.abc import Iterator

import pytest
from jinja2 import DictLoader, PrefixLoader
from markupsafe import Markup

from trouvaille.web.folding import FoldedEnvironment
from trouvaille.web.render import environment

WORDS = {"Photos": "Clichés", "%(name)s’s photos": "Clichés de <b>%(name)s</b>", "100 %% of them": "100 %% d’entre eux"}


class _Away(Exception):
    """What is asked for is not there yet."""


def _environment(**templates: str) -> FoldedEnvironment:
    parts = "{% macro icon(name, label='') %}<svg>{{ name }} {{ label }}</svg>{% endmacro %}"
    parts += "{% macro box(title) %}<div title='{{ title }}'>{{ caller() }}</div>{% endmacro %}"
    loader = PrefixLoader({"web": DictLoader({"components.html": parts}), "a": DictLoader(templates)})
    made = FoldedEnvironment(loader=loader, extensions=["jinja2.ext.i18n"], autoescape=True)
    made.translate = lambda words: WORDS.get(words, words)
    made.install_gettext_callables(made.translate, lambda one, many, n: one, newstyle=True)  # type: ignore[attr-defined]

    def static(source: str) -> str:
        if source == "none":
            raise _Away
        return f"/static/{source}?a&b"

    made.settled, made.failing = {"static": static}, _Away
    made.globals["static"] = static
    return made


def _compiled(made: FoldedEnvironment, source: str) -> str:
    return str(made.compile(source, raw=True))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ _('Photos') }}", "Clichés"),
        ("{{ _('100 %% of them') }}", "100 % d’entre eux"),
        ("{{ {'a': _('Photos')}[key] }}", "Clichés"),
        ("{{ _('%(name)s’s photos', name=person) }}", "Clichés de <b>&lt;Rose&gt;</b>"),
        ("<a href='{{ static('x') }}'>", "<a href='/static/x?a&amp;b'>"),
        ("{% from 'web/components.html' import icon %}{{ icon('heart') }}", "<svg>heart </svg>"),
        (
            "{% from 'web/components.html' import icon as sign %}{{ sign('x', _('Photos')) }}",
            "<svg>x Clichés</svg>",
        ),
        ("{% from 'web/components.html' import icon %}{{ icon(person) }}", "<svg>&lt;Rose&gt; </svg>"),
        (
            "{% from 'web/components.html' import box, icon %}{% call box(_('Photos')) %}{{ icon('x') }}{% endcall %}",
            "<div title='Clichés'><svg>x </svg></div>",
        ),
    ],
)
def test_a_page_says_what_it_said_before(source: str, said: str) -> None:
    made = _environment(page=source)
    assert made.get_template("a/page").render(key="a", person="<Rose>") == said


@pytest.mark.parametrize(
    ("source", "constant"),
    [
        ("{{ _('Photos') }}", "Clichés"),
        ("{{ static('x') }}", "/static/x?a&amp;b"),
        ("{% from 'web/components.html' import icon %}{{ icon('heart') }}", "<svg>heart </svg>"),
    ],
)
def test_what_never_changes_is_a_constant_of_the_compiled_template(source: str, constant: str) -> None:
    compiled = _compiled(_environment(), source)
    assert f"yield '{constant}'" in compiled
    assert "context.call" not in compiled


def test_what_can_not_be_known_yet_is_asked_for_when_the_page_is_made() -> None:
    made = _environment(page="{% if wanted %}{{ static('none') }}{% endif %}fine")
    template = made.get_template("a/page")
    assert template.render(wanted=False) == "fine"
    with pytest.raises(_Away):
        template.render(wanted=True)


@pytest.fixture(params=["en", "fr"])
def locale(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def test_each_language_has_templates_of_its_own(locale: str) -> None:
    made = environment(locale)
    tile = made.from_string("{{ _('Favourite') }}").render()
    assert tile == {"en": "Favourite", "fr": "Favori"}[locale]
    assert environment(locale) is made
    heart = made.get_template("web/components.html").module.icon("heart")  # type: ignore[attr-defined]
    assert isinstance(heart, Markup)
