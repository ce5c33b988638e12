"""Test-time adaptation: fit the LoRA to the noise of one gather, use it, and restore it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from scionwood import AdapterError, Task
from scionwood_seismic.data.normalise import live, scale
from scionwood_seismic.dino.noise_window import NoiseWindow, find_noise_window
from scionwood_seismic.dino.objective import (
    Objective,
    Reference,
    mismatch_of,
    reference_of,
)
from scionwood_seismic.dino.rollback import (
    recovered_amplitude,
    removed_share,
    spread_tiles,
)
from scionwood_seismic.inference.arrays import denoise_array
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.synth.canonical import Domain, dominant_period, plan


@final
@dataclass(frozen=True)
class Adaptation:
    """The options of the adaptation to one gather.

    `matched` moves the kurtosis and the standard deviation of the removed part to those of a
    window without signal. `kurtosis` moves the kurtosis of the removed part to 0, the value of
    Gaussian noise. The latter is a reconstruction: only the abstract of arXiv 2605.10953 was
    available, not its formula. Both judge the noise window and not the whole gather, and refuse
    noise that does not suit them.

    The harm gate decides whether the adaptation stays: events are added to the gather, and the
    amplitude that comes back of them is measured before and after.

    Attributes:
        objective: what is matched.
        window: start and end of the window without signal, s. None finds it in each gather: the
            part before the first arrivals, or the quietest part; see `find_noise_window`.
        steps: optimiser steps (Adam).
        lr: learning rate.
        anchor: weight of the relative squared change of the result.
        enough: if the objective is below this value at first, nothing is adapted.
        tolerance: by how much the recovered amplitude of strong events may fall before the
            adaptation is rolled back, if more than the noise goes; and by how much more the share
            of energy removed may differ from that of the noise in the window.
        tiles: the largest number of tiles to adapt on; they are spread over the gather.

    Example:
        >>> from scionwood_seismic import Adaptation
        >>> Adaptation(window=(0.0, 0.1), steps=10).objective
        'matched'
    """

    objective: Objective = "matched"
    window: tuple[float, float] | None = None
    steps: int = 30
    lr: float = 1e-2
    anchor: float = 0.1
    enough: float = 0.02
    tolerance: float = 0.03
    tiles: int = 4


@final
@dataclass(frozen=True)
class Outcome:
    """The outcome of the adaptation to a gather.

    Attributes:
        verdict: adapted, matched already, refused or rolled back, with the reason.
        steps: the step whose weights were used; 0 means the weights of the run.
        before: the objective before the adaptation.
        after: the objective with the weights that were used.
        window: the noise window; empty if there was none.
        recovered: the recovered amplitude of strong events before and after; see
            `Adaptation.tolerance`.
    """

    verdict: str
    steps: int = 0
    before: float = 0.0
    after: float = 0.0
    window: str = ""
    recovered: tuple[float, float] = (1.0, 1.0)

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as JSON values."""
        return asdict(self) | {"recovered": list(self.recovered)}

    def __str__(self) -> str:
        if not self.window:
            return self.verdict
        amplitudes = "{:.2f} before, {:.2f} after".format(*self.recovered)
        return (
            f"{self.verdict}; objective {self.before:.3f} before, {self.after:.3f} after; "
            f"recovered amplitude {amplitudes}; noise from {self.window}"
        )


