"""Compare the edge block as a PyG layer with one that is written as PyG's tutorials do.

    python benchmarks/crash_pyg.py

Rounds, ratios and intervals as in `crash_edge.py`. The tutorial's block and ours compute the same
update with equally many weights. `error` is the largest difference from PyG's own way through the
same layer. Writes benchmarks/results/crash_pyg.csv, about five minutes on one core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from crash_edge import grid, rows_of
from peft import LoraConfig, inject_adapter_in_model
from runner import machine, option, parsed, printed, write
from torch import Tensor, nn

from scionwood_crash.pyg import EdgeBlock

# isort: split
from torch_geometric.nn import MessagePassing

SIDE, WIDTH = 100, 128
LAYERS = ["source", "target", "edge", "second"]


class Tutorial(MessagePassing):  # type: ignore[misc]
    """A MeshGraphNet block with `cat([x_i, x_j, e])`, as the tutorials write it."""

    def __init__(self, width: int) -> None:
        super().__init__(aggr="sum")
        self.edges = self._perceptron(3 * width, width)
        self.nodes = self._perceptron(2 * width, width)

    @staticmethod
    def _perceptron(inputs: int, width: int) -> nn.Sequential:
        layers = nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.LayerNorm(width)
        return nn.Sequential(*layers)

    def forward(self, x: Tensor, edge_index: Tensor, edge: Tensor) -> tuple[Tensor, Tensor]:
        edge = self.edge_updater(edge_index, x=x, edge=edge)
        total = self.propagate(edge_index, edge=edge)
        return x + self.nodes(torch.cat([x, total], 1)), edge

    def edge_update(self, x_i: Tensor, x_j: Tensor, edge: Tensor) -> Tensor:
        moved: Tensor = edge + self.edges(torch.cat([x_i, x_j, edge], 1))
        return moved

    def message(self, edge: Tensor) -> Tensor:
        return edge


def adapted(block: EdgeBlock) -> EdgeBlock:
    """Return a copy with a frozen base and LoRA of rank 4 on the layers of its edges."""
    copy = EdgeBlock(WIDTH)
    copy.load_state_dict(block.state_dict())
    copy.requires_grad_(False)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=LAYERS, init_lora_weights=False)
    torch.manual_seed(1)
    inject_adapter_in_model(config, copy)
    return copy


def by_layers(block: EdgeBlock) -> EdgeBlock:
    """Return the block with a hook of PyG, so that it takes PyG's own way."""
    block.register_edge_update_forward_hook(lambda *_: None)
    return block


def step(
    run: Callable[..., Any], arguments: tuple[Tensor, ...], backward: bool
) -> Callable[[], Any]:
    """Return a forward pass without autograd, or forward and backward."""
    if not backward:
        return lambda: torch.no_grad()(run)(*arguments)
    inputs = [arguments[0], arguments[2], *(p for p in run.parameters() if p.requires_grad)]  # type: ignore[attr-defined]

    def both() -> Any:
        nodes, edges = run(*arguments)
        return torch.autograd.grad(nodes.sum() + edges.sum(), inputs)

    return both


def measured(rounds: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of forward, and of forward and backward."""
    torch.manual_seed(0)
    ends = grid(SIDE, diagonals=False)
    x = torch.randn(SIDE**2, WIDTH, requires_grad=True)
    edge = torch.randn(ends.shape[1], WIDTH, requires_grad=True)
    order = torch.randperm(ends.shape[1])
    block = EdgeBlock(WIDTH)
    plain = by_layers(EdgeBlock(WIDTH))
    plain.load_state_dict(block.state_dict())
    sorted_, mixed = (x, ends, edge), (x, ends[:, order], edge)
    runs = {
        "ours": (block, sorted_),
        "tutorial, sorted edges": (Tutorial(WIDTH), sorted_),
        "tutorial, shuffled edges": (Tutorial(WIDTH), mixed),
        "ours by PyG's own way": (plain, sorted_),
        "ours with LoRA": (adapted(block), sorted_),
        "ours with LoRA, layer by layer": (by_layers(adapted(block)), sorted_),
    }
    wrong = dict.fromkeys(runs, float("nan")) | {
        "ours": differs(block, plain, sorted_),
        "ours with LoRA": differs(*(runs[name][0] for name in list(runs)[4:]), sorted_),
    }
    for backward in (False, True):
        about = {
            "operator": "graph block",
            "shape": f"N={SIDE**2} E={len(edge)} H={WIDTH}",
            "pass": "forward and backward" if backward else "forward",
        }
        steps = {name: step(run, inputs, backward) for name, (run, inputs) in runs.items()}
        yield from rows_of(about, steps, rounds, wrong)


def differs(one: nn.Module, other: nn.Module, inputs: tuple[Tensor, ...]) -> float:
    """Return the largest difference of the results, relative to the largest value."""
    with torch.no_grad():
        pairs = zip(one(*inputs), other(*inputs), strict=True)
        return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


if __name__ == "__main__":
    rounds = parsed(__doc__, option("--rounds", type=int, default=9)).rounds
    write("crash_pyg", printed(measured(rounds), machine()))
