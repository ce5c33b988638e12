"""Options of a component are read from its source as its signature has them, or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from case_table import table
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from scionwood.adapters.methods import BUILT_IN
from scionwood.plugins import discovery
from scionwood.recipes import signatures
from scionwood.recipes.recipe import options_of
from scionwood.recipes.signatures import option_names, peft_methods, summary

CONFIGURED = {"backbones", "data", "tasks", "adapters"}
BASES = '''
import functools
from abc import ABC
from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import Any, ClassVar, Generic, TypeVar
import scionwood
from scionwood import Optimiser, Task
from scionwood.training.task import Optimiser as Alias
from torch import nn
from typing import Unpack
T = TypeVar("T")
def other(function): return lambda *, hidden=1: function()
class Meta(type): pass
class Base(nn.Module):
    """A base.  With more."""
    def __init__(self, *, width: int = 1) -> None: ...
class Aside:
    def __init__(self, *, other: int = 1) -> None: ...
'''
SETTLED = {
    "a function": "def part(backbone, *, a=1, b: int = 2, **more): ...",
    "a cached function": "@functools.cache\ndef part(*, a=1): ...",
    "an inherited initialiser": "class part(Base): ...",
    "a generic class": "class part(Base, Generic[T], ABC):\n    limit: ClassVar[int] = 1",
    "an own initialiser": "class part(Base, Aside):\n    def __init__(self, x, *, own=1): ...",
    "an own initialiser over a base from elsewhere": "from collections import UserDict\n"
    "class part(UserDict):\n    def __init__(self, *, own=1): ...",
    "a module without options": "class part(nn.Module): ...",
    "a task": "class part(Task):\n"
    "    def __init__(self, backbone, *, p=1, **o: Unpack[Alias]): ...",
    "a task without options": "class part(scionwood.Task): ...",
    "a task with one": "class part(Task):\n    def __init__(self, backbone, *, lr=1.0): ...",
    "a dataclass": "@dataclass(frozen=True)\nclass part:\n"
    "    a: int\n    _: KW_ONLY\n    b: ClassVar[int] = 1\n"
    "    c: int = field(default=0, init=False)\n    d: InitVar[int] = 3\n    def method(self): ...",
    "a dataclass on another": "@dataclass\nclass up:\n    a: int = 1\n    b: int = 2\n"
    "class part(up):\n    c: int = 3",
    "an initialiser over a dataclass": "@dataclass\nclass up:\n    a: int = 1\n"
    "class part(up):\n    def __init__(self, *, b=1): ...",
}
OPEN = {
    "an unknown decorator": "@other\ndef part(*, a=1): ...",
    "a decorated class": "@other\nclass part(Base): ...",
    "a decorated initialiser": "class part:\n    @other\n    def __init__(self, *, a=1): ...",
    "two definitions": "if T:\n    def part(*, a=1): ...\nelse:\n    def part(*, b=1): ...",
    "an assignment": "part = functools.partial(Base, width=2)",
    "a metaclass": "class part(Base, metaclass=Meta): ...",
    "a signature of its own": "class part(Base):\n    __signature__ = None",
    "two initialisers": "class part(Base):\n    if T:\n        def __init__(self, *, a=1): ...",
    "a constructor": "class part(Base):\n    def __new__(cls, *, a=1): ...",
    "two bases": "class part(Base, Aside): ...",
    "a base that is computed": "class part(type(Base)): ...",
    "a base from elsewhere": "from collections import UserDict\nclass part(UserDict): ...",
    "a dataclass with an initialiser": "@dataclass\nclass part:\n    a: int = 1\n"
    "    def __init__(self, *, b=1): ...",
    "nothing": "",
}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a module of components, of which nothing is imported yet."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(code: str) -> str:
        (tmp_path / "fake_parts.py").write_text(BASES + code)
        signatures._bindings.cache_clear()
        return "fake_parts:part"

    yield write
    sys.modules.pop("fake_parts", None)


@table("plugin", [*discovery.entries(), "toy"])
def test_options_of_every_component_are_those_of_its_signature(plugin):
    for kind, name, reference in discovery.record(plugin).components():
        if kind in CONFIGURED:
            component = discovery.load(kind, f"{plugin}/{name}")
            names = [parameter.name for parameter in options_of(component)]
            assert list(option_names(reference) or ["unread"]) == names, reference


def test_options_of_every_method_of_peft_are_those_of_its_signature():
    references = peft_methods()
    built_in = BUILT_IN & PEFT_TYPE_TO_CONFIG_MAPPING.keys()
    assert references.keys() == {kind.lower() for kind in built_in}
    for name, reference in references.items():
        config = PEFT_TYPE_TO_CONFIG_MAPPING[name.upper()]
        names = [parameter.name for parameter in options_of(config)]
        assert list(option_names(reference) or ["unread"]) == names, name


@pytest.mark.parametrize("code", SETTLED.values(), ids=SETTLED)
def test_a_source_that_settles_the_options_is_read(module, code):
    reference = module(code)
    names = option_names(reference)
    component = discovery.resolve("part", reference)
    assert list(names or ()) == [parameter.name for parameter in options_of(component)]


@pytest.mark.parametrize("code", OPEN.values(), ids=OPEN)
def test_a_source_that_does_not_settle_them_is_left_to_the_import(module, code):
    assert option_names(module(code)) is None


def test_a_circle_of_imports_and_a_broken_file_settle_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "fake_a.py").write_text("from fake_b import part")
    (tmp_path / "fake_b.py").write_text("from fake_a import part")
    (tmp_path / "fake_c.py").write_text("def part(")
    for reference in ("fake_a:part", "fake_c:part", "absent:part", "absent.inner:part"):
        assert option_names(reference) is None


def test_the_first_sentence_is_read_from_the_source(module):
    reference = module('def part():\n    """Do one\n    thing. And more."""')
    assert summary(reference) == "Do one thing."
    assert summary("fake_parts:Aside") == ""
    assert summary("fake_parts:absent") is None


def test_reading_every_component_imports_nothing_heavy():
    code = (
        "import sys\nfrom scionwood.plugins import discovery\n"
        "from scionwood.recipes.signatures import option_names, peft_methods\n"
        "parts = [part for e in discovery.plugins() for part in e.plugin.components()]\n"
        "found = [option_names(reference) for _, _, reference in parts]\n"
        "found += [option_names(reference) for reference in peft_methods().values()]\n"
        "print(len(found) > 60, 'torch' in sys.modules, 'peft' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "False", "False"]
