"""The rules of direction, read from the imports themselves. One test for each rule."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import scionwood

CORE = Path(scionwood.__file__).parent
ROOT = CORE.parents[1]
FIELDS = [path for path in sorted(ROOT.glob("plugins/*/scionwood_*")) if path.is_dir()]
PACKAGES = [CORE, *FIELDS]
HEAVY = ("torch", "lightning", "peft", "numpy", "transformers", "matplotlib")
LIGHT = ("__init__", "errors", "plugin", "discovery", "cli", "survey", "recipe_file", "show", "new")
LIGHT += ("signatures.options", "recipe_keys", "cli.completion", "cli.recipes", "cli.inspection")
BASE = {"errors", "lazy"}

# What each room of the core may import at the head of a module. Inside a function a room may
# import anything of the core but `testing`, which only the command that runs it may name.
MAY = {
    "lazy": set(),
    "errors": set(),
    "plugin": set(),
    "terminal": {"errors"},
    "arguments": set(),
    "styles": set(),
    "command": {"errors", "terminal", "plugin", "discovery", "arguments", "files"},
    "record": set(),
    "probes": set(),
    "reader": {"errors", "record"},
    "decoding": {"errors", "lazy"},
    "stored": {"errors"},
    "regular": {"errors"},
    "linear": {"errors"},
    "files": {"errors"},
    "texts": {"errors", "files"},
    "archives": {"errors", "files"},
    "pages": {"errors", "files"},
    "core_commands": set(),
    "discovery": {"errors", "plugin", "core_commands"},
    "runs": {"errors", "plugin", "discovery", "recipe_file", "files", "archives", "terminal"}
    | {"regular", "linear"},
    "survey": {"errors", "plugin", "discovery"},
    "recipe_file": {"errors", "plugin", "discovery"},
    "signatures": set(),
    "recipe_keys": {"errors", "plugin", "discovery", "recipe_file", "signatures"},
    "recipe_change": {"errors", "recipe_file", "recipe_keys"},
    "resolved": {"errors", "terminal"},
    "recipe": {"errors", "plugin", "discovery", "recipe_file", "recipe_keys", "signatures"}
    | {"resolved", "recipe_change"},
    "show": {"errors", "plugin", "discovery", "signatures", "terminal"},
    "new": {"errors", "plugin", "discovery", "files", "core_commands"},
    "cli": {"errors", "plugin", "discovery", "signatures", "recipe_file", "recipe_keys"}
    | {"command", "core_commands", "terminal", "runs", "arguments", "batch"},
    "batch": BASE | {"discovery", "command", "files", "runs", "terminal", "arguments"},
    "kernels": BASE,
    "adapters": BASE
    | {"plugin", "discovery", "files", "kernels", "stored", "regular", "linear", "runs"},
    "training": BASE
    | {"plugin", "discovery", "files", "archives", "pages", "terminal", "styles"}
    | {
        "recipe",
        "recipe_file",
        "recipe_keys",
        "signatures",
        "adapters",
        "kernels",
        "decoding",
        "runs",
        "stored",
        "regular",
    },
    "deploy": BASE | {"files", "recipe", "kernels", "adapters", "training", "runs", "terminal"},
    "testing": BASE
    | {"plugin", "discovery", "reader", "recipe", "recipe_file", "recipe_keys", "command"}
    | {"terminal", "decoding", "core_commands"}
    | {"adapters", "training", "files", "runs", "deploy", "probes"},
}
ONLY = {"peft": {"adapters", "testing"}, "triton": {"kernels"}, "jsonargparse": {"recipe"}}


@cache
def modules(folder: Path) -> tuple[Path, ...]:
    return tuple(path for path in sorted(folder.rglob("*.py")) if "template" not in path.parts)


@cache
def imports(path: Path, *, everywhere: bool) -> frozenset[str]:
    """The dotted names that a module imports: at its head, or anywhere in it."""
    tree = ast.parse(path.read_text("utf-8"))
    head = [node for node in tree.body if not _is_type_checking(node)]
    nodes = ast.walk(tree) if everywhere else [inner for node in head for inner in _shallow(node)]
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def _shallow(node: ast.AST) -> Iterator[ast.AST]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _shallow(child)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def room(path: Path) -> str:
    return path.relative_to(CORE).with_suffix("").parts[0]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_each_room_of_the_core_imports_only_the_rooms_below_it():
    faults = [
        f"{shown(path)} imports {name}"
        for path in modules(CORE)
        for name in imports(path, everywhere=False)
        if name.startswith("scionwood.") and room(path) != "__init__"
        if name.split(".")[1]
        not in MAY[room(path)] | {room(path), "__version__"} | set(scionwood.__all__)
    ]
    assert not faults


def test_only_its_room_knows_a_library():
    faults = [
        f"{shown(path)} imports {name}"
        for path in modules(CORE)
        for name in imports(path, everywhere=True)
        if room(path) not in ONLY.get(name.split(".")[0], {room(path)})
    ]
    assert not faults


def test_only_the_command_line_imports_the_kit():
    faults = [
        f"{shown(path)} imports {name}"
        for path in modules(CORE)
        for name in imports(path, everywhere=True)
        if name.startswith("scionwood_kit") and room(path) not in {"testing", "cli"}
    ]
    assert not faults


def test_the_core_imports_no_plugin_and_names_none():
    fields = {folder.parent.name for folder in FIELDS}
    faults = []
    for path in modules(CORE):
        tree = ast.parse(path.read_text("utf-8"))
        faults += [name for name in imports(path, everywhere=True) if "scionwood_" in name]
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node)
        }
        faults += [
            f"{shown(path)}:{node.lineno} names the plugin {node.value!r}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and id(node) not in docstrings
            if isinstance(node.value, str) and node.value in fields
        ]
    assert not faults


def test_a_plugin_imports_public_names_of_the_core_and_no_other_plugin():
    faults = []
    for folder in FIELDS:
        for path in modules(folder):
            for name in imports(path, everywhere=True):
                top, _, rest = name.partition(".")
                private = top == "scionwood" and not (
                    rest in dir(scionwood) or rest.startswith("testing")
                )
                foreign = top.startswith("scionwood_") and top != folder.name
                faults += [f"{shown(path)} imports {name}"] if private or foreign else []
    assert not faults


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_no_modules_import_each_other_in_a_circle(package):
    """Imports inside functions and under TYPE_CHECKING count too."""
    graph = {dotted(path, package): needs(path, package) for path in modules(package)}
    assert circles(graph) == []


def dotted(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def needs(path: Path, package: Path) -> set[str]:
    """The modules of its own package that a module imports.

    A package that only lists its modules' names lazily imports none of them; a name that is
    imported from it counts as an import of the module that defines it.
    """
    known = {dotted(other, package) for other in modules(package)}
    own = dotted(path, package)
    names = set()
    for name in imports(path, everywhere=True):
        name = homes().get(name, name)
        while name and name not in known:
            name = name.rpartition(".")[0]
        names |= {name} if name and name != own else set()
    return names


@cache
def homes() -> dict[str, str]:
    """Where the public names of the core are defined, from its stubs."""
    table = {}
    for stub in sorted(CORE.rglob("__init__.pyi")):
        package = ".".join(stub.parent.relative_to(CORE.parent).parts)
        for node in ast.parse(stub.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                table |= {f"{package}.{a.name}": f"{node.module}.{a.name}" for a in node.names}
    return {name: table.get(home, home) for name, home in table.items()}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that reach each other (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                groups.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return groups


def test_a_circle_is_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


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
