"""The flag of parts that differ from the training parts, and the shipped network."""

from __future__ import annotations

import torch

from scionwood_crash.backbones import MaskMorphUNet
from scionwood_crash.data.encode import Encoder
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.evaluation.metrics import measure
from scionwood_crash.model import SIZES
from scionwood_crash.model.novelty import Novelty, verdict


def test_separates_an_unseen_family_from_new_parts_of_known_families(part):
    """The area under the ROC curve is at least 0.9."""
    encoder = Encoder(SIZES["tiny"])

    def graphs(families: tuple[str, ...], seeds: range) -> list:
        return [encoder.encode(part(f, seed, 18.0)).graph for f in families for seed in seeds]

    known = ("hat", "tube", "box")
    novelty = Novelty(42)
    assert not float(novelty.limit), "not measured"
    novelty.fit(graphs(known, range(25)))
    near = torch.cat([novelty.of(graph) for graph in graphs(known, range(100, 108))])
    far = torch.cat([novelty.of(graph) for graph in graphs(("bumper",), range(20))])
    auroc = (far[:, None] > near[None]).double().mean()
    assert float(auroc) > 0.9
    assert float((near <= novelty.limit).double().mean()) > 0.9


def test_sixteen_parts_suffice_to_recognise_their_family(part):
    """This holds on a finer mesh too. The limit comes from cross-validation over the 16 parts."""
    encoder, novelty = Encoder(SIZES["tiny"]), Novelty(42)
    novelty.fit([encoder.encode(part("bumper", seed, 20.0)).graph for seed in range(16)])
    new = [encoder.encode(part("bumper", seed, 12.0)).graph for seed in range(50, 60)]
    far = [encoder.encode(part("hat", seed, 20.0)).graph for seed in range(5)]
    assert sum(float(novelty.of(graph)) <= float(novelty.limit) for graph in new) >= 9
    assert all(float(novelty.of(graph)) > float(novelty.limit) for graph in far)


def test_too_few_parts_set_no_limit(part):
    encoder, novelty = Encoder(SIZES["tiny"]), Novelty(42)
    graphs = [encoder.encode(part("bumper", seed, 30.0)).graph for seed in range(12)]
    novelty.fit(graphs[:11])
    assert not float(novelty.limit)
    assert "fewer than 12 parts" in verdict(float(novelty.of(graphs[11])), 0.0)
    novelty.fit(graphs)
    assert float(novelty.limit) > 1


@torch.no_grad()
def test_the_shipped_network_predicts_a_new_tube():
    model = MaskMorphUNet(size="small", weights="shipped").eval()
    data = SuiteParts(families=["tube"], n_train=1, n_val=0, n_test=0, element_size=15.0, seed=9)
    encoded = Encoder(SIZES["small"]).encode(data.parts("train")[0])
    errors = measure(model(*encoded.graph), encoded.displacement, encoded.graph)
    assert float(errors["med_share"]) < 5, "percent of the maximum intrusion"
    assert float(errors["intrusion_error"]) < 15, "percent"
    assert float(model.novelty.of(encoded.graph)) < 1.5 * float(model.novelty.limit)
