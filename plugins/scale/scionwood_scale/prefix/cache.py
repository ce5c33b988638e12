"""Run the frozen blocks before the first adapter once for each sample, and cache the result."""

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

from scionwood import AdapterError, TrainingError
from scionwood_scale.prefix import rules
from scionwood_scale.prefix.check import (
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
from scionwood_scale.prefix.layout import Layout, sample_keys
from scionwood_scale.prefix.rows import Bytes, Rows


@dataclass
class _Call:
    """One forward pass of the model: its samples and the state of their features."""

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
    """A cache of the output of the frozen blocks before the first adapter, one row per sample.

    The model's own forward runs as usual, but blocks whose output is cached are skipped. The key of
    a sample is the content of the model's input (`sample_keys`), which follows the data, transforms
    and random draws of any kind. A wrong row cannot be returned, and an augmented sample is another
    sample.

    Nothing is stored before a forward pass with gradients has shown that no module of the prefix
    trains, drops values or mixes samples. The first batch that is stored and the first that is read
    are compared with the whole model, in training and in evaluation.

    In a folder, the rows lie under a hash of the prefix: weights, buffers, classes and settings of
    its modules, blocks, layout, precision, and the version of torch.

    Args:
        model: the model with its adapter, on the device and in the precision of the training.
        dataset: the training data, if they can be read by index. A few samples are then read
            twice, and the budget is checked at the first step.
        blocks: names of the blocks to skip; `None` means the frozen blocks that begin a stack.
        folder: the folder in which to store the features for later runs; `None` means memory.
        budget: bytes that the features may take. Samples beyond it are computed every time.
        dtype: the precision of the stored features; `None` means their own, which loses nothing.

    Attributes:
        blocks: the blocks that are skipped, by name.
        samples: the length of the dataset; 0 if it is not known.
        hits: training samples whose features were read from the cache.
        misses: training samples whose features were computed.

    Raises:
        AdapterError: there is no frozen prefix, or its features differ from call to call.
        TrainingError: the data are augmented at random, or the model is sharded.

    Example:
        >>> from peft import LoraConfig
        >>> from scionwood_scale import FrozenPrefix
        >>> layers = [torch.nn.Linear(8, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 1)]
        >>> model = torch.nn.Sequential(torch.nn.Sequential(*layers))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0.2", head=())
        >>> x = torch.randn(4, 8)
        >>> with FrozenPrefix(tuned) as cache:
        ...     for _ in range(3):
        ...         tuned(x).mean().backward()
        ...     list(cache.blocks), cache.hits, cache.misses
        (['0.0', '0.1'], 8, 4)
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
        self._base = rules.backbone(model)
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
        """Return the number of samples in the cache."""
        return 0 if self._rows is None else len(self._rows)

    @property
    def row_bytes(self) -> int:
        """Bytes of a sample; 0 before the first one."""
        return 0 if self._layout is None else self._layout.width

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # A copied model has the same hooks, which act on the original model only.
        return self

    def remove(self) -> None:
        """Restore the model and release the memory; files stay."""
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
            rule = "it runs more than once in a forward pass, so that it has several outputs"
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
        """Refuse a prefix whose features depend on more than its frozen weights and one sample."""
        self._restore()
        called = {id(module) for module in call.ran}
        ran = {name: m for name, m in self._base.named_modules() if id(m) in called}
        rules.refuse_dropout(ran.items())
        rules.refuse_statistics(ran.items())
        rules.refuse_trained(output, self._moving)
        rules.refuse_draws(call.random, generators(self._device()))
        if not self._frozen:
            self._ran = {"": self._base, **ran}
            parameters = (p for m in self._ran.values() for p in m.parameters(recurse=False))
            self._frozen = [p for p in parameters if id(p) not in self._moving]
            self._state = self._now()

    def _verify(self, call: _Call, layout: Layout, rows: Bytes) -> None:
        """Refuse features that change the output of the model, or that depend on other samples."""
        train = [m for m in self._base.modules() if self._trains(m)]
        limit = tolerance({self._dtype, *layout.dtypes}, self._device())
        with undisturbed(self._base, self._device()):
            live = observe(self._base, call.args, call.kwargs, train)
        try:
            with undisturbed(self._base, self._device()):
                self._skip.start(layout.unpack(rows))
                cached = observe(self._base, call.args, call.kwargs, train)
        except Exception as error:  # the model may raise any exception
            raise unlike(call.served, f"{type(error).__name__}: {error}") from error
        finally:
            self._skip.stop()
        if (difference := compare(live, cached)) > limit:
            raise unlike(call.served, f"relative difference {difference:.1e}")
        if call.served or len(call.keys) == 1:
            return
        first, again = (floats(layout.unpack(x[:1])) for x in (rows, self._alone(call)))
        if compare(first, again) > limit:
            rule = "the features of a sample change with its neighbours in the batch"
            raise AdapterError("the frozen prefix", rule, "Train without the cache")

    def _alone(self, call: _Call) -> Bytes:
        """Return the features of the first sample of a batch among copies of itself."""
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
        """Refuse features of another device, precision or weights."""
        if (now := self._now()) != self._state:
            what = "weights" if now[0] == self._state[0] else f"{self._state[0]}, now {now[0]}"
            rule = "device, precision and frozen weights must stay as they were when it was filled"
            remedy = "Remove the cache and make a new one"
            raise TrainingError(f"cache of the frozen prefix ({what})", rule, remedy)

    def _open(self, layout: Layout) -> Rows:
        rules.refuse_size(self.samples, layout.width, self._budget)
        if self._folder is None:
            return Rows(layout.width, self._budget)
        facts = [*self.blocks, layout.describe(), self._state[0], torch.__version__]
        name = rules.identity(self._ran, self._moving, facts)
        return Rows(layout.width, self._budget, self._folder / name)

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
        """Return device and precision of the prefix, and the number of writes to its weights."""
        where = f"{self._device()} {self._frozen[0].dtype} {cast_dtype(self._device())}"
        return where, sum(parameter._version for parameter in self._frozen)

    def _device(self) -> torch.device:
        return next(self._base.parameters()).device
