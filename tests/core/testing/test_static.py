"""Each check of names, imports and references fails on a plugin that breaks its rule."""

from dataclasses import replace

import pytest
from case_table import table

from scionwood.plugins.plugin import FUNCTIONS
from scionwood_kit import CheckFailure, NothingToCheck
from scionwood_kit.checks.static import (
    check_kinds,
    check_light_import,
    check_names,
    check_references_import,
)


@pytest.mark.parametrize("module", ["numpy", "yaml"])
def test_reports_a_library_that_the_record_imports(sample, module):
    sample.change(
        "__init__.py",
        "from scionwood import Plugin",
        f"import {module}\n\nfrom scionwood import Plugin",
    )
    with pytest.raises(
        CheckFailure, match=f"import scionwood_sample also imports {module}: .*Move"
    ):
        check_light_import(sample.plugin())


@pytest.mark.slow
def test_reports_a_heavy_name_of_scionwood_too(sample):
    heavy = "import Plugin\nfrom scionwood.authoring import DataLoader"
    sample.change("__init__.py", "import Plugin", heavy)
    with pytest.raises(CheckFailure, match="also imports torch"):
        check_light_import(sample.plugin())


def test_reports_a_record_that_cannot_be_imported_alone(sample):
    plugin = sample.plugin()
    sample.change("__init__.py", "plugin = ", "raise OSError('no licence')\nplugin = ")
    with pytest.raises(CheckFailure, match="OSError: no licence"):
        check_light_import(plugin)


@table(
    ("change", "message"),
    [
        ({"name": "Sample"}, "plugin 'Sample': a name is lower snake_case"),
        ({"readers": {"seg-y": "m:a"}}, "readers 'seg-y': a name is lower snake_case"),
        ({"tasks": {"two__bars": "m:a"}}, "tasks 'two__bars'"),
        ({"summary": " "}, "one line that says what the plugin is for"),
        ({"summary": "one\ntwo"}, "one line that says"),
        *[({"name": name}, f"`scionwood {name}` of the core would hide it") for name in FUNCTIONS],
        ({"api": 2}, "api 2: the core speaks 1"),
    ],
)
def test_names_summary_and_api_are_checked(sample, change, message):
    with pytest.raises(CheckFailure, match=message):
        check_names(replace(sample.plugin(), **change))


def test_a_recipe_has_a_name_too(sample):
    sample.add("recipes/My-Recipe.yaml", "")
    with pytest.raises(CheckFailure, match="recipes 'My-Recipe'"):
        check_names(sample.plugin())


@table(
    ("change", "message"),
    [
        ({"readers": {"csv": "scionwood_sample.readers:Nope"}}, "AttributeError.*Nope"),
        ({"readers": {"csv": "scionwood_sample.nowhere:A"}}, "ModuleNotFoundError"),
        ({"readers": {"csv": "scionwood_sample.readers.A"}}, "written 'package.module:attribute'"),
        ({"recipes": "scionwood_sample.nowhere"}, "a package that holds at least one .yaml"),
        ({"recipes": "scionwood_sample"}, "a package that holds at least one .yaml"),
    ],
)
def test_reports_references_that_cannot_be_imported(sample, change, message):
    with pytest.raises(CheckFailure, match=message):
        check_references_import(replace(sample.plugin(), **change))


@table(
    ("change", "message"),
    [
        ({"readers": {"a": "builtins:len"}}, "under `readers` is a subclass of Reader"),
        ({"readers": {"a": "scionwood:Reader"}}, "it must be concrete, but lacks __iter__"),
        ({"tasks": {"a": "builtins:dict"}}, "under `tasks` is a subclass of Task"),
        ({"adapters": {"a": "builtins:dict"}}, "is a subclass of PeftConfig"),
        ({"commands": {"a": "builtins:dict"}}, "under `commands` is a function"),
        ({"data": {"a": "math:pi"}}, "under `data` can be called"),
        ({"backbones": {"a": "math:pi"}}, "under `backbones` can be called"),
    ],
)
def test_reports_components_of_the_wrong_kind(sample, change, message):
    with pytest.raises(CheckFailure, match=message):
        check_kinds(replace(sample.plugin(), **change))


def test_a_plugin_without_modules_has_no_import_to_check():
    from scionwood import Plugin

    with pytest.raises(NothingToCheck):
        check_light_import(Plugin("nobody_installed_this"))
