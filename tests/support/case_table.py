"""A table of examples in one case: every row runs, and each row that fails is reported by name."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product, repeat
from typing import Any

import pytest

Row = tuple[str, dict[str, Any]]
"""The name of a row, and its values by argument."""


def table(
    names: str | Sequence[str],
    rows: Iterable[Any],
    *,
    ids: Callable[[Any], object] | Iterable[str] | None = None,
    parts: int = 1,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test for all rows, as `pytest.mark.parametrize` does, and count it as one case.

    Each row has its own `tmp_path`, its changes by `monkeypatch` end with it, and torch draws the
    same numbers in it. Other fixtures are shared by the rows: a test that changes what a fixture
    gives makes it itself. Two tables of one test are multiplied.

    Args:
        names: The arguments of a row; in one string, with commas between them.
        rows: The values; `pytest.param` gives a row a name. A row has no marks.
        ids: Names of the rows, or what names a value, as in `pytest.mark.parametrize`.
        parts: The cases that share the rows, where all rows take too long for one fast test.
    """
    arguments = [name.strip() for name in names.split(",")] if isinstance(names, str) else names
    examples = list(examples_of(arguments, rows, ids))
    assert examples, "a table without rows tests nothing"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        function, inner = getattr(test, "table", (test, [("", {})]))
        pairs = [
            ("-".join(filter(None, (name, other))), {**values, **others})
            for (name, values), (other, others) in product(inner, examples)
        ]
        signature = inspect.signature(function)
        parameters = [p for p in signature.parameters.values() if p.name not in pairs[0][1]]
        added = ("subtests", "table_part") if parts > 1 else ("subtests",)
        parameters += [inspect.Parameter(p, inspect.Parameter.KEYWORD_ONLY) for p in added]

        @functools.wraps(function)
        def run(
            *self: Any, subtests: pytest.Subtests, table_part: int = 0, **fixtures: Any
        ) -> None:
            torch = sys.modules.get("torch")
            state = torch.get_rng_state() if torch else None
            for number, (name, values) in enumerate(pairs[table_part::parts]):
                if torch:
                    torch.set_rng_state(state)
                with subtests.test(name), fixtures_of_row(fixtures, number) as local:
                    function(*self, **local, **values)

        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.table = function, pairs  # type: ignore[attr-defined]
        return pytest.mark.parametrize("table_part", range(parts))(run) if parts > 1 else run

    return decorate


def examples_of(
    arguments: Sequence[str],
    rows: Iterable[Any],
    ids: Callable[[Any], object] | Iterable[str] | None,
) -> Iterator[Row]:
    """Yield the name of each row, and its values by argument."""
    names = repeat(None) if ids is None or callable(ids) else ids
    for row, name in zip(rows, names):  # noqa: B905  # names may be endless
        if hasattr(row, "marks"):  # what `pytest.param` makes
            assert not row.marks, "a row is a part of a case: mark the whole test"
            name, row = row.id, row.values
        elif len(arguments) == 1:
            row = (row,)
        if name is None:
            name = "-".join(
                label((ids(value) if callable(ids) else None) or value) for value in row
            )
        yield name, dict(zip(arguments, row, strict=True))


def label(value: object) -> str:
    """Return a short name of a value."""
    text = value if isinstance(value, str) else getattr(value, "__name__", None) or repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@contextmanager
def fixtures_of_row(fixtures: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    """Replace the folder and the patches by those of one row."""
    local = dict(fixtures)
    if "tmp_path" in local:
        local["tmp_path"] /= f"row{number}"
        local["tmp_path"].mkdir()
    if "capsys" in local:
        local["capsys"].readouterr()
    with pytest.MonkeyPatch.context() as patch:
        if "monkeypatch" in local:
            local["monkeypatch"] = patch
        yield local
