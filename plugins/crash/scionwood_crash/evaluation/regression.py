"""Baselines for the maximum intrusion: regressions of scikit-learn on a few numbers of a part.

They need no mesh and no graphics card. A network must beat them to be worth its training.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, final, get_args

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from scionwood_crash.data.encode import Encoded
from scionwood_crash.evaluation.metrics import intrusion
from scionwood_crash.model.graph import CONDITIONS
from scionwood_crash.parts.strength import NUMBERS

Baseline = Literal["ridge", "log-ridge", "Gaussian process", "nearest neighbour"]
BASELINES: tuple[Baseline, ...] = get_args(Baseline)


@final
class Regression:
    """A regression of the maximum intrusion.

    `ridge` and `log-ridge` use the eight strength numbers, see `parts.strength`; the latter fits
    the logarithm of the intrusion. The Gaussian process and the nearest neighbour use all
    conditions of a part. All standardise their inputs.

    Args:
        name: the baseline.

    Example:
        >>> Regression("ridge").name
        'ridge'
    """

    def __init__(self, name: Baseline) -> None:
        self.name = name
        self.strength = name in ("ridge", "log-ridge")
        self.model: Any = _MODELS[name]()

    def fit(self, parts: Sequence[Encoded], values: np.ndarray | None = None) -> Regression:
        """Fit the regression to parts with known displacements.

        Args:
            parts: two or more.
            values: (part,), what to predict; `None` means the maximum intrusion.
        """
        with warnings.catch_warnings():  # a length or a noise at its bound is a valid choice
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(self._numbers(parts), deepest(parts) if values is None else values)
        return self

    def predict(self, parts: Sequence[Encoded]) -> np.ndarray:
        """Return what was fitted for each part, (part,): by default the maximum intrusion, mm."""
        return np.asarray(self.model.predict(self._numbers(parts)), np.float64)

    def _numbers(self, parts: Sequence[Encoded]) -> np.ndarray:
        rows = np.stack([part.graph.condition[0].double().numpy() for part in parts])
        return rows[:, CONDITIONS - NUMBERS : CONDITIONS] if self.strength else rows


def deepest(parts: Sequence[Encoded]) -> np.ndarray:
    """Return the simulated maximum intrusion of each part, (part,), mm."""
    return np.array([float(intrusion(part.displacement, part.graph).max()) for part in parts])


def left_out(parts: Sequence[Encoded]) -> dict[str, float]:
    """Return the mean error of the intrusion of each baseline, leaving one part out, percent.

    Args:
        parts: three or more, with known displacements.
    """
    true, errors = deepest(parts), {}
    for name in BASELINES:
        predictions = [
            Regression(name).fit([*parts[:at], *parts[at + 1 :]]).predict(parts[at : at + 1])[0]
            for at in range(len(parts))
        ]
        errors[str(name)] = float(100 * np.mean(np.abs(np.array(predictions) - true) / true))
    return errors


def _logarithmic(model: Any) -> Any:
    return TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp)


def _ridge() -> Any:
    return make_pipeline(StandardScaler(), Ridge(1.0))


def _gaussian_process() -> Any:
    kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(8.0, (1.0, 1e3), nu=2.5)
    process = GaussianProcessRegressor(
        kernel + WhiteKernel(1e-2, (1e-5, 1.0)), normalize_y=True, random_state=0
    )
    return _logarithmic(make_pipeline(StandardScaler(), process))


_MODELS: dict[Baseline, Callable[[], Any]] = {
    "ridge": _ridge,
    "log-ridge": lambda: _logarithmic(_ridge()),
    "Gaussian process": _gaussian_process,
    "nearest neighbour": lambda: make_pipeline(StandardScaler(), KNeighborsRegressor(1)),
}
