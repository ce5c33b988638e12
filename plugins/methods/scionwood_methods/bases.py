"""Records of pretrained weights of fields without a plugin, for studies of adapter methods."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import Base, load_tensors

if TYPE_CHECKING:
    from torch import Tensor

_DEEPCR = partial(
    Base,
    field="astronomy",
    licence="BSD-3-Clause",
    commercial="yes",
    package="deepCR==0.3.1",
    archive="deepCR-0.3.1.tar.gz",
    size=6_479_362,
    contract="one channel of an image in electrons, the sky level kept, over its deviation",
    layout="46:7dc1a3edb49bfa5a",
    probe="scionwood_methods.bases:deepcr",
)
_ADMET = partial(
    Base,
    field="molecules",
    seen="yes: most small public benchmark sets of molecules",
    licence="MIT",
    commercial="yes",
    package="admet-ai==2.0.1",
    archive="admet_ai-2.0.1-py3-none-any.whl",
    size=14_311_533,
    contract="a SMILES as chemprop's default graph: 72 atom and 14 bond features",
)

BASES = {
    "deeplc": Base(
        title="DeepLC multitask: when a peptide leaves the column",
        field="proteomics",
        trained_on="6,543 named runs of liquid chromatography",
        seen="unknown: runs of the same series of instruments may be among the names in the file",
        parameters=2_564_718,
        licence="Apache-2.0",
        commercial="yes",
        package="deeplc==4.5.0",
        archive="deeplc-4.5.0-py3-none-any.whl",
        size=42_634_925,
        files={
            "deeplc/package_data/models/multitask_flexcnn_model.pt": (
                "2e131965a3558b5fd17c6f59ff20d817d235e642748234b56f5d873e44bbd31e"
            )
        },
        contract="composition 60 x 6 (C, H, N, O, S, P), 67 global features, residues one-hot "
        "60 x 20; minutes",
        layout="24:63fd007ebbb33e7e",
        probe="scionwood_methods.bases:deeplc",
        outputs=(243.963, 1065.01, 463.438, 310.21, 438.381, 899.924, 391.598, -396.161),
    ),
    "deepcr-acs-wfc": _DEEPCR(
        title="deepCR, cosmic rays in images of HST ACS/WFC",
        trained_on="HST ACS/WFC, by the name of the file",
        parameters=101_473,
        files={
            "learned_models/mask/ACS-WFC.pth": (
                "0075cef7a8b72f3ecf449cac3793d3446720a97fc0ba812fb29863a9be1e7ace"
            )
        },
        outputs=(
            3.72324e-05,
            0.000497121,
            0.000328184,
            1.90335e-10,
            2.05634e-09,
            1.64714e-10,
            3.66663e-10,
            0.000145561,
        ),
    ),
    "deepcr-decam": _DEEPCR(
        title="deepCR, cosmic rays in images of DECam",
        trained_on="DECam, by the name of the file",
        parameters=101_473,
        files={
            "learned_models/mask/decam.pth": (
                "686de2afab28d13b2bff3c418ecf017d0b290ca5e8c811ef71f673ce12230815"
            )
        },
        outputs=(
            0.00898773,
            0.0853738,
            0.000820901,
            0.000145398,
            0.00201647,
            0.000141504,
            0.000148338,
            0.000686116,
        ),
    ),
    "admet-regression": _ADMET(
        title="ADMET-AI, ten properties of molecules as numbers",
        trained_on="10 ADMET sets of the Therapeutics Data Commons",
        parameters=321_010,
        files={
            "admet_ai/resources/models/admet_regression/model_0.pt": (
                "c709dc4526dc7f6cf39cea64190f63adbb2b95e280d34582c492fc53da64a1a4"
            )
        },
        layout="18:2b36c5f9566b9a0d",
    ),
    "admet-classification": _ADMET(
        title="ADMET-AI, 31 properties of molecules as classes",
        trained_on="31 ADMET sets of the Therapeutics Data Commons",
        parameters=327_331,
        files={
            "admet_ai/resources/models/admet_classification/model_0.pt": (
                "9a5fb298a6564e8ef739890c90b02e831521073f49eefd2310fb56cdb61a2378"
            )
        },
        layout="14:0f6a51744d7a0e0e",
    ),
}


def deeplc(path: Path) -> Tensor:
    """Return the shared factors and times of two fixed peptides, which verify the file.

    Args:
        path: multitask_flexcnn_model.pt.

    Raises:
        ImportError: deeplc is not installed.
    """
    import torch
    from deeplc._model_ops import load_model

    network = load_model(path, device="cpu").eval()  # strict, and with weights_only
    shapes = ((2, 60, 6), (2, 30, 6), (2, 67), (2, 60, 20))
    parts = [torch.linspace(0, 9, torch.Size(s).numel()).sin().abs().view(s) for s in shapes]
    residues = torch.nn.functional.one_hot(torch.arange(120).view(2, 60) % 20, 20).float()
    answer: Tensor = network(*parts[:3], residues)
    return answer


def deepcr(path: Path) -> Tensor:
    """Return the mask of a fixed image, which verifies a file of deepCR.

    Args:
        path: the file of a mask.

    Raises:
        ImportError: deepCR is not installed.
    """
    import torch
    from deepCR.unet_batchnorm import UNet2SigmoidBatchNorm, WrappedModel

    network = WrappedModel(UNet2SigmoidBatchNorm(1, 1, 32))
    network.load_state_dict(load_tensors(path), strict=True)
    image = torch.linspace(0, 90, 64 * 64).sin().view(1, 1, 64, 64)
    image[..., 20:22, 30:40] += 50  # a track
    answer: Tensor = network.eval()(image)
    return answer
