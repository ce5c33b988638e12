"""Documentation checks: each missing part is reported, with the text to write."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
from peft import PeftConfig

from scionwood import Plugin
from scionwood_kit import CheckFailure
from scionwood_kit.checks.documentation import (
    check_docstrings,
    check_signatures,
    described,
    section,
)


@pytest.mark.parametrize(
    ("file", "old", "message"),
    [
        ("backbones.py", "    Shapes: (batch, time, 1) float32 -> (batch", "`Shapes:`"),
        ("readers.py", "    Units: time h", "reader.*`Units:`"),
        ("readers.py", "    Raises:\n        ReadError: the file is not", "`Raises:`"),
        ("data.py", "    Source: J. E. Nash", "data 'reservoirs'.*`Source:`"),
        ("tasks.py", "    Source: J. E. Nash", "tasks 'respond'.*`Source:`"),
    ],
)
def test_advises_each_missing_label(sample, file, old, message):
    sample.change(file, old, "    Nothing" + old.partition(":")[2])
    (advice,) = check_docstrings(sample.plugin())
    assert re.search(message, str(advice))


def test_a_missing_label_is_an_error_in_the_repository(sample):
    sample.at_home().change("readers.py", "    Units: time h", "    Nothing")
    with pytest.raises(CheckFailure, match=r"reader.*`Units:`"):
        check_docstrings(sample.plugin())


def test_advice_stays_beside_an_error(sample):
    sample.change("readers.py", "    Units: time h", "    Nothing")
    sample.change("tasks.py", 'class Respond(Task):\n    """', 'class Respond(Task):\n    _ = """')
    with pytest.raises(CheckFailure, match="a component has a docstring") as caught:
        check_docstrings(sample.plugin())
    assert [problem.value for problem in caught.value.advice] == ["readers 'series'"]


def test_a_function_that_raises_documents_it(sample):
    sample.change("backbones.py", "    Raises:\n", "    Perhaps:\n")
    (advice,) = check_docstrings(sample.plugin())
    assert str(advice).startswith("backbones 'causal': its docstring has `Raises:`")


def test_a_docstring_of_the_base_class_does_not_count(sample):
    sample.change("tasks.py", 'class Respond(Task):\n    """', 'class Respond(Task):\n    _ = """')
    with pytest.raises(CheckFailure, match="tasks 'respond': a component has a docstring"):
        check_docstrings(sample.plugin())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("width: int = 32", "width=32", "width: a parameter has a type"),
        ("width: int = 32", "width: int", "width: an option has a default"),
        ("init_seed: int = 0", "init_seed: int = 0, dropout: float = 0.0", "dropout.*`Args:`"),
        ("init_seed: int = 0", "init_seed: int = 0, **rest: int", r"\*\*rest.*is named"),
        ("(*, width", "(width", "core passes nothing by position"),
    ],
)
def test_reports_faults_of_a_signature(sample, old, new, message):
    sample.change("backbones.py", old, new)
    with pytest.raises(CheckFailure, match=message):
        check_signatures(sample.plugin())


def test_a_task_takes_only_its_backbone_by_position(sample):
    sample.change(
        "tasks.py",
        "        *,\n        scale: float",
        "        scale: float",
    )
    with pytest.raises(CheckFailure, match=r"\(backbone, scale\): the core passes backbone"):
        check_signatures(sample.plugin())


@dataclass
class HalfConfig(PeftConfig):
    """A method.

    Args:
        r: rank.
    """

    r: int = 8
    alpha: int = field(default=16, metadata={"help": "strength"})
    beta: float = 1.0
    target_modules: str | None = None


def test_a_method_describes_its_own_fields_by_text_or_help():
    plugin = Plugin("half", adapters={"half": f"{__name__}:HalfConfig"})
    with pytest.raises(CheckFailure) as caught:
        check_signatures(plugin)
    assert [problem.value for problem in caught.value.problems] == ["adapters 'half': beta"]


def command(path: str, *, adapter: str) -> None:
    """Do something.

    Args:
        path: the input.
        adapter: the run, which must be given.

    Raises:
        ReadError: never.
    """


def mute_command(path, *, adapter: str) -> None:
    """Do something."""


def test_a_command_may_require_an_option_but_describes_every_parameter():
    check_signatures(Plugin("x", commands={"do": f"{__name__}:command"}))
    with pytest.raises(CheckFailure) as caught:
        check_signatures(Plugin("x", commands={"do": f"{__name__}:mute_command"}))
    assert len(caught.value.problems) == 3  # no type of path, no text for either
    (advice,) = check_docstrings(Plugin("x", commands={"do": f"{__name__}:mute_command"}))
    assert "`Raises:`" in advice.rule


def test_reads_sections_in_both_layouts():
    doc = "Sum.\n\nShapes: x (n,), m\nUnits:\n    x m/s\n\n    y s\nArgs:\n    a, b (int): two.\n"
    assert section(doc, "Shapes") == "x (n,), m"
    assert section(doc, "Units") == "x m/s\n\ny s"
    assert section(doc, "Source") == ""


def test_parameters_may_be_described_by_a_base_class():
    class Base:
        """Base.

        Args:
            lr: rate.
        """

    class Child(Base):
        """Child.

        Args:
            a, b (int): two numbers, of which
                this: goes on.
        """

    assert described(Child) >= {"lr", "a", "b"}
