"""The distribution needs the standard library only, and its examples run."""

import ast
import doctest
import pkgutil
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import bangla_checker
from bangla_checker.command import main

PACKAGE = Path(bangla_checker.__file__).parent


def test_only_the_standard_library_is_imported():
    allowed = sys.stdlib_module_names | {"bangla_checker"}
    office = PACKAGE / "extensions" / "office"  # LibreOffice runs it, in its own Python
    for path in set(PACKAGE.rglob("*.py")) - set(office.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert {str(name).split(".")[0] for name in names} <= allowed, path
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["dependencies"] == []


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [module.name for module in pkgutil.walk_packages([PACKAGE], "bangla_checker.")]
    results = [
        doctest.testmod(import_module(name)) for name in names if not name.endswith("__main__")
    ]
    assert sum(result.attempted for result in results) > 30
    assert not any(result.failed for result in results)


def test_several_files_are_checked_and_errors_have_the_status_two(tmp_path, capsys):
    for name, text in (("a.txt", "আপনি কেমন আছেন?"), ("b.txt", "আপনি কেমন আছ?")):
        (tmp_path / name).write_text(text, "utf-8")
    paths = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    assert main(paths) == 1
    assert capsys.readouterr().out.count("undecided: 0 of 1 verb") == 2
    for words in (["nope.txt"], [], [*paths, "--register", "vous"], ["-", "--write"]):
        assert main(words) == 2
        assert capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*paths, "--json", "--fix"])
