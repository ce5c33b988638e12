"""The public names are lazy at run time and typed for a type checker.

The stubs use `from module import name as name`, which every type checker reads as a re-export. Only
mypy runs here.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from case_table import table

PACKAGES = ["scionwood", "scionwood.adapters", "scionwood.kernels", "scionwood.training"]

PROGRAM = """\
import scionwood
import scionwood.adapters
import scionwood.kernels
import scionwood.training

reveal_type(scionwood.fit)
reveal_type(scionwood.attach)
reveal_type(scionwood.adapters.report)
reveal_type(scionwood.kernels.lora_linear)
reveal_type(scionwood.kernels.obstacle)
reveal_type(scionwood.training.Task)
scionwood.fit("x", no_such_option=3)
scionwood.no_such_name
"""

SETTINGS = """\
[mypy]
python_version = 3.11
strict = True
[mypy-torch.*,lightning.*,peft.*,torchdata.*,safetensors.*,transformers.*,jsonargparse.*]
follow_imports = skip
ignore_missing_imports = True
[mypy-numpy.*,matplotlib.*,rich.*,yaml.*,tensorboard.*]
follow_imports = skip
ignore_missing_imports = True
"""


@pytest.mark.slow
def test_a_type_checker_knows_functions_classes_and_arguments(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    mypy = [sys.executable, "-m", "mypy", "--cache-dir", "cache", "program.py"]
    run = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1, run.stdout + run.stderr
    types = re.findall(r'Revealed type is "(.*)"', run.stdout)
    assert len(types) == 6
    assert all(text.startswith(("def (", "Overload(")) for text in types), types
    assert "recipe" in types[0]
    assert 'Unexpected keyword argument "no_such_option" for "fit"' in run.stdout
    assert 'has no attribute "no_such_name"' in run.stdout


def stub(package: str) -> dict[str, str]:
    """The names in a package's stub, each with the module that it is imported from."""
    file = Path(import_module(package).__file__).with_suffix(".pyi")
    return {
        alias.name: statement.module
        for statement in ast.parse(file.read_text("utf-8")).body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


@table("package", PACKAGES)
def test_every_name_of_a_stub_resolves_at_run_time(package):
    module = import_module(package)
    homes = stub(package)
    assert set(module.__all__) <= set(homes) <= set(dir(module))
    for name, home in homes.items():
        value = getattr(module, name)
        if home == package:
            assert value is import_module(f"{package}.{name}")
        else:
            assert value is getattr(import_module(home), name)


@table("package", PACKAGES)
def test_no_public_name_is_also_the_name_of_a_module(package):
    """Python sets the attribute of a package when it imports a module of the same name."""
    folder = Path(import_module(package).__file__).parent
    for name in import_module(package).__all__:
        assert not (folder / f"{name}.py").exists(), f"{package}.{name}"
        assert not (folder / name).exists(), f"{package}.{name}"


@table("package", PACKAGES)
def test_an_unknown_attribute_is_refused_at_run_time(package):
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = import_module(package).no_such_name
