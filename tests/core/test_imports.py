"""The rules of direction, read from the imports themselves."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import scionwood

CORE = Path(scionwood.__file__).parent
ROOT = CORE.parents[1]
FIELDS = [path for path in sorted(ROOT.glob("plugins/*/scionwood_*")) if path.is_dir()]
HEAVY = ("torch", "lightning", "peft", "numpy", "transformers", "matplotlib")
LIGHT = ("__init__", "errors", "plugin", "discovery", "cli", "survey", "recipe_file", "show", "new")

# What each room of the core may import at the head of a module; inside a function, anything
# of the core but `testing`, which only the command that runs it may name.
MAY = {
    "errors": set(),
    "plugin": set(),
    "reader": {"errors"},
    "files": {"errors"},
    "discovery": {"errors", "plugin"},
    "survey": {"errors", "plugin", "discovery"},
    "recipe_file": {"errors", "plugin", "discovery"},
    "recipe": {"errors", "plugin", "discovery", "recipe_file"},
    "show": {"errors", "plugin", "discovery"},
    "new": {"errors", "plugin", "discovery", "files"},
    "cli": {"errors", "plugin", "discovery"},
    "kernels": {"errors"},
    "adapters": {"errors", "plugin", "discovery", "files", "kernels"},
    "training": {"errors", "plugin", "discovery", "files", "recipe", "adapters", "kernels"},
    "testing": {
        "errors",
        "plugin",
        "discovery",
        "reader",
        "recipe",
        "recipe_file",
        "cli",
        "adapters",
        "training",
        "files",
    },
}


def modules(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if "template" not in path.parts]


def imports(path: Path, *, everywhere: bool) -> set[str]:
    """Dotted names that a module imports: at its head, or anywhere in it."""
    tree = ast.parse(path.read_text("utf-8"))
    head = [n for n in tree.body if not _type_checking(n)]
    nodes = ast.walk(tree) if everywhere else [m for n in head for m in _shallow(n)]
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _shallow(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return []
    return [node, *(m for child in ast.iter_child_nodes(node) for m in _shallow(child))]


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def room(path: Path) -> str:
    return path.relative_to(CORE).with_suffix("").parts[0]


def relative(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("path", modules(CORE), ids=relative(modules(CORE)))
def test_the_core_is_layered_and_names_no_plugin(path):
    here = room(path)
    for name in imports(path, everywhere=False):
        if name.startswith("scionwood.") and here != "__init__":
            there = name.split(".")[1]
            assert there in MAY[here] | {here, "__version__"} | set(scionwood._HOME), (
                f"{here} imports {name}"
            )
    for name in imports(path, everywhere=True):
        assert not name.startswith("scionwood_"), f"the core imports the plugin {name}"
        if name.startswith("scionwood.testing"):
            assert here in {"testing", "cli"}, f"{here} imports testing"
        if name.split(".")[0] == "peft":
            assert here in {"adapters", "testing"}, f"only adapters knows peft, not {here}"
        if name.split(".")[0] == "triton":
            assert here == "kernels", f"only kernels knows Triton, not {here}"
        if name.split(".")[0] == "jsonargparse":
            assert here == "recipe", f"only recipe knows jsonargparse, not {here}"


@pytest.mark.parametrize("path", modules(CORE), ids=relative(modules(CORE)))
def test_the_core_mentions_no_field_by_name(path):
    code = path.read_text("utf-8")
    tree = ast.parse(code)
    doc = {
        id(n.body[0].value)
        for n in ast.walk(tree)
        if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(n)
    }
    fields = {folder.parent.name for folder in FIELDS}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in doc:
            assert node.value not in fields, f"{path} special-cases {node.value!r}"


PLUGIN_FILES = [path for folder in FIELDS for path in modules(folder)]


@pytest.mark.parametrize("path", PLUGIN_FILES, ids=relative(PLUGIN_FILES))
def test_a_plugin_imports_public_names_only_and_no_other_plugin(path):
    own = next(part for part in path.parts if part.startswith("scionwood_"))
    for name in imports(path, everywhere=True):
        top, _, rest = name.partition(".")
        if top == "scionwood":
            public = rest in scionwood.__all__ or rest.startswith("testing")
            assert public, f"{path} imports {name}, which is not public"
        assert not top.startswith("scionwood_") or top == own, f"{path} imports {name}"


def test_the_light_side_imports_nothing_heavy():
    names = [f"scionwood.{n}" if n != "__init__" else "scionwood" for n in LIGHT]
    fields = [folder.name for folder in FIELDS]
    code = f"import importlib, sys; [importlib.import_module(n) for n in {names + fields}];"
    code += f"print([h for h in {HEAVY} if h in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("command", [["--help"], ["plugins"], ["plugins", "--json"]])
def test_help_and_listing_import_no_torch(command):
    code = "import sys; from scionwood.cli import main\n"
    code += "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    code += f"print([h for h in {HEAVY} if h in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip().endswith("[]")


def test_every_public_name_exists():
    for name in scionwood.__all__:
        assert getattr(scionwood, name) is not None, name
