"""Class names of the MedMNIST data sets; their archives hold numbers only."""

from __future__ import annotations

import re
from pathlib import Path

_ORGANS = (
    "bladder",
    "left femur",
    "right femur",
    "heart",
    "left kidney",
    "right kidney",
    "liver",
    "left lung",
    "right lung",
    "pancreas",
    "spleen",
)

NAMES: dict[str, tuple[str, ...]] = {
    "adrenalmnist3d": ("normal adrenal gland", "adrenal hyperplasia"),
    "bloodmnist": (
        "basophil",
        "eosinophil",
        "erythroblast",
        "immature granulocyte",
        "lymphocyte",
        "monocyte",
        "neutrophil",
        "platelet",
    ),
    "breastmnist": ("malignant breast tumour", "normal or benign breast"),
    "dermamnist": (
        "actinic keratosis or intraepithelial carcinoma",
        "basal cell carcinoma",
        "benign keratosis-like lesion",
        "dermatofibroma",
        "melanoma",
        "melanocytic nevus",
        "vascular lesion",
    ),
    "fracturemnist3d": (
        "buckle rib fracture",
        "nondisplaced rib fracture",
        "displaced rib fracture",
    ),
    "nodulemnist3d": ("benign lung nodule", "malignant lung nodule"),
    "octmnist": ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    "organamnist": _ORGANS,
    "organcmnist": _ORGANS,
    "organsmnist": _ORGANS,
    "organmnist3d": (
        "liver",
        "right kidney",
        "left kidney",
        "right femur",
        "left femur",
        "bladder",
        "heart",
        "right lung",
        "left lung",
        "spleen",
        "pancreas",
    ),
    "pathmnist": (
        "adipose tissue",
        "background",
        "debris",
        "lymphocytes",
        "mucus",
        "smooth muscle",
        "normal colon mucosa",
        "cancer-associated stroma",
        "colorectal adenocarcinoma epithelium",
    ),
    "pneumoniamnist": ("normal", "pneumonia"),
    "retinamnist": tuple(f"diabetic retinopathy of grade {grade}" for grade in range(5)),
    "synapsemnist3d": ("inhibitory synapse", "excitatory synapse"),
    "tissuemnist": (
        "collecting duct or connecting tubule",
        "distal convoluted tubule",
        "glomerular endothelial cells",
        "interstitial endothelial cells",
        "leukocytes",
        "podocytes",
        "proximal tubule segments",
        "thick ascending limb",
    ),
    "vesselmnist3d": ("healthy vessel", "aneurysm"),
}
"""Class names in the order of their numbers: `info.py` of MedMNIST 3.0, worded for prompts."""


def names_of(path: Path) -> tuple[str, ...] | None:
    """Return the class names of an archive by its file name, such as `dermamnist_224.npz`.

    Args:
        path: the archive.

    Returns:
        The names in the order of their numbers, or `None` if the file name is unknown.
    """
    return NAMES.get(re.sub(r"_\d+$", "", path.stem))
