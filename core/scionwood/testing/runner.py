"""Run the checks: one pytest id each, or one after the other for the command line."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Literal

from scionwood.errors import PluginError
from scionwood.plugin import Plugin
from scionwood.testing.checks import adapters, backbones, data, documentation, readers, recipes
from scionwood.testing.checks import files as adapter_files
from scionwood.testing.checks import static
from scionwood.testing.rules import Check, CheckFailure, NothingToCheck

if TYPE_CHECKING:
    import pytest

CHECKS: tuple[Check, ...] = (
    static.check_light_import,
    static.check_names,
    static.check_references_import,
    static.check_kinds,
    documentation.check_docstrings,
    documentation.check_signatures,
    backbones.check_backbones_build_offline,
    backbones.check_backbones_are_seeded,
    backbones.check_backbones_describe_themselves,
    adapters.check_attach_is_identity,
    adapters.check_only_adapter_trains,
    adapters.check_every_trainable_tensor_gets_a_gradient,
    adapters.check_base_is_untouched_by_a_step,
    adapters.check_merge_equals_unmerged,
    adapter_files.check_adapter_survives_a_fresh_process,
    readers.check_readers_read_their_sample,
    readers.check_readers_refuse_damage,
    readers.check_readers_rewrite,
    readers.check_readers_write_whole_or_not_at_all,
    data.check_data_is_seeded,
    data.check_data_splits_are_disjoint,
    recipes.check_recipes_are_complete,
    recipes.check_recipes_parse_strictly,
    recipes.check_recipes_run,
    recipes.check_loss_falls,
)
"""Every check, cheap ones first."""


@dataclass(frozen=True)
class Outcome:
    """What one check found.

    Attributes:
        check: its name.
        status: `nothing` where the plugin has nothing that the rule is about.
        reason: the problems, one a line, or what there was nothing of.
        seconds: wall time.
    """

    check: str
    status: Literal["passed", "failed", "nothing"]
    reason: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the plugin breaks the rule."""
        return self.status == "failed"


def run_checks(
    plugin: Plugin, progress: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Run every check, whatever the earlier ones found.

    Args:
        plugin: the record.
        progress: called with each outcome as soon as it is known.
    """
    outcomes = []
    for check in CHECKS:
        outcomes.append(_outcome(check, plugin))
        if progress is not None:
            progress(outcomes[-1])
    return outcomes


def parametrize_with_checks(
    *plugins: Plugin, expected_failures: Mapping[str, str] | None = None
) -> pytest.MarkDecorator:
    """Parametrize a test's argument `check` with every check, one pytest id each.

    A check can be expected to fail, with a reason, and then must fail; none can be left out.

    Args:
        plugin: the record that the test passes to each check.
        expected_failures: the reason by the check's name.

    Raises:
        PluginError: an expected failure names no check, or gives no reason.
    """
    import pytest

    expected = dict(expected_failures or {})
    _validate(expected)

    def parameter(check: Check) -> object:
        name = check.__name__
        if name not in expected:
            return pytest.param(_skipping(check), id=name)
        return pytest.param(
            _failing_only(check), id=name, marks=pytest.mark.xfail(reason=expected[name], strict=True)
        )

    return pytest.mark.parametrize("check", [parameter(check) for check in CHECKS])
