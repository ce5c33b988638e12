"""The backbone `biomed/clip`."""

from __future__ import annotations

from scionwood_biomed.model.load import load
from scionwood_biomed.model.towers import ClipBackbone


def clip(
    *,
    model: str = "tiny",
    weights: str | None = None,
    train_projection: bool = False,
    init_seed: int = 0,
) -> ClipBackbone:
    """Load a two-tower model of open_clip, such as BiomedCLIP, OpenAI's CLIP or SigLIP.

    For BiomedCLIP use `model: microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224`, or the
    folder into which it was downloaded. A folder is loaded without the network if `hf_model_name`
    and `hf_tokenizer_name` in its `open_clip_config.json` are folders too.

    Args:
        model: `tiny` (random weights, the architecture of BiomedCLIP), a folder, a name on the hub,
            or an architecture of open_clip.
        weights: weights of an architecture: a tag of open_clip, or a file; `None` means random.
        train_projection: also train the layer from image features to the space of texts, beside
            the adapter; for towers that were not trained together.
        init_seed: seed of random weights.

    Shapes: image (batch, 3, size, size) float32 and tokens (text, token) int64 to (batch, text).

    Units: images from 0 (black) to 1 (white); the result is logits, whose softmax over the texts
        gives probabilities.

    Raises:
        WeightsError: no model can be loaded by this name.
        AdapterError: the projection should train, and the vision tower has none.

    Source: Radford et al. 2021, arXiv:2103.00020; Zhang et al. 2023, arXiv:2303.00915 (BiomedCLIP);
        Ilharco et al. 2021 (open_clip).
    """
    origin = "random, seeded" if model == "tiny" else (weights or "those of the model")
    card = {
        "architecture": f"open_clip, {model.rstrip('/').rpartition('/')[2]}",
        "weights": origin,
        "licence": "none (random weights)" if model == "tiny" else "see the model's own card",
    }
    loaded = load(model, weights=weights, seed=init_seed)
    return ClipBackbone(loaded, card, train_projection=train_projection)
