"""The commands for plugins, plugins and show, and what they print of a component."""

from __future__ import annotations

import inspect
import json as jsons
from dataclasses import asdict
from typing import Any

from scionwood.errors import PluginError
from scionwood.files.terminal import print_status, print_table
from scionwood.plugins import discovery
from scionwood.plugins.discovery import PluginEntry
from scionwood.plugins.plugin import KINDS, Plugin
from scionwood.recipes.arguments import PartName
from scionwood.recipes.recipe_file import recipes
from scionwood.recipes.signatures import first_sentence, summary


def plugins(*, json: bool = False, doctor: bool = False) -> int:
    """List the plugins and what each brings.

    Args:
        json: print JSON.
        doctor: import every component by itself, and print what fails.
    """
    from scionwood.plugins.survey import survey

    if doctor:
        return _examine()
    entries = survey()
    if json:
        print(jsons.dumps([asdict(entry) for entry in entries], indent=2))
        return 0
    print_table(("plugin", "version", "what it brings"), map(overview, entries))
    installed = {entry.name for entry in entries}
    if missing := [name for name in discovery.extras() if name not in installed]:
        line = discovery.install_line(missing[0])
        print(f"not installed: {', '.join(missing)}. In a clone: {line}")
    return 0


def show(name: PartName) -> None:
    """Print what a plugin or a component takes, with its documentation.

    Args:
        name: seismic, or seismic/denoise.
    """
    print(describe(name))


def _examine() -> int:
    from scionwood.plugins.survey import doctor
    from scionwood_sandbox.decoding.switch import enforced

    diagnoses = doctor()
    for name, faults in diagnoses.items():
        verdict = "; ".join(faults) or "every component can be imported"
        print_status(not faults, f"{name:12} {verdict}")
    for holds, what in enforced():
        print_status(holds, f"{'readers':12} {what}")
    return int(any(diagnoses.values()))


def describe(name: str) -> str:
    """Describe a plugin (`seismic`), or the components and the recipe of a name."""
    owner, slash, part = name.partition("/")
    plugin = discovery.record(owner)
    if not slash:
        return _plugin(plugin)
    kinds = [kind for kind in KINDS if part in getattr(plugin, kind)]
    blocks = [_component(kind, name, discovery.load(kind, name)) for kind in kinds]
    carried = recipes(owner)
    if part in carried:
        blocks.append(f"recipe {name}\n\n{carried[part].read_text('utf-8').rstrip()}")
    if not blocks:
        component_names = {name for _, name, _ in plugin.components()} | carried.keys()
        remedy = (
            discovery.did_you_mean(part, component_names)
            or f"It has: {', '.join(sorted(component_names))}"
        )
        raise PluginError(f"plugin {owner!r}", f"nothing is named {part!r}", remedy)
    return "\n\n".join(blocks)


def overview(entry: PluginEntry) -> tuple[str, str, str]:
    """Return the name of a plugin, its version, and one line for each kind that it brings."""
    version = ", ".join(entry.distributions).removeprefix(f"scionwood-{entry.name} ")
    if entry.plugin is None:
        return entry.name, version, f"cannot be used: {entry.problem}"
    kinds = {kind: getattr(entry.plugin, kind) for kind in KINDS}
    lines = (f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names)
    return entry.name, version, "\n".join(lines)


def command_summaries(plugin: Plugin) -> list[tuple[str, str]]:
    """Return each command of a plugin with the first sentence of its documentation."""
    return [(name.replace("_", "-"), _summary(f"{plugin.name}/{name}")) for name in plugin.commands]


def _summary(command: str) -> str:
    # The source first, since importing a command may cost seconds.
    try:
        source_summary = summary(discovery.reference("commands", command))
        if source_summary is not None:
            return source_summary
        return first_sentence(inspect.getdoc(discovery.load("commands", command)) or "")
    except PluginError as error:
        return f"cannot be used: {error}"


def _plugin(plugin: Plugin) -> str:
    lines = [f"{plugin.name}: {plugin.summary}"]
    for kind in KINDS:
        lines += [f"  {KINDS[kind]:15} {plugin.name}/{part}" for part in getattr(plugin, kind)]
    lines += [f"  {'recipe':15} {plugin.name}/{part}" for part in recipes(plugin.name)]
    return "\n".join(lines)


def _component(kind: str, name: str, component: Any) -> str:
    from scionwood.recipes.recipe import options_of

    inherited, options = inherited_texts(component), []
    for parameter in options_of(component):
        options.append(f"  {_option(parameter)}")
        if parameter.name in inherited:
            options.append(f"      {inherited[parameter.name]}")
    doc = inspect.getdoc(component) or "no documentation"
    return "\n".join([f"{KINDS[kind]} {name}", "", doc, "", "options:", *(options or ["  none"])])


def inherited_texts(component: Any) -> dict[str, str]:
    """Return what the base classes say of options that a class itself does not describe."""
    from docstring_parser import parse

    cls, *bases = inspect.getmro(component) if inspect.isclass(component) else (component,)
    described = {item.arg_name for item in parse(cls.__doc__ or "").params}
    items = [item for base in reversed(bases) for item in parse(base.__doc__ or "").params]
    texts = {item.arg_name: " ".join((item.description or "").split()) for item in items}
    return {name: text for name, text in texts.items() if name not in described}


def _option(parameter: inspect.Parameter) -> str:
    # Annotations are text in modules that postpone them, and objects elsewhere.
    kind = parameter.annotation
    kind = kind if isinstance(kind, str) else inspect.formatannotation(kind)
    if parameter.default is parameter.empty:
        return f"{parameter.name}: {kind}"
    return f"{parameter.name}: {kind} = {parameter.default!r}"
