"""Whether updates fit together, asked before any of them is summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scionwood_federated.rules.low_rank import pair_names, rank_of
from scionwood_federated.rules.registry import RULES
from scionwood_federated.update.folder import digest_of
from scionwood_federated.update.record import (
    FederationError,
    Site,
    Update,
    folded,
    poolable,
    variants,
)

_SAME = {
    "base": ("base", "Give all sites the same base: the same weights, size and dtype"),
    "recipe": ("recipe", "Let all sites train by one recipe file"),
    "own": ("list of own options", "Let all sites train by one recipe file"),
    "preprocessing": ("preprocessing", "Give the options of the data that differ: --own NAME"),
    "round": ("round number", "Ask the site for its update of this round"),
    "start": ("start", "Let all sites train from the same folder: fit --start"),
}
_FREE = {"r", "lora_alpha", "rank_pattern", "alpha_pattern", "inference_mode", "peft_version"}


def check_together(updates: Sequence[Update], rule: str, start: Update | None = None) -> None:
    """Check that a rule can pool updates.

    Args:
        updates: the updates of the sites.
        rule: the name of the rule.
        start: what the round started from, if it is at hand.

    Raises:
        FederationError: two sites have one name; a base, a recipe, the preprocessing, the round,
            the start, the method or the tensors differ; or the method cannot be pooled. The
            message names the site.
    """
    if rule not in RULES:
        choices = ", ".join(RULES)
        raise FederationError(f"rule {rule!r}", "no rule has this name", f"Choose: {choices}")
    check_records([update.about for update in updates])
    first = updates[0] if start is None else start
    _check_method(first, rule)
    for update in updates:
        check_against(update, rule, first)


def check_against(update: Update, rule: str, first: Update) -> None:
    """Check that an update fits a start, or another update; see `check_together`."""
    if first.about.site == "global":
        _check_start(update.about, first)
    _check_config(update, first, mixed=RULES[rule].mixed)
    _check_tensors(update, first, mixed=RULES[rule].mixed)
    _check_ranks(update)


def check_records(sites: Sequence[Site]) -> None:
    """Check that the records of updates fit together, without any tensor.

    Args:
        sites: the records.

    Raises:
        FederationError: there are fewer than two, two have one name, or a hash or a round differs.
    """
    if len(sites) < 2:
        raise FederationError(f"{len(sites)} updates", "pooling needs at least two", "Add another")
    _check_names(sites)
    for about in sites:
        _check_record(about, sites[0])


def _check_names(sites: Sequence[Site]) -> None:
    sites_by_name: dict[str, str] = {}
    for about in sites:
        name = folded(about.site)
        if name == "global":
            rule = "this name is that of what a round starts from"
            raise FederationError(f"site {about.site}", rule, "Rename it: --site")
        if name in sites_by_name:
            rule = f"two updates come from it ({sites_by_name[name]!r} and {about.site!r})"
            raise FederationError(f"site {about.site}", rule, "Keep the newer update of the two")
        sites_by_name[name] = about.site


def _check_record(about: Site, first: Site) -> None:
    for key, (what, remedy) in _SAME.items():
        mine, other = getattr(about, key), getattr(first, key)
        if mine != other:
            rule = f"its {what} is not that of site {first.site} ({_short(mine)}, {_short(other)})"
            raise FederationError(f"site {about.site}", rule, remedy)


def _check_start(about: Site, start: Update | None) -> None:
    if start is None:
        return
    value = f"site {about.site}"
    if about.round != start.about.round + 1:
        rule = (
            f"its round is {about.round}, and this start is that of round {start.about.round + 1}"
        )
        raise FederationError(value, rule, "Give the start of the same round")
    if about.start != digest_of(start):
        raise FederationError(value, "it started from other weights", "Train it again from --start")
    keys = ("base", "recipe", "preprocessing")
    check_same(start.about, about, keys, value, "Let it train by the recipe of the start")


def check_same(one: Site, other: Site, keys: Sequence[str], value: str, remedy: str) -> None:
    """Check that two records agree in some keys.

    Raises:
        FederationError: they do not.
    """
    for key in keys:
        if getattr(one, key) != getattr(other, key):
            raise FederationError(value, f"its {key} is another than expected", remedy)


def _kind(update: Update) -> str:
    return str(getattr(update.config.peft_type, "value", update.config.peft_type))


def _check_method(first: Update, rule: str) -> None:
    kind = _kind(first)
    if poolable(first.config) == "no":
        name = f"{kind} with {options[0]}" if (options := variants(first.config)) else kind
        fact = "averages of its parameters mean nothing"
        raise FederationError(f"method {name}", fact, "Use lora without variants, or ia3")


def _check_config(update: Update, first: Update, *, mixed: bool) -> None:
    mine, other = _options(update), _options(first)
    for key in sorted(mine.keys() | other.keys()):
        # These follow from the rank, which some rules let differ.
        if key in _FREE and mixed:
            continue
        if mine.get(key) != other.get(key):
            rule = (
                f"its adapter has {key}={mine.get(key)!r:.60}, another has {other.get(key)!r:.60}"
            )
            remedy = "Let all sites train by one recipe file"
            if key in _FREE:
                remedy = "Use the rule exact, which pools several ranks"
            raise FederationError(f"site {update.about.site}", rule, remedy)


def _options(update: Update) -> dict[str, Any]:
    options = update.config.to_dict()
    for key in ("inference_mode", "peft_version", "base_model_name_or_path", "revision"):
        options.pop(key, None)
    return {k: sorted(v) if isinstance(v, set) else v for k, v in options.items()}


def _check_tensors(update: Update, first: Update, *, mixed: bool) -> None:
    value = f"site {update.about.site}"
    parts = [("adapter", update.adapter, first.adapter)]
    if update.head or first.about.site != "global":
        parts.append(("head", update.head, first.head))
    for part, mine, other in parts:
        if wrong := sorted(mine.keys() ^ other.keys()):
            verb = "has" if wrong[0] in mine else "lacks"
            rule = f"its {part} {verb} {wrong[0]!r:.120}"
            raise FederationError(value, rule, "Ask for the folder that `round` wrote")
        free = _rank_axes(update) if mixed and part == "adapter" else {}
        for name, tensor in mine.items():
            if _shape(tensor.shape, free.get(name)) != _shape(other[name].shape, free.get(name)):
                shapes = f"{tuple(tensor.shape)}, not {tuple(other[name].shape)}"
                rule = f"{name:.120} has the shape {shapes}"
                raise FederationError(value, rule, "Let all sites train by one recipe file")


def _check_ranks(update: Update) -> None:
    """Check that the config of a LoRA states the ranks of its tensors, which give the scale."""
    if _kind(update) != "LORA":
        return
    for module, (a, _) in pair_names(update.adapter).items():
        config_rank, has = rank_of(update.config, module), len(update.adapter[a])
        if config_rank != has:
            rule = f"its config states the rank {config_rank} for {module:.120}, "
            rule += f"whose tensor has {has}"
            remedy = "Ask for the folder that `round` wrote"
            raise FederationError(f"site {update.about.site}", rule, remedy)


def _rank_axes(update: Update) -> dict[str, int]:
    out = {}
    for a, b in pair_names(update.adapter).values():
        out.update({a: 0, b: 1})
    return out


def _shape(shape: Sequence[int], free: int | None) -> tuple[int, ...]:
    return tuple(n for axis, n in enumerate(shape) if axis != free)


def _short(value: object) -> str:
    return str(value)[:12] or "none"
