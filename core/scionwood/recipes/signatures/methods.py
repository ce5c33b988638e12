"""Read which adapter methods peft has from its source: importing peft takes seconds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from scionwood.recipes.signatures.source import module_file, parsed

REGISTER = "register_peft_method"


def peft_methods() -> dict[str, str]:
    """Return the config class of each method of peft as `"module:attribute"`, by the method's name.

    Prompt methods for language models are among them.

    Returns:
        The references; empty if this version of peft is laid out in another way.
    """
    root = module_file("peft")
    folders = sorted(root.parent.glob("tuners/*/__init__.py")) if root else []
    return dict(pair for file in folders for pair in _registered(file))


def _registered(file: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(parsed(file) or ast.Module([], [])):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == REGISTER:
            words = {word.arg: word.value for word in node.keywords}
            name, config = words.get("name"), words.get("config_cls")
            if isinstance(name, ast.Constant) and isinstance(config, ast.Name):
                yield str(name.value), f"peft.tuners.{file.parent.name}:{config.id}"
