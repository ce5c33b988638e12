"""The command for pretrained weights: bases, with list, show, get and verify."""

from __future__ import annotations

import json as jsons
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from scionwood.errors import PluginError
from scionwood.files.terminal import print_status, print_table
from scionwood.plugins import discovery
from scionwood.pretrained import catalogue
from scionwood.pretrained.catalogue import Base
from scionwood.pretrained.place import find, remedy
from scionwood.recipes.recipe_file import read_yaml, recipes


def bases(
    action: Literal["list", "show", "get", "verify"] = "list",
    name: str = "",
    *,
    file: Path | None = None,
    licence: str = "",
    json: bool = False,
) -> int:
    """List pretrained weights; show, get or verify one.

    Args:
        action: list all; show what is known of one; get its files; verify them.
        name: the base, such as atoms/sevennet-0.
        file: get and verify: a file, folder or archive of yours, instead of the network.
        licence: get: the name of the licence that you accept.
        json: list and show: print JSON.
    """
    if action != "list" and not name:
        raise PluginError(f"bases {action}", "it needs the name of a base", "See: scionwood bases")
    if action == "list":
        _list(json)
        return 0
    base = catalogue.base(name)
    if action == "show":
        _show(base, json)
    elif action == "get":
        from scionwood_bases.fetch import get_base

        print(get_base(base, licence=licence, file=file))
    else:
        from scionwood_bases.verify import verify_base

        findings = verify_base(base, file)
        for finding in findings:
            print_status(finding.holds, finding.text)
        return int(any(finding.holds is False for finding in findings))
    return 0


def _list(json: bool) -> None:
    records, users = catalogue.bases(), _users()
    if json:
        print(jsons.dumps([asdict(base) | {"state": _state(base)} for base in records], indent=2))
        return
    rows = [
        (base.name, f"{base.parameters / 1e6:.3g}", base.licence, base.commercial, _state(base),
         sum(len(users.get(name, ())) for name in base.backbones), base.title)
        for base in records
    ]  # fmt: skip
    columns = ("base", "million", "licence", "commercial", "state", "recipes", "what it is")
    print_table(columns, rows, numeric=("million", "recipes"))


def _state(base: Base) -> str:
    return "present" if find(base) else "gated" if base.gated else "absent"


def _show(base: Base, json: bool) -> None:
    users = _users()
    recipes = [recipe for name in base.backbones for recipe in users.get(name, ())]
    facts = {
        "what it is": base.title,
        "field": base.field,
        "trained on": base.trained_on,
        "seen in pretraining": base.seen,
        "parameters": f"{base.parameters:,}",
        "licence": base.licence,
        "commercial use": base.commercial,
        "from": base.source + (", gated" if base.gated else ""),
        "files": "\n".join(f"{name} {digest}" for name, digest in base.files.items()),
        "layout": base.layout or "not recorded",
        "input": base.contract,
        "verified here": "outputs on a fixed input" if base.outputs else "never",
        "recipes": ", ".join(recipes) or "no recipe uses it",
        "use": f"scionwood fit {recipes[0]} --backbone.weights base:{base.name}" if recipes else "",
        "state": _state(base),
        "get": remedy(base),
    }
    if json:
        print(jsons.dumps(facts, indent=2))
        return
    print_table(("fact", base.name), list(facts.items()))


def _users() -> dict[str, list[str]]:
    """Return the recipes of installed plugins by the backbone that they name."""
    table: dict[str, list[str]] = {}
    for entry in discovery.plugins():
        for name, path in (recipes(entry.name) if entry.plugin else {}).items():
            backbone = read_yaml(path).get("backbone")
            key = backbone.get("name", "") if isinstance(backbone, dict) else str(backbone)
            table.setdefault(key, []).append(f"{entry.name}/{name}")
    return table
