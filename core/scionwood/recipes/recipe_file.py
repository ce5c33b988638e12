"""The recipe as a file: its place, its YAML, and overrides by dotted key."""

from __future__ import annotations

import re
from collections.abc import Hashable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from scionwood.errors import PluginError, RecipeError
from scionwood.plugins import discovery
from scionwood.plugins.plugin import Plugin

LIMIT = 1_000_000
"""The largest size of a recipe in bytes."""

_EXCERPT = 100  # characters of an override that an error repeats

BITS = 1024
"""The largest whole number of a recipe, in bits."""

_WRONG_TAG = (ValueError, LookupError, AttributeError, ArithmeticError)
"""What the constructors of PyYAML raise at `!!int foo`, `!!timestamp foo` and 5,000 digits."""

CHECKOUT_DEPTH = 3
"""The number of parents of a plugin's package in which `configs` is looked for."""


class _Loader(yaml.SafeLoader):
    """A safe loader that reads 3e-4 as a number; aliases, repeated keys, wrong tags are errors."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except _WRONG_TAG as error:
            rule = f"the value is no {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, rule, node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for place, _ in node.value:
            key = self.construct_object(place, deep=True)
            if isinstance(key, Hashable) and key in keys:  # the base class refuses other keys
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", node.start_mark
                )
            keys |= {key} if isinstance(key, Hashable) else set()
        return super().construct_mapping(node, deep)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        _refuse_other_base(node)
        value: float = super().construct_yaml_float(node)
        return value

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        _refuse_other_base(node)
        value: int = super().construct_yaml_int(node)
        if value.bit_length() > BITS:  # Python refuses to print such a number, also in an error
            rule = f"a whole number has at most {BITS} bits"
            raise yaml.constructor.ConstructorError(None, None, rule, node.start_mark)
        return value

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not allowed", mark)
        return super().compose_node(parent, index)


def _refuse_other_base(node: yaml.ScalarNode) -> None:
    """Refuse 010, which YAML 1.1 reads as 8, and 1:30, which it reads as 90."""
    if node.style is None and re.match(r"[-+]?(0[0-9_]+$|[0-9_]+:)", node.value):
        rule = f"YAML reads {node.value[:_EXCERPT]} in base 8 or 60: write the number, or quote it"
        raise yaml.constructor.ConstructorError(None, None, rule, node.start_mark)


# YAML 1.1 reads 3e-4 as text; people who write learning rates mean a number.
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def load_yaml(text: str) -> Any:
    """Return the plain values in a text of YAML.

    Raises:
        YAMLError: it is not YAML, repeats a key, has an alias, or a value that its tag denies.
        RecursionError: it is nested too deep.
    """
    return yaml.load(text, _Loader)  # a SafeLoader


def locate(source: str | Path) -> tuple[str, Path]:
    """Return the name and the file of a recipe.

    Args:
        source: the path of a YAML file, or `plugin/recipe`.

    Raises:
        RecipeError: the file does not exist, or the plugin does not have the recipe.
        PluginError: the plugin is missing or broken.
    """
    path = Path(source)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise RecipeError(str(path), "there is no such file", "Check the path from this folder")
        return path.stem, path
    owner, slash, name = str(source).partition("/")
    if not slash:
        raise RecipeError(
            repr(str(source)), "a recipe is a .yaml file or plugin/recipe", "See: scionwood plugins"
        )
    owner_recipes = recipes(owner)
    if name not in owner_recipes:
        remedy = (
            discovery.did_you_mean(name, owner_recipes)
            or f"It has: {', '.join(owner_recipes) or 'none'}"
        )
        raise RecipeError(f"plugin {owner!r}", f"no recipe {name!r}", remedy)
    return str(source), owner_recipes[name]


def recipes(plugin: str) -> dict[str, Path]:
    """Return the files of a plugin's recipes by name."""
    folder = recipe_folder(discovery.record(plugin))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))} if folder else {}


def recipe_folder(plugin: Plugin) -> Path | None:
    """Return the folder of a plugin's recipes.

    A wheel carries the recipes inside the package that the record names. A checkout has no such
    package: there the recipes are in `configs/NAME` at the top level.

    Returns:
        The folder, or None if the record names no recipes.

    Raises:
        PluginError: neither the package nor the folder exists.

    Example:
        >>> folder = authoring.recipe_folder(scionwood.find("seismic").plugin)
        >>> (folder / "denoise.yaml").is_file()
        True
    """
    if plugin.recipes is None:
        return None
    top = plugin.recipes.partition(".")[0]
    if folder := package_folder(plugin.recipes):
        return folder
    package = package_folder(top)
    for parent in list(package.parents)[:CHECKOUT_DEPTH] if package else []:
        if (folder := parent / "configs" / plugin.name).is_dir():
            return folder
    raise PluginError(
        f"recipes of plugin {plugin.name!r}",
        f"neither the package {plugin.recipes!r} nor a folder configs/{plugin.name} exists",
        "Reinstall the plugin",
    )


def package_folder(name: str) -> Path | None:
    """Return the folder of a package, which need not have an `__init__.py`; None without one."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:  # the package above it
        return None
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the mapping in a YAML file, without building any Python object but plain values.

    Raises:
        RecipeError: the file is not YAML or not a mapping, repeats a key, has an alias, names a
            class, or is larger than `LIMIT` bytes.
    """
    try:
        size, text = path.stat().st_size, b""
        if size <= LIMIT:
            text = path.read_bytes()
    except OSError as error:
        rule = f"it cannot be read ({error.strerror})"
        raise RecipeError(str(path), rule, "Check the path and its permissions") from error
    if size > LIMIT:
        raise RecipeError(
            str(path), f"a recipe has at most {LIMIT:,} bytes", "Is this the right file?"
        )
    try:
        raw = load_yaml(text.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise RecipeError(
            str(path), f"not a YAML file ({error})", "Correct the line that it names"
        ) from error
    if not isinstance(raw, dict):
        raise RecipeError(str(path), "a recipe is a mapping of keys", "See: scionwood recipe NAME")
    refuse_classes(path, raw)
    return raw


def split_override(text: str) -> tuple[str, Any]:
    """Split `task.lr=3e-4` (or `--task.lr=3e-4`) into a dotted key and a YAML value."""
    key, equals, value = text.lstrip("-").partition("=")
    if not equals or not key:
        raise RecipeError(f"override {text!r}", "written as --task.lr=3e-4", "Give it a value")
    try:
        parsed = load_yaml(value)
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeError(
            f"override {text[:_EXCERPT]!r}", f"its value is not YAML ({error})", "Quote it"
        ) from error
    refuse_classes(Path("override"), parsed)
    return key, parsed


def set_dotted(raw: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key, such as `task.lr`, in nested mappings.

    A text counts as a mapping with that name: `task: a/b` as `task: {name: a/b}`.
    """
    *parents, last = key.split(".")
    for parent in parents:
        below = raw.get(parent)
        below = {"name": below} if isinstance(below, str) else below or {}
        if not isinstance(below, dict):
            raise RecipeError(f"override {key!r}", f"{parent!r} holds no keys", "Check the key")
        raw[parent] = below
        raw = below
    raw[last] = value


def refuse_classes(path: Path, value: Any) -> None:
    """Refuse `class_path`, with which a recipe of a stranger could import any class."""
    children = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    )
    if isinstance(value, dict) and {"class_path", "init_args"} & value.keys():
        rule = "`class_path` and `init_args` are not allowed"
        raise RecipeError(
            str(path), rule, "Name a component of a plugin: `{name: plugin/component}`"
        )
    for child in children:
        refuse_classes(path, child)
