"""The options that every federation has: its rounds and its rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

RuleName = Literal["exact", "frozen_a", "median", "trimmed", "factors"]
Regime = Literal["alone", "federated", "personal", "pooled", "pooled_equal"]
"""`pooled_equal` is pooled data for the steps of one site, and `pooled` for those of all."""
Personal = Literal["none", "head", "adapter", "interpolate", "chosen", "shared"]
"""What stays at a site: its head in each round; or, after the rounds, a second adapter, a mix with
the adapter that it trained alone, the best of all of them on its validation data, or the most
shared of them that is as good there as the one trained alone."""


@dataclass(frozen=True)
class Schedule:
    """The rounds of a federation.

    Attributes:
        rounds: the number of rounds.
        steps: optimiser steps of each site in a round.
        rule: how to pool. The rule factors is a baseline that is known to be wrong.

    Example:
        >>> from scionwood_federated import Schedule
        >>> Schedule(rounds=3).rule
        'exact'
    """

    rounds: int = 15
    steps: int = 12
    rule: RuleName = "exact"


@dataclass(frozen=True)
class Plan(Schedule):
    """What a simulation does.

    Attributes:
        personal: what stays at the sites; but for head, each site's own validation data choose it.
        proximal: the weight mu of FedProx, which holds a site to the start of its round; 0 is none.
        score_every: rounds between two scores.
        most_samples: the largest number of samples that a site may claim.
        options: of the rule, such as '{share: 0.1}' for trimmed.

    Example:
        >>> from scionwood_federated import Plan
        >>> Plan(rounds=2, steps=1).score_every
        5
    """

    personal: Personal = "none"
    proximal: float = 0.0
    score_every: int = 5
    most_samples: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NetOptions(Schedule):
    """What a federation over a network does.

    Attributes:
        seed: the seed of the training.
        least: the fewest sites with which a round closes.
        timeout: seconds that a round waits for the sites.
        most_samples: the largest number of samples that a site may claim; 0 means ten times the
            median.

    Example:
        >>> from scionwood_federated import NetOptions
        >>> NetOptions(least=3).timeout
        3600.0
    """

    seed: int = 0
    least: int = 2
    timeout: float = 3600.0
    most_samples: int = 0
