"""Each rule is held against the sum that it claims to be, on matrices."""

from __future__ import annotations

import re
import warnings

import pytest
import torch
from case_table import table

from scionwood_federated import (
    RULES,
    FactorMeanWarning,
    FederationError,
    Update,
    apply,
    exact,
)
from scionwood_federated.engines.plan import NetPlan
from scionwood_federated.rules.low_rank import dense, pairs
from scionwood_federated.rules.pooled import Pooled
from scionwood_federated.rules.registry import weights_of
from scionwood_federated.update.together import check_records


def products(update: Update) -> dict[str, torch.Tensor]:
    return {name: dense(pair) for name, pair in pairs(update).items()}


def as_update(pooled: Pooled, like: Update) -> Update:
    return Update(like.about, like.config, pooled.adapter, pooled.head)


def wanted(updates: list[Update], weights: list[float]) -> dict[str, torch.Tensor]:
    each = [products(update) for update in updates]
    return {
        name: sum(w * one[name] for w, one in zip(weights, each, strict=True)) for name in each[0]
    }


def error(got: dict[str, torch.Tensor], want: dict[str, torch.Tensor]) -> float:
    return max(float((got[k] - want[k]).norm() / want[k].norm()) for k in want)


def test_exact_is_the_weighted_mean_of_the_products_of_mixed_ranks(make):
    updates = [make(n, r=r, alpha=2 * r + n) for n, r in enumerate((4, 8, 16))]
    weights = [1 / 6, 2 / 6, 3 / 6]
    like = make(9, r=28)
    pooled = exact(updates, weights, like)
    assert pooled.lost < 1e-12
    assert error(products(as_update(pooled, like)), wanted(updates, weights)) < 1e-6
    mean = sum(w * u.head["head.weight"] for w, u in zip(weights, updates, strict=True))
    torch.testing.assert_close(pooled.head["head.weight"], mean)


def test_exact_at_a_smaller_rank_is_the_best_of_that_rank_and_says_what_it_lost(make):
    updates, weights = [make(n) for n in range(5)], [0.2] * 5
    pooled = exact(updates, weights, updates[0])
    got = products(as_update(pooled, updates[0]))
    lost = []
    for name, want in wanted(updates, weights).items():
        u, s, v = torch.linalg.svd(want)
        best = u[:, :4] * s[:4] @ v[:4]
        torch.testing.assert_close(got[name], best, rtol=1e-5, atol=1e-5)
        lost.append(1 - float(s[:4].square().sum() / s.square().sum()))
    assert pooled.lost == pytest.approx(sum(lost) / len(lost))
    assert pooled.lost > 0.05


def test_a_direction_that_nobody_used_can_still_train(make):
    update = make(0)
    still = {k: torch.zeros_like(v) if "lora_B" in k else v for k, v in update.adapter.items()}
    quiet = Update(update.about, update.config, still, update.head)
    pooled = exact([quiet, quiet], [0.5, 0.5], quiet)
    for name, value in pooled.adapter.items():
        rows = value.flatten(1).norm(dim=1)
        assert bool((rows > 0).all()) == ("lora_A" in name)


def test_the_mean_of_factors_is_wrong_and_warns(make):
    updates, weights = [make(n) for n in range(3)], [1 / 3] * 3
    with pytest.warns(FactorMeanWarning, match="Use the rule exact"):
        pooled = apply("factors", updates, weights, updates[0])
    assert error(products(as_update(pooled, updates[0])), wanted(updates, weights)) > 0.3


@table("same", ["lora_A", "lora_B"])
def test_rules_that_need_sums_only_are_exact_where_a_factor_stood_still(make, same):
    first = make(0)
    updates = []
    for n in range(3):
        other = make(n)
        tensors = {k: first.adapter[k] if same in k else v for k, v in other.adapter.items()}
        updates.append(Update(other.about, other.config, tensors, other.head))
    weights = [0.5, 0.25, 0.25]
    if same == "lora_B":
        with pytest.raises(FederationError, match="site0 and site1"):
            apply("frozen_a", updates, weights, first)
        return
    pooled = apply("frozen_a", updates, weights, first)
    assert error(products(as_update(pooled, first)), wanted(updates, weights)) < 1e-6


