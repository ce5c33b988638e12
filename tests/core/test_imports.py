"""The rules of direction, read from the imports themselves. One test for each rule."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from case_table import table

import scionwood

CORE = Path(scionwood.__file__).parent
ROOT = CORE.parents[1]
SANDBOX, KIT = ROOT / "core/sandbox/scionwood_sandbox", ROOT / "core/kit/scionwood_kit"
DEID = ROOT / "plugins/biomed/deid/scionwood_deid"
FIELDS = [path for path in sorted(ROOT.glob("plugins/*/scionwood_*")) if path.is_dir()]
PACKAGES = [CORE, SANDBOX, KIT, DEID, *FIELDS]
TOOLS = {"scionwood_kit", *(f"scionwood_{name}" for name in ("bases", "batch", "export", "share"))}
HEAVY = ("torch", "lightning", "peft", "numpy", "transformers", "matplotlib")
LIGHT = ("__init__", "authoring", "errors", "plugins.plugin", "plugins.discovery", "plugins.survey")
LIGHT += ("recipes.recipe_file", "recipes.recipe_keys", "recipes.signatures")
LIGHT += ("cli", "cli.completion", "cli.recipes", "cli.inspection")

FLOORS = (
    ("lazy", "errors", "files", "plugins", "kernels"),
    ("recipes", "runs"),
    ("adapters",),
    ("scale", "training", "pretrained"),
    ("cli",),
)
"""The rooms of the core from the lowest floor up. At the head of a module a room imports rooms that
stand before it here; `scale` and `training` are the two halves of one."""

ORDER = [room for floor in FLOORS for room in floor]
ONLY = {"peft": {"adapters"}, "triton": {"kernels"}, "jsonargparse": {"recipes"}}


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
        elif isinstance(node, ast.Call) and _called(node).endswith("import_module"):
            names |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return frozenset(names)


def _shallow(node: ast.AST) -> Iterator[ast.AST]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _shallow(child)


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", "") or getattr(node.func, "id", "")


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def room(path: Path) -> str:
    return path.relative_to(CORE).with_suffix("").parts[0]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_each_room_of_the_core_imports_only_the_rooms_before_it():
    faults = [
        f"{shown(path)} imports {name}"
        for path in modules(CORE)
        for name in imports(path, everywhere=False)
        if name.startswith("scionwood.") and room(path) not in {"__init__", "authoring"}
        if (other := name.split(".")[1]) not in {room(path), "__version__"}
        if {room(path), other} != {"scale", "training"}
        if ORDER.index(other) > ORDER.index(room(path))
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


def test_the_sandbox_knows_nothing_of_scionwood():
    words = [
        f"{shown(path)}: {line}"
        for path in modules(SANDBOX)
        for line in path.read_text("utf-8").splitlines()
        if "scionwood" in line.lower().replace("scionwood_sandbox", "")
        if not line.lstrip().startswith((">>>", "..."))
    ]
    assert not words


def test_deidentification_does_without_the_core():
    faults = [
        f"{shown(path)} imports {name}"
        for path in modules(DEID)
        for name in imports(path, everywhere=True)
        if name.startswith("scionwood")
        if name.split(".")[0] not in {"scionwood_deid", "scionwood_sandbox"}
    ]
    assert not faults


def test_the_core_imports_no_plugin_and_names_none():
    fields = {folder.parent.name for folder in FIELDS if folder.name not in TOOLS}
    faults = []
    for path in modules(CORE):
        tree = ast.parse(path.read_text("utf-8"))
        names = imports(path, everywhere=True)
        faults += [n for n in names if n.startswith("scionwood_") and "sandbox" not in n]
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


def test_a_plugin_imports_public_names_of_the_core_and_of_what_it_depends_on():
    """The tools, which were rooms of the core, may also import the core's modules."""
    faults = []
    for folder in FIELDS:
        if folder.name in TOOLS:
            continue
        wanted = tomllib.loads((folder.parent / "pyproject.toml").read_text("utf-8"))["project"]
        lines = [
            *wanted["dependencies"],
            *itertools.chain(*wanted.get("optional-dependencies", {}).values()),
        ]
        needed = {re.split(r"[^\w-]", line)[0].replace("-", "_") for line in lines}
        public = {"scionwood.authoring"} | {
            f"{module}.{name}"
            for module in {"scionwood", "scionwood.authoring", "scionwood_sandbox", *needed}
            if module.startswith("scionwood")
            and find_spec(module)  # the checker of bangla has another name
            for name in dir(import_module(module))
        }
        faults += [
            f"{shown(path)} imports {name}"
            for path in modules(folder)
            for name in imports(path, everywhere=True)
            if name.startswith("scionwood") and name.split(".")[0] != folder.name
            if name not in public and name not in {"scionwood", *needed}
            if not name.startswith("scionwood_kit")
        ]
    assert not faults


@table("package", PACKAGES, ids=lambda path: path.name)
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
    fields = [folder.name for folder in [*FIELDS, DEID]]
    code = f"import importlib, sys; [importlib.import_module(n) for n in {names + fields}];"
    code += f"print([h for h in {HEAVY} if h in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_every_public_name_exists():
    for name in scionwood.__all__:
        assert getattr(scionwood, name) is not None, name
