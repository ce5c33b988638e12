"""The server's step: the difference between two rounds is a gradient (Reddi et al., ICLR 2021)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from scionwood_federated.rules.low_rank import dense, others, pairs, split
from scionwood_federated.rules.pooled import Pooled, place, size_of
from scionwood_federated.schedule import Server
from scionwood_federated.update.record import Update

State = dict[str, Tensor]


def server_step(
    start: Update,
    pooled: Pooled,
    state: Mapping[str, Tensor],
    *,
    server: Server = "momentum",
    rate: float = 1.0,
    beta: float = 0.9,
) -> tuple[Pooled, State]:
    """Move from the start of a round by a step with momentum, instead of to the mean.

    The step is taken in the changes of the weights, not in the factors.

    Args:
        start: what the round started from.
        pooled: what a rule made of the updates.
        state: the state that the last call returned; empty in the first round.
        server: `momentum` is FedAvgM, `adam` is FedAdam, `none` returns `pooled`.
        rate: the step, relative to the difference; for `adam` in units of the weights.
        beta: the share of the previous step.

    Returns:
        The new weights, and the state for the next round.

    Example:
        >>> from scionwood_federated import exact, server_step, update_of
        >>> start = update_of("seismic/denoise")
        >>> pooled = exact([start], [1.0], start)
        >>> same, state = server_step(start, pooled, {}, server="momentum")
        >>> same.lost < 1e-9
        True
    """
    if server == "none":
        return pooled, {}
    after = Update(start.about, start.config, pooled.adapter, pooled.head)
    # Factors of one change are not unique (B R, R^-1 A): their moments over rounds mean nothing.
    before, target_values = _values(start), _values(after)
    new, next_state = {}, {}
    for name, value in before.items():
        moved, kept_here = _moved(target_values[name] - value, state, name, server, rate, beta)
        new[name] = value + moved
        next_state.update(kept_here)
    return _placed(start, new, pooled), next_state


def _moved(
    change: Tensor, state: Mapping[str, Tensor], name: str, server: Server, rate: float, beta: float
) -> tuple[Tensor, State]:
    first = beta * state.get(f"{name}:1", torch.zeros_like(change)) + (
        change if server == "momentum" else (1 - beta) * change
    )
    if server == "momentum":
        return rate * first, {f"{name}:1": first}
    # beta_2 = 0.99 and tau = 1e-3, the values of Reddi et al. (arXiv:2003.00295) for FedAdam; there
    # is no correction of the bias, as there.
    second = 0.99 * state.get(f"{name}:2", torch.zeros_like(change)) + 0.01 * change.square()
    return rate * first / (second.sqrt() + 1e-3), {f"{name}:1": first, f"{name}:2": second}


def _values(update: Update) -> dict[str, Tensor]:
    plain = {**others(update), **{f"head:{k}": v for k, v in update.head.items()}}
    out = {name: value.double() for name, value in plain.items() if value.is_floating_point()}
    return {**out, **{f"product:{name}": dense(pair) for name, pair in pairs(update).items()}}


def _placed(start: Update, new: Mapping[str, Tensor], pooled: Pooled) -> Pooled:
    results, lost = {}, [0.0]
    for module in pairs(start):
        results[module], energy = split(new[f"product:{module}"], *size_of(start, module))
        lost.append(energy)
    plain = {
        k: new[k].to(v.dtype) if k in new else pooled.adapter[k] for k, v in others(start).items()
    }
    head = {
        name: new[f"head:{name}"].to(value.dtype) if f"head:{name}" in new else pooled.head[name]
        for name, value in start.head.items()
    }
    # The first entry is the zero for an adapter without products.
    share = max(sum(lost) / max(len(lost) - 1, 1), pooled.lost)
    return Pooled(place(start, results, plain), head, share, pooled.sites)
