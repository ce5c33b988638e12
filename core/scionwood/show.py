"""What `scionwood show` prints: a plugin's components, or one component's options and help."""

from __future__ import annotations

import inspect
from typing import Any

from scionwood import discovery
from scionwood.errors import PluginError
from scionwood.plugin import KINDS, Plugin


def describe(name: str) -> str:
    """A plugin (`seismic`) or every component and recipe of one name (`seismic/denoise`).

    Raises:
        PluginError: nothing has that name; the nearest that exists is named.
    """
    owner, slash, part = name.partition("/")
    plugin = discovery.record(owner)
    if not slash:
        return _plugin(plugin)
    from scionwood.recipe_file import recipes

    kinds = [kind for kind in KINDS if part in getattr(plugin, kind)]
    blocks = [_component(kind, name, discovery.load(kind, name)) for kind in kinds]
    carried = recipes(owner)
    if part in carried:
        blocks.append(f"recipe {name}\n\n{carried[part].read_text('utf-8').rstrip()}")
    if not blocks:
        known = {part for kind in KINDS for part in getattr(plugin, kind)} | carried.keys()
        remedy = discovery.did_you_mean(part, known) or f"It has: {', '.join(sorted(known))}"
        raise PluginError(f"plugin {owner!r}", f"nothing is named {part!r}", remedy)
    return "\n\n".join(blocks)


def _plugin(plugin: Plugin) -> str:
    from scionwood.recipe_file import recipes

    lines = [f"{plugin.name}: {plugin.summary}"]
    for kind in KINDS:
        lines += [f"  {KINDS[kind]:15} {plugin.name}/{part}" for part in getattr(plugin, kind)]
    lines += [f"  {'recipe':15} {plugin.name}/{part}" for part in recipes(plugin.name)]
    return "\n".join(lines)


def _component(kind: str, name: str, component: Any) -> str:
    from scionwood.recipe import options_of

    options = [f"  {_option(parameter)}" for parameter in options_of(component)]
    doc = inspect.getdoc(component) or "no documentation"
    return "\n".join([f"{KINDS[kind]} {name}", "", doc, "", "options:", *(options or ["  none"])])


def _option(parameter: inspect.Parameter) -> str:
    # Annotations are text in modules that postpone them, and objects elsewhere.
    kind = parameter.annotation
    kind = kind if isinstance(kind, str) else inspect.formatannotation(kind)
    if parameter.default is parameter.empty:
        return f"{parameter.name}: {kind}"
    return f"{parameter.name}: {kind} = {parameter.default!r}"
