"""The check of names: a participle alone is refused, unless a package has few of them."""

import sys

import pytest

from scionwood import Plugin
from scionwood_kit import CheckFailure
from scionwood_kit.checks.naming import check_filler_names


@pytest.mark.parametrize("fillers", [12, 13])
def test_more_than_a_few_filler_names_are_refused_with_their_place(fillers, tmp_path, monkeypatch):
    package = tmp_path / f"scionwood_named{fillers}"
    package.mkdir()
    functions = [f"def clean{n}(record, own):\n    return record\n" for n in range(fillers)]
    (package / "__init__.py").touch()
    (package / "verbs.py").write_text("\n".join(functions), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    plugin = Plugin("named", commands={"clean": f"{package.name}.verbs:clean0"})
    if fillers == 12:
        check_filler_names(plugin)
    else:
        with pytest.raises(CheckFailure, match=r"verbs.py:1 'own', and others.*13 are"):
            check_filler_names(plugin)
    sys.modules.pop(package.name, None)