@final
class Adapter:
    """Adapt a denoiser to one gather after another, each time from the weights of the run.

    Only LoRA weights change, and they are restored bit for bit.

    Args:
        model: a denoiser with a LoRA; see `denoise_array`.
        options: the options of the adaptation.

    Raises:
        AdapterError: the model has no LoRA.
    """

    def __init__(self, model: nn.Module, options: Adaptation) -> None:
        self.model, self.options = model, options
        self._lora = [p for name, p in model.named_parameters() if "lora_" in name]
        if not self._lora:
            rule = "test-time adaptation changes a LoRA, and this run has none"
            raise AdapterError("adapter", rule, "Train with `adapter: {name: lora}`")

    def denoise(
        self,
        data: np.ndarray,
        time: np.ndarray,
        *,
        tile: int = 256,
        overlap: int = 64,
        unit: float | None = None,
        progress: Callable[[float], None] = lambda share: None,
    ) -> tuple[np.ndarray, Outcome]:
        """Adapt to one gather and denoise it.

        The objective is `(s(k) - s(k0))^2 + (ln d - ln d0)^2` with `s(k) = sign(k) ln(1 + |k|)`.
        Here k and d are the excess kurtosis and the standard deviation of the removed part, and k0
        and d0 are those of the window. The loss adds `anchor` times the relative squared change of
        the result.

        Args:
            data: (trace, time), any unit.
            time: the time of each sample, s.
            tile: see `denoise_array`.
            overlap: see `denoise_array`.
            unit: see `denoise_array`.
            progress: see `denoise_array`.

        Returns:
            The denoised gather, (trace, time) float32, and the outcome of the adaptation.
        """
        unit = unit or (scale(data[live(data)]) if live(data).any() else None)
        with self.adapted(data, time, tile=tile, unit=unit) as outcome:
            result = denoise_array(
                self.model,
                data,
                tile=tile,
                overlap=overlap,
                unit=unit,
                progress=progress,
            )
        return result, outcome

    @contextmanager
    def adapted(
        self,
        data: np.ndarray,
        time: np.ndarray,
        *,
        tile: int = 256,
        unit: float | None = None,
        domain: Domain | None = None,
    ) -> Iterator[Outcome]:
        """Adapt the model to one gather inside the block; see `denoise`.

        Args:
            data: (trace, time), any unit.
            time: the time of each sample, s.
            tile: the size of the tiles to adapt on.
            unit: the amplitude to divide by; by default that of `data`.
            domain: the kind of record: the model then sees it at the canonical sampling, as in
                `field.denoise_record`. None: at its own.

        Yields:
            The outcome. A refused or rolled back adaptation leaves the weights of the run.
        """
        signal = data[live(data)]
        outcome = Outcome("refused: no live trace")
        with self._episode():
            if signal.size:
                signal = (signal / (unit or scale(signal))).astype(np.float32)
                if domain is not None:
                    signal, time = _canonical(signal, time, domain)
                with torch.inference_mode(False), torch.enable_grad():
                    outcome = self._fit(signal, time, tile)
            yield outcome

    @contextmanager
    def _episode(self) -> Iterator[None]:
        """Restore the weights at the end, also after an error."""
        initial_weights = [p.detach().clone() for p in self._lora]
        flags = [p.requires_grad for p in self._lora]
        try:
            yield
        finally:
            self._put(initial_weights)
            for p, flag in zip(self._lora, flags, strict=True):
                p.requires_grad_(flag)
                p.grad = None

    def _put(self, values: list[Tensor]) -> None:
        with torch.no_grad():
            for p, value in zip(self._lora, values, strict=True):
                p.copy_(value)

    def _fit(self, data: np.ndarray, time: np.ndarray, tile: int) -> Outcome:
        """Adapt to (trace, time) of about unit amplitude; the model then has the chosen weights."""
        device = self._lora[0].device
        window = self._window(data, time)
        if window is None:
            return Outcome("refused: no part of the gather is free of signal")
        reference, problem = reference_of(data, window.where, self.options.objective)
        if problem:
            return Outcome(f"refused: {problem}", window=str(window))
        x = torch.from_numpy(spread_tiles(data, tile, self.options.tiles)).to(device)
        with torch.no_grad():
            first = self.model(x)
            before = float(mismatch_of(x - first, reference))
        if before < self.options.enough:
            return Outcome("matched already", 0, before, before, str(window))
        initial_weights = [p.detach().clone() for p in self._lora]
        harm = [recovered_amplitude(self.model, data)]
        step, after, values = self._descend(x, first, reference, before)
        self._put(values)
        harm.append(recovered_amplitude(self.model, data) if step else harm[0])
        amplitudes = (harm[0], harm[1])
        with torch.no_grad():
            shares = [removed_share(x, first), removed_share(x, self.model(x))]
        noise = float(np.square(data[window.where]).mean() / np.square(data).mean())
        why = ""
        if step == 0:
            why = "no step was better"
        elif harm[1] < harm[0] - self.options.tolerance and shares[1] > noise:
            why = "strong events would lose amplitude"
        elif abs(shares[1] - noise) > abs(shares[0] - noise) + self.options.tolerance:
            why = f"{noise:.0%} of the energy is noise, and {shares[1]:.0%} would go"
        if why:
            self._put(initial_weights)
            return Outcome(f"rolled back: {why}", 0, before, before, str(window), amplitudes)
        return Outcome("adapted", step, before, after, str(window), amplitudes)

    def _window(self, data: np.ndarray, time: np.ndarray) -> NoiseWindow | None:
        """Return the noise window that is given, or the one that is found in the gather."""
        if self.options.window is None:
            return find_noise_window(data, dominant_period(data))
        first, last = self.options.window
        inside = (time >= first) & (time < last)
        return NoiseWindow(np.broadcast_to(inside, data.shape), f"{first:g} to {last:g} s")

    def _descend(
        self, x: Tensor, first: Tensor, reference: Reference, before: float
    ) -> tuple[int, float, list[Tensor]]:
        """Return the best step, its objective and its weights."""
        best = (0, before, [p.detach().clone() for p in self._lora])
        for p in self._lora:
            p.requires_grad_(True)
        optimizer = torch.optim.Adam(self._lora, lr=self.options.lr)
        energy = first.square().sum()
        for step in range(self.options.steps + 1):
            y = self.model(x)
            mismatch = mismatch_of(x - y, reference)
            if (value := mismatch.item()) < best[1]:
                best = (step, value, [p.detach().clone() for p in self._lora])
            if step == self.options.steps:
                break
            loss = mismatch + self.options.anchor * (y - first).square().sum() / energy
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return best


def _canonical(data: np.ndarray, time: np.ndarray, domain: Domain) -> tuple[np.ndarray, np.ndarray]:
    """Return a gather and its time axis at the sampling that the models know."""
    steps = plan(data, domain=domain, period=dominant_period(data))
    canonical = steps.apply(data)
    return canonical, np.linspace(time[0], time[-1], canonical.shape[1])


def choose_adaptation(task: Task, options: DenoiseOptions) -> Adaptation | None:
    """Return the adaptation that the options ask for; what they leave out is that of the recipe.

    Args:
        task: a loaded run.
        options: `tta` and `noise_window`.

    Returns:
        The adaptation to each gather; None: no adaptation.
    """
    recipe: Adaptation | None = getattr(task, "adaptation", None)  # only the task `denoise` has it
    if options.tta == "none" or (options.tta == "recipe" and recipe is None):
        return None
    chosen = recipe or Adaptation()
    if options.tta != "recipe":
        chosen = replace(chosen, objective=options.tta)
    return chosen if options.window is None else replace(chosen, window=options.window)
