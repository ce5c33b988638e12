"""Networks of PyG as backbones: adapters, a real run, and what is refused."""

from __future__ import annotations

import pytest
import torch
from case_table import table
from peft import LoraConfig
from torch import nn

import scionwood
from scionwood import RecipeError, attach
from scionwood_crash.data.encode import example_graph
from scionwood_crash.model import SIZES
from scionwood_crash.pyg import EdgeBlock, PygNetwork, register_model

READS = {"GraphSAGE": False, "GIN": False, "GAT": True, "PNA": True, "GraphUNet": False}
OPTIONS: dict[str, dict[str, object]] = {
    "GAT": {"v2": True, "add_self_loops": False},
    "PNA": {
        "aggregators": ["mean", "max"],
        "scalers": ["identity"],
        "deg": torch.tensor([0, 1, 2, 40, 11]),
    },
}


class Own(nn.Module):
    """A graph network of a user, with edge vectors."""

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.embed = nn.Linear(in_channels, hidden_channels)
        self.vectors = nn.Linear(4, hidden_channels)
        self.block = EdgeBlock(hidden_channels)

    def forward(
        self, x: torch.Tensor, edge_index: torch.Tensor, edge_attr: torch.Tensor
    ) -> torch.Tensor:
        """Return the states of nodes."""
        nodes: torch.Tensor = self.block(self.embed(x), edge_index, self.vectors(edge_attr))[0]
        return nodes


register_model("own", Own)


@pytest.mark.filterwarnings("ignore:Sparse ")  # GraphUNet; torch says it once a process
@table("name", [*READS, "own"])
def test_a_model_takes_lora_on_its_linear_layers_and_merges(name):
    make = {"model": name, "frames": 3, "options": OPTIONS.get(name)}
    network = PygNetwork(**make).eval()
    read = "read" if READS.get(name, True) else "not read"
    assert network.card["edges"] == f"vectors are {read}"
    graph = example_graph(SIZES["tiny"])
    with torch.no_grad():
        plain = network(*graph)
        if not _linears(network):
            return
        tuned = attach(network, LoraConfig(r=2, init_lora_weights=False), targets="linear").eval()
        full = tuned(*graph)
        assert plain.shape == (54, 3, 3)
        assert not torch.equal(full, plain)
        scionwood.merge(tuned)
        torch.testing.assert_close(tuned(*graph), full, rtol=1e-4, atol=1e-5)


def _linears(network: nn.Module) -> bool:
    return network.adapter_targets["linear"] != r"(.*\.)?model\.()"


class NoEdges(nn.Module):
    """No graph network."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the input."""
        return x


class Pooled(nn.Module):
    """A network that returns one state a graph."""

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        """Return the mean."""
        return x.mean(0, keepdim=True)


register_model("no_edges", NoEdges)
register_model("pooled", Pooled)


@table(
    ("model", "options", "message"),
    [
        ("Transformer9", {}, "neither of PyG's"),
        ("os:system", {}, "neither of PyG's"),
        ("GraphSAGE", {"layers": 3}, r"no option layers|layers"),
        ("GAT", {"heads": 5}, "refuses these options"),
        ("no_edges", {}, "must take x and edge_index"),
        ("pooled", {}, "a state for each of 54 nodes"),
    ],
)
def test_refuses_other_models(model, options, message):
    with pytest.raises(RecipeError, match=message):
        PygNetwork(model=model, options=options)
    with pytest.raises(RecipeError, match="PyG has a model of that name"):
        register_model("GAT", Own)