@table("rule", ["median", "trimmed", "exact"])
def test_counters_of_a_head_are_rounded(make, rule):
    updates = [
        Update(u.about, u.config, u.adapter, {**u.head, "norm.seen": torch.tensor(count)})
        for u, count in zip(map(make, range(4)), [1, 2, 3, 5], strict=True)
    ]
    pooled = apply(rule, updates, [0.25] * 4, updates[0])
    assert pooled.head["norm.seen"] == (2 if rule == "median" else 3)


@table("rule", ["median", "trimmed"])
def test_one_absurd_site_moves_robust_rules_little_and_the_mean_far(make, rule):
    base = make(0)
    near = []
    for n in range(6):
        noise = make(n + 1)
        tensors = {k: v + 0.02 * noise.adapter[k] for k, v in base.adapter.items()}
        near.append(Update(noise.about, base.config, tensors, base.head))
    bad = {k: 30 * v for k, v in make(99).adapter.items()}
    updates = [*near[:5], Update(near[5].about, base.config, bad, base.head)]
    weights = [1 / 6] * 6
    kept = error(products(as_update(apply(rule, updates, weights, base), base)), products(base))
    moved = error(products(as_update(exact(updates, weights, base), base)), products(base))
    assert kept < 0.3 < 10 < moved


def test_samples_are_weights_within_a_limit(make):
    assert weights_of([make(0, samples=30), make(1, samples=10)]) == [0.75, 0.25]
    others = [make(0), make(1)]
    for sent, word in (
        ([*others, make(2, "loud", samples=0)], "no samples"),
        ([*others, make(2, "loud", samples=10**9)], "the most is 100"),
        ([make(0), make(1, "loud", samples=10**9)], "the most is 100"),  # nor the larger of two
    ):
        with pytest.raises(FederationError, match=f"site loud.*{word}"):
            weights_of(sent)


@pytest.mark.parametrize("other", ["ZU\u0308RICH ", "\uff3aürich"])
def test_one_site_in_other_letters_is_one_site(make, other):
    check_records([make(0, "Zürich").about, make(1, "Basel").about])
    with pytest.raises(FederationError, match="two updates come from it"):
        check_records([make(0, "Zürich").about, make(1, other).about])
    with pytest.raises(FederationError, match="that of what a round starts from"):
        check_records([make(0, "Global").about, make(1, other).about])
    with pytest.raises(FederationError, match="no two are alike"):
        NetPlan(sites=("Zürich", other.strip()))


@table(
    ("rule", "options", "words"),
    [
        ("mean", {}, "no rule has this name"),
        ("trimmed", {"evil": 1}, "'evil': the rule trimmed has no such option. It has: share"),
        ("exact", {"bad": 1}, "It has: none"),
        ("trimmed", {"share": "much"}, "'much' is no number"),
        ("trimmed", {"share": float("nan")}, "it must be from 0 to below 0.5"),
    ],
)
def test_wrong_options_of_a_rule_are_refused(make, rule, options, words):
    updates = [make(n) for n in range(5)]
    with pytest.raises(FederationError, match=re.escape(words)):
        apply(rule, updates, [0.2] * 5, updates[0], **options)


def test_every_rule_keeps_names_shapes_and_kinds(make):
    updates = [make(n) for n in range(5)]
    for name in RULES:
        if name == "frozen_a":
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FactorMeanWarning)
            pooled = apply(name, updates, [0.2] * 5, updates[0])
        for key, value in updates[0].adapter.items():
            assert pooled.adapter[key].shape == value.shape
            assert pooled.adapter[key].dtype == value.dtype
