"""Run the checks: as pytest cases with one id each, or in turn on the command line."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Literal

from scionwood.errors import PluginError
from scionwood.plugins.discovery import did_you_mean
from scionwood.plugins.plugin import Plugin
from scionwood_kit.checks import (
    adapters,
    backbones,
    behaviour,
    data,
    documentation,
    examples,
    exports,
    layout,
    naming,
    pairs,
    readers,
    recipes,
    runs,
    services,
    static,
    trainer,
    vocabulary,
)
from scionwood_kit.checks import files as adapter_files
from scionwood_kit.rules import Check, CheckAdvice, CheckFailure, NothingToCheck

if TYPE_CHECKING:
    import pytest

CHECKS: tuple[Check, ...] = (
    static.check_light_import,
    static.check_names,
    static.check_references_import,
    static.check_kinds,
    layout.check_layout,
    naming.check_filler_names,
    vocabulary.check_vocabulary,
    documentation.check_docstrings,
    documentation.check_signatures,
    examples.check_examples,
    backbones.check_backbones_build_offline,
    backbones.check_backbones_are_seeded,
    backbones.check_backbones_describe_themselves,
    adapters.check_attach_is_identity,
    adapters.check_only_adapter_trains,
    adapters.check_trainable_tensors_get_gradients,
    adapters.check_base_is_untouched_by_a_step,
    adapters.check_merge_equals_unmerged,
    adapter_files.check_adapter_survives_a_fresh_process,
    exports.check_exports,
    readers.check_readers_read_their_sample,
    readers.check_readers_refuse_damage,
    readers.check_readers_rewrite,
    readers.check_readers_write_all_or_nothing,
    data.check_data_is_seeded,
    data.check_data_splits_are_disjoint,
    data.check_data_resumes_exactly,
    trainer.check_trainer_parts_build,
    trainer.check_trainer_parts_run,
    recipes.check_recipes_are_complete,
    recipes.check_recipes_parse_strictly,
    recipes.check_recipes_run,
    recipes.check_loss_falls,
    runs.check_shipped_runs,
    behaviour.check_probes,
    pairs.check_pairs,
    services.check_services,
    services.check_services_refuse_damage,
)
"""Every check, cheap ones first."""


Status = Literal["passed", "failed", "nothing"]
"""`nothing` means that the rule does not concern the plugin."""


@dataclass(frozen=True)
class Outcome:
    """The result of one check.

    Attributes:
        check: the name of the check.
        status: whether the plugin keeps the rule.
        reason: the errors, one per line, or the reason why there was nothing to check.
        seconds: wall time.
        advice: what the check advises, one problem per line.
    """

    check: str
    status: Status
    reason: str = ""
    seconds: float = 0.0
    advice: str = ""

    @property
    def failed(self) -> bool:
        """Return whether the plugin breaks the rule."""
        return self.status == "failed"


def run_checks(plugin: Plugin, progress: Callable[[Outcome], None] | None = None) -> list[Outcome]:
    """Run every check, also after a failure.

    Args:
        plugin: the record.
        progress: a function that is called with each outcome as soon as it is known.

    Returns:
        One outcome for each check, in the order of `CHECKS`.
    """
    outcomes = []
    for check in CHECKS:
        outcomes.append(_outcome(check, plugin))
        if progress is not None:
            progress(outcomes[-1])
    return outcomes


def parametrize_with_checks(
    plugin: Plugin, expected_failures: Mapping[str, str] | None = None
) -> pytest.MarkDecorator:
    """Parametrize a test's argument `check` with every check, one pytest id each.

    A check can be expected to fail, with a reason. It must then fail, or advise something. No
    check can be left out. Other advice becomes a warning of the category `CheckAdvice`.

    Args:
        plugin: the record, which the test passes to each check.
        expected_failures: the reason by the name of the check.

    Raises:
        PluginError: `plugin` is not a record, or an expected failure has an unknown name or no
            reason.
    """
    import pytest

    if not isinstance(plugin, Plugin):
        remedy = "Give the instance that the entry point names"
        raise PluginError(f"a {type(plugin).__name__}", "checks run on a scionwood.Plugin", remedy)
    expected = dict(expected_failures or {})
    _validate(plugin, expected)
    parameters = []
    for check in CHECKS:
        name = check.__name__
        if name in expected:
            marks = [pytest.mark.xfail(reason=expected[name], strict=True)]
            parameters.append(pytest.param(_passing(check), id=name, marks=marks))
        else:
            parameters.append(pytest.param(_skipping(check), id=name))
    return pytest.mark.parametrize("check", parameters)


def _outcome(check: Check, plugin: Plugin) -> Outcome:
    start = time.monotonic()
    status, reason, advice = _result(check, plugin)
    return Outcome(check.__name__, status, reason, time.monotonic() - start, advice)


def _result(check: Check, plugin: Plugin) -> tuple[Status, str, str]:
    try:
        advice = check(plugin)
    except NothingToCheck as nothing:
        return "nothing", str(nothing), ""
    except CheckFailure as failure:
        return "failed", str(failure), "\n".join(map(str, failure.advice))
    except Exception as error:  # an error in the code of the plugin is a failure
        return "failed", f"{type(error).__name__}: {error}", ""
    return "passed", "", "\n".join(map(str, advice))


def _validate(plugin: Plugin, expected: Mapping[str, str]) -> None:
    check_names = [check.__name__ for check in CHECKS]
    for name, reason in expected.items():
        where = f"plugin {plugin.name!r}: expected failure {name!r}"
        if name not in check_names:
            remedy = did_you_mean(name, check_names) or f"Known: {', '.join(check_names)}"
            raise PluginError(where, "there is no such check", remedy)
        if not reason.strip():
            raise PluginError(where, "an expected failure has a reason", "Write it")


def _skipping(check: Check) -> Callable[[Plugin], None]:
    # pytest shows a check that has nothing to check as skipped, with the reason.
    @wraps(check)
    def run(plugin: Plugin) -> None:
        import pytest

        try:
            advice = check(plugin)
        except NothingToCheck as nothing:
            pytest.skip(f"nothing to check: {nothing}")
        for problem in advice:
            warnings.warn(CheckAdvice(f"{check.__name__}: {problem}"), stacklevel=2)

    return run


def _passing(check: Check) -> Callable[[Plugin], None]:
    # If a failure is expected, having nothing to check counts as a pass, hence as an error.
    @wraps(check)
    def run(plugin: Plugin) -> None:
        with suppress(NothingToCheck):
            if advice := check(plugin):
                raise CheckFailure(advice)

    return run
