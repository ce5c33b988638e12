"""Weights against references: adapters of the same base, method, rank, scale and targets.

The change of a weight is B A. A alone is random, so that it says nothing. Of each change this
module takes its Frobenius norm over the root of its size (arXiv 2605.30189) and five numbers of its
singular values (arXiv 2602.15195). Both papers judge language models; the robust score over all
numbers is ours. A second score is the angle to the mean change of the references; see `direction`.
`departure` joins the two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from peft import LoraConfig
from torch import Tensor

from scionwood import ScionwoodError, adapters
from scionwood_audit.departure import ALARMS, ENOUGH, Departure
from scionwood_audit.direction import Factors, product, products, turn, turns
from scionwood_audit.record import Row, Status

FEWEST_REFERENCES = 8
"""Fewer references give no verdict: their spread would be a guess."""

BEYOND = 4.0
"""How many robust deviations above the median of the references a score is anomalous."""

LARGEST_TURN = 2.5
"""The same for the turn away from the mean change of the references, in logarithms."""

CLEAN_ACCURACY_ROW = Row(
    "weights",
    "accuracy on clean data",
    "note",
    "not measured here; AUC 0.98, and 0.91 of the weights",
    reason="a scan of weights needs no data and runs before use; on its own benchmark the accuracy "
    "on labelled clean data finds more: test the adapter on some of yours",
)
"""What stands beside each score: the baseline that beats it, from docs/results/audit.md."""

_FLOOR = 0.05
"""The least deviation, relative to the median: numbers that hardly vary say nothing."""

NUMBERS = ("norm", "largest", "concentration", "entropy", "kurtosis")


@final
@dataclass(frozen=True)
class Weights:
    """The numbers of one adapter.

    Attributes:
        key: what must be the same in comparable adapters.
        modules: names of the adapted modules, in order.
        numbers: (module, 5), those of `NUMBERS`.
        factors: B and A of each module.
        beside: number of tensors that are no factor, such as copied modules: nothing compares them.

    Example:
        >>> from scionwood_audit import Weights, weights_of
        >>> folder = scionwood.find_run("seismic/denoise", quiet=True) / "adapter"
        >>> isinstance(weights_of(folder), Weights)
        True
    """

    key: tuple[object, ...]
    modules: tuple[str, ...]
    numbers: np.ndarray
    factors: Factors
    beside: int = 0

    @property
    def spread(self) -> float:
        """The standard deviation over modules of the normalised norms (arXiv 2605.30189)."""
        return float(self.numbers[:, 0].std())


def changes(
    saved: adapters.SavedAdapter, tensors: Mapping[str, Tensor]
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield the factors of the change of each adapted weight of a LoRA, float64.

    They are B times the scale of the adapter, (out, rank), and A, (rank, in).

    Args:
        saved: the files of the adapter.
        tensors: its tensors by name.
    """
    scale = scale_of(saved.config)
    for name in sorted(tensors):
        if ".lora_A." not in name:
            continue
        a = tensors[name].double().flatten(1)
        b = tensors[name.replace(".lora_A.", ".lora_B.")].double().flatten(1)
        yield name.partition(".lora_A.")[0].removeprefix("base_model.model."), scale * b, a


def scale_of(config: LoraConfig) -> float:
    """Return the factor that peft multiplies with B A: alpha over the rank, or over its root."""
    rank = int(config.r)
    return float(config.lora_alpha) / (math.sqrt(rank) if config.use_rslora else rank)


def weights_of(folder: Path) -> Weights | str:
    """Return the numbers of an adapter, or why it has none.

    Args:
        folder: the folder of the adapter.

    Example:
        >>> from scionwood_audit import weights_of
        >>> folder = scionwood.find_run("seismic/denoise", quiet=True) / "adapter"
        >>> weights_of(folder).numbers.shape[1]
        5
    """
    try:
        saved = adapters.read_folder(folder)
        tensors = adapters.read_untrusted(saved.path)
    except ScionwoodError as error:
        return f"it cannot be read: {error.value} {error.rule}"
    config, manifest = saved.config, saved.manifest
    if manifest is None:
        return "it states no base"
    kind = config.peft_type.value
    if kind != "LORA" or getattr(config, "use_dora", False):
        return f"its method {manifest.method} changes weights by no product B A"
    if config.rank_pattern or config.alpha_pattern:
        return "its layers have ranks of their own"
    factors = {name: (b, a) for name, b, a in changes(saved, tensors)}
    if not factors:
        return "it has no product B A"
    key = (manifest.sha256, manifest.method, config.r, scale_of(config), tuple(manifest.modules))
    numbers = np.array([five(b @ a) for b, a in factors.values()])
    beside = len(tensors) - 2 * len(factors)
    return Weights(key, tuple(factors), numbers, tuple(factors.values()), beside)


