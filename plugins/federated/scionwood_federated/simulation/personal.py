"""The model that a site uses itself: what its own validation data choose.

A site has three things after the rounds: the global adapter, the adapter that it trained alone,
and its own data. It mixes the two adapters (`interpolate`, after APFL, arXiv 2003.13461), or it
trains a second, local adapter beside the frozen global one (`adapter`, after Med-DualLoRA, arXiv
2603.10967).
Neither the mix nor the local adapter ever leaves the site. The global adapter and the one trained
alone are always among the candidates, so that a site keeps its own where joining does not help it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from scionwood_federated.rules.averages import exact
from scionwood_federated.rules.low_rank import compressed, others, stacked
from scionwood_federated.rules.pooled import Pooled, place, size_of, stacks
from scionwood_federated.schedule import Personal
from scionwood_federated.simulation.model import SharedModel
from scionwood_federated.simulation.sites import SiteData
from scionwood_federated.update.record import FederationError, Update

MIXES = (0.25, 0.5, 0.75)
"""The shares of the site's own adapter in a mix."""

PARTS = 4
"""How often the training of the local adapter is scored; it stops where it was best."""


class Choice(NamedTuple):
    """What a site chose.

    Attributes:
        name: of the candidate, such as `global` or `mix 0.50`.
        validation: its score on the site's validation data.
        weights: the adapter and the head, of the rank of the recipe.
    """

    name: str
    validation: float
    weights: Pooled


def candidates(
    model: SharedModel,
    site: SiteData,
    everyone: Update,
    alone: Update,
    start: Update,
    kind: Personal,
    steps: int,
    seed: int,
) -> list[Choice]:
    """Return the models that a site may use, from the global one to the one trained alone.

    Args:
        model: the model, whose weights are those of the last candidate afterwards.
        site: the site, whose validation data score each candidate.
        everyone: the global weights.
        alone: the weights that the site trained alone.
        start: the weights before the first round, from which a local adapter starts.
        kind: see `Personal`.
        steps: of the local adapter.
        seed: of its training.

    Raises:
        FederationError: a local adapter is asked for, and the method is no LoRA.
    """
    choices = [Choice("global", 0.0, _pooled(everyone))]
    if kind != "adapter":
        for share in MIXES:
            mix = exact([everyone, alone], [1 - share, share], everyone)
            choices.append(Choice(f"mix {share:.2f}", 0.0, mix))
    if kind != "interpolate":
        choices += _local(model, site, everyone, start, steps, seed)
    choices.append(Choice("alone", 0.0, _pooled(alone)))
    loader, scored = site.data.val_dataloader(), []
    for choice in choices:
        model.put(choice.weights.adapter, choice.weights.head)
        scored.append(choice._replace(validation=model.score(loader)))
    return scored


def pick(scored: Sequence[Choice], kind: Personal, *, higher: bool) -> Choice:
    """Return the best candidate; or, where the kind is `shared`, the most shared good one.

    A model that is as good as the site's own on its own data costs it nothing, and the more of it
    is shared, the more it knows of the data of others.

    Args:
        scored: the candidates, from the global one to that which was trained alone.
        kind: see `Personal`.
        higher: whether a larger score is better.
    """
    sign = 1.0 if higher else -1.0
    if kind == "shared":
        own = sign * scored[-1].validation
        return next(choice for choice in scored if sign * choice.validation >= own)
    return max(scored, key=lambda choice: sign * choice.validation)


def _local(
    model: SharedModel, site: SiteData, everyone: Update, start: Update, steps: int, seed: int
) -> Iterator[Choice]:
    """Train a local adapter with the global one in the frozen weights; yield both as one."""
    parts = stacks([everyone])
    if everyone.config.peft_type.value != "LORA":
        rule = "its product is not the change of the weight, so nothing can be added to the base"
        raise FederationError(f"personal adapter of {site.name}", rule, "Use interpolate")
    shared = {module: stacked(pairs, [1.0]) for module, pairs in parts.items()}
    local, batches = replace(start, head=everyone.head), site.batches()
    for part in range(PARTS):
        with model.shifted(shared):
            model.put(local.adapter, local.head)
            model.train(batches, max(1, steps // PARTS), seed + part, site.home())
            local = model.state(site.name, site.samples(), steps, 1)
        yield Choice(f"global and local, {part + 1} of {PARTS}", 0.0, _sum(everyone, local))


def _sum(everyone: Update, local: Update) -> Pooled:
    """Return the sum of two adapters in the rank of the recipe, with the head of the local one."""
    results, lost = {}, []
    for module, pairs in stacks([everyone, local]).items():
        results[module], energy = compressed(*stacked(pairs, [1.0, 1.0]), *size_of(local, module))
        lost.append(energy)
    adapter = place(local, results, others(local))
    return Pooled(adapter, local.head, sum(lost) / len(lost), (local.about.site,))


def _pooled(update: Update) -> Pooled:
    return Pooled(update.adapter, update.head, 0.0, (update.about.site,))
