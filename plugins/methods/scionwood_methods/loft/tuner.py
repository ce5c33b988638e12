"""LOFT: a trained rotation of the input of a weight, inside a frozen low-rank support."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, final, get_args

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from scionwood import AdapterError
from scionwood.authoring import peft_method
from scionwood_methods.shared.config import MethodConfig
from scionwood_methods.shared.generated import Generated, through
from scionwood_methods.shared.layers import AdapterLayer, MethodTuner, working_dtype
from scionwood_methods.shared.support import is_linear

Kind = Literal["principal", "gradient", "random", "coordinate"]


@final
class Support(nn.Module):
    """The support P of one adapter. It is saved, because not every kind can be computed again.

    Args:
        basis: (in, r) with orthonormal columns, or zeros if the support is not known yet.
        known: whether the support is known.
    """

    basis: Tensor

    def __init__(self, basis: Tensor, *, known: bool) -> None:
        super().__init__()
        self.register_buffer("basis", basis)
        self.known = known

    def fill(self, basis: Tensor) -> None:
        """Set the basis.

        Args:
            basis: (in, r) with orthonormal columns.
        """
        self.basis.copy_(basis)
        self.known = True

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *arguments: Any) -> None:
        super()._load_from_state_dict(state, prefix, *arguments)
        basis = state.get(prefix + "basis")
        self.known = self.known or (basis is not None and bool(basis.any()))


@final
class LoftLayer(AdapterLayer):
    """`y = base(x + P (T - I) P^T x')`, `T = (I + Q)(I - Q)^-1`, `Q` skew, `x' = dropout(x)`.

    The weight of a convolution is treated as the matrix (out, in / groups * kernel).
    """

    loft_orth_Q: Any
    loft_orth_support: Any
    adapter_layer_names = ("loft_orth_Q",)
    other_param_names = (*AdapterLayer.other_param_names, "loft_orth_support")

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        self.loft_orth_Q, self.loft_orth_support = nn.ParameterDict(), nn.ModuleDict()

    def update_layer(self, name: str, config: MethodConfig) -> None:
        """Add an adapter. The support is made last, so that it stays in float32."""
        assert isinstance(config, LoftConfig)
        super().update_layer(name, config)
        matrix = self.matrix(name)
        # A saved adapter brings its support, so that loading needs no SVD.
        has_support = config.support != "gradient" and not config.inference_mode
        basis = (
            support_of(matrix, config.r, config.support)
            if has_support
            else matrix.new_zeros(matrix.shape[1], config.r)
        )
        self.loft_orth_support[name] = Support(basis, known=has_support)

    def build(self, name: str, config: LoftConfig) -> None:
        """Create the entries of Q above its diagonal, all zero, so that T is the identity."""
        rows, fan_in = self.matrix(name).shape
        limit = min(rows, fan_in) if config.support == "principal" else fan_in
        if config.r > limit:
            rule = f"the support {config.support!r} of this weight has at most {limit} dimensions"
            raise AdapterError(f"r={config.r} of a weight {(rows, fan_in)}", rule, "Lower r")
        self.loft_orth_Q[name] = nn.Parameter(torch.zeros(config.r * (config.r - 1) // 2))

    def adapted(self, x: Tensor, names: list[str]) -> Tensor:
        """Return the output; a linear layer receives the rotated input and runs once."""
        base = self.base_layer
        chosen = [self.slices[name] for name in names]
        if not is_linear(base) or any(slices.chosen < slices.features for slices in chosen):
            return super().adapted(x, names)
        # Every adapter rotates the original input: the changes add up, as peft's active adapters
        # do, and their order does not matter.
        inner = x.to(working_dtype(x))
        for name in names:
            x = x + (self._rotation_change(name, inner) @ self._basis(name, inner).mT).to(x.dtype)
        out: Tensor = base(x)
        return out

    def change(self, name: str, x: Tensor) -> Tensor:
        """See `AdapterLayer.change`."""
        if is_linear(self.base_layer):
            # y - base(x) = W P (T - I) P^T x'.
            weight = self._rotated(name).reading().to(x.dtype)
            return F.linear(self._rotation_change(name, x), weight)
        dropped = self.dropout[name](x)
        return through(self.base_layer, dropped, self._rotated(name), self.turn(name))

    def delta(self, name: str) -> Tensor:
        """See `AdapterLayer.delta`."""
        turn = self.turn(name)
        return self._rotated(name).build(turn.dtype, turn)

    def turn(self, name: str) -> Tensor:
        """Return T - I = 2 Q (I - Q)^-1, which is exactly zero if Q is zero.

        Returns:
            (r, r) in float32 or float64.
        """
        size = self.loft_orth_support[name].basis.shape[1]
        upper = self.loft_orth_Q[name]
        upper = upper.to(torch.promote_types(upper.dtype, torch.float32))
        rows, cols = torch.triu_indices(size, size, 1, device=upper.device)
        half = upper.new_zeros(size, size).index_put((rows, cols), upper)
        skew = half - half.mT
        eye = torch.eye(size, dtype=skew.dtype, device=skew.device)
        with torch.autocast(upper.device.type, enabled=False):
            # Q is skew with imaginary eigenvalues, so I - Q is never singular. `left=False` solves
            # X (I - Q) = 2 Q. Half precision has no solver, hence no autocast.
            rotation: Tensor = torch.linalg.solve(eye - skew, 2 * skew, left=False)
        return rotation

    def matrix(self, name: str) -> Tensor:
        """Return the chosen rows of the frozen weight.

        Returns:
            (chosen, in / groups * kernel) in float32 or float64.
        """
        weight = self.slices[name].take(self.base_weight(), 0).flatten(1)
        wide: Tensor = weight.to(torch.promote_types(weight.dtype, torch.float32))
        return wide

    def _rotation_change(self, name: str, x: Tensor) -> Tensor:
        """Return (T - I) P^T x' for x (..., in)."""
        inside = self.dropout[name](x) @ self._basis(name, x)
        change: Tensor = inside @ self.turn(name).to(x.dtype).mT
        return change

    def _basis(self, name: str, x: Tensor) -> Tensor:
        support = self.loft_orth_support[name]
        if self.training and not support.known:
            rule = "training needs a support, which is computed from gradients first"
            remedy = "Call scionwood_methods.loft.calibration.calibrate, or choose another support"
            raise AdapterError(f"LOFT adapter {name!r} without a support", rule, remedy)
        basis: Tensor = support.basis.to(x.dtype)
        return basis

    def _rotated(self, name: str) -> _Rotated:
        weight = self.slices[name].take(self.base_weight(), 0)
        matrix = self.matrix(name)
        return _Rotated(matrix, self._basis(name, matrix), weight.shape)


