"""The layout check: a file outside the plan is reported, with the room where it belongs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scionwood import Plugin
from scionwood_kit import CheckFailure, NothingToCheck
from scionwood_kit.checks.layout import ROOMS, check_layout


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("metrics.py", "It belongs in evaluation/"),
        ("figures.py", "It belongs in evaluation/"),
        ("baselines.py", "It belongs in evaluation/"),
        ("datamodule.py", "It belongs in data/"),
        ("networks.py", "It belongs in model/"),
        ("cli_extra.py", "It belongs in verbs/"),
        ("api.py", "It belongs in verbs/"),
        ("services.py", "It belongs in verbs/"),
        ("page.py", "use scionwood.authoring.Page"),
        ("archives.py", "use scionwood.authoring.unpacked"),
        ("folders.py", "use authoring.reading"),
        ("evaluations.py", "Did you mean 'evaluation'"),
        ("rainfall.py", r'Move it into a room of the plan, or declare rooms=\("rainfall",\)'),
        ("table.csv", r"sample/table.csv: the root of a plugin's package"),
    ],
)
def test_a_file_at_the_root_is_named_with_its_place(sample, file, place):
    sample.add(file, "")
    with pytest.raises(CheckFailure, match=place):
        check_layout(sample.plugin())


@pytest.mark.parametrize("room", ["adapters", "evaluation", "inference", "kernels", "model"])
def test_a_room_of_the_plan_may_be_a_module_or_a_folder(sample, room):
    assert room in ROOMS
    module = sample.root / sample.package / f"{room}.py"
    module.write_text("")
    check_layout(sample.plugin())
    module.unlink()
    module.with_suffix("").mkdir()
    (module.with_suffix("") / "one.py").write_text("")
    check_layout(sample.plugin())


def test_a_component_of_the_record_belongs_in_the_room_of_its_kind(sample):
    sample.add("nash.py", "class Response: ...\n")
    plugin = replace(sample.plugin(), tasks={"respond": "scionwood_sample.nash:Response"})
    with pytest.raises(CheckFailure, match=r"under `tasks`: it belongs in tasks/"):
        check_layout(plugin)


def test_a_field_declares_the_folders_of_its_own_world(sample):
    (sample.root / sample.package / "basins").mkdir()
    sample.add("basins/rivers.py", "")
    plugin = sample.plugin()
    with pytest.raises(CheckFailure, match="basins"):
        check_layout(plugin)
    check_layout(replace(plugin, rooms=("basins",)))


def test_rooms_cannot_declare_names_of_the_plan_or_missing_folders(sample):
    sample.add("metrics.py", "")
    with pytest.raises(CheckFailure) as caught:
        check_layout(replace(sample.plugin(), rooms=("metrics", "lakes")))
    values = [problem.value for problem in caught.value.problems]
    assert values == ["scionwood_sample/metrics.py", "rooms 'lakes': there is none"]


def test_a_method_has_a_module_or_a_folder_of_its_own(sample):
    sample.only_method()
    check_layout(sample.plugin())


def test_ignores_an_empty_folder_and_a_cache(sample):
    package: Path = sample.root / sample.package
    (package / "__pycache__").mkdir(exist_ok=True)
    (package / "old" / "__pycache__").mkdir(parents=True)
    (package / "old" / "__pycache__" / "x.pyc").write_bytes(b"")
    check_layout(sample.plugin())


def test_names_that_differ_by_an_ending_are_refused(sample):
    folder = sample.root / sample.package / "inference"
    folder.mkdir()
    for name in ("denoise", "denoiser"):
        (folder / f"{name}.py").write_text("")
    with pytest.raises(CheckFailure, match=r"inference: denoise and denoiser: no two names"):
        check_layout(sample.plugin())


@pytest.mark.parametrize("name", ["Recipe", "Task"])
def test_a_class_with_a_name_of_the_core_is_refused(sample, name):
    sample.add("api.py", f"class {name}: ...\n")
    with pytest.raises(CheckFailure, match=f"api.py: class {name}: no class has the name"):
        check_layout(sample.plugin())


def test_a_plugin_without_a_package_has_no_layout():
    with pytest.raises(NothingToCheck):
        check_layout(Plugin("flat", tasks={"sum": "math:fsum"}))
