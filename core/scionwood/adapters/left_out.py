"""Targets that an adapter leaves out, because an adapter there would learn nothing or is refused.

A pattern such as `all-linear` selects layers that nobody has looked at. Some of them are read and
never called: the attention of torchvision's Swin passes the weight of `qkv` to a function.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import torch.nn as nn
from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTunerLayer

from scionwood.adapters.head import backbone
from scionwood.errors import AdapterError

READ = "the code around it reads its weight and never calls it, so that an adapter learns nothing"
DEAD = (
    "the model's forward never calls these layers or no gradient reaches them, so that an adapter "
    "there learns nothing"
)
SHOWN = 4
"""How many names of a reason the warning shows."""


class LeftOutWarning(UserWarning):
    """Modules that a pattern selects have no adapter; the message names them and the reason.

    Example:
        >>> import warnings
        >>> from peft import LoraConfig
        >>> class Reads(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.called, self.read = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
        ...     def forward(self, x):
        ...         return self.called(x) @ self.read.weight
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("error", scionwood.LeftOutWarning)
        ...     x = (torch.ones(1, 4),)
        ...     scionwood.attach(Reads(), LoraConfig(), targets="all-linear", example=x, head=())
        Traceback (most recent call last):
        ...
        scionwood.adapters.left_out.LeftOutWarning: no adapter on read: ...
    """


class DeadTargetsError(AdapterError):
    """Wrapped layers are never called, or get no gradient.

    Attributes:
        names: The names of the layers.
    """

    names: tuple[str, ...] = ()


def message(left_out: Mapping[str, str]) -> str:
    """Return the text of the warning for the reasons by the names of the modules."""
    reasons: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        reasons.setdefault(reason, []).append(name)
    parts = [
        f"no adapter on {', '.join(names[:SHOWN])}"
        + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        + f": {reason}"
        for reason, names in reasons.items()
    ]
    return "; ".join(parts)


def without(names: Sequence[str], left_out: Mapping[str, str], spelled: Sequence[str]) -> list[str]:
    """Return the names without those that are left out.

    Args:
        names: The names of the modules that the targets select.
        left_out: The reasons by name.
        spelled: The names that the targets spell out, which are not left out in silence.

    Raises:
        AdapterError: A module that is spelled out would be left out, or all of them.
    """
    rest = [name for name in names if name not in left_out]
    asked = [name for name in names if name in left_out and (name in spelled or not rest)]
    if asked:
        dead = "dead " * (left_out[asked[0]] in (READ, DEAD))
        remedy = "change the backbone so that it calls these layers as modules"
        raise AdapterError(
            f"{dead}targets {', '.join(asked)}",
            left_out[asked[0]],
            f"Target other layers{f', or {remedy}' if dead else ''}",
        )
    return rest


def refused(model: nn.Module, config: PeftConfig, names: Sequence[str]) -> dict[str, str]:
    """Return the modules that peft refuses in this architecture, with its reason."""
    base, reasons = backbone(model), {}
    tuner = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type]
    for name in names:
        try:
            tuner._check_target_module_compatiblity(None, config, base, name.rpartition(".")[2])
        except ValueError as error:
            reasons[name] = f"peft refuses it ({str(error).rstrip('.')})"
    return reasons


def read_only(model: nn.Module, names: Sequence[str]) -> dict[str, str]:
    """Return the modules whose weight goes into a function, and that no code around them calls.

    The source of the class around a module is read, so that no example input is needed. A module
    counts only if every use of it is `self.name.weight` or `self.name.bias`, and one of them is an
    argument of a call or a side of a product.
    """
    base = backbone(model)
    return {name: READ for name in names if _read_only(base, name)}


def _read_only(base: nn.Module, name: str) -> bool:
    around, _, own = name.rpartition(".")
    parent = base.get_submodule(around)
    if isinstance(parent, BaseTunerLayer):
        return False
    uses, reads, passed = _uses(type(parent))
    return own in passed and uses[own] == reads[own]


@lru_cache(maxsize=1024)
def _uses(kind: type) -> tuple[Counter[str], Counter[str], frozenset[str]]:
    """Count the uses of each attribute of `self`, and those of its weight and bias alone.

    Returns:
        All uses, those as `self.name.weight`, and the names of which one is an operand.
    """
    uses: Counter[str] = Counter()
    reads: Counter[str] = Counter()
    passed: set[str] = set()
    for tree in _sources(kind):
        for node in ast.walk(tree):
            if name := _of_self(node):
                uses[name] += 1
            if name := _tensor_of(node):
                reads[name] += 1
            passed |= {name for each in _operands(node) if (name := _tensor_of(each))}
    return uses, reads, frozenset(passed)


def _of_self(node: ast.AST) -> str:
    """Return the attribute that `self.name` reads, or an empty text."""
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        return node.attr if isinstance(node.value, ast.Name) and node.value.id == "self" else ""
    return ""


def _operands(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Call):
        return [*node.args, *(keyword.value for keyword in node.keywords)]
    return [node.left, node.right] if isinstance(node, ast.BinOp) else []


def _tensor_of(node: ast.AST) -> str:
    is_tensor = isinstance(node, ast.Attribute) and node.attr in ("weight", "bias")
    return _of_self(node.value) if is_tensor else ""  # type: ignore[attr-defined]


def _sources(kind: type) -> Iterator[ast.AST]:
    for each in kind.__mro__:
        if each in (nn.Module, object):
            continue
        try:
            yield ast.parse(textwrap.dedent(inspect.getsource(each)))
        except (OSError, TypeError, SyntaxError):  # made without a file, as in an interpreter
            continue
