"""Draw changes of single lines of the code, and make them in a file that may have moved."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

SCOPE = (
    "core/scionwood/adapters/**/*.py",
    "core/sandbox/scionwood_sandbox/files.py",
    "core/scionwood/runs/*.py",
    "plugins/seismic/scionwood_seismic/readers/segy*.py",
)
"""The files that are changed."""

_SWAPS: dict[type[ast.AST], str] = {
    **{ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="},
    **{ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is"},
    **{ast.And: "or", ast.Or: "and", ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*"},
}


class Mutant(NamedTuple):
    """A change in one line of a function; columns count bytes from the first character of it."""

    file: str
    function: str
    line: str
    turn: int
    """Which of the equal lines of the function it is."""
    start: int
    stop: int
    text: str
    kind: str


def mutants(root: Path, file: str) -> Iterator[Mutant]:
    """Yield every mutant of a file."""
    source = (root / file).read_text()
    lines = source.encode().split(b"\n")
    for name, node in functions(ast.parse(source)):
        places = range(node.lineno - 1, node.end_lineno)
        for row, start, stop, text, kind in _edits(node, lines):
            line = lines[row].strip()
            turn = [at for at in places if lines[at].strip() == line].index(row)
            left = len(lines[row]) - len(lines[row].lstrip())
            yield Mutant(file, name, line.decode(), turn, start - left, stop - left, text, kind)


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the outermost functions of a module and of its classes by qualified name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")


def _edits(function: Any, lines: list[bytes]) -> Iterator[tuple[int, int, int, str, str]]:
    """Yield row, columns, new text and kind of the changes within single lines of a function."""

    def text(node: Any) -> str:
        return lines[node.lineno - 1][node.col_offset : node.end_col_offset].decode()

    def at(node: Any, new: str, kind: str) -> tuple[int, int, int, str, str]:
        return node.lineno - 1, node.col_offset, node.end_col_offset, new, kind

    def between(left: Any, right: Any, new: str, kind: str) -> tuple[int, int, int, str, str]:
        row, start, stop = left.lineno - 1, left.end_col_offset, right.col_offset
        gap = lines[row][start:stop].decode()
        closing, opening = gap.count(")"), gap.count("(")
        return row, start, stop, f"{')' * closing} {new} {'(' * opening}", kind

    nodes = [node for part in function.body for node in ast.walk(part)]
    texts = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
    for node in nodes:
        whole = getattr(node, "lineno", 0) == getattr(node, "end_lineno", 1)
        if id(node) in texts or not (whole or isinstance(node, ast.If | ast.While)):
            continue
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _SWAPS:
                yield between(left, right, _SWAPS[type(op)], "comparison")
            case ast.BoolOp(op=op, values=[left, right]) | ast.BinOp(left=left, op=op, right=right):
                if type(op) in _SWAPS:
                    yield between(left, right, _SWAPS[type(op)], "operator")
            case ast.Constant(value=bool() as value):
                yield at(node, repr(not value), "constant")
            case ast.Constant(value=int() | float() as value):
                yield at(node, repr(value + 1), "constant")
            case ast.Constant(value=str() as value) if (
                lines[node.lineno - 1][node.col_offset :][:1] in b"'\""
            ):
                yield at(node, repr(f"{value}X"), "constant")
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
                if test.lineno == test.end_lineno:
                    yield at(test, f"(not ({text(test)}))", "not")
            case ast.Return(value=ast.expr() as value) if text(value) != "None":
                yield at(value, "None", "return None")
            case ast.Expr(value=ast.Call()) | ast.Assign() | ast.AugAssign() | ast.Raise():
                yield at(node, "pass", "statement deleted")
            case ast.Call(args=[*args], keywords=[*words]) if args or words:
                last = words[-1] if words else args[-1]
                rest = [*args, *words][:-1]
                start = rest[-1].end_col_offset if rest else last.col_offset
                yield last.lineno - 1, start, last.end_col_offset, "", "argument dropped"


def changed(root: Path, mutant: Mutant) -> tuple[Path, str, int] | None:
    """Return the file of a mutant, its text with the change and the line, or nothing if gone."""
    name = mutant.file.rpartition("/")[2]
    for path in (root / mutant.file, *root.glob(f"core/**/{name}"), *root.glob("core/**/*.py")):
        source = path.read_text() if path.is_file() else ""
        rows = list(_rows(source, mutant)) if mutant.line in source else []
        if len(rows) <= mutant.turn:
            continue
        row, lines = rows[mutant.turn], source.encode().split(b"\n")
        left = len(lines[row]) - len(lines[row].lstrip())
        before, after = lines[row][: left + mutant.start], lines[row][left + mutant.stop :]
        lines[row] = before + mutant.text.encode() + after
        return path, b"\n".join(lines).decode(), row + 1
    return None


def _rows(source: str, mutant: Mutant) -> Iterator[int]:
    """Yield the rows of the lines of a function that are equal to that of a mutant."""
    lines = source.split("\n")
    for name, node in functions(ast.parse(source)):
        for row in range(node.lineno - 1, node.end_lineno) if name == mutant.function else ():
            if lines[row].strip() == mutant.line:
                yield row


def draw(root: Path, n: int, seed: int) -> list[Mutant]:
    """Return mutants that compile: one of a line, each line and each kind as likely as another."""
    files = sorted({str(path.relative_to(root)) for glob in SCOPE for path in root.glob(glob)})
    by_line: dict[tuple[Any, ...], list[Mutant]] = {}
    for mutant in (each for file in files for each in mutants(root, file)):
        by_line.setdefault(mutant[:4], []).append(mutant)
    dice, chosen = random.Random(seed), list[Mutant]()
    for key in dice.sample(sorted(by_line), len(by_line)):
        kind = dice.choice(sorted({mutant.kind for mutant in by_line[key]}))
        mutant = dice.choice([mutant for mutant in by_line[key] if mutant.kind == kind])
        try:
            compile(changed(root, mutant)[1], mutant.file, "exec")  # type: ignore[index]
        except SyntaxError:
            continue
        chosen.append(mutant)
        if len(chosen) == n:
            break
    return chosen