@final
class LoftModel(MethodTuner):
    """The tuner of LOFT."""

    prefix = "loft_orth_"
    tuner_layer_cls = LoftLayer


@peft_method("loft_orth", tuner=LoftModel)
@final
@dataclass
class LoftConfig(MethodConfig):
    """Low-rank orthogonal fine-tuning: `W = W0 (I + P (T - I) P^T)`, T orthogonal, P frozen.

    The input of W is rotated inside the span of P and unchanged outside of it. `principal` is
    PSOFT without its magnitudes, and `coordinate` is OFT with one block. This is a reconstruction
    from the abstract, because the full paper could not be read.

    Trainable parameters of a layer: r (r - 1) / 2, whatever its size. The file also holds P.

    Shapes: x (..., in) or (batch, in, *size), float; P (in, r), Q and T (r, r).

    Args:
        r: the dimension of the support; even for `gradient`, whose directions come in pairs.
        support: the span of P. `principal`: the leading right singular vectors of W0. `gradient`:
            the leading singular vectors of `Skew(W0^T G)`, with G the gradient of the loss;
            `scionwood_methods.loft.calibration.calibrate` computes them before training.
            `random`: a uniformly random subspace. `coordinate`: the r inputs whose columns of W0
            have the largest norms.
        dropout: acts on the input of the rotation, never on the input of the frozen weight.

    Source: arXiv 2605.11872, abstract only; the Cayley map as in peft's PSOFT and OFT.
    Convolutions are an extension of this package.
    """

    r: int = 8
    support: Kind = "principal"

    def __post_init__(self) -> None:
        """Check the support and its dimension.

        Raises:
            AdapterError: the kind is unknown, or r cannot be the dimension of a rotation.
        """
        super().__post_init__()
        if self.support not in get_args(Kind):
            rule = f"it must be one of {', '.join(get_args(Kind))}"
            raise AdapterError(f"support={self.support!r}", rule)
        if self.r < 2:
            raise AdapterError(f"r={self.r}", "a rotation needs at least 2 dimensions", "Raise r")
        if self.support == "gradient" and self.r % 2:
            rule = "the singular values of a skew matrix come in pairs"
            raise AdapterError(f"r={self.r} with support='gradient'", rule, "Choose an even r")

    @property
    def scale(self) -> float:
        """The factor 1: a rotation is not scaled."""
        return 1.0


def support_of(matrix: Tensor, r: int, kind: Kind) -> Tensor:
    """Return a support that needs no gradient.

    Args:
        matrix: (out, in), float32 or float64.
        r: the dimension of the support.
        kind: any kind except `gradient`.

    Returns:
        P (in, r) with orthonormal columns.
    """
    if kind == "principal":
        _, _, vh = torch.linalg.svd(matrix, full_matrices=False)
        basis: Tensor = vh[:r].mT.contiguous()
    elif kind == "random":
        noise = torch.randn(matrix.shape[1], r, dtype=matrix.dtype, device=matrix.device)
        basis = torch.linalg.qr(noise).Q.contiguous()
    else:
        # Column j of W0 reads input j; a rotation of inputs that W0 ignores would change nothing.
        places = matrix.norm(dim=0).topk(r).indices
        basis = F.one_hot(places, matrix.shape[1]).to(matrix.dtype).mT.contiguous()
    return basis


@final
class _Rotated(Generated):
    """`(W P) (T - I) P^T` as a function of T - I."""

    def __init__(self, matrix: Tensor, basis: Tensor, shape: torch.Size) -> None:
        self.matrix, self.basis, self.shape = matrix, basis, shape

    def reading(self) -> Tensor:
        """Return W P, (out, r)."""
        return self.matrix @ self.basis

    def build(self, dtype: torch.dtype, *parameters: Tensor) -> Tensor:
        """Return the change of the weight."""
        (turn,) = parameters
        return (self.reading() @ turn @ self.basis.mT).view(self.shape).to(dtype)

    def pull(self, gradient: Tensor, *parameters: Tensor) -> tuple[Tensor | None, ...]:
        """See `Generated.pull`."""
        flat = gradient.flatten(1).to(self.matrix.dtype)
        return (self.reading().mT @ flat @ self.basis,)
