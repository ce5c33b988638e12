"""The flag of parts that differ from the training parts, and the shipped network."""

from __future__ import annotations

import torch

from scionwood_crash.data.encode import Encoder
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


def test_too_few_parts_set_no_limit(part):
    encoder, novelty = Encoder(SIZES["tiny"]), Novelty(42)
    graphs = [encoder.encode(part("bumper", seed, 30.0)).graph for seed in range(12)]
    novelty.fit(graphs[:11])
    assert not float(novelty.limit)
    assert "fewer than 12 parts" in verdict(float(novelty.of(graphs[11])), 0.0)
    novelty.fit(graphs)
    assert float(novelty.limit) > 1
