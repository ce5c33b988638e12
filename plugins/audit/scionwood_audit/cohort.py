"""Weights against references: adapters of the same base, method, rank, scale and targets.

The change of a weight is B A. A alone is random, so that it says nothing. The score is the angle to
the mean change of the references; see `direction`. Data say more than weights: on the benchmark of
this score the accuracy on clean data finds more (docs/results/audit.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from peft import LoraConfig

from scionwood import ScionwoodError, adapters
from scionwood_audit.direction import Factors, product, products, turn, turns
from scionwood_audit.record import ALARMS, ENOUGH, AuditError, Row, Status, limit_of

CLEAN_ACCURACY_ROW = Row(
    "weights",
    "accuracy on clean data",
    "note",
    "see behaviour, or give labelled data; AUC 0.98, and 0.91 of the weights",
    reason="a scan of weights needs no data and runs before use; on its own benchmark the accuracy "
    "on labelled clean data finds more; neither is shown to find a poison that costs none",
)
"""What stands beside the score: the baseline that beats it, from docs/results/audit.md."""


@final
@dataclass(frozen=True)
class Weights:
    """The factors of one adapter.

    Attributes:
        key: what must be the same in comparable adapters.
        factors: B and A of each module.
        beside: number of tensors that are no factor, such as copied modules: nothing compares them.

    Example:
        >>> from scionwood_audit import Weights, weights_of
        >>> folder = scionwood.find_run("seismic/denoise", quiet=True) / "adapter"
        >>> isinstance(weights_of(folder), Weights)
        True
    """

    key: tuple[object, ...]
    factors: Factors
    beside: int = 0


def scale_of(config: LoraConfig) -> float:
    """Return the factor that peft multiplies with B A: alpha over the rank, or over its root."""
    rank = int(config.r)
    return float(config.lora_alpha) / (math.sqrt(rank) if config.use_rslora else rank)


def weights_of(folder: Path) -> Weights | str:
    """Return the factors of an adapter, or why it cannot be compared.

    Args:
        folder: the folder of the adapter.

    Example:
        >>> from scionwood_audit import weights_of
        >>> folder = scionwood.find_run("seismic/denoise", quiet=True) / "adapter"
        >>> weights_of(folder).beside
        0
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
    pairs = [(name, name.replace(".lora_A.", ".lora_B.")) for name in sorted(tensors)]
    scale = scale_of(config)  # (scale B, A) of each module, (out, rank) and (rank, in)
    factors = [
        (scale * tensors[b].double().flatten(1), tensors[a].double().flatten(1))
        for a, b in pairs
        if a != b
    ]
    if not factors:
        return "it has no product B A"
    key = (manifest.sha256, manifest.method, config.r, scale, tuple(manifest.modules))
    return Weights(key, tuple(factors), len(tensors) - 2 * len(factors))


@final
class Cohort:
    """Comparable references, and how far an adapter turns from their mean change.

    Args:
        references: at least `ENOUGH` adapters with the same key.

    Attributes:
        turned: the largest turn that is consistent with the references; see `limit_of`.

    Raises:
        AuditError: there are fewer references.

    Example:
        >>> from scionwood_audit import Cohort, weights_of
        >>> folder = scionwood.find_run("seismic/denoise", quiet=True) / "adapter"
        >>> weights = weights_of(folder)
        >>> abs(Cohort([weights] * 19).turn(weights)) < 1e-6
        True
    """

    def __init__(self, references: Sequence[Weights]) -> None:
        self._factors = [reference.factors for reference in references]
        self._among = products(self._factors)
        limit = limit_of(turns(self._among))
        if limit is None:
            rule = f"fewer than {ENOUGH} have no rank with {ALARMS:.0%} of false alarms"
            raise AuditError(f"{len(references)} references", rule, "Add references")
        self.turned = limit

    def turn(self, weights: Weights) -> float:
        """Return how far an adapter turns from the mean change, from 0 to 2."""
        to = np.array([product(weights.factors, reference) for reference in self._factors])
        return turn(product(weights.factors, weights.factors), to, self._among)


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
    same, reasons = comparable(weights, references, folder)
    if len(same) < ENOUGH:
        why = f"{len(same)} comparable adapters, and {ENOUGH} are needed. "
        why = f"{why}{_tally(reasons)}".strip()
        return [Row("weights", "references", "skipped", "no reference", reason=why)], 0
    cohort = Cohort(list(same.values()))
    rows = [_turn_row(cohort, weights), CLEAN_ACCURACY_ROW]
    if weights.beside:
        why = "copied modules, biases and embeddings: only products B A have references"
        value = f"{weights.beside} tensors"
        rows.append(Row("weights", "not compared", "note", value, reason=why))
    if reasons:
        rows.append(Row("weights", "references left out", "note", _tally(reasons)))
    return rows, len(same)


def comparable(
    weights: Weights, place: Path, folder: Path
) -> tuple[dict[Path, Weights], list[str]]:
    """Return the adapters in a folder that can be compared, and why the others cannot.

    Args:
        weights: those of the adapter.
        place: the folder of the references.
        folder: that of the adapter, which is none of its own references.
    """
    same, reasons = {}, []
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
            same[path.parent] = other
    return same, reasons


def _turn_row(cohort: Cohort, weights: Weights) -> Row:
    distance, limit = cohort.turn(weights), cohort.turned
    status: Status = "broken" if distance > limit else "kept"
    why = f"{ALARMS:.0%} of adapters like the references are beyond"
    value, limit_text = f"{distance:.3f}", f"at most {limit:.3f}"
    return Row("weights", "turn from the mean change", status, value, limit_text, why)


def _tally(reasons: Sequence[str]) -> str:
    counts = {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    return "; ".join(f"{count} with {reason}" for reason, count in counts.items())
