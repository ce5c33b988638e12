"""Run the frozen blocks before the first adapter once for each sample, and keep their features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, final

import torch
import torch.nn as nn
from torch import Tensor
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils._pytree import tree_leaves
from torch.utils.data import Dataset
from torch.utils.hooks import RemovableHandle

from scionwood.adapters.head import backbone
from scionwood.errors import AdapterError, TrainingError
from scionwood.training.prefix import rules
from scionwood.training.prefix.check import (
    Skip,
    cast_dtype,
    compare,
    floats,
    generators,
    observe,
    repeat_first,
    tolerance,
    undisturbed,
    unlike,
)
from scionwood.training.prefix.layout import Layout, sample_keys
from scionwood.training.prefix.rows import Bytes, FileRows, MemoryRows, Rows


@dataclass
class _Call:
    """One forward of the model: its samples, and what is known of them."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    keys: list[bytes]
    rows: Bytes | None = None
    served: bool = False
    layout: Layout | None = None
    inspected: bool = False
    random: list[Tensor] = field(default_factory=list)
    ran: list[nn.Module] = field(default_factory=list)


@final
class FrozenPrefix:
    """A cache of what the frozen blocks before the first adapter make of each sample.

    The model's own forward runs as before, but blocks whose output is known are skipped. A sample
    is known by the content of the model's input (`sample_keys`), so that data, transforms and
    random draws of any kind are followed: a wrong row cannot be served, an augmented sample is
    merely another one. Nothing is kept before a forward with gradients has shown that nothing
    trains, drops or mixes samples up to the end of the prefix, and the first batch that is recorded
    and the first that is served are compared with the whole model, in training and in evaluation.

    In a folder, the rows of a prefix lie under a hash of the weights, buffers, classes and settings
    of the modules that run in it, of its blocks, layout and precision, and of torch's version.

    Args:
        model: with its adapter, on the device and in the precision in which it trains.
        dataset: what it trains on, if that can be read by index: a few samples are read twice, and
            the budget is checked at the first step.
        blocks: names of the blocks to skip; by default the frozen ones that lead a stack.
        folder: where to keep the features for later runs; by default in memory.
        budget: bytes that the features may take. Samples beyond it are computed every time.
        dtype: in which to keep them; by default their own, which loses nothing.

    Attributes:
        blocks: what is skipped, by name.
        samples: how many the dataset has; 0 where that is not known.
        hits: samples of training that were served.
        misses: samples of training that were computed.

    Raises:
        AdapterError: there is no frozen prefix, or its features are not the same every time.
        TrainingError: the data are augmented at random, or the model is sharded.
    """

    def __init__(
        self,
        model: nn.Module,
        dataset: Dataset[Any] | None = None,
        *,
        blocks: Sequence[str] | None = None,
        folder: str | Path | None = None,
        budget: int = 4 * 2**30,
        dtype: torch.dtype | None = None,
    ) -> None:
        self._base = backbone(model)
        self.blocks = rules.find_blocks(model, blocks)
        rules.refuse_model(self._base, self.blocks)
        if dataset is not None:
            rules.refuse_random_data(dataset)
        self.samples = len(dataset) if hasattr(dataset, "__len__") else 0  # type: ignore[arg-type]
        self._folder = None if folder is None else Path(folder)
        self._budget, self._dtype = budget, dtype
        self._moving = rules.moving_parameters(model)
        self._last = list(self.blocks.values())[-1]
        self.hits = self.misses = 0
        self._checked: set[tuple[bool, bool, bool]] = set()
        self._rows: Rows | None = None
        self._layout: Layout | None = None
        self._ran: dict[str, nn.Module] = {}
        self._frozen: list[nn.Parameter] = []
        self._state: tuple[str, int] = ("", 0)
        self._call: _Call | None = None
        self._tracing: RemovableHandle | None = None
        self._skip = Skip(self.blocks.values())
        self._handles = [
            self._base.register_forward_pre_hook(self._start, with_kwargs=True, prepend=True),
            self._base.register_forward_hook(self._clear, always_call=True),
            self._base.register_forward_hook(self._finish),
            self._last.register_forward_hook(self._reach),
        ]

    def __len__(self) -> int:
        """How many samples are kept."""
        return 0 if self._rows is None else len(self._rows)

    @property
    def row_bytes(self) -> int:
        """Bytes that a sample takes; 0 before the first."""
        return 0 if self._layout is None else self._layout.width

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # A copied model carries the same hooks, which leave it alone: it is not theirs.
        return self

    def remove(self) -> None:
        """Leave the model as it was, and give the memory back; files stay."""
        for handle in self._handles:
            handle.remove()
        self._restore()
        if self._rows is not None:
            self._rows.close()

    def _start(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if module is not self._base:
            return
        self._restore()
        self._call = None
        leaves = tree_leaves((args, kwargs))
        ready = self._frozen or torch.is_grad_enabled()
        if not ready or any(isinstance(x, Tensor) and x.requires_grad for x in leaves):
            return
        if self._frozen:
            self._refuse_change()
        self._call = call = _Call(args, kwargs, sample_keys(leaves))
        rows = None if self._rows is None else self._rows.read(call.keys)
        if rows is not None and self._layout is not None:
            call.rows, call.layout, call.served = rows, self._layout, True
            self._skip.start(self._layout.unpack(rows))
        elif self._kind(call) not in self._checked:
            call.inspected, call.random = True, generators(self._device())
            self._tracing = register_module_forward_pre_hook(lambda m, _: call.ran.append(m))

    def _reach(self, module: nn.Module, args: Any, output: Any) -> None:
        call = self._call
        if call is None or call.served or module is not self._last:
            return
        if call.rows is not None:
            rule = "it runs more than once in a forward, so that it has no one output"
            raise AdapterError(f"block {list(self.blocks)[-1]!r}", rule, "Name others (`blocks`)")
        if call.inspected:
            self._inspect(call, output)
        call.layout = Layout.of(output, len(call.keys), self._dtype)
        call.rows = call.layout.pack(output)

    def _clear(self, module: nn.Module, args: Any, output: Any) -> None:
        if module is self._base:
            self._restore()

    def _finish(self, module: nn.Module, args: Any, output: Any) -> None:
        call, self._call = self._call, None
        if module is not self._base or call is None or call.rows is None or call.layout is None:
            return
        if (kind := self._kind(call)) not in self._checked:
            self._verify(call, call.layout, call.rows)
            self._checked.add(kind)
        if module.training:
            self.hits += len(call.keys) * call.served
            self.misses += len(call.keys) * (not call.served)
        if self._rows is None:
            self._layout, self._rows = call.layout, self._open(call.layout)
        if not call.served and call.layout == self._layout:
            self._rows.write(call.keys, call.rows)

    def _inspect(self, call: _Call, output: Any) -> None:
        """Refuse a prefix whose features are not a function of its frozen weights and a sample."""
        self._restore()
        called = {id(module) for module in call.ran}
        ran = {name: m for name, m in self._base.named_modules() if id(m) in called}
        rules.refuse_dropout(ran.items())
        rules.refuse_statistics(ran.items())
        rules.refuse_trained(output, self._moving)
        after = generators(self._device())
        if not all(map(torch.equal, call.random, after)):
            rule = "it draws random numbers, so that features differ from time to time"
            raise AdapterError("the frozen prefix", rule, "Switch its dropout off, or do not cache")
        if not self._frozen:
            self._ran = {"": self._base, **ran}
            own = (p for m in self._ran.values() for p in m.parameters(recurse=False))
            self._frozen = [p for p in own if id(p) not in self._moving]
            self._state = self._now()

    def _verify(self, call: _Call, layout: Layout, rows: Bytes) -> None:
        """Refuse features with which the model is another, or that depend on other samples."""
        train = [m for m in self._base.modules() if self._trains(m)]
        limit = tolerance({self._dtype, *layout.dtypes}, self._device())
        with undisturbed(self._base, self._device()):
            live = observe(self._base, call.args, call.kwargs, train)
        try:
            with undisturbed(self._base, self._device()):
                self._skip.start(layout.unpack(rows))
                cached = observe(self._base, call.args, call.kwargs, train)
        except Exception as error:  # the model's own, of any kind
            raise unlike(call.served, f"{type(error).__name__}: {error}") from error
        finally:
            self._skip.stop()
        if (found := compare(live, cached)) > limit:
            raise unlike(call.served, f"relative difference {found:.1e}")
        if call.served or len(call.keys) == 1:
            return
        first, again = (floats(layout.unpack(x[:1])) for x in (rows, self._alone(call)))
        if compare(first, again) > limit:
            rule = "the features of a sample change with its neighbours in the batch"
            raise AdapterError("the frozen prefix", rule, "Do without its cache")

    def _alone(self, call: _Call) -> Bytes:
        """The features of a batch's first sample among copies of itself."""
        args, kwargs = repeat_first((call.args, call.kwargs), len(call.keys))
        self._call = alone = _Call(args, kwargs, call.keys)
        try:
            with undisturbed(self._base, self._device()):
                self._base.forward(*args, **kwargs)
        finally:
            self._call = None
        assert alone.rows is not None  # the same forward as before
        return alone.rows

    def _refuse_change(self) -> None:
        """Refuse to go on with features of another device, precision or weights."""
        if (now := self._now()) != self._state:
            what = "weights" if now[0] == self._state[0] else f"{self._state[0]}, now {now[0]}"
            rule = "device, precision and frozen weights must stay as they were when it was filled"
            remedy = "Remove the cache and make another"
            raise TrainingError(f"cache of the frozen prefix ({what})", rule, remedy)

    def _open(self, layout: Layout) -> Rows:
        if (needed := self.samples * layout.width) > self._budget:
            raise TrainingError(
                f"a budget of {self._budget / 2**30:.3g} GiB for the frozen prefix",
                f"{self.samples} samples take {needed / 2**30:.3g} GiB",
                "Raise the budget, keep bfloat16, or do without the cache",
            )
        if self._folder is None:
            return MemoryRows(layout.width, self._budget)
        facts = [*self.blocks, layout.describe(), self._state[0], torch.__version__]
        name = rules.identity(self._ran, self._moving, facts)
        return FileRows(self._folder / name, layout.width, self._budget)

    def _restore(self) -> None:
        self._skip.stop()
        if self._tracing is not None:
            self._tracing.remove()
            self._tracing = None

    def _kind(self, call: _Call) -> tuple[bool, bool, bool]:
        return self._base.training, call.served, len(call.keys) > 1

    def _trains(self, module: nn.Module) -> bool:
        return any(id(p) in self._moving for p in module.parameters(recurse=False))

    def _now(self) -> tuple[str, int]:
        """Where and in which precision the prefix runs, and how often its weights were written."""
        where = f"{self._device()} {self._frozen[0].dtype} {cast_dtype(self._device())}"
        return where, sum(parameter._version for parameter in self._frozen)

    def _device(self) -> torch.device:
        return next(self._base.parameters()).device