def five(change: Tensor) -> tuple[float, ...]:
    """Return the numbers of `NUMBERS` for a change (out, in).

    They are the Frobenius norm over the root of the size, the largest singular value, its share of
    the energy, the entropy of the singular values in nats, and the kurtosis of the entries.
    """
    values = torch.linalg.svdvals(change)
    energy = values.square()
    total = float(energy.sum())
    if total == 0:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    share = energy[energy > 1e-12 * energy[0]] / total
    entries = change - change.mean()
    kurtosis = float(entries.pow(4).mean() / entries.square().mean().square())
    norm = float(np.sqrt(total / change.numel()))
    entropy = float(-(share * share.log()).sum())
    return norm, float(values[0]), float(share[0]), entropy, kurtosis


@final
class Cohort:
    """Comparable references and the score that tells others from them.

    The score of an adapter is the mean over all numbers of its absolute robust z: the distance from
    the median of the references over 1.4826 times their median absolute deviation. Each reference
    is scored against the others, and these scores set the threshold. The turn is judged likewise.

    Args:
        references: at least `LEAST` adapters with the same key.

    Attributes:
        threshold: the largest score that is consistent with the references.
        turned: the largest turn that is.
        departure: joins both scores; its limit allows 5 % of false alarms.

    Example:
        >>> from scionwood_audit import Cohort, weights_of
        >>> folder = scionwood.find_run("seismic/denoise", quiet=True) / "adapter"
        >>> weights = weights_of(folder)
        >>> Cohort([weights] * 8).score(weights)
        0.0
    """

    def __init__(self, references: Sequence[Weights]) -> None:
        self.references = [_vector(reference) for reference in references]
        scores = [
            _score(x, np.delete(self.references, i, 0)) for i, x in enumerate(self.references)
        ]
        self.threshold = _limit(scores, BEYOND)
        self._factors = [reference.factors for reference in references]
        self._among = products(self._factors)
        among = turns(self._among)
        self.turned = _limit(among, LARGEST_TURN)
        self.departure = Departure(list(map(float, among)), scores)

    def score(self, weights: Weights) -> float:
        """Return the mean absolute robust z of an adapter."""
        return _score(_vector(weights), np.array(self.references))

    def turn(self, weights: Weights) -> float:
        """Return how far an adapter turns from the mean change, from 0 to 2."""
        to = np.array([product(weights.factors, reference) for reference in self._factors])
        return turn(product(weights.factors, weights.factors), to, self._among)

    def deviations(self, weights: Weights) -> np.ndarray:
        """Return the robust z of each number, (module, 5), and of the spread as a last row."""
        z = _z(_vector(weights), np.array(self.references))
        last = np.full((1, len(NUMBERS)), np.nan)
        last[0, 0] = z[-1]
        return np.concatenate([z[:-1].reshape(-1, len(NUMBERS)), last])


