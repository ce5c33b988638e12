"""Crystals that the frozen base labels, and the drift that a fit leaves on others."""

import numpy as np
import pytest
import torch

from scionwood import RecipeError
from scionwood_atoms.data.files import Files
from scionwood_atoms.data.replay import DRIFT, REPLAY, crystals, replay_structures
from scionwood_atoms.evaluation.drift import Probe, described
from scionwood_atoms.model.graph import joined
from scionwood_atoms.tasks.potential import PotentialTask

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_fit_starts_without_loss_on_replay(tiny):
    task = PotentialTask(tiny, stress_weight=257.0).eval()
    losses = task.losses(joined(replay_structures(tiny, 4, seed=0)))
    assert float(losses["loss"]) < 1e-8
    assert float(losses["stress"]) < 1e-12


def test_replay_is_added_to_the_training_alone(tmp_path, shaken, label):
    path = label(tmp_path / "a.xyz", shaken("H2O", "CH4", "CH3OH"))
    data = Files(source=str(path), base="sevennet/tiny", replay=3, batch_size=20)
    data.setup("fit")
    (train,), (val,) = data.train_dataloader(), data.val_dataloader()
    assert len(train.energy) == 10 + 3
    assert int((~train.stress.isnan()).all(2).all(1).sum()) == 3
    assert len(val.energy) == 1
    with pytest.raises(RecipeError, match=r"data\.replay -1"):
        replay_structures(torch.nn.Identity(), -1, 0)  # type: ignore[arg-type]


def test_drift_is_measured_on_compounds_that_replay_lacks():
    names = [{row.split()[0] for row in lattices.split(",")} for lattices in (DRIFT, REPLAY)]
    assert not names[0] & names[1]
    known = frozenset(range(1, 95))
    assert [str(one.symbols) for one in crystals(DRIFT, 12, 5, known)][:3] == ["NaClNaCl"] * 2 + [
        "Si4"
    ]
    assert len({str(one.symbols) for one in crystals(REPLAY, len(names[1]), 0, known)}) == 23


def test_drift_is_zero_before_and_grows_with_the_change(tiny):
    from scionwood_atoms.backbones import sevennet

    moved = sevennet().eval()
    probe = Probe(moved)
    assert probe.drift(moved)["crystals"]["force"] == 0
    with torch.no_grad():
        for weight in moved.parameters():
            weight.mul_(1.1)
    found = probe.drift(moved)
    assert found["crystals"]["structures"] == 12
    assert min(found["crystals"][name] for name in ("force", "energy", "stress")) > 0
    assert np.isfinite(found["dimers"]["C-C at 0.75 A"]).all()


def test_dimers_that_a_fit_pulls_together_are_named():
    card = {
        "validation": {"energy": None, "force": None, "stress": None},
        "crystals": {"structures": 0},
        "dimers": {"O-H at 0.5 A": [161.0, -3.0], "C-C at 0.75 A": [357.0, 321.0]},
    }
    text = described(card)
    assert "O-H at 0.5 A: the base pushes the atoms apart with 161 eV/A" in text
    assert "C-C" not in text
