"""Metrics of a denoised gather: fidelity if a reference is known, and leakage in any case.

Leakage is signal in the removed part. Measuring it needs no reference. Low leakage alone proves
nothing, since the unprocessed input has none; read it together with the energy removed.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from scionwood_seismic import kernels

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The weights of the five scales, Wang et al., 2003, section 3.2."""


def snr(clean: Tensor, estimate: Tensor) -> Tensor:
    """Return the SNR `10 log10(|s|^2 / |s - e|^2)` of each gather, dB.

    Args:
        clean: (..., trace, time), s.
        estimate: the same shape, e.

    Returns:
        (...), dB; infinite if the two are equal.
    """
    energy = clean.square().sum((-2, -1))
    return 10 * torch.log10(energy / (clean - estimate).square().sum((-2, -1)))


def psnr(clean: Tensor, estimate: Tensor) -> Tensor:
    """Return `10 log10(R^2 / MSE)`, dB, with R the peak-to-peak amplitude of `clean`.

    Shapes are those of `snr`.
    """
    error = (clean - estimate).square().mean((-2, -1))
    return 10 * torch.log10(_range(clean).square() / error)


def ms_ssim(clean: Tensor, estimate: Tensor, *, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Return the multi-scale structural similarity of each gather; it is differentiable.

    A small gather uses fewer than five scales, so that the coarsest one has at least `window`
    samples; the weights are then rescaled to sum to 1. A gather smaller than the window reduces the
    window. The dynamic range is the peak-to-peak amplitude of `clean`.

    Args:
        clean: (..., trace, time).
        estimate: the same shape.
        window: size of the Gaussian window, samples.
        sigma: standard deviation of the window, samples.

    Returns:
        (...), 1 for equal gathers and less otherwise.

    Source: Wang, Simoncelli and Bovik, 2003, doi 10.1109/ACSSC.2003.1292216, equation 7.
    """
    smallest = min(clean.shape[-2:])
    window = min(window, smallest - 1 + smallest % 2)
    scales = min(len(SCALES), 1 + int(math.log2(smallest / window)))
    weights = [w / sum(SCALES[:scales]) for w in SCALES[:scales]]
    span = _range(clean).detach().clamp_min(torch.finfo(clean.dtype).tiny)[..., None, None]
    x, y = clean / span, estimate / span
    total = torch.ones(clean.shape[:-2], dtype=clean.dtype, device=clean.device)
    for level, weight in enumerate(weights):
        luminance, structure = _ssim_terms(x, y, window, sigma)
        last = level == scales - 1
        term = (luminance * structure if last else structure).mean((-2, -1))
        # The structure may be negative, which has no real power to a fraction; at 0 the power has
        # an infinite gradient.
        total = total * term.clamp_min(1e-6) ** weight
        x, y = (x, y) if last else (_halve(x), _halve(y))
    return total


def ms_ssim_residual(noisy: Tensor, estimate: Tensor) -> Tensor:
    """Return MS-SSIM-R, the similarity of the removed part and the input; lower means less leakage.

    The value also rises with the share of noise in the input, so compare methods on the same gather
    only. Shapes are those of `snr`.
    """
    return ms_ssim(noisy, noisy - estimate)


def amplitude_ratio(clean: Tensor, estimate: Tensor) -> Tensor:
    """Return RMS(estimate) over RMS(clean), ideally 1. Shapes are those of `snr`."""
    power = estimate.square().mean((-2, -1)) / clean.square().mean((-2, -1))
    return power.sqrt()


def kurtosis(x: Tensor) -> Tensor:
    """Return the excess kurtosis `E[z^4] - 3` of each gather.

    It is 0 for Gaussian and for constant samples. For the removed part it measures the deviation
    from Gaussian noise: signal, spikes and bursts raise it.

    Args:
        x: (..., trace, time).

    Returns:
        (...), float64 for float64 and float32 otherwise; see `kernels.moments` for the gradient.
    """
    return kernels.kurtosis(x, (-2, -1))


def leakage(noisy: np.ndarray, estimate: np.ndarray) -> dict[str, float]:
    """Return the measures of one gather that need no reference.

    Args:
        noisy: the input, (trace, time).
        estimate: the denoised gather.

    Returns:
        `energy removed` (share of that of the input), `local similarity` (mean), `MS-SSIM-R`, and
        `kurtosis` of the removed part. All of them are 0 if nothing was removed.
    """
    unit = float(np.sqrt(np.mean(np.square(noisy, dtype=np.float64)))) or 1.0
    x, y = (torch.from_numpy(np.asarray(a, dtype=np.float64) / unit) for a in (noisy, estimate))
    removed = x - y
    if not removed.any():
        return dict.fromkeys(("energy removed", "local similarity", "MS-SSIM-R", "kurtosis"), 0.0)
    return {
        "energy removed": float(removed.square().sum() / x.square().sum()),
        "local similarity": float(local_similarity(y, removed).mean()),
        "MS-SSIM-R": float(ms_ssim_residual(x, y)),
        "kurtosis": float(kurtosis(removed)),
    }


def local_similarity(first: Tensor, second: Tensor, *, radius: int = 8, steps: int = 20) -> Tensor:
    """Return the local similarity of two gathers, near 0 if unrelated and 1 if proportional.

    The similarity is `sqrt(|c1 c2|)`, with the local ratios `c1 = argmin |b - c a|^2` and
    `c2 = argmin |a - c b|^2`. Shaping regularisation with a triangle smoother keeps them smooth.
    Between the denoised and the removed part it shows leakage.

    Args:
        first: a, (..., trace, time).
        second: b, the same shape.
        radius: radius of the triangle smoother along both axes, samples.
        steps: steps of conjugate gradients.

    Returns:
        (..., trace, time) in [0, 1].

    Source: Fomel, 2007, Geophysics 72(3), A29, equations 6 to 9, doi 10.1190/1.2437573; for
    leakage, Chen and Fomel, 2015, doi 10.1190/geo2014-0227.1.
    """
    a, b = first.double(), second.double()
    c1 = _smooth_ratio(a, b, radius, steps)
    c2 = _smooth_ratio(b, a, radius, steps)
    return (c1 * c2).abs().sqrt().clamp_max(1).to(first.dtype)


def _range(x: Tensor) -> Tensor:
    return x.amax((-2, -1)) - x.amin((-2, -1))


def _ssim_terms(x: Tensor, y: Tensor, window: int, sigma: float) -> tuple[Tensor, Tensor]:
    """Return luminance and contrast-structure at unit range (Wang et al., 2003, eq. 1 to 3)."""
    # (K1 L)^2 and (K2 L)^2 for the range L = 1; they keep the ratios finite in flat windows.
    k1, k2 = 0.01**2, 0.03**2
    rows, columns = (_gaussian(n, window, sigma).to(x) for n in x.shape[-2:])
    stack = torch.stack([x, y, x * x, y * y, x * y])
    mx, my, xx, yy, xy = rows @ stack @ columns.T
    luminance = (2 * mx * my + k1) / (mx * mx + my * my + k1)
    # var = E[x^2] - E[x]^2; unit range keeps the difference accurate.
    contrast = xx - mx * mx + yy - my * my
    return luminance, (2 * (xy - mx * my) + k2) / (contrast + k2)


def _gaussian(n: int, window: int, sigma: float) -> Tensor:
    """Return the (n - window + 1, n) matrix of a Gaussian filter without padding.

    On a CPU, multiplying by a band matrix is several times faster than a one-channel convolution.
    """
    k = torch.exp(-((torch.arange(window) - window // 2) ** 2) / (2 * sigma**2))
    offset = torch.arange(n)[None] - torch.arange(n - window + 1)[:, None]
    inside = (offset >= 0) & (offset < window)
    return torch.where(inside, (k / k.sum())[offset.clamp(0, window - 1)], 0.0)


def _halve(x: Tensor) -> Tensor:
    flat = x.reshape(-1, 1, *x.shape[-2:])
    return F.avg_pool2d(flat, 2).reshape(*x.shape[:-2], x.shape[-2] // 2, x.shape[-1] // 2)


def _smooth(x: Tensor, radius: int) -> Tensor:
    """Apply a triangle smoother along both axes with reflection at the ends; it is symmetric.

    It consists of two running means. Each is the difference of two cumulative sums, so the cost
    does not depend on the radius.
    """
    for axis in (-2, -1):
        n = x.shape[axis]
        # Indices of a signal that is mirrored at both ends, with period 2 n.
        at = torch.arange(1 - radius, n + radius - 1, device=x.device) % (2 * n)
        x = x.index_select(axis, torch.where(at < n, at, 2 * n - 1 - at))
        for _ in range(2):
            total = F.pad(x, (1, 0) if axis == -1 else (0, 0, 1, 0)).cumsum(axis)
            size = total.shape[axis] - radius
            x = (total.narrow(axis, radius, size) - total.narrow(axis, 0, size)) / radius
    return x


def _smooth_ratio(a: Tensor, b: Tensor, radius: int, steps: int) -> Tensor:
    """Return `c = H [l I + H (a^2 - l) H]^-1 H (a b)`, l = mean(a^2), by conjugate gradients."""
    tiny = torch.finfo(a.dtype).tiny
    level = _mean(a * a).clamp_min(tiny)
    c = torch.zeros_like(a)
    residual = _smooth(a * b, radius)
    direction, energy = residual, _mean(residual * residual)
    for _ in range(steps):
        shaped = _smooth((a * a - level) * _smooth(direction, radius), radius)
        image = level * direction + shaped
        step = energy / _mean(direction * image).clamp_min(tiny)
        c, residual = c + step * direction, residual - step * image
        previous, energy = energy, _mean(residual * residual)
        direction = residual + energy / previous.clamp_min(tiny) * direction
    return _smooth(c, radius)


def _mean(x: Tensor) -> Tensor:
    return x.mean((-2, -1), keepdim=True)
