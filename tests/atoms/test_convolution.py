"""Tests of the convolution of SevenNet."""

import pytest
from ase.build import molecule

from scionwood_atoms.backbones import sevennet
from scionwood_atoms.model import sevennet as module
from scionwood_atoms.model.graph import batch

# e3nn warns about what it will drop.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    "model",
    [
        "tiny",
        pytest.param("0", marks=pytest.mark.slow),
        pytest.param("l3i5", marks=pytest.mark.slow),
    ],
)
def test_it_computes_what_the_layer_of_sevenn_computes(model, monkeypatch):
    """Energies, forces, virial and the gradients of a force loss by all weights are the same."""
    fast = sevennet(model=model).train()  # type: ignore[arg-type]
    monkeypatch.setattr(module, "Convolution", lambda layer: layer)
    slow = sevennet(model=model).train()  # type: ignore[arg-type]
    graph = batch([fast.graph(molecule(name)) for name in ("CH3CH2OH", "H", "H2O")])
    results, gradients = [], []
    for net in (fast, slow):
        found = net(*graph)
        found.forces.square().sum().backward()
        results.append([one.detach() for one in found])
        gradients.append([one.grad for one in net.parameters() if one.grad is not None])
    assert list(fast.state_dict()) == list(slow.state_dict())
    assert len(gradients[0]) == len(gradients[1]) > 0
    for one, other in (*zip(*results, strict=True), *zip(*gradients, strict=True)):
        assert (one - other).abs().max() <= 1e-5 * max(1.0, float(other.abs().max()))