def compare(folder: Path, references: Path) -> tuple[list[Row], int]:
    """Compare the weights of an adapter with those of the references in a folder.

    Args:
        folder: the folder of the adapter.
        references: a folder of runs or of adapters.

    Returns:
        The rows, and the number of comparable references; 0 if they are too few for a verdict.

    Example:
        >>> from scionwood_audit import compare
        >>> folder = scionwood.find_run("seismic/denoise", quiet=True) / "adapter"
        >>> compare(folder, folder.parent)[1]
        0
    """
    weights = weights_of(folder)
    if isinstance(weights, str):
        return [Row("weights", "references", "skipped", "no reference", reason=weights)], 0
    same, reasons = _comparable(weights, references, folder)
    if len(same) < FEWEST_REFERENCES:
        why = f"{len(same)} comparable adapters, and {FEWEST_REFERENCES} are needed. "
        why = f"{why}{_tally(reasons)}".strip()
        return [Row("weights", "references", "skipped", "no reference", reason=why)], 0
    cohort = Cohort(same)
    score, limit = cohort.score(weights), cohort.threshold
    status: Status = "broken" if score > limit else "kept"
    why = f"{BEYOND:g} robust deviations above the {len(same)} references among themselves"
    rows = [Row("weights", "mean |z|", status, f"{score:.2f}", f"at most {limit:.2f}", why)]
    rows += [_turn_row(cohort, weights), _departed(cohort, weights), CLEAN_ACCURACY_ROW]
    z = cohort.deviations(weights)
    spread = f"{weights.spread:.3g}, z {z[-1, 0]:+.1f}"
    rows.append(Row("weights", "spread of the norms over modules", "note", spread))
    for column, name in enumerate(NUMBERS):
        at = int(np.abs(z[:-1, column]).argmax())
        value = f"z {z[at, column]:+.1f} in {weights.modules[at]}"
        rows.append(Row("weights", f"{name}, farthest module", "note", value))
    if weights.beside:
        why = "copied modules, biases and embeddings: only products B A have references"
        value = f"{weights.beside} tensors"
        rows.append(Row("weights", "not compared", "note", value, reason=why))
    if reasons:
        rows.append(Row("weights", "references left out", "note", _tally(reasons)))
    return rows, len(same)


def _turn_row(cohort: Cohort, weights: Weights) -> Row:
    distance, limit = cohort.turn(weights), cohort.turned
    status: Status = "broken" if distance > limit else "kept"
    why = (
        f"{LARGEST_TURN:g} robust deviations above the references; 0 is the direction of their mean"
    )
    value, limit_text = f"{distance:.3f}", f"at most {limit:.3f}"
    return Row("weights", "turn from the mean change", status, value, limit_text, why)


def _departed(cohort: Cohort, weights: Weights) -> Row:
    score, limit = (
        cohort.departure.of(cohort.turn(weights), cohort.score(weights)),
        cohort.departure.limit,
    )
    name, value = "turn and mean |z| together", f"{score:.2f}"
    if limit is None:
        why = f"a limit with {ALARMS:.0%} of false alarms needs {ENOUGH} references"
        return Row("weights", name, "note", value, reason=why)
    status: Status = "broken" if score > limit else "kept"
    why = f"{ALARMS:.0%} of adapters like the references are beyond"
    return Row("weights", name, status, value, f"at most {limit:.2f}", why)


def _comparable(weights: Weights, place: Path, folder: Path) -> tuple[list[Weights], list[str]]:
    same, reasons = [], []
    for path in sorted(place.rglob("adapter_config.json")):
        if path.parent.resolve() == folder.resolve():
            continue
        other = weights_of(path.parent)
        if isinstance(other, str):
            reasons.append(other.partition(":")[0])
        elif other.key != weights.key:
            names = ("base", "method", "rank", "scale", "targets")
            pairs = zip(names, other.key, weights.key, strict=True)
            reasons.append(f"another {next(name for name, a, b in pairs if a != b)}")
        else:
            same.append(other)
    return same, reasons


def _tally(reasons: Sequence[str]) -> str:
    counts = {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    return "; ".join(f"{count} with {reason}" for reason, count in counts.items())


def _vector(weights: Weights) -> np.ndarray:
    return np.append(weights.numbers.ravel(), weights.spread)


def _z(x: np.ndarray, references: np.ndarray) -> np.ndarray:
    middle = np.median(references, axis=0)
    deviation = 1.4826 * np.median(np.abs(references - middle), axis=0)
    z: np.ndarray = (x - middle) / np.maximum(deviation, _FLOOR * np.abs(middle) + 1e-12)
    return z


def _limit(scores: Sequence[float] | np.ndarray, beyond: float) -> float:
    """Return the limit that the scores of the references among themselves set."""
    logs = np.log(np.maximum(scores, 1e-12))
    middle = float(np.median(logs))
    deviation = max(1.4826 * float(np.median(np.abs(logs - middle))), _FLOOR)
    return float(np.exp(middle + beyond * deviation))


def _score(x: np.ndarray, references: np.ndarray) -> float:
    return float(np.abs(_z(x, references)).mean())
