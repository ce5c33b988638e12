"""SevenNet, an equivariant network, as a potential."""

from __future__ import annotations

import copy
import warnings
from typing import Any, cast, final

import torch
from torch import Tensor

from scionwood_atoms.model.convolution import Convolution
from scionwood_atoms.model.graph import Graph, pairs
from scionwood_atoms.model.potential import Potential
from scionwood_atoms.model.weights import load_shipped

_READOUT = r"net\.reduce_\w+\.linear"
_LAYERS = r"(self_connection_intro|self_interaction_[12])\.linear"
_RADIAL = r"convolution\.weight_nn\.layer\d+"


@final
class SevenNet(Potential):
    """SevenNet (Park et al. 2024, doi:10.1021/acs.jctc.4c00190).

    No preset holds the layer of the one-hot elements: an adapter there moves elements that the
    labels do not contain.
    """

    adapter_targets: dict[str, str] = {  # noqa: RUF012  # an instance adds its last block
        "equivariant": rf"net\.\d+_{_LAYERS}|{_READOUT}",
        "radial": rf"net\.\d+_{_RADIAL}",
        "readout": _READOUT,
    }

    def __init__(self, net: Any, card: dict[str, str], config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        # The network would give forces in training mode only, and no gradient in eval mode.
        net.delete_module_by_key("force_output")
        # It sizes the energies by the largest value of a tensor, which torch.export cannot trace.
        net.delete_module_by_key("reduce_total_enegy")  # the name of sevenn, as it is
        net.key_grad = None
        net.set_is_batch_data(True)
        for name, layer in list(net.named_children()):
            if name.endswith("_convolution"):
                net.add_module(name, Convolution(layer))
        self.net, self.card = net, card
        last = max(int(name.split("_")[0]) for name, _ in net.named_children() if name[0].isdigit())
        self.adapter_targets = {
            "all": rf"net\.\d+_({_LAYERS}|{_RADIAL})|{_READOUT}",
            **type(self).adapter_targets,
            "last": rf"net\.{last}_({_LAYERS}|{_RADIAL})|{_READOUT}",
        }

    @property
    def elements(self) -> frozenset[int]:
        """The atomic numbers that the network knows."""
        return frozenset(self.net.type_map)

    def neighbours(self, atoms: Any) -> Graph:
        """Return the pairs of one structure within the cutoff."""
        return pairs(atoms, self.net.cutoff)

    def energies(self, graph: Graph) -> Tensor:
        """Return the energy of each structure, (b,), eV."""
        data = {
            "atomic_numbers": graph.numbers,
            "x": graph.numbers,
            "edge_index": graph.edges,
            "edge_vec": graph.vectors(),
            "batch": graph.owners,
        }
        atomic: Tensor = self.net(data)["atomic_energy"][:, 0]
        return atomic.new_zeros(graph.cells.shape[0]).index_add(0, graph.owners, atomic)


def load_sevennet(name: str) -> SevenNet:
    """Load the SevenNet `0` or `l3i5` of its package, or `tiny`; or raise `WeightsError`."""
    state, card = load_shipped("sevennet", name)
    with warnings.catch_warnings():
        # e3nn and sevenn compile their parts with it, which is deprecated.
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.")
        from sevenn import checkpoint as of_sevenn

        # The checkpoint would unpickle its file itself.
        checkpoint, complete = of_sevenn.SevenNetCheckpoint(name), cast(Any, of_sevenn)
        checkpoint._config_original = state["config"]
        checkpoint._config = complete._config_cp_routine(copy.deepcopy(state["config"]))
        checkpoint._model_state_dict = state["model_state_dict"]
        checkpoint._loaded = True
        with torch.random.fork_rng(devices=()):  # weights are drawn, then replaced
            return SevenNet(checkpoint.build_model().float(), card, checkpoint.config)


def state_of(model: SevenNet) -> dict[str, Any]:
    """Return a SevenNet as a checkpoint of the installed version of sevenn."""
    from sevenn import __version__

    config = {**model.config, "version": __version__}
    weights = {name: value.clone() for name, value in model.net.state_dict().items()}
    return {"config": config, "model_state_dict": weights, "epoch": 0}
