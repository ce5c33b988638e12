"""The distributions agree with each other, and their wheels hold what a user needs."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from contextlib import chdir
from email import message_from_bytes
from pathlib import Path

import pytest
from case_table import table
from hatchling.build import build_wheel

ROOT = Path(__file__).parents[2]
CORE = ROOT / "pyproject.toml"
KIT = ROOT / "core/kit/pyproject.toml"
TOOLS = {"bases", "batch", "checker", "deid", "export", "kit", "sandbox", "share"}
ALONE = {"checker": set(), "deid": {"scionwood-sandbox"}, "sandbox": set()}
"""Distributions that do without the core, and what of ours they need."""
NEIGHBOURS = [
    *ROOT.glob("core/*/pyproject.toml"),
    *ROOT.glob("plugins/*/pyproject.toml"),
    *ROOT.glob("plugins/*/*/pyproject.toml"),
]
PLUGINS = sorted(path for path in NEIGHBOURS if path.parent.name not in TOOLS)
OTHERS = sorted(path for path in NEIGHBOURS if path.parent.name in TOOLS)
NAMES = [path.parent.name for path in PLUGINS]


def project(path: Path) -> dict:
    return tomllib.loads(path.read_text("utf-8"))["project"]


def test_there_are_plugins_and_tools():
    assert NAMES
    assert {path.parent.name for path in OTHERS} == TOOLS


def test_tools_add_commands_and_two_of_them_do_without_the_core():
    core = project(CORE)
    extras = " ".join(itertools.chain(*core["optional-dependencies"].values()))
    for path in OTHERS:
        tool, name = project(path), path.parent.name
        assert tool["name"] in (f"scionwood-{name}", f"scionwood-{path.parents[1].name}-{name}")
        assert tool.get("version", core["version"]) == core["version"]
        if name in ALONE:
            ours = [line for line in tool["dependencies"] if "scionwood" in line]
            assert {line.partition("==")[0] for line in ours} == ALONE[name]
            continue
        assert f"scionwood=={core['version']}" in tool["dependencies"]
        assert f"scionwood-{name}" in extras
        for value in tool["entry-points"]["scionwood.verbs"].values():
            assert value.startswith(f"scionwood_{name}.")


@table("path", PLUGINS, ids=NAMES)
def test_a_plugin_moves_in_lockstep_with_the_core(path):
    core, plugin, field = project(CORE), project(path), path.parent.name
    assert plugin["name"] == f"scionwood-{field}"
    assert plugin["version"] == core["version"]
    assert f"scionwood=={core['version']}" in plugin["dependencies"]
    entry = plugin["entry-points"]["scionwood.plugins"]
    assert entry == {field: f"scionwood_{field}:plugin"}


@table("path", PLUGINS, ids=NAMES)
def test_a_plugin_is_its_folder_and_one_extra(path):
    core, field = project(CORE), path.parent.name
    extras = core["optional-dependencies"]
    assert extras[field] == [f"scionwood-{field}=={core['version']}"]
    assert field in re.search(r"\[(.*)\]", extras["all"][0])[1].split(",")


@table("path", [CORE, *NEIGHBOURS], ids=lambda path: path.parent.name)
def test_every_bound_is_a_range_and_no_pin_of_others(path):
    for line in project(path)["dependencies"]:
        name = re.match(r"[\w-]+", line)[0]
        assert "+" not in line
        assert ">=" in line or name.startswith("scionwood"), f"{line}: needs a lower bound"
        assert "==" not in line or name.startswith("scionwood"), f"{line}: is a pin"


@table(("name", "bound"), [("lightning", "2.6.6"), ("transformers", "5.3"), ("torch", "2.6")])
def test_the_core_excludes_releases_with_known_holes(name, bound):
    lines = [d for d in project(CORE)["dependencies"] if re.match(r"[\w-]+", d)[0] == name]
    assert len(lines) == 1
    assert f">={bound}" in lines[0]


@pytest.fixture(scope="module", params=["three", pytest.param("all", marks=pytest.mark.slow)])
def wheels(request, tmp_path_factory) -> Path:
    """Wheels of the core, the kit and one field, or of all, by the function that pip calls."""
    folder = tmp_path_factory.mktemp("dist")
    for path in [CORE, *(NEIGHBOURS if request.param == "all" else [KIT, *PLUGINS[:1]])]:
        with chdir(path.parent):
            build_wheel(str(folder))
    return folder


def test_the_repository_holds_no_symbolic_links():
    listed = subprocess.run(["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, text=True)
    modes = [line.split()[0] for line in listed.stdout.splitlines()]
    assert modes
    assert "120000" not in modes


@pytest.mark.slow
def test_a_clone_without_symlinks_reads_every_recipe(tmp_path):
    """As git clones on Windows. The clone's own packages are imported, with its own recipes."""
    clone = tmp_path / "clone"
    command = ["git", "clone", "-q", "-c", "core.symlinks=false", ROOT, clone]
    subprocess.run(command, check=True)
    packages = [clone / "core", *(path.parent for path in clone.glob("core/*/pyproject.toml"))]
    packages += [path.parent for path in clone.glob("plugins/**/pyproject.toml")]
    code = (
        "import sys\n"
        "from scionwood.recipes.recipe import resolve\n"
        "from scionwood.recipes.recipe_file import locate, recipes\n"
        "for plugin in sys.argv[1:]:\n"
        "    for name in recipes(plugin):\n"
        "        resolve(f'{plugin}/{name}')\n"
        "        print(locate(f'{plugin}/{name}')[1])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *NAMES],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, packages))},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert set(run.stdout.split()) == set(map(str, clone.glob("configs/*/*.yaml")))


def test_a_wheel_carries_its_recipes_and_type_marker_and_names_no_path(wheels):
    for path in wheels.glob("scionwood_*.whl"):
        package = path.name.partition("-")[0]
        with zipfile.ZipFile(path) as wheel:
            names = wheel.namelist()
            bare = package.removeprefix("scionwood_")  # as of a distribution inside a plugin
            assert {f"{package}/py.typed", f"{bare}/py.typed"} & set(names)
            metadata = next(name for name in names if name.endswith("METADATA"))
            assert b"file://" not in wheel.read(metadata)
        for recipe in (ROOT / "configs" / package.removeprefix("scionwood_")).glob("*.yaml"):
            assert f"{package}/recipes/{recipe.name}" in names


def test_every_wheel_carries_its_licence_and_no_address(wheels):
    paths = sorted(wheels.glob("*.whl"))
    assert len(paths) in (3, 1 + len(NEIGHBOURS))
    for path in paths:
        with zipfile.ZipFile(path) as wheel:
            names = wheel.namelist()
            metadata = message_from_bytes(wheel.read(next(n for n in names if "METADATA" in n)))
            licences = [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
            assert [wheel.read(name) for name in licences] == [(ROOT / "LICENSE").read_bytes()]
        assert metadata.get_all("Project-URL") is None  # the project owns no site


def test_the_wheels_carry_the_templates_of_a_plugin_and_of_a_page(wheels):
    with zipfile.ZipFile(next(wheels.glob("scionwood-*.whl"))) as wheel:
        assert {"scionwood/py.typed", "scionwood/files/pages/page.html"} <= {*wheel.namelist()}
    with zipfile.ZipFile(next(wheels.glob("scionwood_kit-*.whl"))) as wheel:
        names = wheel.namelist()
    source = KIT.parent / "scionwood_kit" / "template"
    files = [p for p in source.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert files
    for path in files:
        assert str(Path("scionwood_kit") / path.relative_to(source.parent)) in names


def foreign_requirements(wheels: Path) -> list[str]:
    """Return what the wheels need from other projects, without extras."""
    needed: list[str] = []
    for path in wheels.glob("*.whl"):
        with zipfile.ZipFile(path) as wheel:
            name = next(n for n in wheel.namelist() if n.endswith("METADATA"))
            lines = message_from_bytes(wheel.read(name)).get_all("Requires-Dist") or []
        needed += [ln for ln in lines if "extra ==" not in ln and not ln.startswith("scionwood")]
    return needed


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("wheels", ["all"], indirect=True)
@pytest.mark.parametrize("requirement", ["scionwood[seismic]", "scionwood-seismic"])
def test_a_wheel_folder_is_enough_to_install_and_run_a_recipe(wheels, tmp_path, requirement):
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    pip = [python, "-m", "pip", "install", "-q"]
    subprocess.run([*pip, *foreign_requirements(wheels)], check=True)
    # No index from here on: our names come from the folder, and nothing else is missing.
    subprocess.run([*pip, "--no-index", "--find-links", wheels, requirement], check=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [python.parent / "scionwood", "fit", "seismic/denoise", "--smoke"]
    subprocess.run([*command, "--run", "run"], check=True, cwd=empty)
    assert (empty / "run" / "adapter" / "adapter_model.safetensors").is_file()
