"""Constant folding of templates: what a page says the same each time is worked out when its template is compiled.

There is one environment a language, so that sentences, addresses of built files and components with fixed arguments (an
icon, a notice) are constants of the compiled template. Jinja's own optimiser stops at function calls.
"""

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, nodes
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

COMPONENTS = "web/components.html"
SENTENCES = ("_", "gettext")


class FoldedEnvironment(Environment):
    """Templates of one language.

    Attributes:
        translate: a sentence in that language.
        settled: functions that always give the same for the same arguments, by their names in templates.
        failing: what one of them may raise; it is then called, and raises, when the page is made.
    """

    translate: Callable[[str], str]
    settled: dict[str, Callable[..., Any]]
    failing: type[Exception]

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        return _Folding(self, tree).visit(tree)  # type: ignore[no-any-return]


class _Folding(NodeTransformer):
    """Replaces calls whose outcome is known."""

    def __init__(self, environment: FoldedEnvironment, tree: nodes.Template) -> None:
        self._environment = environment
        self._components = {
            alias: macro
            for each in tree.find_all(nodes.FromImport)
            if isinstance(each.template, nodes.Const) and each.template.value == COMPONENTS and not each.with_context
            for macro, alias in (name if isinstance(name, tuple) else (name, name) for name in each.names)
        }

    def visit_CallBlock(self, node: nodes.CallBlock, *_args: Any, **_kwargs: Any) -> nodes.Node:  # noqa: N802
        """A component around others stays a call; what is in it may be known."""
        node.call.args = [self.visit(each) for each in node.call.args]
        node.body = [self.visit(each) for each in node.body]
        return node

    def visit_Call(self, node: nodes.Call, *_args: Any, **_kwargs: Any) -> nodes.Node:  # noqa: N802
        """A sentence, an address or a component."""
        self.generic_visit(node)
        if not isinstance(node.node, nodes.Name) or node.dyn_args is not None or node.dyn_kwargs is not None:
            return node
        try:
            args = [each.as_const() for each in node.args]
            if node.node.name in SENTENCES:
                return self._sentence(node, *args)
            known = self._function(node.node.name)
            if known is not None:
                return self._known(node, known(*args, **{each.key: each.value.as_const() for each in node.kwargs}))
        except (nodes.Impossible, self._environment.failing):
            pass
        return node

    def _function(self, name: str) -> Callable[..., Any] | None:
        if name in self._components:
            module = self._environment.get_template(COMPONENTS).module
            return getattr(module, self._components[name])  # type: ignore[no-any-return]
        return self._environment.settled.get(name)

    def _sentence(self, node: nodes.Call, text: str) -> nodes.Node:
        said = Markup(self._environment.translate(text))  # noqa: S704 - translations are ours, as for Jinja itself
        if not node.kwargs:
            return self._known(node, said % {})
        line = node.lineno
        places = [nodes.Pair(nodes.Const(each.key, lineno=line), each.value, lineno=line) for each in node.kwargs]
        filled = nodes.Mod(self._known(node, said), nodes.Dict(places, lineno=line), lineno=line)
        return filled.set_environment(self._environment)

    def _known(self, node: nodes.Call, value: Any) -> nodes.Const:
        return nodes.Const(value, lineno=node.lineno, environment=self._environment)
