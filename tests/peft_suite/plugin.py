"""A pytest plugin for peft's own `tests/test_custom_models.py`.

It keeps the rows of the parametrisation that a suite is about, and applies what the suite tests:

- `plain`: the rows of LoRA, nothing else changed.
- `fused`: the same rows; `scionwood.kernels.enable` runs after every wrapping of a model.
- `methods`: rows of the methods of the plugin `methods` in place of peft's.

The results go to the JSON file that `--peft-suite-out` names.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from peft.tuners.tuners_utils import BaseTuner

MODULE = "test_custom_models"
ROWS = ("TEST_CASES", "MULTIPLE_ACTIVE_ADAPTERS_TEST_CASES")
CLASSES = "ALL_PEFT_CONFIG_CLASSES"

results: dict[str, tuple[str, str]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--peft-suite", choices=("plain", "fused", "methods"), default="plain")
    parser.addoption("--peft-suite-out", type=Path)


def pytest_configure(config: pytest.Config) -> None:
    match config.getoption("--peft-suite"):
        case "fused":
            fuse_every_wrapping()
        case "methods":
            config.pluginmanager.register(Unsettled(), "unsettled")


def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> None:
    module = collector.getparent(pytest.Module).obj
    if module.__name__.endswith(MODULE) and not hasattr(module, "_selected"):
        module._selected = True
        select(module, collector.config.getoption("--peft-suite"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--peft-suite") != "methods":
        return
    ours = [item for item in items if "config_cls" in getattr(item, "callspec", _None).params]
    ours = [item for item in ours if _is_ours(item.callspec.params["config_cls"])]  # type: ignore[attr-defined]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(ours)])
    items[:] = ours


class _None:
    params: dict[str, object] = {}  # noqa: RUF012


def select(module: Any, suite: str) -> None:
    """Replace the rows of the lists that peft's tests are parametrised with."""
    if suite == "methods":
        from methods_rows import METHODS, MULTIPLE, ROWS_OF_METHODS

        module.TEST_CASES[:] = ROWS_OF_METHODS
        module.MULTIPLE_ACTIVE_ADAPTERS_TEST_CASES[:] = MULTIPLE
        module.ALL_PEFT_CONFIG_CLASSES[:] = METHODS
        return
    for name in ROWS:
        rows = getattr(module, name)
        rows[:] = [row for row in rows if row[2] is peft.LoraConfig]
    module.ALL_PEFT_CONFIG_CLASSES[:] = [peft.LoraConfig]


def fuse_every_wrapping() -> None:
    """Make each wrapping, by whichever function of peft, end with `kernels.enable`."""
    from scionwood import kernels

    def enabled(inject: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inject)
        def run(self: Any, model: torch.nn.Module, *args: Any, **options: Any) -> Any:
            value = inject(self, model, *args, **options)
            kernels.enable(model)
            return value

        return run

    BaseTuner.inject_adapter = enabled(BaseTuner.inject_adapter)


class Unsettled:
    """Fill the adapters of our methods with random values where peft's tests ask for it.

    Those tests pass `init_weights=False` to peft's methods, an option that ours do not have.
    """

    wanted = False

    def __init__(self) -> None:
        from methods_rows import UNMERGEABLE

        self.unmergeable = UNMERGEABLE

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.wanted = "TestMultipleActiveAdapters" in item.nodeid

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Any:
        """Skip a test that merges a method which declares that it cannot be merged."""
        try:
            return (yield)
        except NotImplementedError as error:
            if pyfuncitem.callspec.params["config_cls"] in self.unmergeable:
                pytest.skip(f"not mergeable: {error}")
            raise

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for module in {item.getparent(pytest.Module).obj for item in session.items}:  # type: ignore[union-attr]
            self._patch(module)
        inject = BaseTuner.inject_adapter

        @wraps(inject)
        def run(tuner: Any, model: torch.nn.Module, name: str, *args: Any, **options: Any) -> Any:
            value = inject(tuner, model, name, *args, **options)
            if self.wanted:
                _fill(tuner, name)
            return value

        BaseTuner.inject_adapter = run

    def _patch(self, module: Any) -> None:
        peft_own = module.set_init_weights_false

        def set_init_weights_false(config_cls: type, kwargs: dict[str, Any]) -> dict[str, Any]:
            if not _is_ours(config_cls):
                return peft_own(config_cls, kwargs)  # type: ignore[no-any-return]
            self.wanted = True
            return kwargs.copy()

        module.set_init_weights_false = set_init_weights_false


def _fill(tuner: Any, name: str) -> None:
    """Fill what trains of one adapter; it must be active to tell what trains."""
    before = list(tuner.active_adapters)
    tuner.set_adapter(name)
    for key, parameter in tuner.named_parameters():
        own = parameter.requires_grad and tuner.prefix in key
        if own and parameter.device.type != "meta":
            torch.nn.init.normal_(parameter, std=0.2)
    tuner.set_adapter(before)


def _is_ours(config_cls: Any) -> bool:
    return config_cls.__module__.startswith("scionwood_methods")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed or (report.when == "call") or (report.when == "setup" and report.skipped):
        crash = getattr(report.longrepr, "reprcrash", None)
        message = crash.message if crash else str(report.longrepr or "")
        name = report.nodeid.partition("::")[2]
        results[name] = (report.outcome, message if report.failed else "")


def pytest_sessionfinish(session: pytest.Session) -> None:
    out = session.config.getoption("--peft-suite-out")
    if out:
        out.write_text(json.dumps(results, indent=1))
