"""Compare the edge block and the edge-specific layer with the usual ways to write them.

    python benchmarks/crash_edge.py

Rounds are interleaved A B C C B A. A time is the median CPU time of the process over rounds. A
ratio is the median over rounds of alternative / ours, with a bootstrapped 95 % interval. The error
is the largest difference from the definition in float64, of values and gradients, relative to the
largest value. Writes benchmarks/results/crash_edge.csv, about three minutes on one core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F
from lora.timing import compared, interleaved
from runner import Row, machine, option, out, parsed, printed, write
from torch import Tensor

from scionwood_crash.kernels import Weights, edge_block, edge_specific, reference
from scionwood_crash.kernels.reference import EPS

SHAPES = ((100, 128), (40, 128), (40, 32))
"""Nodes along a side of the grid, and the width."""
BATCHES = (1, 4, 16, 64)
Block = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Weights]


def grid(side: int, *, diagonals: bool = True) -> Tensor:
    """Return the edges of a grid in both directions, sorted by target."""
    at = torch.arange(side * side).view(side, side)
    pairs = [(at[:-1], at[1:]), (at[:, :-1], at[:, 1:])]
    if diagonals:
        pairs += [(at[:-1, :-1], at[1:, 1:]), (at[1:, :-1], at[:-1, 1:])]
    one = torch.cat([torch.stack([a.reshape(-1), b.reshape(-1)]) for a, b in pairs], 1)
    both = torch.cat([one, one.flip(0)], 1)
    return both[:, torch.argsort(both[1] * side * side + both[0])]


def block(side: int, width: int) -> Block:
    """Return the inputs of a block as in MeshGraphNet: sources and targets are the same nodes."""
    ends = grid(side)
    torch.manual_seed(0)
    shapes = [(width, width)] * 3 + [(width,), (width, width)] + [(width,)] * 3
    weights = Weights(*(torch.randn(s).div(width**0.5).requires_grad_() for s in shapes))
    x = torch.randn(side * side, width, requires_grad=True)
    edge = torch.randn(ends.shape[1], width, requires_grad=True)
    return x, x, edge, ends[0], ends[1], torch.ones(len(edge)), weights


def split(
    source: Tensor,
    target: Tensor,
    edge: Tensor,
    src: Tensor,
    dst: Tensor,
    share: Tensor,
    w: Weights,
) -> tuple[Tensor, Tensor]:
    """Compute the block with the first layer split, by autograd; edges are sorted."""
    hidden = F.linear(edge, w.edge, w.bias)
    hidden = hidden + F.linear(source, w.source)[src] + F.linear(target, w.target)[dst]
    z = F.linear(F.silu(hidden), w.second, w.second_bias)
    out = edge + F.layer_norm(z, z.shape[1:], w.scale, w.shift, EPS)
    return out, torch.zeros_like(target).index_add(0, dst, out * share[:, None])


def shuffled(block: Block) -> Block:
    """Return the same edges in random order, as a data loader gives them."""
    order = torch.randperm(len(block[2]), generator=torch.Generator().manual_seed(1))
    edge = block[2].detach()[order].requires_grad_()
    return *block[:2], edge, block[3][order], block[4][order], block[5], block[6]


def step(run: Callable[..., Any], block: Block, backward: bool) -> Callable[[], Any]:
    """Return a forward pass without autograd, or forward and backward to inputs and weights."""
    if not backward:
        return lambda: torch.no_grad()(run)(*block)
    grads = [torch.ones_like(block[2]), torch.ones_like(block[1])]
    inputs = [block[0], block[2], *block[6]]
    return lambda: torch.autograd.grad(run(*block), inputs, grads)


def rows_of(
    about: Row, runs: dict[str, Callable[[], Any]], rounds: int, wrong: dict[str, float]
) -> Iterator[Row]:
    """Yield one row for each alternative; the first one is ours."""
    times = interleaved(runs, rounds)
    for name, values in times.items():
        columns = compared(values, times[next(iter(runs))])
        yield about | {"rival": name} | columns | {"error": f"{wrong[name]:.1e}", "rounds": rounds}


def error(values: Any, reference: Any) -> float:
    pairs = zip(values, reference, strict=True)
    return max(float((a.double() - b).abs().max() / b.abs().max()) for a, b in pairs)


def wide(block: Block) -> Block:
    """Return the inputs in float64."""
    x, _, edge, src, dst, share, weights = block
    x, edge = (weight.detach().double().requires_grad_() for weight in (x, edge))
    doubled = Weights(*(weight.detach().double().requires_grad_() for weight in weights))
    return x, x, edge, src, dst, share.double(), doubled


def blocks(rounds: int) -> Iterator[dict[str, Any]]:
    for side, width in SHAPES:
        inputs = block(side, width)
        mixed = shuffled(inputs)
        rivals = {
            "ours": (edge_block, inputs),
            "split, sorted": (split, inputs),
            "concat, shuffled": (reference.edge_block, mixed),
        }
        for backward in (False, True):
            true = {
                id(item): step(reference.edge_block, wide(item), backward)()
                for item in (inputs, mixed)
            }
            runs = {name: step(*rival, backward) for name, rival in rivals.items()}
            wrong = {name: error(runs[name](), true[id(rivals[name][1])]) for name in runs}
            about = {
                "operator": "edge block",
                "shape": f"N={side * side} E={len(inputs[2])} H={width}",
                "pass": "forward+backward" if backward else "forward",
            }
            yield from rows_of(about, runs, rounds, wrong)


def layers(rounds: int) -> Iterator[dict[str, Any]]:
    """Time 400 targets of degree 6 and width 32, with one matrix per edge: 2.5 million weights."""
    generator = torch.Generator().manual_seed(0)
    sources = torch.stack([torch.randperm(400, generator=generator)[:6] for _ in range(400)])
    weight = torch.randn(2400, 32, 32, generator=generator).div(14).requires_grad_()
    dst = torch.arange(400).repeat_interleave(6)
    for batch in BATCHES:
        x = torch.randn(batch, 400, 32, generator=generator, requires_grad=True)

        def by_edge(x: Tensor, weight: Tensor) -> Tensor:
            products = torch.einsum("bei,eio->beo", x[:, sources.reshape(-1)], weight)
            return torch.zeros_like(x).index_add(1, dst, products)

        def chosen(x: Tensor, weight: Tensor) -> Tensor:
            return edge_specific(x, weight, sources)

        def dense(x: Tensor, weight: Tensor) -> Tensor:
            return edge_specific(x, weight, sources, "dense")

        def sparse(x: Tensor, weight: Tensor) -> Tensor:
            return edge_specific(x, weight, sources, "sparse")

        rivals = {
            "ours": chosen,
            "dense": dense,
            "block-sparse": sparse,
            "product an edge": by_edge,
        }
        for backward in (False, True):
            runs = {name: _layer_step(run, x, weight, backward) for name, run in rivals.items()}
            doubled = [item.detach().double().requires_grad_() for item in (x, weight)]
            true = _layer_step(by_edge, *doubled, backward)()
            wrong = {name: error(run(), true) for name, run in runs.items()}
            about = {"operator": "edge-specific", "shape": f"batch {batch}"}
            about |= {"pass": "forward+backward" if backward else "forward"}
            yield from rows_of(about, runs, rounds, wrong)


def _layer_step(
    run: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: Tensor, backward: bool
) -> Callable[[], Any]:
    if not backward:
        return lambda: [torch.no_grad()(run)(x, weight)]
    return lambda: torch.autograd.grad(run(x, weight).sum(), (x, weight))


def main() -> None:
    options = parsed(
        __doc__,
        option("--rounds", type=int, default=9),
        out("crash_edge"),
    )
    rows = chain(blocks(options.rounds), layers(options.rounds))
    write(options.out, printed(rows, machine()))


if __name__ == "__main__":
    main()
