"""Models of dynamics around any network: the next state is the present one plus a scaled change.

The network sees the frames of the history, constant channels with the conditions, and, if the flow
is forced by a known wave, the sine and cosine of that wave. Its output is the change of each field
in units of the root mean square change of the training data. For fields that form a vector without
divergence in a periodic box, Leray's projection supplies the pressure, which no local network can.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import pi
from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn

from scionwood import RecipeError
from scionwood_pde.model.coder import check_fields
from scionwood_pde.model.presets import STRIDE
from scionwood_pde.model.processes import largest_over_processes, mean_over_processes
from scionwood_pde.model.spectra import SHELLS, capped, energy, without_divergence
from scionwood_pde.model.tiles import Boundary, Tiling

Axis = Literal["x", "y", "z"]

MARGIN = 1.2
"""The cap of a shell's energy, relative to the largest energy in the training data."""


@final
class Scales(nn.Module):
    """Numbers that are measured on the training data and saved with the head.

    Args:
        fields: number of fields of a state.
        conditions: number of conditions.
        vector: positions of the fields of a vector without divergence.

    Attributes:
        change: root mean square change of each field from a state to the next.
        std: standard deviation of each field in its unit, which the projection needs.
        mean_condition, std_condition: mean and standard deviation of each condition.
        vector: positions of the fields of the vector without divergence; not saved.
        cap: largest energy of each shell in training, times `MARGIN`; 0 where none was measured.
    """

    change: Tensor
    std: Tensor
    mean_condition: Tensor
    std_condition: Tensor
    cap: Tensor
    vector: Tensor

    def __init__(self, fields: int, conditions: int, vector: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("change", torch.ones(fields))
        self.register_buffer("std", torch.ones(fields))
        self.register_buffer("mean_condition", torch.zeros(conditions))
        self.register_buffer("std_condition", torch.ones(conditions))
        self.register_buffer("cap", torch.zeros(fields, SHELLS))
        places = torch.tensor(tuple(vector), dtype=torch.long)
        self.register_buffer("vector", places, persistent=False)

    @torch.no_grad()
    def measure(
        self, batches: Iterable[Mapping[str, Tensor]], std: Sequence[float] | None = None
    ) -> None:
        """Measure all numbers on batches with `state`, `next` and, if there are any, `conditions`.

        Several processes of a training share the numbers.

        Args:
            batches: batches of the training split.
            std: standard deviation of each field in its unit. `None` means 1.
        """
        fields = len(self.change)
        squares, highest, conditions = [], torch.zeros_like(self.cap), []
        for batch in batches:
            now, following = batch["state"][:, -fields:], batch["next"]
            axes = tuple(range(2, now.ndim))
            squares.append((following - now).square().mean((0, *axes)))
            highest = torch.maximum(highest, energy(now).amax(0).to(highest))
            conditions += [batch["conditions"]] if "conditions" in batch else []
        squared = mean_over_processes(torch.stack(squares).mean(0).to(self.change))
        # A field that never changes would make its error infinite.
        self.change.copy_(squared.sqrt().clamp(min=1e-6))
        self.cap.copy_(MARGIN * largest_over_processes(highest))
        if std is not None:
            self.std.copy_(torch.tensor(std))
        if conditions:
            values = torch.cat(conditions).double().to(self.change.device)
            mean = mean_over_processes(values.mean(0))
            square = mean_over_processes(values.square().mean(0))
            spread = (square - mean.square()).clamp(min=0).sqrt()
            self.mean_condition.copy_(mean)
            spread[spread.float() == 1] += 1e-6  # a deviation of exactly 1 marks a constant
            self.std_condition.copy_(torch.where(spread > 1e-6 * square.sqrt(), spread, 1.0))


class Forecast(nn.Module, ABC):
    """The next state from the frames of the history: a change that a network predicts.

    A subclass sets what its options say, and calls `assemble`.

    Attributes:
        fields: number of fields of a state.
        dims: number of space dimensions.
        history: frames of the input, oldest first.
        conditions: names of the numbers that come with a state, such as `dt` or `viscosity`.
        solenoidal: positions of the fields that form a vector without divergence, one for each
            axis; empty if there are none.
        forced_axis: axis along which a stationary wave forces the flow. `None` means no forcing.
        forced_mode: number of waves of the forcing along that axis.
        target: what the network predicts: the scaled `change` of a state, or the next `state`.
        longest: most frames that the network was tried with.
        tiling: how domains are cut into tiles for the network; the projection sees whole domains.
        at_once: most tiles that the network processes at once; 0 means no limit.
        head: modules that train beside an adapter; `scales` is one of them in any case.
        adapter_targets: presets of adapters, by name.
        card: entries for the model card.
    """

    fields: int
    dims: int = 3
    history: int = 1
    conditions: Sequence[str] = ()
    solenoidal: Sequence[int] = ()
    forced_axis: Axis | None = None
    forced_mode: int = 1
    target: Literal["change", "state"] = "change"
    longest: int = 4
    tiling: Tiling = Tiling(boundary="periodic")
    at_once: int = 0
    head: Sequence[str] = ()
    adapter_targets: ClassVar[Mapping[str, str]]
    card: Mapping[str, str]

    def assemble(self, init_seed: int) -> None:
        """Build the network from a seed, and the scales; the global random state does not change.

        Raises:
            RecipeError: an option does not fit the others.
        """
        try:
            self._check()
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(init_seed)
                self.network = self.build()
        except ValueError as error:
            raise RecipeError(str(error)) from error
        self.scales = Scales(self.fields, len(self.conditions), self.solenoidal)
        self.head = (*self.head, "scales")
        self.card = {"weights": "random, seeded", **self.describe(), "tiles": str(self.tiling)}

    @abstractmethod
    def build(self) -> nn.Module:
        """Return the network, from (batch, `channels`, *space) to (batch, field, *space)."""

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """Return the entries of the model card about the network and its weights."""

    @property
    def extra(self) -> int:
        """Number of channels that the network sees beside the frames."""
        return len(self.conditions) + (0 if self.forced_axis is None else 2)

    @property
    def channels(self) -> int:
        """Number of channels that the network sees."""
        return self.history * self.fields + self.extra

    @property
    def around(self) -> Boundary:
        """What the network sees around its input; a tile never wraps, even in a periodic box."""
        return self.tiling.boundary if self.tiling.tile is None else "edge"

    def _check(self) -> None:
        if not 1 <= self.history <= self.longest:
            raise ValueError(f"history {self.history}: 1 to {self.longest} frames were tried")
        if self.dims not in (1, 2, 3):
            raise ValueError(f"dims {self.dims}: a state has 1, 2 or 3 dimensions. Choose one")
        if self.solenoidal and len(set(self.solenoidal)) != self.dims:
            raise ValueError(
                f"solenoidal {list(self.solenoidal)}: a vector has one field for each of "
                f"{self.dims} axes. Name their positions, such as [0, 1, 2]"
            )
        if any(not 0 <= i < self.fields for i in self.solenoidal):
            raise ValueError(
                f"solenoidal {list(self.solenoidal)}: a state has the fields 0 to "
                f"{self.fields - 1}. Raise `fields`, or correct the positions"
            )
        if self.forced_axis is not None and "xyz".index(self.forced_axis) >= self.dims:
            raise ValueError(f"forced_axis {self.forced_axis}: a state has {self.dims} axes")
        if self.solenoidal and self.tiling.boundary != "periodic":
            raise ValueError(
                "solenoidal with boundary edge: the projection needs a periodic box. Set "
                "`boundary: periodic`, or leave out `solenoidal`"
            )

    def forward(self, x: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Predict the next state.

        Args:
            x: (batch, frame * field, *space), oldest frame first, each field with about zero mean
                and unit variance.
            conditions: (batch, condition), in their units; needed if the model has conditions.

        Returns:
            (batch, field, *space).

        Raises:
            ValueError: the shape or the number of fields or conditions is wrong, or the domain does
                not fit the network or the tiling.
        """
        check_fields(x, self.fields * self.history)
        if x.ndim != 2 + self.dims:
            raise ValueError(
                f"an input of shape {tuple(x.shape)}: this model has {self.dims} space "
                "axes. Build it with `dims`"
            )
        y = self._applied(self._channels(x, conditions))
        if self.target == "state":
            return self._projected(y)
        change = self.scales.change.view(-1, *[1] * self.dims)
        return x[:, -self.fields :] + self._projected(y * change)

    def limited(self, x: Tensor) -> Tensor:
        """Return a state whose energy in each shell is at most that of the training, and a margin.

        A rollout calls this after each step, whatever the tiling and the boundary. It does nothing
        where no cap was measured, and on domains of other sides than those of the training.
        """
        return capped(x, self.scales.cap)

    def measure(
        self, batches: Iterable[Mapping[str, Tensor]], std: Sequence[float] | None = None
    ) -> None:
        """Measure the scales on training data; see `Scales.measure`."""
        self.scales.measure(batches, std)

    def example_input(self) -> tuple[Tensor, ...]:
        """Return seeded frames with the smallest side, and conditions if the model has any."""
        generator = torch.Generator().manual_seed(0)
        side = self.tiling.tile or int(getattr(self.network, "side", STRIDE))
        shape = (1, self.history * self.fields, *(side,) * self.dims)
        frames = torch.randn(shape, generator=generator)
        if not self.conditions:
            return (frames,)
        return frames, self.scales.mean_condition.detach().clone().unsqueeze(0)

    def _channels(self, x: Tensor, conditions: Tensor | None) -> Tensor:
        """Return all channels that the network sees."""
        space, parts = x.shape[2:], [x]
        names = self.conditions
        if names:
            count = 0 if conditions is None else conditions.shape[-1]
            if conditions is None or count != len(names):
                raise ValueError(
                    f"{count} conditions: this model was built for {', '.join(names)}. Give a "
                    "number for each of them"
                )
            values = (conditions - self.scales.mean_condition) / self.scales.std_condition
            values = values.to(x.dtype).view(*values.shape, *[1] * len(space))
            parts.append(values.expand(-1, -1, *space))
        if self.forced_axis is not None:
            # `len(x)` would be a constant of an exported graph.
            parts.append(self._wave(x).expand(x.shape[0], -1, *space))
        return torch.cat(parts, dim=1) if len(parts) > 1 else x

    def _wave(self, x: Tensor) -> Tensor:
        """Return the sine and cosine of the forcing's wave, (2, *space)."""
        axis = "xyz".index(self.forced_axis or "x")
        side = x.shape[2 + axis]
        phase = torch.arange(side, dtype=x.dtype, device=x.device)
        phase = 2 * pi * self.forced_mode / side * phase
        shape = [-1 if i == axis else 1 for i in range(self.dims)]
        waves = torch.stack([part.reshape(shape) for part in (phase.sin(), phase.cos())])
        return waves.expand(2, *x.shape[2:])

    def _applied(self, x: Tensor) -> Tensor:
        """Apply the network to the whole domain, or to tiles of it."""
        network: Callable[[Tensor], Tensor] = self.network
        multiple = int(getattr(self.network, "multiple", 1))
        if self.tiling.tile is None and all(side % multiple == 0 for side in x.shape[2:]):
            return network(x)
        layout = self.tiling.layout(x.shape[2:])
        parts = torch.split(layout.split(x), self.at_once or x.shape[0] * layout.number)
        return layout.join(torch.cat([network(part) for part in parts]))

    def _projected(self, change: Tensor) -> Tensor:
        """Remove the divergence of the vector among the fields, in their units."""
        if not self.solenoidal:
            return change
        places = self.scales.vector
        std = self.scales.std[places].view(-1, *[1] * self.dims).to(change.dtype)
        vector = without_divergence(change[:, places] * std) / std
        return change.index_copy(1, places, vector)
