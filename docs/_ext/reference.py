"""Directives that write the reference from the code: components, commands, public names, checks.

The texts are those of `scionwood show`, of `--help` and of docstrings. Nothing is written twice.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from docstring_parser import parse
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import scionwood
from scionwood.cli.inspection import inherited_texts
from scionwood.cli.words import Word, command_words
from scionwood.lazy import homes
from scionwood.plugins import discovery
from scionwood.plugins.plugin import KINDS
from scionwood.recipes.recipe import options_of
from scionwood.recipes.recipe_file import recipes
from scionwood.runs.origin import read_origin
from scionwood.runs.shipped import shipped_runs

Lines = Iterator[str]


class Written(SphinxDirective):
    """A directive whose content is Markdown that a function yields."""

    optional_arguments = 1
    write: Callable[..., Lines]

    def run(self) -> list[nodes.Node]:
        """Parse the Markdown where the directive stands; the next build writes it anew."""
        self.env.note_reread()  # the code may change while the page does not
        text = "\n".join(type(self).write(*self.arguments))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def components(plugin: str) -> Lines:
    """Describe the components, recipes and shipped runs of a plugin."""
    record = discovery.record(plugin)
    for kind, word in KINDS.items():
        if kind == "commands":
            continue
        for name in getattr(record, kind):
            yield f"{{#{kind}-{plugin}-{name}}}"
            yield f"## {word.capitalize()} `{plugin}/{name}`\n"
            component = discovery.load(kind, f"{plugin}/{name}")
            words = command_words(component).items() if kind == "services" else ()
            chosen = {option: word for option, word in words if not word.positional}
            yield from described(component, chosen or options_of(component))
    for name, path in recipes(plugin).items():
        yield f"{{#recipes-{plugin}-{name}}}"
        yield f"## Recipe `{plugin}/{name}`\n\n```yaml\n{path.read_text('utf-8').rstrip()}\n```\n"
    for name, folder in shipped_runs(plugin).items():
        yield f"{{#runs-{plugin}-{name}}}"
        yield f"## Shipped run `{plugin}/{name}`\n\n{read_origin(folder)}.\n"


def commands(plugin: str = "") -> Lines:
    """Describe the commands of a plugin, or those of the core."""
    if plugin:
        table = {name: f"{plugin}/{name}" for name in discovery.record(plugin).commands}
        functions = {name: discovery.load("commands", ref) for name, ref in table.items()}
    else:
        functions = {name: discovery.resolve(name, ref) for name, ref in discovery.verbs().items()}
    for name, function in functions.items():
        label = name.replace("_", "-")
        yield f"{{#commands-{plugin or 'core'}-{name}}}"
        yield f"## `scionwood {f'{plugin} {label}' if plugin else label}`\n"
        yield from described(function, command_words(function))


def names(home: str) -> Lines:
    """Document the public names of a room of the core, such as `adapters`, or of a neighbour.

    Those of users stand first, then those of `scionwood.authoring`, then those that only the room
    exports, such as `scionwood.adapters.freeze`.
    """
    if home.startswith("scionwood_"):
        listed = import_module(home).__all__  # `scionwood` lists some of them too: they stand there
        groups = [(home, [name for name in listed if name not in scionwood.__all__])]
    else:
        inner = getattr(import_module(f"scionwood.{home}"), "__all__", ())
        root, authors = (
            [name for name, module in homes(str(part.__file__)).items() if _room(module) == home]
            for part in (scionwood, scionwood.authoring)
        )
        known = {*scionwood.__all__, *scionwood.authoring.__all__}
        groups = [("scionwood", root), ("scionwood.authoring", authors)]
        groups += [(f"scionwood.{home}", sorted(set(inner) - known))]
    yield "```{eval-rst}"
    for module, listed in groups:
        yield f".. currentmodule:: {module}\n" if listed else ""
        for name in sorted(listed, key=str.lower):
            thing = getattr(import_module(module), name)
            kind = "class" if inspect.isclass(thing) else "function" if callable(thing) else "data"
            yield f".. auto{kind}:: {name}\n" + ("   :members:\n" if kind == "class" else "")
    yield "```"


def _room(home: str) -> str:
    return home.partition(".")[2].partition(".")[0] if home.startswith("scionwood.") else home


def checks() -> Lines:
    """Describe every check of the conformance kit with its reason."""
    from scionwood_kit import CHECKS

    for check in CHECKS:
        yield f"## `{check.__name__}`\n\n{prose(inspect.getdoc(check) or '')}\n"


def described(thing: Any, options: list[inspect.Parameter] | dict[str, Word]) -> Lines:
    """Yield the documentation of a component, and a table of its options."""
    rows = (
        [(name, word.hint, word.default, word.help) for name, word in options.items()]
        if isinstance(options, dict)
        else [(option.name, option.annotation, option.default, "") for option in options]
    )
    doc = parse(prose_first(inspect.getdoc(thing) or ""))
    own = {part.arg_name: _line(part.description or "") for part in doc.params}
    texts = inherited_texts(thing) | own
    yield f"{prose(doc.short_description or '')}\n"
    yield f"{prose(doc.long_description or '')}\n"
    if rows:
        yield "| option | type | default | meaning |\n|---|---|---|---|"
    for name, hint, value, text in rows:
        kind = hint if isinstance(hint, str) else inspect.formatannotation(hint)
        default = "required" if value is inspect.Parameter.empty else f"`{value!r}`"
        meaning = prose(_line(text) or texts.get(name, ""))
        cells = (f"`{name}`", f"`{kind}`", default, meaning)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""
    attributes = own.keys() - {name for name, *_ in rows}
    yield from _listed("Attributes", [(name, own[name]) for name in own if name in attributes])
    yield from _listed("Errors", [(e.type_name, _line(e.description or "")) for e in doc.raises])
    if doc.returns:
        yield f"Returns: {prose(_line(doc.returns.description or ''))}\n"
    for example in doc.examples:
        yield f"Example:\n\n```pycon\n{inspect.cleandoc(example.description or '')}\n```\n"


def prose_first(doc: str) -> str:
    """Move the paragraphs behind a section, such as `Source:`, to those before the sections.

    The parser of docstrings would take them for a part of the section.
    """
    blocks = doc.split("\n\n")
    prose = [block for block in blocks if not re.match(r" |\w+:\n", block)]
    return "\n\n".join(prose + [block for block in blocks if block not in prose])


def _listed(heading: str, pairs: list[tuple[str | None, str]]) -> Lines:
    if pairs:
        yield f"{heading}:\n"
        yield from (f"- `{name}`: {prose(text)}" for name, text in pairs)
        yield ""


def prose(text: str) -> str:
    """Escape what Markdown would read as markup in the plain text of a docstring."""
    return re.sub(r"(?<!`)([<>*_])(?![^`]*`)", r"\\\1", text) if "`" not in text else text


def _line(text: str) -> str:
    return " ".join(text.split())


def plain(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Keep the stars, bars and trailing underscores of a docstring, which would be markup."""
    shown = False  # inside an example, which is code
    for index, line in enumerate(lines):
        shown = line.lstrip().startswith(">>>") or (shown and bool(line.strip()))
        if shown:
            continue
        pieces = line.split("`")
        pieces[::2] = [re.sub(r"([*|])|(?<=\w)(_)(?!\w)", r"\\\1\2", text) for text in pieces[::2]]
        lines[index] = "`".join(pieces)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives with Sphinx."""
    app.connect("autodoc-process-docstring", plain, priority=400)  # before napoleon
    for function in (components, commands, names, checks):
        name = function.__name__
        app.add_directive(name, type(name, (Written,), {"write": staticmethod(function)}))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
