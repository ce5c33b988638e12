"""Every plugin has the same rooms, so that folder names lead to the code.

The plan and its reasons are in `docs/architecture.md`.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import scionwood
from scionwood.plugins.discovery import did_you_mean
from scionwood.plugins.plugin import Plugin
from scionwood_kit.rules import NothingToCheck, Problem, check

ROOMS = {
    "verbs": "what users do: each function is the command and the service",
    "backbones": "the factories that recipes name",
    "bases": "records of pretrained weights",
    "model": "networks and their weights",
    "data": "data components, one file each",
    "tasks": "tasks, one file each",
    "readers": "the file formats, one file each",
    "callbacks": "callbacks of the trainer",
    "loggers": "loggers of the trainer",
    "optimizers": "optimisers",
    "schedules": "schedules of the learning rate",
    "strategies": "strategies of the trainer",
    "adapters": "the field's own adapter methods",
    "kernels": "the field's own fused operators",
    "inference": "what applies a run to arrays, records and files",
    "evaluation": "metrics, baselines, figures and reports",
    "recipes": "the recipes",
    "runs": "finished runs that the package ships",
    "ship": "the script that trains the shipped runs again",
    "weights": "weights that the package ships",
}
"""The plan: the rooms of a plugin's package, each a module or a folder, and their contents."""

_FILES = {"__init__.py", "__init__.pyi", "__main__.py", "py.typed"}
_OF_KIND = {
    "backbones": "backbones",
    "readers": "readers",
    "data": "data",
    "tasks": "tasks",
    "commands": "verbs",
    "callbacks": "callbacks",
    "loggers": "loggers",
    "optimizers": "optimizers",
    "schedules": "schedules",
    "strategies": "strategies",
    "probes": "evaluation",
    "services": "verbs",
}
_PLACES = {
    "evaluation/": r"metrics?|measures?|figures?|plots?|plotting|reports?|results|baselines?"
    r"|probes?|curves?|scores?|scoring|compare|comparison|evaluate|eval|audit|gallery|display|benchmarks?",
    "tasks/": r"task|loss|losses|train|training|trainer|objectives?",
    "data/": r"datasets?|datamodules?|dataloaders?|splits?|collate|samplers?|augment(ation)?s?",
    "readers/": r"reader|io|formats?|writers?|parsers?",
    "model/": r"models|networks?|nets?|layers?|blocks?|modules?|checkpoints?|pretrain(ing)?",
    "adapters/": r"adapter|tuners?|lora",
    "kernels/": r"kernel|ops|operators?|triton(_\w+)?|cuda",
    "inference/": r"infer|predict|predictors?|prediction|apply|pipelines?|run|rollout",
    "verbs/": r"api|cli|services?|cli_\w+|\w+_cli|commands?|main|app",
    "backbones.py": r"backbone|factory|factories",
    "recipes/, as YAML": r"configs?|recipe|settings",
    "the core: use scionwood.authoring.Page and its tables and figures": r"pages?|html|templates?",
    "the core: use authoring.reading, writing and atomic_path": r"files?|paths?|atomic|folders?",
    "the core: use scionwood.authoring.unpacked and check_zip": r"archives?|zips?|tar|bounds",
    "the rooms that use it, under a name of what it does": r"utils?|helpers?|common|misc|tools?",
}
_ENDING = re.compile(r"(ings?|ers?|ors?|ed|es|s|e)$")


@check
def check_layout(plugin: Plugin) -> Iterator[Problem]:
    """The root of a package holds the rooms of the plan and those that the record declares.

    Other files and folders are named with the room where they belong. A field declares the
    folders of its own world with `Plugin.rooms`; a package of adapter methods has one module or
    folder a method. In one folder no two names differ by an ending only (`denoise`, `denoiser`),
    and no class has the name of a public class of scionwood.
    """
    packages = packages_of(plugin)
    if not packages:
        raise NothingToCheck("it refers to no package")
    for package in packages:
        yield from _strangers(plugin, package)
        for folder in [package, *_folders(package)]:
            yield from _twins(package, folder)
        yield from _borrowed_names(package)


def packages_of(plugin: Plugin) -> list[Path]:
    """Return the folders of the packages that a plugin refers to."""
    tops = {reference.partition(".")[0] for _, _, reference in plugin.components()}
    specs = (find_spec(top) for top in sorted(tops) if ":" not in top)
    return [Path(at) for spec in specs if spec for at in spec.submodule_search_locations or ()]


def _strangers(plugin: Plugin, package: Path) -> Iterator[Problem]:
    methods = {_second(reference) for reference in plugin.adapters.values()}
    names = {name.partition(".")[0]: name for name in _names(package)}
    for stem, name in names.items():
        declared = stem in plugin.rooms and not _place(stem)
        if name in _FILES or stem in ROOMS or stem in methods or declared:
            continue
        rule = "the root of a plugin's package holds the rooms of the plan only"
        yield Problem(f"{package.name}/{name}", rule, _remedy(plugin, stem))
    for room in plugin.rooms:
        if room not in names:
            rule = "`rooms` declares folders or modules at the root of the package"
            yield Problem(f"rooms {room!r}: there is none", rule, "Take it out of the record")


def _remedy(plugin: Plugin, stem: str) -> str:
    if place := _place(stem):
        return f"It belongs in {place}"
    declare = f'declare rooms=("{stem}",) in the record if it is a part of the field\'s own world'
    for kind, room in _OF_KIND.items():
        if any(_second(reference) == stem for reference in getattr(plugin, kind).values()):
            return f"The record names it under `{kind}`: it belongs in {room}/, or {declare}"
    near = did_you_mean(stem, ROOMS)
    return f"{near} Move it into a room of the plan, or {declare}".strip()


def _place(stem: str) -> str:
    return next((at for at, names in _PLACES.items() if re.fullmatch(names, stem)), "")


def _second(reference: str) -> str:
    parts = reference.partition(":")[0].split(".")
    return parts[1] if len(parts) > 1 else ""


def _twins(package: Path, folder: Path) -> Iterator[Problem]:
    groups: dict[str, set[str]] = defaultdict(set)
    for name in _names(folder):
        stem = name.partition(".")[0]
        if name.endswith(".py") or "." not in name:
            groups[_ENDING.sub("", stem)].add(stem)
    for names in groups.values():
        if len(names) > 1:
            value = f"{folder.relative_to(package.parent)}: {' and '.join(sorted(names))}"
            rule = "no two names of a folder differ by an ending only"
            yield Problem(value, rule, "Name each by its role, such as inference for a denoiser")


def _borrowed_names(package: Path) -> Iterator[Problem]:
    public = {name for name in scionwood.__all__ if name[0].isupper()} | {"Recipe"}
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name in public:
                value = f"{path.relative_to(package.parent)}: class {node.name}"
                rule = "no class has the name of a class of scionwood"
                yield Problem(value, rule, "Name it by what it is in the field")


def _folders(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*") if path.is_dir() and _holds_files(path))


def _names(folder: Path) -> list[str]:
    items = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path.name for path in items if path.is_file() or _holds_files(path))


def _holds_files(folder: Path) -> bool:
    # A folder that git has emptied keeps its cache of byte code.
    return any(p.is_file() for p in folder.rglob("*") if "__pycache__" not in p.parts)
