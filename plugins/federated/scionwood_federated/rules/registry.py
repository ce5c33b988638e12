"""The rules by name, and what each needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import getfullargspec
from typing import Any, NamedTuple

from scionwood_federated.rules.averages import exact, factors, frozen_a
from scionwood_federated.rules.pooled import Pooled
from scionwood_federated.rules.robust import median, trimmed
from scionwood_federated.update.record import FederationError, Site, Update


class Rule(NamedTuple):
    """A rule, and what it needs.

    Attributes:
        function: `(updates, weights, like) -> Pooled`.
        additive: whether a sum of all updates is enough, as secure sums and encryption give it.
        mixed: whether the ranks of the sites may differ.
    """

    function: Callable[..., Pooled]
    additive: bool
    mixed: bool


RULES: dict[str, Rule] = {
    "exact": Rule(exact, additive=False, mixed=True),
    "frozen_a": Rule(frozen_a, additive=True, mixed=False),
    "median": Rule(median, additive=False, mixed=True),
    "trimmed": Rule(trimmed, additive=False, mixed=True),
    "factors": Rule(factors, additive=True, mixed=False),
}


def weights_of(updates: Sequence[Update], largest: int | None = None) -> list[float]:
    """Return the share of each site by its number of samples.

    Args:
        updates: the updates.
        largest: the largest number of samples that a site may claim; `None` means ten times the
            median, of two middle counts the lower.

    Raises:
        FederationError: a site has no samples, or claims more than `largest`.
    """
    sites = [update.about for update in updates]
    check_samples(sites, largest)
    total = sum(site.samples for site in sites)
    return [site.samples / total for site in sites]


def check_samples(sites: Sequence[Site], largest: int | None = None) -> None:
    """Check the numbers of samples that sites claim.

    Args:
        sites: the records of the sites.
        largest: see `weights_of`.

    Raises:
        FederationError: see `weights_of`.
    """
    counts = sorted(site.samples for site in sites)
    # The lower of two middle counts: of two sites, the larger one would allow itself anything.
    limit = largest if largest is not None else 10 * counts[(len(counts) - 1) // 2]
    for site in sites:
        if site.samples < 1:
            raise FederationError(f"site {site.site}", "it trained on no samples", "Leave it out")
        if site.samples > limit:
            rule = f"it claims {site.samples} samples, and the most is {limit}"
            remedy = "If that is right, allow it: --most-samples N"
            raise FederationError(f"site {site.site}", rule, remedy)


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Check the name of a rule and its options, before anything is trained or summed.

    Args:
        name: the name of the rule.
        options: its options, such as `share` of trimmed.

    Raises:
        FederationError: no rule has this name, it has no such option, or a value is of another
            kind.
    """
    if name not in RULES:
        choices = ", ".join(RULES)
        raise FederationError(f"rule {name!r}", "no rule has this name", f"Choose: {choices}")
    names = getfullargspec(RULES[name].function).kwonlyargs
    for key, value in options.items():
        if key not in names:
            rule = f"the rule {name} has no such option"
            raise FederationError(f"option {key!r}", rule, f"It has: {', '.join(names) or 'none'}")
        if type(value) not in (int, float):
            raise FederationError(f"option {key}", f"{value!r:.60} is no number", "Give one")


def apply(
    name: str, updates: Sequence[Update], weights: Sequence[float], like: Update, **options: Any
) -> Pooled:
    """Pool updates by the rule of a name.

    Args:
        name: one of `RULES`.
        updates: the updates, which were checked against each other.
        weights: their weights, which sum to one.
        like: gives the rank and the scale of the result.
        options: of the rule, such as `share` of trimmed.

    Raises:
        FederationError: see `check_options`, or the rule refuses the updates.

    Example:
        >>> from scionwood_federated import apply, update_of
        >>> update = update_of("seismic/denoise", samples=1)
        >>> apply("exact", [update] * 2, [0.5, 0.5], update).lost < 1e-9
        True
    """
    check_options(name, options)
    return RULES[name].function(updates, weights, like, **options)
